//! What came into the inbox of each device.
//!
//! Judged after the client library: of an entry, known by conversation and number, only the first counts. In each
//! conversation these have to be the log, in its order, from its first entry of the run to its last.
//!
//! An entry may come again, and is only counted, if
//!
//! - it is on a later connection, and the device had not acknowledged it when it connected: a position that is presented only
//!   says where to replay from, and a reply, an acknowledgement, or a position that was lost is no fault;
//! - its offset stands still: so pushes the replay to a device that is far behind, conversation by conversation, each from what
//!   first left the ring before the device had acknowledged it. If that is the very offset the entry came with before on the
//!   same connection, a mark has to show that it was such a replay.
//!
//! Any other repeat is a fault, and so is an offset that goes back within a connection. What is heard in the channel of a room of many
//! rises within a connection; not all of it has to be heard there.
//!
//! Of a room of many only what a user said and what mentions them comes into an inbox. A replay to a device that is far behind leaves it
//! out: in its place is the mark that says how many messages the inbox has come to there, and the device reads those itself. Having read
//! what is behind that mark is no excuse, but for what does not count right behind the last of them, and was not heard: the mark cannot say
//! whether the inbox has come to that.

use std::collections::{HashMap, HashSet};

use super::super::history::{Entry, Event, History, What};
use super::fault::{About, Fault, Verdict};
use super::log::Logs;

/// What came again, and may.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in super::super) struct Repeats {
    pub(in super::super) pushes: u64,
    /// On a later connection.
    pub(in super::super) again: u64,
    /// On the same one, by a replay.
    pub(in super::super) replayed: u64,
}

/// An entry: conversation and number.
type Key<'a> = (&'a str, u64);

#[derive(Default)]
struct Device<'a> {
    /// Each entry's offset when it first came; none if it came in a replay, whose offset stands still.
    had: HashMap<Key<'a>, Option<u64>>,
    /// Of each log, how many of those that are for its user are behind it.
    due: HashMap<&'a str, usize>,
    /// Where not all of a log is for its user: the places of what is.
    places: HashMap<&'a str, Option<Vec<usize>>>,
    /// What it has of rooms of many, in whatever way.
    has: HashSet<Key<'a>>,
    /// What of that it has read, and not heard.
    read: HashSet<Key<'a>>,
    /// Of each of them, how many messages there were with the last that a replay has left to be read.
    left: HashMap<&'a str, u64>,
    /// What was passed over, by what came instead.
    skipped: HashMap<Key<'a>, u64>,
    /// Acknowledged, and answered.
    acked: u64,
    link: Link<'a>,
}

/// A device's connection.
#[derive(Default)]
struct Link<'a> {
    number: u64,
    is_up: bool,
    /// What was acknowledged when it connected.
    acked: u64,
    /// The last offset.
    at: u64,
    /// What came on it, and its offset if that was its own.
    had: HashMap<Key<'a>, Option<u64>>,
    /// Repeats at the last offset, which a replay may explain.
    doubts: Vec<Fault>,
    /// The last that was heard in each room of many.
    heard: HashMap<&'a str, u64>,
}

struct Sweep<'a, 'l> {
    history: &'a History,
    logs: &'l Logs<'a>,
    devices: Vec<Device<'a>>,
    repeats: Repeats,
    faults: Vec<Fault>,
}

pub(super) fn check(history: &History, logs: &Logs<'_>, faults: &mut Vec<Fault>) -> Repeats {
    let devices = history.run.devices.iter().map(|_| Device::default()).collect();
    let mut sweep = Sweep { history, logs, devices, repeats: Repeats::default(), faults: Vec::new() };
    for event in &history.events {
        sweep.take(event);
    }
    let is_over = history.events.iter().any(|event| event.what == What::End);
    for device in 0..sweep.devices.len() {
        sweep.judge(device, is_over);
    }
    faults.append(&mut sweep.faults);
    sweep.repeats
}

