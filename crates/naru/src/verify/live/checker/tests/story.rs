//! Histories made by hand: a few people, and what happens to them, step by step.

use super::super::super::history::{
    Answer, Ask, Device, Entry, Event, History, Members, Position, Reads, Run, Unread, What,
};
use super::super::{Fault, Repeats, Verdict, check};

pub(super) const ALICE: usize = 0;
pub(super) const BOB: usize = 1;
/// Bob's second device.
pub(super) const LAPTOP: usize = 2;
pub(super) const CAROL: usize = 3;

pub(super) const DM: &str = "dm:alice:bob";

/// What happens, with everybody's numbers kept so that only what is meant to be wrong is.
pub(super) struct Story {
    events: Vec<Event>,
    pub(super) log: Vec<Entry>,
    /// What of it is gone at the end.
    pub(super) trimmed: u64,
    is_many: bool,
    calls: u64,
    links: u64,
    link_of: [u64; 4],
    /// Where each device stands.
    pub(super) at: [u64; 4],
    pub(super) cursor: [u64; 4],
    epoch: &'static str,
}

impl Story {
    /// Everybody has connected, and nothing was said yet.
    pub(super) fn begin() -> Story {
        let mut story = Story {
            events: Vec::new(),
            log: Vec::new(),
            trimmed: 0,
            is_many: false,
            calls: 0,
            links: 0,
            link_of: [0; 4],
            at: [0; 4],
            cursor: [0; 4],
            epoch: "e1",
        };
        for device in [ALICE, BOB, LAPTOP, CAROL] {
            story.connects(device, None, 0);
        }
        story
    }

    fn happens(&mut self, what: What) {
        let at = self.events.len() as u64;
        self.events.push(Event { at, what });
    }

    pub(super) fn entry(from: &str, id: &str, seq: u64) -> Entry {
        let (conversation, kind) = (DM.to_owned(), "message".to_owned());
        Entry { conversation, seq, kind, from: from.into(), id: id.into(), ..Entry::default() }
    }

    pub(super) fn asks_in(&mut self, device: usize, position: Option<u64>) {
        self.links += 1;
        self.link_of[device] = self.links;
        let position = position.map(|offset| Position { epoch: self.epoch.into(), offset });
        self.happens(What::Connect { device, link: self.links, server: "s1".into(), position });
    }

    pub(super) fn is_in(&mut self, device: usize, start: u64) {
        self.is_in_and_recovered(device, start, false);
    }

    pub(super) fn is_in_and_recovered(&mut self, device: usize, start: u64, recovered: bool) {
        self.at[device] = start;
        let (link, epoch) = (self.link_of[device], self.epoch.to_owned());
        self.happens(What::Connected { device, link, epoch, start, recovered });
    }

    pub(super) fn connects(&mut self, device: usize, position: Option<u64>, start: u64) {
        self.asks_in(device, position);
        self.is_in(device, start);
    }

    pub(super) fn loses(&mut self, device: usize) {
        let link = self.link_of[device];
        self.happens(What::Gone { device, link, why: "cut".into() });
    }

    /// Comes back with the position its client library has.
    pub(super) fn comes_back(&mut self, device: usize) {
        self.connects(device, Some(self.at[device]), self.at[device]);
    }

    pub(super) fn invokes(&mut self, device: usize, ask: Ask) -> u64 {
        self.calls += 1;
        let link = self.link_of[device];
        self.happens(What::Invoke { device, link, call: self.calls, ask });
        self.calls
    }

    pub(super) fn sends(&mut self, device: usize, id: &str) -> u64 {
        self.invokes(device, Ask::message(DM, id))
    }

    pub(super) fn answers(&mut self, device: usize, call: u64, answer: Answer) {
        self.happens(What::Ok { device, call, answer });
    }

    pub(super) fn is_answered(&mut self, device: usize, call: u64, seq: u64) {
        self.is_answered_to(device, call, seq, false);
    }

    pub(super) fn is_answered_to(&mut self, device: usize, call: u64, seq: u64, duplicate: bool) {
        self.answers(device, call, Answer::Sent { conversation: DM.into(), seq, at: seq, duplicate });
    }

    pub(super) fn is_refused(&mut self, device: usize, call: u64) {
        self.happens(What::Fail { device, call, why: "too large".into() });
    }

    pub(super) fn hears_nothing(&mut self, device: usize, call: u64) {
        self.happens(What::Unknown { device, call, why: "cut".into() });
    }

    /// An entry comes with the next offset.
    pub(super) fn gets(&mut self, device: usize, seq: u64) {
        let offset = self.at[device] + 1;
        self.gets_at(device, seq, offset);
    }

