//! What is unread at the end: the messages of others behind the last one that a user has read, or has said themselves.
//!
//! Judged are the counts that were asked for when all was calm, where servers answer them.

use std::collections::HashMap;

use super::super::history::{Answer, Ask, Entry, History, Unread, What};
use super::fault::{About, Fault, Verdict};
use super::log::{Log, Logs};

/// Of more unread mentions the newest count.
const MENTIONS_KEPT: usize = 100;

/// How far a user has read: for sure, and perhaps.
#[derive(Default, Clone, Copy)]
struct Read {
    surely: u64,
    perhaps: u64,
}

/// Returns whether there was anything to judge.
pub(super) fn check(history: &History, logs: &Logs<'_>, faults: &mut Vec<Fault>) -> bool {
    let mut read: HashMap<(&str, &str), Read> = HashMap::new();
    let mut calls: HashMap<u64, (&str, u64)> = HashMap::new();
    let (mut is_calm, mut has_unread) = (false, false);
    for event in &history.events {
        match &event.what {
            What::Calm => is_calm = true,
            What::Invoke { device, call, ask: Ask::Read { conversation, seq }, .. } => {
                let user = history.run.devices[*device].user.as_str();
                let read = read.entry((user, conversation)).or_default();
                read.perhaps = read.perhaps.max(*seq);
                calls.insert(*call, (conversation, *seq));
            }
            What::Ok { device, call, answer: Answer::Read } => {
                let user = history.run.devices[*device].user.as_str();
                if let Some((conversation, seq)) = calls.remove(call) {
                    let read = read.entry((user, conversation)).or_default();
                    read.surely = read.surely.max(seq);
                }
            }
            What::Ok { device, answer: Answer::Unread { conversations: Some(conversations) }, .. }
                if is_calm =>
            {
                has_unread = true;
                let user = history.run.devices[*device].user.as_str();
                for (conversation, log) in logs.of_user(user).filter(|(_, log)| !log.is_left(user)) {
                    let read = read.get(&(user, conversation)).copied().unwrap_or_default();
                    let [surely, perhaps] = [read.surely, read.perhaps].map(|read| behind(log, user, read));
                    // What is gone may have been unread.
                    if logs.is_trimmed(conversation, surely + 1) {
                        continue;
                    }
                    let said = conversations.iter().find(|it| it.conversation == conversation);
                    let last = log.entries.last().map(|entry| entry.seq);
                    let mut fault = |text| {
                        let about = About::of(conversation, last.into_iter().chain([read.surely]));
                        let about = about.and_device(*device);
                        faults.push(Fault { verdict: Verdict::Unread, text, about });
                    };
                    let unread = said.map_or(0, |Unread { unread, .. }| *unread);
                    let (fewest, most) = (after(log, perhaps), after(log, surely));
                    if !(fewest..=most).contains(&unread) {
                        fault(format!(
                            "{user} was told that {unread} of {conversation} are unread; by its log, {fewest} are"
                        ));
                    }
                    let Some(mentions) = said.and_then(|it| it.mentions) else { continue };
                    let (fewest, most) = (mentioned(log, user, perhaps), mentioned(log, user, surely));
                    if !(fewest..=most).contains(&mentions) {
                        fault(format!(
                            "{user} was told of {mentions} unread mentions in {conversation}; by its log, there are {fewest}"
                        ));
                    }
                }
            }
            _ => {}
        }
    }
    has_unread
}

/// Up to where a user has read: who says something has.
fn behind(log: &Log<'_>, user: &str, read: u64) -> u64 {
    let own = log.entries.iter().rev().find(|entry| entry.from == user);
    read.max(own.map_or(0, |entry| entry.seq))
}

/// How many messages there are behind it.
fn after(log: &Log<'_>, read: u64) -> u64 {
    log.entries.iter().filter(|entry| entry.is_message() && entry.seq > read).count() as u64
}

/// How many of them mention a user, as far as that is counted.
fn mentioned(log: &Log<'_>, user: &str, read: u64) -> u64 {
    // What was said while they were away is before their own entry of coming back.
    let is_mention = |entry: &&&Entry| entry.seq > read && entry.mentions.iter().any(|it| it == user);
    log.entries.iter().filter(is_mention).count().min(MENTIONS_KEPT) as u64
}
