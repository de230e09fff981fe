//! Random histories against a naive oracle that never forgets: what is said in each conversation, what came into
//! each inbox, what each device acknowledged. Restarts replay the effects through their stored form.
#![allow(clippy::unwrap_used, reason = "a test, its helpers included")]

use std::collections::{BTreeMap, BTreeSet, HashMap};

use naru_ledger::limits::RING_MIN;
use naru_ledger::*;
use proptest::prelude::*;
use proptest::sample::Index;

const HOUR: u64 = 60 * 60 * 1000;
const DAY: u64 = 24 * HOUR;
const START: Millis = Millis(20_000 * DAY);

/// Names that would be mistaken for one another if ids were put together carelessly.
const USERS: [&str; 5] = ["a", "a:a", "a%3Aa", "%", "나루 *"];
const DEVICES: [&str; 3] = ["default", "phone", "a:a"];

#[derive(Debug, Clone)]
enum Step {
    Send { from: Index, to: Index, id: u8 },
    Burst { from: Index, to: Index, count: u8 },
    Append { from: Index, to: Index, id: u8 },
    Deliver { from: Index, to: Index, seq: Index, both: bool },
    Done { from: Index, to: Index },
    Sweep { older_than: u64 },
    Resume { user: Index, device: Index, at: At },
    Ack { user: Index, device: Index, useq: i64 },
    Clock { step: i64 },
    Restart,
}

/// Which position a client comes with.
#[derive(Debug, Clone)]
enum At {
    None,
    OtherEpoch(Index),
    /// Relative to the head; beyond it too.
    Head(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<Index>;
    let at = prop_oneof![
        3 => Just(At::None),
        1 => index().prop_map(At::OtherEpoch),
        3 => (-300i64..3).prop_map(At::Head),
    ];
    prop_oneof![
        8 => (index(), index(), 0u8..6).prop_map(|(from, to, id)| Step::Send { from, to, id }),
        1 => (index(), index(), 50u8..150).prop_map(|(from, to, count)| Step::Burst { from, to, count }),
        4 => (index(), index(), 0u8..6).prop_map(|(from, to, id)| Step::Append { from, to, id }),
        4 => (index(), index(), index(), any::<bool>())
            .prop_map(|(from, to, seq, both)| Step::Deliver { from, to, seq, both }),
        2 => (index(), index()).prop_map(|(from, to)| Step::Done { from, to }),
        1 => (0..2 * DAY).prop_map(|older_than| Step::Sweep { older_than }),
        6 => (index(), index(), at).prop_map(|(user, device, at)| Step::Resume { user, device, at }),
        6 => (index(), index(), -40i64..3).prop_map(|(user, device, useq)| Step::Ack { user, device, useq }),
        3 => (-3 * HOUR as i64..30 * HOUR as i64).prop_map(|step| Step::Clock { step }),
        1 => (-3 * DAY as i64..40 * DAY as i64).prop_map(|step| Step::Clock { step }),
        1 => Just(Step::Restart),
    ]
}

/// The ledger, what it recorded, and what must be true of it.
struct World {
    ledger: Ledger,
    /// Since the birth.
    effects: Vec<Effect>,
    now: Millis,
    bursts: u64,
    said: BTreeMap<Direct, Vec<Said>>,
    inboxes: BTreeMap<User, Vec<(Direct, Seq)>>,
    cursors: HashMap<(User, Device), Useq>,
}

#[derive(Debug, Clone, PartialEq)]
struct Said {
    sender: User,
    id: ClientId,
    at: Millis,
    body: Body,
}

impl World {
    fn new() -> World {
        let ledger = Ledger::new(Epoch::parse("first").unwrap());
        World {
            effects: vec![ledger.birth()],
            ledger,
            now: START,
            bursts: 0,
            said: BTreeMap::new(),
            inboxes: BTreeMap::new(),
            cursors: HashMap::new(),
        }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Send { from, to, id } => self.send(message(from, to, &format!("m{id}"))),
            Step::Burst { from, to, count } => {
                for n in 0..*count {
                    self.bursts += 1;
                    self.send(message(from, to, &format!("b{}-{n}", self.bursts)));
                }
            }
            Step::Append { from, to, id } => self.append(message(from, to, &format!("m{id}"))),
            Step::Deliver { from, to, seq, both } => {
                let conversation = message(from, to, "-").conversation;
                let head = self.head(&conversation);
                if head > 0 {
                    let users = &conversation.participants()[..if *both { 2 } else { 1 }];
                    self.deliver(&conversation, Seq(seq.index(head as usize) as u64 + 1), users);
                }
            }
            Step::Done { from, to } => {
                let conversation = message(from, to, "-").conversation;
                let reached = |user| self.reached(user, &conversation).0;
                let seq = conversation.participants().iter().map(reached).min().unwrap();
                if seq > 0 {
                    self.done(&conversation, Seq(seq));
                }
            }
            Step::Sweep { older_than } => self.sweep(Millis(self.now.0.saturating_sub(*older_than)), 3),
            Step::Resume { user, device, at } => self.resume(&a_user(user), &a_device(device), at),
            Step::Ack { user, device, useq } => self.ack(&a_user(user), &a_device(device), *useq),
            Step::Clock { step } => self.now = Millis(self.now.0.saturating_add_signed(*step)),
            Step::Restart => self.restart(),
        }
    }