    pub(super) fn gets_at(&mut self, device: usize, seq: u64, offset: u64) {
        let found = self.log.iter().find(|entry| entry.seq == seq).cloned();
        let entry = found.unwrap_or_else(|| Story::entry("alice", &format!("a{seq}"), seq));
        self.gets_entry(device, offset, entry);
    }

    pub(super) fn gets_entry(&mut self, device: usize, offset: u64, entry: Entry) {
        self.at[device] = self.at[device].max(offset);
        let link = self.link_of[device];
        self.happens(What::Pushed { device, link, offset, entry });
    }

    pub(super) fn is_stored(&mut self, from: &str, id: &str) -> u64 {
        let seq = self.log.last().map_or(0, |entry| entry.seq) + 1;
        self.log.push(Story::entry(from, id, seq));
        seq
    }

    /// Alice says something, and everybody has it.
    pub(super) fn says(&mut self, id: &str) -> u64 {
        let seq = self.says_unheard(id);
        self.all_get(seq);
        seq
    }

    /// Alice says something, and has the answer.
    pub(super) fn says_unheard(&mut self, id: &str) -> u64 {
        let call = self.sends(ALICE, id);
        let seq = self.is_stored("alice", id);
        self.is_answered(ALICE, call, seq);
        seq
    }

    pub(super) fn all_get(&mut self, seq: u64) {
        for device in [ALICE, BOB, LAPTOP] {
            self.gets(device, seq);
        }
    }

    pub(super) fn acks(&mut self, device: usize, offset: u64) {
        self.acks_and_hears(device, offset, offset.max(self.cursor[device]));
    }

    pub(super) fn acks_and_hears(&mut self, device: usize, offset: u64, cursor: u64) {
        let call = self.invokes(device, Ask::Ack { offset, within: None });
        self.answers(device, call, Answer::Acked { offset: cursor });
        self.cursor[device] = self.cursor[device].max(cursor);
    }

    /// Alice edits what she said, or deletes it, and everybody has that.
    pub(super) fn changes(&mut self, kind: &str, id: &str, target: u64) -> u64 {
        let (conversation, kind) = (DM.to_owned(), kind.to_owned());
        let reads = (kind == "edit").then(|| Reads::As(id.to_owned()));
        let (asked, of) = (kind.clone(), id.to_owned());
        let ask = Ask::Send { conversation, id: of, kind: asked, target: Some(target), mentions: Vec::new() };
        let call = self.invokes(ALICE, ask);
        let seq = self.is_stored("alice", id);
        self.is_answered(ALICE, call, seq);
        if let Some(entry) = self.log.last_mut() {
            (entry.kind, entry.target, entry.reads) = (kind, Some(target), reads.clone());
        }
        self.all_get(seq);
        if let Some(entry) = self.log.iter_mut().find(|entry| entry.seq == target) {
            (entry.changed, entry.reads) = (Some(seq), Some(reads.unwrap_or(Reads::Gone)));
        }
        seq
    }

    /// Bob leaves or comes back, with an entry that says so.
    pub(super) fn bob_goes(&mut self, kind: &str) -> u64 {
        let (conversation, user, asked) = (DM.to_owned(), "bob".to_owned(), kind.to_owned());
        let call = self.invokes(BOB, Ask::Member { conversation, user, kind: asked });
        let seq = self.is_stored("bob", "");
        if let Some(entry) = self.log.last_mut() {
            entry.kind = kind.to_owned();
        }
        self.answers(BOB, call, Answer::Changed { seq: Some(seq) });
        self.all_get(seq);
        seq
    }

    /// The conversation is followed by its channel.
    pub(super) fn ended_as_broadcast(mut self) -> History {
        self.is_many = true;
        self.ended()
    }

    pub(super) fn hears(&mut self, device: usize, seq: u64) {
        let link = self.link_of[device];
        let entry = self.log.iter().find(|entry| entry.seq == seq).cloned();
        self.happens(What::Heard { device, link, entry: entry.unwrap_or_default() });
    }

    /// A replay by conversations leaves a room of many to be read, as far as so many messages.
    pub(super) fn is_left(&mut self, device: usize, count: u64) {
        let mark = Entry { kind: "read".into(), count: Some(count), ..Story::entry("", "", 0) };
        let offset = self.at[device];
        self.gets_entry(device, offset, mark);
    }

    pub(super) fn reads(&mut self, device: usize, seq: u64) {
        let call = self.invokes(device, Ask::Read { conversation: DM.into(), seq });
        self.answers(device, call, Answer::Read);
    }

    pub(super) fn looks(&mut self, device: usize, seqs: &[u64]) {
        let call = self.invokes(device, Ask::Page { conversation: DM.into() });
        let found = |seq: &u64| {
            let found = self.log.iter().find(|entry| entry.seq == *seq).cloned();
            found.unwrap_or_else(|| Story::entry("alice", "gone", *seq))
        };
        let entries = seqs.iter().map(found).collect();
        self.answers(device, call, Answer::Page { entries });
    }

