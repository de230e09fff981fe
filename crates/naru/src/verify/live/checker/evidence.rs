//! The part of a history that shows a fault: what has to do with it, its neighbours in the log, and what happened to its
//! device's connections meanwhile.

use std::collections::BTreeSet;

use super::super::history::{Answer, Ask, Entry, Event, History, What};
use super::fault::About;
use super::log::Logs;

/// More than this is shown in part: its beginning and its end.
const LINES_MAX: usize = 60;

/// The events as lines.
pub(in super::super) fn lines(history: &History, about: &About) -> Vec<String> {
    let chosen = choose(history, about);
    let line = |number: &usize| line(history, &history.events[*number]);
    if chosen.len() <= LINES_MAX {
        return chosen.iter().map(line).collect();
    }
    let (first, last) = (&chosen[..LINES_MAX / 2], &chosen[chosen.len() - LINES_MAX / 2..]);
    let between = format!("      … {} more …", chosen.len() - LINES_MAX);
    first.iter().map(line).chain([between]).chain(last.iter().map(line)).collect()
}

/// The numbers of the events that have to do with a fault.
fn choose(history: &History, about: &About) -> Vec<usize> {
    let logs = Logs::of(history);
    let wide = with_neighbours(about, &logs);
    let mut calls: BTreeSet<u64> = BTreeSet::new();
    let mut chosen: BTreeSet<usize> = BTreeSet::new();
    for (number, event) in history.events.iter().enumerate() {
        let (is_it, call) = touches(history, event, &wide, about.device);
        let is_answer = matches!(&event.what, What::Ok { call, .. } | What::Fail { call, .. } | What::Unknown { call, .. }
            if calls.contains(call));
        if is_it {
            calls.extend(call);
        }
        if is_it || is_answer {
            chosen.insert(number);
        }
    }
    let is_log = |number: &usize| matches!(history.events[*number].what, What::Log { .. });
    let logs_read: Vec<usize> = chosen.iter().copied().filter(is_log).collect();
    chosen.retain(|number| !is_log(number));
    let around = around(history, about, chosen);
    around.into_iter().chain(logs_read).collect()
}

/// With what happened meanwhile to the device and the programs.
fn around(history: &History, about: &About, mut chosen: BTreeSet<usize>) -> Vec<usize> {
    let Some(device) = about.device else { return with_chaos(history, chosen) };
    let (first, last) = match (chosen.first(), chosen.last()) {
        (Some(first), Some(last)) if about.conversation.is_some() => (*first, *last),
        _ => (0, history.events.len()),
    };
    let is_link = |event: &Event| {
        matches!(&event.what, What::Connect { device: of, .. } | What::Connected { device: of, .. } | What::Gone { device: of, .. }
            if *of == device)
    };
    // The connection it began on, and all that came in between.
    let before = (0..first).rev().filter(|number| is_link(&history.events[*number])).take(2);
    let between = (first..last.min(history.events.len())).filter(|number| is_link(&history.events[*number]));
    chosen.extend(before.chain(between));
    chosen.extend(acknowledgements(history, device, first, last));
    with_chaos(history, chosen)
}

/// The last acknowledgement of the device before, and all that came in between.
fn acknowledgements(history: &History, device: usize, first: usize, last: usize) -> Vec<usize> {
    let is_ack = |number: &usize| matches!(&history.events[*number].what, What::Ok { device: of, answer: Answer::Acked { .. }, .. } if *of == device);
    let before = (0..first).rev().find(is_ack);
    before.into_iter().chain((first..last.min(history.events.len())).filter(is_ack)).collect()
}

fn with_chaos(history: &History, mut chosen: BTreeSet<usize>) -> Vec<usize> {
    if let (Some(first), Some(last)) = (chosen.first().copied(), chosen.last().copied()) {
        let marks = |number: &usize| matches!(history.events[*number].what, What::Chaos { .. } | What::Calm);
        let before = (0..first).rev().find(marks);
        chosen.extend(before.into_iter().chain((first..last).filter(marks)));
    }
    chosen.into_iter().collect()
}

/// What stands right before and behind it in the log belongs to it.
fn with_neighbours(about: &About, logs: &Logs<'_>) -> About {
    let mut wide = about.clone();
    let Some(log) = about.conversation.as_ref().and_then(|conversation| logs.get(conversation)) else {
        return wide;
    };
    for place in about.seqs.iter().filter_map(|seq| log.place(*seq)) {
        for entry in log.entries.iter().take(place + 2).skip(place.saturating_sub(1)) {
            if !wide.seqs.contains(&entry.seq) {
                wide.seqs.push(entry.seq);
            }
            let sent = (entry.from.clone(), entry.id.clone());
            if entry.is_signed() && !wide.sent.contains(&sent) {
                wide.sent.push(sent);
            }
        }
    }
    wide
}

