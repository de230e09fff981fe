//! How what was edited or deleted reads.
//!
//! The log has the truth: of the edits and deletions of an entry, the last one in it. Entries show how they read when they are
//! pushed or read; a device that follows what it is pushed has the truth in the end.

use std::collections::{HashMap, HashSet};

use super::super::history::{Answer, Entry, History, Reads, What};
use super::fault::{About, Fault, Verdict};
use super::log::{Log, Logs};

/// A device's texts: of each entry that was changed, how it reads, and by which entry that was learned.
type Texts<'a> = HashMap<(&'a str, u64), (u64, &'a Reads)>;

pub(super) fn check(history: &History, logs: &Logs<'_>, faults: &mut Vec<Fault>) {
    let truths: HashMap<&str, HashMap<u64, (u64, Reads)>> =
        logs.all().map(|(conversation, log)| (conversation, truth(log))).collect();
    for (conversation, log) in logs.all() {
        for entry in log.entries.iter().filter(|entry| entry.is_signed() && !entry.changes()) {
            let due = truths[conversation].get(&entry.seq);
            let now = entry.changed.zip(entry.reads.clone());
            if due.cloned() != now {
                let text = format!("in {conversation}, {} reads {now:?}, and should {due:?}", entry.seq);
                let seqs = [Some(entry.seq), due.map(|due| due.0)].into_iter().flatten();
                faults.push(Fault { verdict: Verdict::Reads, text, about: About::of(conversation, seqs) });
            }
        }
    }
    let mut devices: Vec<Texts<'_>> = history.run.devices.iter().map(|_| Texts::new()).collect();
    let mut had: Vec<HashSet<(&str, u64)>> = history.run.devices.iter().map(|_| HashSet::new()).collect();
    for event in &history.events {
        match &event.what {
            What::Pushed { device, entry, .. } => {
                shown(entry, logs, Some(*device), faults);
                let key = (entry.conversation.as_str(), entry.seq);
                if entry.is_logged()
                    && had[*device].insert(key)
                    && let Some(reads) = &entry.reads
                {
                    let (seq, by) = (entry.target.unwrap_or(entry.seq), entry.changed.unwrap_or(entry.seq));
                    devices[*device].insert((key.0, seq), (by, reads));
                } else if entry.kind == "delete"
                    && let Some(target) = entry.target
                {
                    devices[*device].insert((key.0, target), (entry.seq, &Reads::Gone));
                }
            }
            What::Heard { device, entry, .. } => shown(entry, logs, Some(*device), faults),
            What::Ok { answer: Answer::Page { entries }, .. } => {
                entries.iter().for_each(|entry| shown(entry, logs, None, faults));
            }
            _ => {}
        }
    }
    for (number, texts) in devices.iter().enumerate() {
        for ((conversation, seq), (by, reads)) in texts {
            let due = truths.get(conversation).and_then(|truth| truth.get(seq));
            if let Some((last, due)) = due
                && due != *reads
                && had[number].contains(&(conversation, *last))
            {
                let named = &history.run.devices[number];
                let (user, device) = (&named.user, &named.device);
                let text = format!(
                    "at {user}'s {device}, {seq} of {conversation} reads {reads:?}, as learned by {by}; it should, by {last}, {due:?}"
                );
                let about = About::of(conversation, [*seq, *by, *last]).and_device(number);
                faults.push(Fault { verdict: Verdict::Reads, text, about });
            }
        }
    }
}

/// How everything that was changed reads, and by which entry.
fn truth(log: &Log<'_>) -> HashMap<u64, (u64, Reads)> {
    let mut truth = HashMap::new();
    for entry in log.entries.iter().filter(|entry| entry.changes()) {
        let Some(target) = entry.target else { continue };
        let reads = if entry.kind == "delete" { Reads::Gone } else { Reads::As(entry.id.clone()) };
        truth.insert(target, (entry.seq, reads));
    }
    truth
}

/// What is shown as changed has to be so by what the log has.
fn shown(entry: &Entry, logs: &Logs<'_>, device: Option<usize>, faults: &mut Vec<Fault>) {
    let Entry { conversation, seq, .. } = entry;
    let (Some(reads), Some(log)) = (&entry.reads, logs.get(conversation)) else { return };
    let target = entry.target.filter(|_| entry.changes()).unwrap_or(*seq);
    let is_by = |by: &&&Entry| {
        by.target == Some(target)
            && entry.changed.is_none_or(|changed| changed == by.seq)
            && match reads {
                Reads::As(id) => by.kind == "edit" && by.id == *id,
                Reads::Gone => by.kind == "delete",
            }
    };
    if logs.is_old(conversation, *seq) || log.entries.iter().rev().find(is_by).is_some() {
        return;
    }
    let text = format!("{seq} of {conversation} was shown as {reads:?}, which nobody has made of it");
    let about = About::of(conversation, [*seq]);
    let about = device.map_or(about.clone(), |device| about.and_device(device));
    faults.push(Fault { verdict: Verdict::Reads, text, about });
}