    pub(super) fn calms_down(&mut self) {
        self.happens(What::Calm);
    }

    pub(super) fn is_told_unread(&mut self, device: usize, unread: u64) {
        let call = self.invokes(device, Ask::Unread);
        let conversations = Some(vec![Unread { conversation: DM.into(), unread, mentions: None }]);
        self.answers(device, call, Answer::Unread { conversations });
    }

    pub(super) fn store_is_another(&mut self) {
        self.epoch = "e2";
    }

    /// What has been so far, before its end.
    pub(super) fn so_far(&self) -> History {
        let device = |user: &str, device: &str| Device { user: user.into(), device: device.into() };
        let devices = vec![
            device("alice", "phone"),
            device("bob", "phone"),
            device("bob", "laptop"),
            device("carol", "phone"),
        ];
        let members = |conversation: &str, users: [&str; 2]| {
            let users = users.map(str::to_owned).to_vec();
            Members { conversation: conversation.into(), users, from: 0, is_broadcast: false }
        };
        let mut conversations =
            vec![members(DM, ["alice", "bob"]), members("dm:alice:carol", ["alice", "carol"])];
        conversations[0].is_broadcast = self.is_many;
        let run = Run { seed: 1, again: "naru verify".into(), devices, conversations };
        History { run, events: self.events.clone() }
    }

    /// Alice mentions Bob in a room of many, and nobody has it in their inbox.
    pub(super) fn mentions_bob(&mut self, id: &str) -> u64 {
        let (conversation, kind, mentions) = (DM.to_owned(), "message".to_owned(), vec!["bob".to_owned()]);
        let ask = Ask::Send { conversation, id: id.into(), kind, target: None, mentions: mentions.clone() };
        let call = self.invokes(ALICE, ask);
        let seq = self.is_stored("alice", id);
        if let Some(entry) = self.log.last_mut() {
            (entry.count, entry.mentions) = (Some(seq), mentions);
        }
        self.is_answered(ALICE, call, seq);
        seq
    }

    /// In a room of many Bob reacts to what mentions him. All get both but for his laptop, which gets neither.
    pub(super) fn bob_reacts_to_a_mention(&mut self) -> (u64, u64) {
        let message = self.mentions_bob("a1");
        let reaction = self.bob_reacts("b1", message);
        self.gets(ALICE, message);
        self.hears(ALICE, reaction);
        self.gets(BOB, message);
        self.gets(BOB, reaction);
        (message, reaction)
    }

    /// Bob reacts in a room of many: it counts for nothing.
    fn bob_reacts(&mut self, id: &str, target: u64) -> u64 {
        let (conversation, kind) = (DM.to_owned(), "reaction".to_owned());
        let asked = kind.clone();
        let ask = Ask::Send {
            conversation,
            id: id.into(),
            kind: asked,
            target: Some(target),
            mentions: Vec::new(),
        };
        let call = self.invokes(BOB, ask);
        let count = self.log.last().and_then(|before| before.count);
        let seq = self.is_stored("bob", id);
        if let Some(entry) = self.log.last_mut() {
            (entry.kind, entry.count, entry.target) = (kind, count, Some(target));
        }
        self.is_answered(BOB, call, seq);
        seq
    }

    /// With the logs read and the end said.
    pub(super) fn ended(mut self) -> History {
        self.calms_down();
        let entries = self.log.clone();
        let trimmed = self.trimmed;
        let entries = entries.into_iter().filter(|entry| entry.seq > trimmed).collect();
        self.happens(What::Log { conversation: DM.into(), entries, trimmed });
        let conversation = "dm:alice:carol".into();
        self.happens(What::Log { conversation, entries: Vec::new(), trimmed: 0 });
        self.happens(What::End);
        self.so_far()
    }

    pub(super) fn faults(self) -> Vec<Fault> {
        check(&self.ended()).faults
    }

    #[track_caller]
    pub(super) fn passes(self) -> Repeats {
        let judgement = check(&self.ended());
        assert_eq!(judgement.faults, []);
        judgement.repeats
    }

    /// It is found, and nothing else is.
    #[track_caller]
    pub(super) fn fails_with(self, verdicts: &[Verdict]) {
        let history = self.ended();
        let faults = check(&history).faults;
        let found: Vec<_> = faults.iter().map(|fault| fault.verdict).collect();
        assert_eq!(found, verdicts, "{faults:#?}");
        for fault in faults {
            let lines = super::super::evidence::lines(&history, &fault.about);
            assert!(!lines.is_empty(), "there is no evidence for {fault:?}");
        }
    }
}
