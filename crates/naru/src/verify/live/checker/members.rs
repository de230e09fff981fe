//! Who came and went: what was answered is in the log, as what was asked for, and nothing else is.

use std::collections::{HashMap, HashSet};

use super::super::history::{Answer, Ask, History, What};
use super::fault::{About, Fault, Verdict};
use super::log::Logs;

pub(super) fn check(history: &History, logs: &Logs<'_>, faults: &mut Vec<Fault>) {
    let mut calls: HashMap<u64, (&str, &str, &str)> = HashMap::new();
    let mut asked: HashSet<(&str, &str, &str)> = HashSet::new();
    let mut answered: HashSet<(&str, u64)> = HashSet::new();
    for event in &history.events {
        match &event.what {
            What::Invoke { call, ask: Ask::Member { conversation, user, kind }, .. } => {
                calls.insert(*call, (conversation, user, kind));
                asked.insert((conversation, user, kind));
            }
            What::Ok { call, answer: Answer::Changed { seq: Some(seq) }, .. } => {
                let Some((conversation, user, kind)) = calls.remove(call) else { continue };
                let Some(log) = logs.get(conversation) else { continue };
                let about = || About::of(conversation, [*seq]).and_sent(user, "");
                let mut fault = |verdict, text| faults.push(Fault { verdict, text, about: about() });
                match log.at(*seq) {
                    _ if logs.is_old(conversation, *seq) => {}
                    Some(entry) if (&*entry.from, &*entry.kind) == (user, kind) => {}
                    Some(_) => fault(
                        Verdict::Moved,
                        format!("{kind} of {user} was answered {seq} of {conversation}, which is another"),
                    ),
                    None => fault(
                        Verdict::Lost,
                        format!("{kind} of {user} was answered {seq}, and {conversation} does not have it"),
                    ),
                }
                if !answered.insert((conversation, *seq)) {
                    fault(
                        Verdict::Answers,
                        format!("{seq} of {conversation} was answered to two who changed its members"),
                    );
                }
            }
            _ => {}
        }
    }
    for (conversation, log) in logs.all() {
        let mut away: HashSet<&str> = HashSet::new();
        for entry in log.entries.iter().filter(|entry| ["join", "leave", "role"].contains(&&*entry.kind)) {
            let (user, kind) = (entry.from.as_str(), entry.kind.as_str());
            let mut fault = |verdict, text| {
                let about = About::of(conversation, [entry.seq]).and_sent(user, "");
                faults.push(Fault { verdict, text, about });
            };
            if !asked.contains(&(conversation, user, kind)) {
                fault(
                    Verdict::Stranger,
                    format!("{conversation} has {kind} of {user} as {}, which nobody wanted", entry.seq),
                );
            }
            let is_odd = match kind {
                "join" => !away.remove(user),
                "leave" => !away.insert(user),
                _ => away.contains(user),
            };
            if is_odd {
                fault(
                    Verdict::Doubled,
                    format!("{conversation} has {kind} of {user} as {}, and it was so before", entry.seq),
                );
            }
        }
    }
}