    fn send(&mut self, append: Append) {
        let mut effects = Vec::new();
        let sent = self.ledger.send(append.clone(), self.now, &mut effects).unwrap();
        let Sent { seq, at, duplicate, .. } = sent;
        self.check_appended(append, Appended { seq, at, duplicate });
        self.check_delivered(&sent.deliveries);
        for user in sent.conversation.participants() {
            assert!(self.reached(user, &sent.conversation) >= seq, "sent is delivered");
        }
        assert!(
            !(duplicate && sent.deliveries.is_empty()) || effects.iter().all(is_done),
            "a repeat writes nothing"
        );
        self.keep(effects);

        let mut again = Vec::new();
        let client_id = self.said[&sent.conversation][seq.0 as usize - 1].id.clone();
        let sender = self.said[&sent.conversation][seq.0 as usize - 1].sender.clone();
        let repeat =
            Append { client_id, sender, conversation: sent.conversation, body: Body::from(&b"?"[..]) };
        let repeat = self.ledger.send(repeat, self.now, &mut again).unwrap();
        assert_eq!((repeat.seq, repeat.at, repeat.duplicate), (seq, at, true));
        assert!(again.is_empty() && repeat.deliveries.is_empty());
    }

    fn append(&mut self, append: Append) {
        let mut effects = Vec::new();
        let appended = self.ledger.append(append.clone(), self.now, &mut effects).unwrap();
        assert_eq!(effects.len(), usize::from(!appended.duplicate));
        self.check_appended(append, appended);
        self.keep(effects);
    }

    /// I2 and I3 at the log: one message a client id, next in number, never earlier in time.
    fn check_appended(&mut self, append: Append, appended: Appended) {
        let Append { conversation, sender, client_id: id, body } = append;
        let said = self.said.entry(conversation).or_default();
        let last_at = said.last().map_or(Millis(0), |last| last.at);
        let at = self.now.max(last_at);
        let first = said.iter().rposition(|said| said.sender == sender && said.id == id);
        let age = first.map(|first| at.0 - said[first].at.0);
        if appended.duplicate {
            let first = first.expect("a duplicate of something");
            assert!(age < Some(2 * DAY), "an id is forgotten after two windows");
            assert_eq!((appended.seq, appended.at), (Seq(first as u64 + 1), said[first].at));
        } else {
            assert!(age.is_none_or(|age| age >= DAY), "an id is known for a window");
            assert_eq!((appended.seq, appended.at), (Seq(said.len() as u64 + 1), at));
            said.push(Said { sender, id, at, body });
        }
    }

    fn deliver(&mut self, conversation: &Direct, seq: Seq, users: &[User]) {
        let mut effects = Vec::new();
        let deliveries = self.ledger.deliver(conversation, seq, users, &mut effects).unwrap();
        assert_eq!(effects.len(), deliveries.len());
        self.check_delivered(&deliveries);
        for user in users {
            assert!(self.reached(user, conversation) >= seq);
        }
        let again = self.ledger.deliver(conversation, seq, users, &mut effects).unwrap();
        assert!(again.is_empty() && effects.len() == deliveries.len());
        self.keep(effects);
    }

    /// I3 at the inbox: no holes in useq, none in any conversation.
    fn check_delivered(&mut self, deliveries: &[Delivery]) {
        for Delivery { user, useq, entry, .. } in deliveries {
            assert_eq!(entry.seq.0, self.reached(user, &entry.conversation).0 + 1);
            let inbox = self.inboxes.entry(user.clone()).or_default();
            inbox.push((entry.conversation.clone(), entry.seq));
            assert_eq!(useq.0, inbox.len() as u64);
            self.check_entry(user, *useq, entry);
        }
    }

    /// I4: an entry is what was said, and where the oracle has it.
    fn check_entry(&self, user: &User, useq: Useq, entry: &Entry) {
        assert_eq!(entry.useq, Some(useq));
        let at = &self.inboxes[user][useq.0 as usize - 1];
        assert_eq!((&entry.conversation, &entry.seq), (&at.0, &at.1));
        assert_eq!(said(entry), self.said[&entry.conversation][entry.seq.0 as usize - 1]);
        assert_eq!(entry.conversation, Direct::between(&entry.from, &entry.to));
        assert!(entry.conversation.has(user), "I9: only to participants");
    }