/// Whether an event is about it, and the call whose answer is then, too.
fn touches(history: &History, event: &Event, about: &About, device: Option<usize>) -> (bool, Option<u64>) {
    let is_conversation = |name: &str| about.conversation.as_deref() == Some(name);
    let is_entry = |entry: &Entry| is_conversation(&entry.conversation) && about.seqs.contains(&entry.seq);
    match &event.what {
        What::Invoke { device: of, call, ask, .. } => {
            let user = &history.run.devices[*of].user;
            let is_it = match ask {
                Ask::Send { conversation, id, .. } => {
                    is_conversation(conversation)
                        && about.sent.iter().any(|sent| (&sent.0, &sent.1) == (user, id))
                }
                Ask::Read { conversation, .. } => is_conversation(conversation) && device == Some(*of),
                Ask::Unread => device == Some(*of) && about.conversation.is_some(),
                Ask::Ack { within, .. } => {
                    let is_within =
                        within.as_ref().is_some_and(|(conversation, _)| is_conversation(conversation));
                    (about.conversation.is_none() || is_within) && device == Some(*of)
                }
                Ask::Missed { conversation, .. } => is_conversation(conversation) && device == Some(*of),
                Ask::Member { conversation, user, .. } => {
                    is_conversation(conversation)
                        && (device.is_some_and(|device| history.run.devices[device].user == *user)
                            || about.sent.iter().any(|(from, _)| from == user))
                }
                Ask::Page { .. } => false,
            };
            (is_it, is_it.then_some(*call))
        }
        What::Ok { answer: Answer::Page { entries }, .. } => {
            (entries.iter().any(is_entry) && device.is_none(), None)
        }
        What::Pushed { device: of, entry, .. } => {
            (is_entry(entry) && device.is_none_or(|device| device == *of), None)
        }
        What::Heard { device: of, entry, .. } => {
            let is_head = entry.kind == "head" && is_conversation(&entry.conversation);
            ((is_entry(entry) || is_head) && device == Some(*of), None)
        }
        What::Log { conversation, .. } => (is_conversation(conversation), None),
        _ => (false, None),
    }
}

/// One event, for people.
fn line(history: &History, event: &Event) -> String {
    let name = |device: &usize| {
        let device = &history.run.devices[*device];
        format!("{}/{}", device.user, device.device)
    };
    let text = match &event.what {
        What::Connect { device, link, server, position } => {
            let position = match position {
                Some(position) => format!("standing at {}", position.offset),
                None => "without a position".to_owned(),
            };
            format!("{} connects to {server} {position} (connection {link})", name(device))
        }
        What::Connected { device, link, start, recovered, .. } => {
            let how = if *recovered { ", recovered" } else { "" };
            format!("{} is in, what follows begins behind {start}{how} (connection {link})", name(device))
        }
        What::Gone { device, link, why } => format!("{} has lost connection {link}: {why}", name(device)),
        What::Pushed { device, link, offset, entry } => {
            format!("{} got {} with offset {offset} (connection {link})", name(device), told(entry))
        }
        What::Heard { device, link, entry } => {
            format!("{} heard {} (connection {link})", name(device), told(entry))
        }
        What::Invoke { device, link, call, ask } => {
            let ask = match ask {
                Ask::Send { conversation, id, kind, target, .. } => match target {
                    Some(target) => format!("sends {id}, {kind} about {target}, to {conversation}"),
                    None => format!("sends {id} to {conversation}"),
                },
                Ask::Ack { offset, within: None } => format!("acknowledges {offset}"),
                Ask::Ack { offset, within: Some((conversation, seq)) } => {
                    format!("acknowledges {offset}, and {conversation} up to {seq}")
                }
                Ask::Read { conversation, seq } => format!("has read {conversation} up to {seq}"),
                Ask::Page { conversation } => format!("asks for the newest page of {conversation}"),
                Ask::Missed { conversation, after } => {
                    format!("asks for what {conversation} has after {after}")
                }
                Ask::Member { conversation, user, kind } => {
                    format!("asks for {kind} of {user} in {conversation}")
                }
                Ask::Unread => "asks what is unread".to_owned(),
            };
            format!("{} {ask} (connection {link}, call {call})", name(device))
        }
        What::Ok { device, call, answer } => {
            let answer = match answer {
                Answer::Sent { conversation, seq, duplicate, .. } => {
                    format!(
                        "it is {seq} of {conversation}{}",
                        if *duplicate { ", and was before" } else { "" }
                    )
                }
                Answer::Acked { offset } => format!("the cursor is {offset}"),
                Answer::Changed { seq: Some(seq) } => format!("it is {seq}"),
                Answer::Changed { seq: None } => "it was so already".to_owned(),
                Answer::Read => "it is read".to_owned(),
                Answer::Page { entries } => match (entries.first(), entries.last()) {
                    (Some(first), Some(last)) => format!("{} to {}", first.seq, last.seq),
                    _ => "nothing is there".to_owned(),
                },
                Answer::Unread { conversations } => {
                    let all: Vec<_> = conversations
                        .iter()
                        .flatten()
                        .map(|it| format!("{} of {}", it.unread, it.conversation))
                        .collect();
                    format!("unread are {}", all.join(", "))
                }
            };
            format!("{} is answered: {answer} (call {call})", name(device))
        }
        What::Fail { device, call, why } => format!("{} is refused: {why} (call {call})", name(device)),
        What::Unknown { device, call, why } => {
            format!("{} is not answered: {why} (call {call})", name(device))
        }
        What::Chaos { text } => format!("** {text}"),
        What::Calm => "** from here on nothing is cut or killed".to_owned(),
        What::Log { conversation, entries, .. } => {
            let last = entries.last().map_or(0, |entry| entry.seq);
            format!(
                "** the log of {conversation}, read at the end, has {} entries up to {last}",
                entries.len()
            )
        }
        What::End => "** the end".to_owned(),
    };
    let micros = event.at;
    format!("  {:>4}.{:06}  {text}", micros / 1_000_000, micros % 1_000_000)
}

fn told(entry: &Entry) -> String {
    let Entry { conversation, seq, kind, from, id, .. } = entry;
    let about = entry.target.map(|target| format!(" about {target}")).unwrap_or_default();
    let kind = if entry.is_message() { String::new() } else { format!(" ({kind}{about})") };
    format!("{seq} of {conversation}{kind}, {id} of {from}")
}