impl<'a> Sweep<'a, '_> {
    fn take(&mut self, event: &'a Event) {
        match &event.what {
            What::Connect { device, link, position, .. } => {
                let device = &mut self.devices[*device];
                // Who says to stand further back may get it again from there.
                let stands = position.as_ref().map_or(u64::MAX, |position| position.offset);
                device.link = Link { number: *link, acked: device.acked.min(stands), ..Link::default() };
            }
            What::Connected { device, link, start, .. } => {
                let it = &mut self.devices[*device].link;
                if it.number == *link {
                    (it.is_up, it.at) = (true, *start);
                }
            }
            What::Gone { device, link, .. } => {
                let it = &mut self.devices[*device].link;
                if it.number == *link {
                    it.is_up = false;
                    // The mark may have been on its way.
                    it.doubts.clear();
                }
            }
            What::Ok { device, answer: super::super::history::Answer::Acked { offset }, .. } => {
                let device = &mut self.devices[*device];
                device.acked = device.acked.max(*offset);
            }
            What::Pushed { device, offset, entry, .. } => self.pushed(*device, *offset, entry),
            What::Heard { device, link, entry } if entry.is_logged() => {
                self.heard(*device, *link, entry);
                self.has(*device, entry);
                self.devices[*device].read.remove(&(entry.conversation.as_str(), entry.seq));
            }
            What::Ok { device, answer: super::super::history::Answer::Page { entries }, .. } => {
                for entry in entries {
                    let key = (entry.conversation.as_str(), entry.seq);
                    if !self.devices[*device].has.contains(&key) {
                        self.devices[*device].read.insert(key);
                    }
                    self.has(*device, entry);
                }
            }
            What::End => {
                for number in 0..self.devices.len() {
                    self.faults.append(&mut self.devices[number].link.doubts);
                    if !self.devices[number].link.is_up {
                        let text = format!("{} has no connection at the end", self.name(number));
                        self.fault(Verdict::Away, About::device(number), text);
                    }
                }
            }
            _ => {}
        }
    }

    fn name(&self, device: usize) -> String {
        let device = &self.history.run.devices[device];
        format!("{}'s {}", device.user, device.device)
    }

    fn fault(&mut self, verdict: Verdict, about: About, text: String) {
        self.faults.push(Fault { verdict, text, about });
    }

    /// In the channel of a room of many.
    fn heard(&mut self, number: usize, link: u64, entry: &'a Entry) {
        let Entry { conversation, seq, from, id, .. } = entry;
        let it = &mut self.devices[number].link;
        if it.number != link {
            return;
        }
        let before = it.heard.insert(conversation, *seq).unwrap_or_default();
        if *seq <= before {
            let text = format!("{} heard {before} of {conversation} before {seq}", self.name(number));
            let about = About::of(conversation, [*seq, before]).and_sent(from, id).and_device(number);
            self.fault(Verdict::Order, about, text);
        }
    }

    /// An entry came in another way than by the inbox, as in rooms of many.
    fn has(&mut self, number: usize, entry: &'a Entry) {
        let Entry { conversation, seq, from, id, .. } = entry;
        if !self.logs.is_broadcast(conversation) || self.logs.is_old(conversation, *seq) {
            return;
        }
        self.devices[number].has.insert((conversation, *seq));
        let name = self.name(number);
        let about = || About::of(conversation, [*seq]).and_sent(from, id).and_device(number);
        let Some(log) = self.logs.get(conversation) else { return };
        match log.at(*seq) {
            None => {
                let text = format!("{name} heard {seq} of {conversation}, which its log does not have");
                self.fault(Verdict::Vanished, about(), text);
            }
            Some(logged) if entry.altered || (&logged.from, &logged.id) != (from, id) => {
                let text = format!("{name} heard {seq} of {conversation} otherwise than its log has it");
                self.fault(Verdict::Altered, about(), text);
            }
            Some(_) => {}
        }
    }

    fn pushed(&mut self, number: usize, offset: u64, entry: &'a Entry) {
        self.repeats.pushes += 1;
        let name = self.name(number);
        let link = &mut self.devices[number].link;
        let (is_up, before) = (link.is_up, link.at);
        let moved = offset > before;
        link.at = link.at.max(offset);
        if entry.ends_replay() {
            self.repeats.replayed += link.doubts.len() as u64;
            link.doubts.clear();
        } else if moved {
            self.faults.append(&mut link.doubts);
        }
        let Entry { conversation, seq, .. } = entry;
        let about = || About::of(conversation, [*seq]).and_device(number);
        if !is_up {
            let text = format!("{name} got {seq} of {conversation} before the answer to its connect");
            return self.fault(Verdict::Premature, about(), text);
        }
        if offset < before {
            let text = format!("{name} got {seq} of {conversation} with offset {offset}, after {before}");
            self.fault(Verdict::Offsets, about(), text);
        }
        if let Some(count) = entry.count.filter(|_| entry.ends_replay()) {
            let left = self.devices[number].left.entry(conversation).or_default();
            *left = count.max(*left);
        }
        if entry.is_logged() && !self.logs.is_old(conversation, *seq) {
            self.entry(number, (offset, moved), entry);
        }
    }

    fn entry(&mut self, number: usize, (offset, moved): (u64, bool), entry: &'a Entry) {
        let name = self.name(number);
        let Entry { conversation, seq, from, id, .. } = entry;
        let key = (conversation.as_str(), *seq);
        let about = || About::of(conversation, [*seq]).and_sent(from, id).and_device(number);
        let own = moved.then_some(offset);

        let device = &mut self.devices[number];
        let on_this = device.link.had.get(&key).copied();
        if on_this.is_none() {
            device.link.had.insert(key, own);
        }
        let Some(first) = device.had.get(&key).copied() else {
            device.had.insert(key, own);
            return self.first(number, entry);
        };
        let acked = device.link.acked;
        match (on_this, first) {
            (Some(on_this), _) if moved || on_this == Some(offset) => {
                let text = format!("{name} got {seq} of {conversation} twice on one connection");
                let fault = Fault { verdict: Verdict::Twice, text, about: about() };
                if moved { self.faults.push(fault) } else { device.link.doubts.push(fault) }
            }
            (Some(_), _) => self.repeats.replayed += 1,
            (None, Some(first)) if first <= acked && moved => {
                let text = format!(
                    "{name} got {seq} of {conversation} with offset {first}, had acknowledged {acked} when it \
                     connected again, and got it again"
                );
                self.fault(Verdict::Acknowledged, about(), text);
            }
            (None, _) => self.repeats.again += 1,
        }
    }

    /// An entry that this device has not had.
    fn first(&mut self, number: usize, entry: &'a Entry) {
        let name = self.name(number);
        let Entry { conversation, seq, from, id, .. } = entry;
        let about = || About::of(conversation, [*seq]).and_sent(from, id).and_device(number);
        if entry.altered {
            let text = format!("{name} got {seq} of {conversation}, which does not say what {from} sent");
            self.fault(Verdict::Altered, about(), text);
        }
        if !self.logs.takes_part(conversation, &self.history.run.devices[number].user) {
            let text = format!("{name} got {seq} of {conversation}, which is somebody else's");
            return self.fault(Verdict::Foreign, about(), text);
        }
        let Some(log) = self.logs.get(conversation) else { return };
        let Some(place) = log.place(*seq) else {
            let text = format!("{name} got {seq} of {conversation}, which its log does not have");
            return self.fault(Verdict::Vanished, about(), text);
        };
        let logged = log.entries[place];
        if (&logged.from, &logged.id, &logged.kind) != (from, id, &entry.kind) {
            let text = format!(
                "{name} got {id} of {from} as {seq} of {conversation}, and the log has {}",
                logged.id
            );
            let about = about().and_sent(&logged.from, &logged.id);
            return self.fault(Verdict::Altered, about, text);
        }
        let device = &mut self.devices[number];
        device.has.insert((conversation, *seq));
        let user = &self.history.run.devices[number].user;
        let is_broadcast = self.logs.is_broadcast(conversation);
        let places = device.places.entry(conversation).or_insert_with(|| log.due(user, is_broadcast));
        let place = match places.as_ref().map(|places| places.binary_search(&place)) {
            None => place,
            Some(Ok(place)) => place,
            Some(Err(_)) => {
                let text = format!("{name} got {seq} of {conversation}, which is not for them");
                return self.fault(Verdict::Foreign, about(), text);
            }
        };
        let nth = |place: usize| log.entries[places.as_ref().map_or(place, |places| places[place])];
        let due = device.due.entry(conversation).or_default();
        if place < *due {
            let instead = device.skipped.remove(&(conversation.as_str(), *seq)).unwrap_or_default();
            let text = format!("{name} got {instead} of {conversation} before {seq}");
            let about = About::of(conversation, [*seq, instead]).and_sent(from, id).and_device(number);
            return self.fault(Verdict::Order, about, text);
        }
        for skipped in (*due..place).map(nth) {
            device.skipped.insert((conversation, skipped.seq), *seq);
        }
        *due = place + 1;
    }

    /// What a device has not got.
    fn judge(&mut self, number: usize, is_over: bool) {
        let name = self.name(number);
        let device = std::mem::take(&mut self.devices[number]);
        let mut skipped: Vec<_> = device.skipped.into_iter().collect();
        skipped.sort_unstable();
        // In a room of many, an own entry that is brought after a later one of one's own is not in the inbox any more.
        let is_had = |key: &Key<'_>| self.logs.is_broadcast(key.0) && device.has.contains(key);
        skipped.retain(|(key, _)| !is_had(key));
        for ((conversation, seq), instead) in skipped {
            let text = format!("{name} got {instead} of {conversation}, and never {seq}, which is before it");
            let about = self.about_sent(conversation, seq, About::of(conversation, [seq, instead]));
            self.fault(Verdict::Hole, about.and_device(number), text);
        }
        if !is_over {
            return;
        }
        let user = &self.history.run.devices[number].user;
        let mut missing: Vec<(&str, Vec<u64>)> = Vec::new();
        for (conversation, log) in self.logs.of_user(user) {
            let first = device.due.get(conversation).copied().unwrap_or(0);
            let is_broadcast = self.logs.is_broadcast(conversation);
            let mut seqs: HashSet<u64> = match log.due(user, is_broadcast) {
                None => log.entries[first..].iter().map(|entry| entry.seq).collect(),
                Some(places) => places[first..].iter().map(|place| log.entries[*place].seq).collect(),
            };
            if is_broadcast {
                let left = device.left.get(conversation).copied().unwrap_or(0);
                // What does not count has the count of the message before it, which may be the last that was left.
                let is_known = |it: &Entry| it.is_message() || device.read.contains(&(conversation, it.seq));
                let is_left = |it: &Entry, count| count < left || (count == left && is_known(it));
                let was_left = |seq: &u64| {
                    log.at(*seq).is_some_and(|it| it.count.is_some_and(|count| is_left(it, count)))
                };
                seqs.retain(|seq| !was_left(seq));
                let all = log.entries.iter().map(|entry| entry.seq);
                seqs.extend(all.filter(|seq| !device.has.contains(&(conversation, *seq))));
            }
            if !seqs.is_empty() {
                let mut seqs: Vec<u64> = seqs.into_iter().collect();
                seqs.sort_unstable();
                missing.push((conversation, seqs));
            }
        }
        missing.sort_unstable();
        for (conversation, seqs) in missing {
            let count = seqs.len();
            let text = format!("{name} never got {count} of {conversation}, from {} on", seqs[0]);
            let about = self.about_sent(conversation, seqs[0], About::of(conversation, [seqs[0]]));
            self.fault(Verdict::Undelivered, about.and_device(number), text);
        }
    }

    fn about_sent(&self, conversation: &str, seq: u64, about: About) -> About {
        match self.logs.get(conversation).and_then(|log| log.at(seq)) {
            Some(entry) => about.and_sent(&entry.from, &entry.id),
            None => about,
        }
    }
}