    fn done(&mut self, conversation: &Direct, seq: Seq) {
        let mut effects = Vec::new();
        self.ledger.done(conversation, seq, &mut effects).unwrap();
        let once = effects.len();
        self.ledger.done(conversation, seq, &mut effects).unwrap();
        assert_eq!(effects.len(), once);
        self.keep(effects);
    }

    fn sweep(&mut self, older_than: Millis, limit: usize) {
        for Pending { conversation, seq } in self.ledger.pending(older_than, limit) {
            assert_eq!(seq.0, self.head(&conversation));
            self.deliver(&conversation, seq, conversation.participants());
            self.done(&conversation, seq);
        }
    }

    fn resume(&mut self, user: &User, device: &Device, at: &At) {
        let head = self.inboxes.get(user).map_or(0, Vec::len) as u64;
        let position =
            |epoch: &str, useq| Some(Position { epoch: Epoch::parse(epoch).unwrap(), useq: Useq(useq) });
        let from = match at {
            At::None => None,
            At::OtherEpoch(useq) => position("other", useq.index(head as usize + 1) as u64),
            At::Head(offset) => position("first", head.saturating_add_signed(*offset)),
        };
        let portion = Portion { entries_max: 7, bytes_max: 200 };
        let known = self.cursors.get(&(user.clone(), device.clone())).copied();
        let mut effects = Vec::new();
        let resume = self.ledger.resume(user, device, from.as_ref(), portion, self.now, &mut effects);
        self.keep(effects);

        assert_eq!(resume.head.0, head);
        match known {
            Some(cursor) => {
                assert_eq!(resume.cursor, cursor, "I7: a cursor stands where it was acknowledged")
            }
            None => {
                assert!(
                    resume.cursor.0 <= head.saturating_sub(RING_MIN),
                    "a new device gets the last ones at least"
                );
                self.cursors.insert((user.clone(), device.clone()), resume.cursor);
            }
        }
        match from.filter(|from| from.epoch.as_str() == "first" && from.useq.0 <= head) {
            Some(from) if resume.recovered => {
                assert!(resume.start == from.useq || from.useq < resume.start && known >= Some(resume.start));
            }
            Some(from) => assert!(known.is_none() && from.useq < resume.start),
            None => assert!(resume.start == resume.cursor && !resume.recovered),
        }
        self.check_replay(user, resume);

        let mut again = Vec::new();
        self.ledger.resume(user, device, None, portion, self.now, &mut again);
        assert!(again.is_empty(), "seen just now");
    }

    /// Everything from where it starts up to the head, once, in order.
    fn check_replay(&self, user: &User, resume: Resume) {
        let Resume { start, head, entries, more, .. } = resume;
        let mut batch = Batch { entries, more };
        let mut last = start;
        let mut reached: HashMap<Direct, Seq> = HashMap::new();
        loop {
            for entry in &batch.entries {
                last = Useq(last.0 + 1);
                self.check_entry(user, last, entry);
                let before = reached.insert(entry.conversation.clone(), entry.seq);
                assert!(before.is_none_or(|before| before.0 + 1 == entry.seq.0));
            }
            if !batch.more {
                break;
            }
            assert!(!batch.entries.is_empty());
            batch = self.ledger.entries(user, last, Portion { entries_max: 100, bytes_max: 3000 });
        }
        assert_eq!(last, head);
    }

    fn ack(&mut self, user: &User, device: &Device, offset: i64) {
        let head = self.inboxes.get(user).map_or(0, Vec::len) as u64;
        let useq = Useq(head.saturating_add_signed(offset));
        let before = self.cursors.get(&(user.clone(), device.clone())).copied();
        let mut effects = Vec::new();
        let cursor = self.ledger.ack(user, device, useq, self.now, &mut effects);
        assert!(cursor.0 <= head && Some(cursor) >= before, "I7");
        assert!(cursor >= useq.min(Useq(head)));
        if before == Some(cursor) {
            assert!(effects.is_empty());
        }
        if !effects.is_empty() {
            self.cursors.insert((user.clone(), device.clone()), cursor);
        }
        self.keep(effects);

        let mut again = Vec::new();
        assert_eq!(self.ledger.ack(user, device, useq, self.now, &mut again), cursor);
        assert!(again.is_empty());
    }

    fn keep(&mut self, effects: Vec<Effect>) {
        for effect in &effects {
            if let Effect::Forgotten { user, device } = effect {
                self.cursors.remove(&(user.clone(), device.clone()));
            }
        }
        self.effects.extend(effects);
    }

