//! The logs by themselves, and against what was ever sent.

use std::collections::HashMap;

use super::super::history::{Ask, Entry, History, What};
use super::fault::{About, Fault, Verdict};
use super::log::Logs;

pub(super) fn check(history: &History, logs: &Logs<'_>, faults: &mut Vec<Fault>) {
    let mut said: HashMap<&str, HashMap<(&str, &str), &Ask>> = HashMap::new();
    for event in &history.events {
        if let What::Invoke { device, ask, .. } = &event.what
            && let Ask::Send { conversation, id, .. } = ask
        {
            let user = &history.run.devices[*device].user;
            said.entry(conversation).or_default().insert((user, id), ask);
        }
    }
    for (conversation, log) in logs.all() {
        let mut fault = |verdict, about, text| faults.push(Fault { verdict, text, about });
        for pair in log.entries.windows(2) {
            let (before, after) = (pair[0], pair[1]);
            let about = || About::of(conversation, [before.seq, after.seq]);
            if after.seq <= before.seq {
                let text = format!("in {conversation}, {} stands behind {}", after.seq, before.seq);
                fault(Verdict::Numbers, about(), text);
            } else if after.prev.is_some_and(|prev| prev != before.seq) {
                let text = format!(
                    "in {conversation}, {} says it comes after {}, and stands behind {}",
                    after.seq,
                    after.prev.unwrap_or_default(),
                    before.seq
                );
                fault(Verdict::Numbers, about(), text);
            }
        }
        for entry in log.entries.iter().filter(|entry| entry.is_signed()) {
            let about = || About::of(conversation, [entry.seq]).and_sent(&entry.from, &entry.id);
            let asked = said.get(conversation).and_then(|said| said.get(&(&*entry.from, &*entry.id)));
            if asked.is_none() {
                let text = format!(
                    "{conversation} has {} as {} of {}, who never sent it",
                    entry.id, entry.seq, entry.from
                );
                fault(Verdict::Stranger, about(), text);
            }
            if entry.altered || asked.is_some_and(|asked| !is_as_asked(entry, asked)) {
                let text = format!("in {conversation}, {} does not say what {} sent", entry.seq, entry.from);
                fault(Verdict::Altered, about(), text);
            }
        }
        for (sender, id, seqs) in log.sent().filter(|(_, _, seqs)| seqs.len() > 1) {
            let text = format!("{sender} has sent {id} once, and {conversation} has it as {seqs:?}");
            fault(Verdict::Doubled, About::of(conversation, seqs.iter().copied()).and_sent(sender, id), text);
        }
    }
}

/// Whether it is what its sender has asked for, as far as that does not change.
fn is_as_asked(entry: &Entry, asked: &Ask) -> bool {
    let Ask::Send { kind, target, mentions, .. } = asked else { return false };
    (kind, target, mentions) == (&entry.kind, &entry.target, &entry.mentions)
}
