//! No number that was answered is given again, whatever a power cut takes.

use std::{path::Path, sync::Arc};

use naru_ledger::{
    Answer, ClientId, Conversation, Direct, Level as Asked, Op, Seq, User,
    op::{Append, Said, What},
};
use naru_store::{
    Log, Lsn, Options, Vfs,
    faults::{Disk, Fault, Keep},
};
use proptest::prelude::*;

use super::*;
use crate::{
    config::Config,
    keeper::{
        held::{self, Held, Release},
        journal::Journal,
        load::Loading,
    },
};

#[derive(Clone, Copy, Debug)]
enum Step {
    Say,
    /// The disk is waited for.
    Wait,
    Submit,
    Level(&'static str),
    Raise,
}

fn step() -> impl Strategy<Value = Step> {
    let level = prop_oneof![Just("always"), Just("everysec"), Just("no")];
    prop_oneof![
        8 => Just(Step::Say),
        2 => Just(Step::Wait),
        4 => Just(Step::Submit),
        2 => level.prop_map(Step::Level),
        1 => Just(Step::Raise),
    ]
}

fn config() -> Arc<Config> {
    let config = Config::by_default();
    config.set(&[(b"appendfsync", b"always")]).unwrap();
    Arc::new(config)
}

/// None: the power went while it was opened.
fn try_open(disk: &Disk, config: &Arc<Config>) -> Option<Store> {
    let fs: Arc<dyn Vfs> = Arc::new(disk.clone());
    let options = Options { segment_bytes: 16 << 10, ..Options::default() };
    let mut loading = Loading::to_look();
    let (log, _) = Log::open(fs, Path::new("/data"), options, Box::new(|_| {}), &mut loading).ok()?;
    assert!(loading.failed.is_none(), "{:?}", loading.failed);
    let mut journal = Journal::new(log);
    journal.count(&loading.keyspace, &loading.ledger, &loading.channels).unwrap();
    let mut store = Store::new(loading.keyspace, loading.ledger, loading.channels, journal, config.clone());
    store.outlives_process = true;
    store.begin_life().ok()?;
    Some(store)
}

fn open(disk: &Disk, config: &Arc<Config>) -> Store {
    try_open(disk, config).unwrap()
}

fn say(store: &mut Store, number: u64) -> Option<Seq> {
    let [alice, bob] = ["alice", "bob"].map(|name| User::parse(name).unwrap());
    let append = Append {
        conversation: Conversation::from(Direct::between(&alice, &bob)),
        sender: alice,
        client_id: ClientId::parse(&number.to_string()).unwrap(),
        said: Said::System { body: b"1".as_slice().into() },
        level: Asked::Fsync,
    };
    let decided = store.decide(&Op::Send(append)).unwrap();
    store.change_ledger(decided.changes).ok()?;
    match decided.answer {
        Answer::Appended(appended) => Some(appended.seq),
        other => panic!("{other:?}"),
    }
}

/// What was answered, once the record counts; the highest so far.
#[derive(Default)]
struct Answers {
    held: Vec<(Lsn, Seq)>,
    highest: Seq,
}

impl Answers {
    fn leave(&mut self, durable: Lsn) {
        let (left, held): (Vec<_>, Vec<_>) = self.held.drain(..).partition(|(lsn, _)| *lsn <= durable);
        self.held = held;
        for (_, seq) in left {
            assert!(seq > self.highest, "{seq} was given after {}", self.highest);
            self.highest = seq;
        }
    }
}

fn live(
    disk: &Disk,
    steps: &[Step],
    answers: &mut Answers,
    number: &mut u64,
    config: &Arc<Config>,
) -> Option<Store> {
    let mut store = try_open(disk, config)?;
    for step in steps {
        match step {
            Step::Say => {
                *number += 1;
                if let Some(seq) = say(&mut store, *number) {
                    answers.held.push((store.journal.last(), seq));
                }
            }
            Step::Submit => drop(store.submit(false)),
            Step::Wait => {
                while store.submit(true).is_ok() && store.journal.durable() < store.journal.last() {
                    std::thread::yield_now();
                }
            }
            Step::Level(level) => {
                config.set(&[(b"appendfsync", level.as_bytes())]).unwrap();
            }
            Step::Raise => drop(store.raise_generation()),
        }
        answers.leave(store.journal.durable());
    }
    Some(store)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn no_number_that_was_answered_is_given_again(
        seed: u64,
        lives in prop::collection::vec((prop::collection::vec(step(), 0..40), 0_u8..3, 1_u64..120), 1..8),
    ) {
        let (disk, config) = (Disk::new(seed), config());
        let (mut answers, mut number) = (Answers::default(), 0);
        for (steps, end, cut) in lives {
            if end == 0 {
                disk.plan(disk.operations() + cut, Fault::Stop);
            }
            let lived = live(&disk, &steps, &mut answers, &mut number, &config);
            if let (1, Some(mut store)) = (end, lived) {
                // In order.
                let _ = store.rest();
                if store.journal.close().is_ok() {
                    answers.leave(Lsn::new(u64::MAX));
                }
            }
            answers.held.clear();
            disk.power_on(if end == 1 { Keep::Everything } else { Keep::Any });
        }
    }
}

#[test]
fn only_an_end_that_was_not_in_order_raises_the_generation_and_only_at_a_weak_level() {
    let generation = |store: &Store| store.ledger.head().generation.0;
    let (disk, config) = (Disk::new(1), config());
    let wait = |store: &mut Store| {
        while store.submit(false).is_ok() && store.journal.log().synced() < store.journal.last() {
            std::thread::yield_now();
        }
    };
    let mut store = open(&disk, &config);
    say(&mut store, 1);
    wait(&mut store);
    drop(store);
    // It was synced all the time.
    config.set(&[(b"appendfsync", b"everysec")]).unwrap();
    let mut store = open(&disk, &config);
    assert_eq!(generation(&store), 1);
    wait(&mut store);
    store.submit(false).unwrap();
    assert_eq!((store.journal.log().level(), store.ledger.head().is_weakened), (Level::EverySecond, true));
    assert_eq!(say(&mut store, 2), Some(Seq(2)));
    store.rest().unwrap();
    store.journal.close().unwrap();
    // In order.
    let mut store = open(&disk, &config);
    assert_eq!(generation(&store), 1);
    wait(&mut store);
    drop(store);
    let mut store = open(&disk, &config);
    assert_eq!(generation(&store), 2);
    assert_eq!(say(&mut store, 3), Some(Seq(3 + naru_ledger::JUMP)));
    // Back at the strict level.
    wait(&mut store);
    config.set(&[(b"appendfsync", b"always")]).unwrap();
    wait(&mut store);
    wait(&mut store);
    assert!(!store.ledger.head().is_weakened);
    drop(store);
    let mut store = open(&disk, &config);
    assert_eq!(generation(&store), 2);
    // The weaker level is taken back before its note is on disk, so before it was gone over to.
    config.set(&[(b"appendfsync", b"everysec")]).unwrap();
    store.follow_level().unwrap();
    assert_eq!((store.journal.log().level(), store.ledger.head().is_weakened), (Level::Always, true));
    config.set(&[(b"appendfsync", b"always")]).unwrap();
    store.follow_level().unwrap();
    assert!(!store.ledger.head().is_weakened);
}

/// Lets go what may leave, as a turn does; which messages those are, and what they were promised to survive.
fn release(store: &mut Store, held: &mut Held) -> Vec<(u64, Asked)> {
    let (counts, synced) = (store.journal.durable(), store.journal.log().synced());
    if held.wants_sync(counts, synced) {
        store.journal.log().sync();
    }
    let mut left = Vec::new();
    while let Some(Release::Publish(held::Announcement { channel, payload })) = held.next(counts, synced) {
        let number = str::from_utf8(&channel).unwrap().parse().unwrap();
        left.push((number, Asked::parse(str::from_utf8(&payload).unwrap()).unwrap()));
    }
    left
}

/// Says something, whose answer is held until what it is to survive is so.
fn say_and_hold(store: &mut Store, held: &mut Held, number: u64, asked: Asked) {
    say(store, number).unwrap();
    let mut reached = asked;
    let until = store.promise(&mut reached);
    let (channel, payload) = (number.to_string().into(), reached.as_str().into());
    held.keep(store.journal.last(), until, Release::Publish(held::Announcement { channel, payload }));
}

fn is_there(store: &mut Store, number: u64) -> bool {
    let [alice, bob] = ["alice", "bob"].map(|name| User::parse(name).unwrap());
    let what = What::Sent { sender: alice.clone(), client_id: ClientId::parse(&number.to_string()).unwrap() };
    let op = Op::Trace { conversation: Direct::between(&alice, &bob).into(), what };
    matches!(store.decide(&op).unwrap().answer, Answer::Traced(traced) if traced.entry.is_some())
}

#[test]
fn what_was_promised_to_be_on_disk_is_there_after_a_power_cut() {
    for level in ["always", "everysec", "no"] {
        let (disk, config) = (Disk::new(1), config());
        config.set(&[(b"appendfsync", level.as_bytes())]).unwrap();
        let (mut store, mut held, mut left) = (open(&disk, &config), Held::default(), Vec::new());
        for number in 1..=60 {
            say_and_hold(&mut store, &mut held, number, Asked::ALL[number as usize % 3]);
            store.submit(number % 2 == 0).unwrap();
            left.extend(release(&mut store, &mut held));
            if number % 10 != 0 {
                continue;
            }
            let cut = disk.copy();
            cut.power_on(Keep::Nothing);
            let mut again = open(&cut, &config);
            for (number, reached) in &left {
                assert!(*reached == Asked::Memory || is_there(&mut again, *number), "{number} at {level}");
            }
        }
        while left.len() < 60 {
            store.submit(true).unwrap();
            left.extend(release(&mut store, &mut held));
        }
        let memory = left.iter().filter(|(_, reached)| *reached == Asked::Memory).count();
        assert!(memory < 30 && (memory == 0 || level != "always"), "{memory} at {level}");
        assert!(left.iter().all(|(_, reached)| *reached < Asked::Replica), "there is no other machine");
    }
}

#[test]
fn where_a_sync_fails_nothing_is_promised_any_more() {
    let (disk, config) = (Disk::new(1), config());
    config.set(&[(b"appendfsync", b"no")]).unwrap();
    let (mut store, mut held) = (open(&disk, &config), Held::default());
    // From here on what is not on disk counts.
    while store.journal.log().level() == Level::Always || store.journal.log().synced() < store.journal.last()
    {
        store.submit(true).unwrap();
        store.journal.log().sync();
    }
    say_and_hold(&mut store, &mut held, 1, Asked::Memory);
    say_and_hold(&mut store, &mut held, 2, Asked::Fsync);
    while store.journal.durable() < store.journal.last() {
        store.submit(true).unwrap();
    }
    disk.plan(disk.operations() + 1, Fault::Error(std::io::ErrorKind::Other));
    assert_eq!(release(&mut store, &mut held), [(1, Asked::Memory)]);
    while store.submit(true).is_ok() {}
    assert!(release(&mut store, &mut held).is_empty());
    assert_eq!(held.drain().count(), 1);
}