    /// Goes on with a ledger made from nothing but the effects, as they are stored.
    fn restart(&mut self) {
        let mut replayed = Ledger::new(Epoch::parse("another").unwrap());
        for effect in &self.effects {
            let stored = postcard::to_allocvec(effect).unwrap();
            let effect: Effect = postcard::from_bytes(&stored).unwrap();
            replayed.apply(&effect).unwrap();
        }
        assert!(replayed == self.ledger, "a replay comes to the same");
        assert_eq!(replayed.epoch(), self.ledger.epoch());
        self.ledger = replayed;
    }

    /// Goes on with a ledger made anew from what this one knows of its past.
    fn remake(&mut self) {
        self.ledger = remade(&self.ledger);
        assert!(remade(&self.ledger) == self.ledger, "one that has just been made can be made again");
    }

    /// When all is quiet: nothing waits, every log reads as it was said, every inbox holds every message.
    fn settle(&mut self) {
        self.sweep(Millis(u64::MAX), usize::MAX);
        assert!(self.ledger.pending(Millis(u64::MAX), usize::MAX).is_empty());
        self.restart();
        self.remake();
        assert!(self.ledger.pending(Millis(u64::MAX), usize::MAX).is_empty());
        for (conversation, said) in &self.said {
            let user = &conversation.participants()[0];
            assert_eq!(&read_all(&self.ledger, user, conversation), said);
            for user in conversation.participants() {
                assert_eq!(self.reached(user, conversation).0, said.len() as u64);
            }
        }
        for (user, device) in self.cursors.keys().cloned().collect::<BTreeSet<_>>() {
            self.resume(&user, &device, &At::None);
        }
    }

    fn head(&self, conversation: &Direct) -> u64 {
        self.said.get(conversation).map_or(0, Vec::len) as u64
    }

    fn reached(&self, user: &User, conversation: &Direct) -> Seq {
        let mut inbox = self.inboxes.get(user).into_iter().flatten().rev();
        inbox.find(|(other, _)| other == conversation).map_or(Seq::ZERO, |(_, seq)| *seq)
    }
}

fn remade(ledger: &Ledger) -> Ledger {
    let mut remade = Ledger::new(Epoch::parse("another").unwrap());
    ledger.past(ledger.epoch(), &mut |effect| remade.apply(&effect).unwrap());
    assert_eq!(remade.epoch(), ledger.epoch());
    remade
}

/// A whole conversation, by pages from the end.
fn read_all(ledger: &Ledger, user: &User, conversation: &Direct) -> Vec<Said> {
    let mut pages = Vec::new();
    let mut before = None;
    loop {
        let page = ledger.history(user, conversation, before, 9).unwrap();
        before = page.entries.first().map(|entry| entry.seq);
        let more = page.more;
        pages.push(page);
        if !more {
            break;
        }
    }
    let entries: Vec<Entry> = pages.into_iter().rev().flat_map(|page| page.entries).collect();
    assert!(entries.iter().map(|entry| entry.seq.0).eq(1..=entries.len() as u64));
    entries.iter().map(said).collect()
}

fn said(entry: &Entry) -> Said {
    Said { sender: entry.from.clone(), id: entry.id.clone(), at: entry.at, body: entry.body.clone() }
}

fn is_done(effect: &Effect) -> bool {
    matches!(effect, Effect::Done { .. })
}

fn a_user(index: &Index) -> User {
    User::parse(USERS[index.index(USERS.len())]).unwrap()
}

fn a_device(index: &Index) -> Device {
    Device::parse(DEVICES[index.index(DEVICES.len())]).unwrap()
}

fn message(from: &Index, to: &Index, id: &str) -> Append {
    let sender = a_user(from);
    Append {
        conversation: Direct::between(&sender, &a_user(to)),
        client_id: ClientId::parse(id).unwrap(),
        body: Body::from(format!("{sender} says {id}").as_bytes()),
        sender,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn no_history_loses_repeats_or_reorders_anything(steps in prop::collection::vec(step(), 1..120)) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
        }
        world.settle();
    }

    #[test]
    fn every_prefix_of_the_effects_can_be_gone_on_from(
        steps in prop::collection::vec(step(), 1..30),
        cut in any::<Index>(),
    ) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
        }
        let mut ledger = Ledger::new(Epoch::parse("first").unwrap());
        for effect in &world.effects[..cut.index(world.effects.len())] {
            ledger.apply(effect).unwrap();
        }
        let mut effects = Vec::new();
        for Pending { conversation, seq } in ledger.pending(Millis(u64::MAX), usize::MAX) {
            ledger.deliver(&conversation, seq, conversation.participants(), &mut effects).unwrap();
            ledger.done(&conversation, seq, &mut effects).unwrap();
        }
        prop_assert!(ledger.pending(Millis(u64::MAX), usize::MAX).is_empty());
    }
}
