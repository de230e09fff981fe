//! The logs by themselves, and against what was ever sent.

use std::collections::{HashMap, HashSet};

use super::super::history::{Ask, History, What};
use super::fault::{About, Fault, Verdict};
use super::log::Logs;

pub(super) fn check(history: &History, logs: &Logs<'_>, faults: &mut Vec<Fault>) {
    let mut said: HashMap<&str, HashSet<(&str, &str)>> = HashMap::new();
    for event in &history.events {
        if let What::Invoke { device, ask: Ask::Send { conversation, id }, .. } = &event.what {
            let user = &history.run.devices[*device].user;
            said.entry(conversation).or_default().insert((user, id));
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
        for entry in log.entries.iter().filter(|entry| entry.is_message()) {
            let about = || About::of(conversation, [entry.seq]).and_sent(&entry.from, &entry.id);
            if !said.get(conversation).is_some_and(|said| said.contains(&(&entry.from, &entry.id))) {
                let text = format!(
                    "{conversation} has {} as {} of {}, who never sent it",
                    entry.id, entry.seq, entry.from
                );
                fault(Verdict::Stranger, about(), text);
            }
            if entry.altered {
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
