//! Whatever happens to keys while a checkpoint is being made, what is taken back in is what was there.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use bytes::Bytes;
use naru_ledger::{
    ClientId, Direct, Epoch, Millis, Model, Op, User,
    op::{Append, Said},
    testing::channels::{Step as ChannelStep, step as channel_step},
};
use naru_store::{Level, Log, Lsn, MemoryFs, Options, RealFs, Vfs, faults::Disk};
use proptest::prelude::*;

mod power;

use super::*;
use crate::{
    config::Config,
    keeper::{
        change::Change,
        channels,
        journal::Journal,
        ledger::cast::{Deed, START, act, all_of_model, all_of_store, deed, tight},
        load::Loading,
        reclaim::{self, Reclaim},
        salvage::salvage_with,
    },
    keyspace::{KeyChange, Kind, Value},
    lists::{Element, End, List, ListChange},
    streams::{Stream, StreamChange, StreamId},
    strings::StringChange,
};

const PACE: Pace = Pace { log_bytes_min: 6000, slice: Duration::ZERO, piece_bytes: 1, copied_from: 3 };

const RECLAIM: reclaim::Pace =
    reclaim::Pace { dead_bytes_min: 8 << 10, turn_bytes: 100, turn_references: 5, pause: Duration::ZERO };

/// A store in a folder, as the keeper has it.
struct Desk {
    store: Store,
    checkpoints: Checkpoints,
    reclaim: Reclaim,
    checkpoint: Option<Lsn>,
    config: Arc<Config>,
    /// The disk may fail, and then nothing more is done.
    may_fail: bool,
    /// What people have done so far, and when they did the last.
    model: Model,
    now: Millis,
}

impl Desk {
    fn open(folder: &Path) -> Desk {
        Desk::open_in(Arc::new(RealFs), folder)
    }

    fn open_in(fs: Arc<dyn Vfs>, folder: &Path) -> Desk {
        Desk::open_with(fs, folder, 16 << 10)
    }

    fn open_with(fs: Arc<dyn Vfs>, folder: &Path, segment_bytes: u64) -> Desk {
        let config: Arc<Config> = Config::by_default().into();
        let mut loading = Loading::to_look();
        let options = Options { segment_bytes, ..Options::default() };
        let (log, recovery) = Log::open(fs, folder, options, Box::new(|_| {}), &mut loading).unwrap();
        assert!(loading.failed.is_none(), "{:?}", loading.failed);
        loading.ledger.check().unwrap();
        let mut journal = Journal::new(log);
        journal.count(&loading.keyspace, &loading.ledger, &loading.channels).unwrap();
        let end = journal.log().next_address().position();
        let mut store =
            Store::new(loading.keyspace, loading.ledger, loading.channels, journal, config.clone());
        store.limits = tight();
        let checkpoints = Checkpoints::new(PACE, end, loading.checkpoint_bytes);
        Desk {
            store,
            checkpoints,
            reclaim: Reclaim::new(RECLAIM),
            checkpoint: recovery.checkpoint,
            config,
            may_fail: false,
            model: Model::new(Epoch::parse("none").unwrap(), tight()),
            now: START,
        }
    }

    /// What the keeper does between jobs; waits for the disk, so that segments fill and go.
    fn turn(&mut self) {
        self.checkpoints.look(&mut self.store);
        self.checkpoints.go_on(&mut self.store);
        self.reclaim.look(&mut self.store);
        self.reclaim.go_on(&mut self.store);
        loop {
            // A short frame is written here, which saves most turns the way to the writer's thread and back.
            let submitted = self.store.journal.log().submit_and_wait();
            assert!(submitted.is_ok() || self.may_fail);
            if submitted.is_err() || self.store.journal.durable() >= self.store.journal.last() {
                break;
            }
            std::thread::yield_now();
        }
    }

    /// The same, and if a checkpoint has all its keys, it is done.
    fn turn_to_the_end(&mut self) {
        self.turn();
        while self.checkpoints.walk.is_none() && self.store.journal.log().is_checkpointing() {
            self.store.journal.log().submit().unwrap();
            std::thread::yield_now();
        }
    }

    /// Goes on until its files take so little; a mark now and then, as when the keeper has nothing to do.
    fn shrink(&mut self, bytes: u64) {
        let end = Instant::now() + Duration::from_secs(60);
        while self.file_bytes() > bytes {
            assert!(Instant::now() < end, "{} bytes stay", self.file_bytes());
            let _ = self.store.journal.log().mark();
            self.turn();
            // It is another thread that gives them back.
            std::thread::yield_now();
        }
    }

    fn close(self) {
        self.store.journal.close().unwrap();
    }

    /// Everything there is: what each key holds, with bodies, as text.
    fn everything(&mut self) -> BTreeMap<Vec<u8>, Vec<String>> {
        let mut everything = self.keys();
        if self.store.ledger.people().numbers() > 0 {
            everything.insert(PEOPLE.to_vec(), all_of_store(&mut self.store));
        }
        everything
    }

    /// The same without people.
    fn keys(&self) -> BTreeMap<Vec<u8>, Vec<String>> {
        let keyspace = &self.store.keyspace;
        let body = |place| match self.store.journal.read(place) {
            Ok(body) => body.escape_ascii().to_string(),
            Err(error) if self.may_fail => error.to_string(),
            Err(error) => panic!("{error}"),
        };
        let keys = (0..keyspace.numbers()).filter_map(|number| keyspace.at(number));
        keys.map(|key| {
            let held = match &key.value {
                Value::Stream(stream) => {
                    let entries = stream.range(StreamId::MIN, StreamId::MAX);
                    entries.map(|(id, place)| format!("{id:?} {}", body(place))).collect()
                }
                Value::List(list) => list
                    .from(0)
                    .map(|element| match element.place() {
                        Some(place) => body(place),
                        None => format!("{:?}", element.as_inline()),
                    })
                    .collect(),
                Value::Text(text) => vec![format!("{:?}", text.as_bytes())],
            };
            (key.name.to_vec(), [vec![format!("{:?}", key.expiry())], held].concat())
        })
        .chain(self.store.channels.iter().map(|kept| {
            let publications =
                kept.publications(0).map(|(offset, place)| format!("{offset} {}", body(place)));
            let once = kept.once().map(|first| format!("{first:?}"));
            let stands = format!("{:?} {:?}", kept.standing(), kept.times());
            let name = format!("\0channel {}", kept.channel()).into_bytes();
            (name, publications.chain(once).chain([stands]).collect())
        }))
        .collect()
    }

    /// Something is asked of a channel, or time passes.
    fn ask_channel(&mut self, step: ChannelStep) {
        self.store.now = self.store.now.max(self.now.0);
        match step {
            ChannelStep::Ask(op) => {
                let asked = channels::ask(&mut self.store, &op);
                assert!(asked.is_ok() || self.may_fail, "{:?}", asked.err());
            }
            ChannelStep::Pass(time) => {
                self.now = self.now.after(time);
                self.store.now = self.now.0;
                let passed = self.store.expire_channels();
                assert!(passed.is_ok() || self.may_fail, "{passed:?}");
            }
            // Who is present is recorded nowhere; and a generation is the ledger's own.
            ChannelStep::Server(_) | ChannelStep::Over(_) | ChannelStep::Raise => {}
        }
    }

    /// Changes a key, unless it holds something of another kind.
    fn try_change(&mut self, change: Change) {
        let kind = match &change {
            Change::Stream(key, _) => Some((key, Kind::Stream)),
            Change::List(key, _) => Some((key, Kind::List)),
            _ => None,
        };
        let is_other = kind.is_some_and(|(key, kind)| self.store.kind(key).is_some_and(|it| it != kind));
        if !is_other {
            let changed = self.store.change(vec![change]);
            assert!(changed.is_ok() || self.may_fail, "{changed:?}");
        }
    }

    /// Bytes of the log's files.
    fn file_bytes(&mut self) -> u64 {
        self.store.journal.log().file_bytes()
    }

    fn add(&mut self, key: &Bytes, body: usize) -> Change {
        let stream = self.store.stream(key).unwrap_or(None);
        let id = stream.map_or(StreamId::MIN, Stream::last).next().unwrap();
        let body = Bytes::from(vec![b'a' + (id.sequence % 26) as u8; body]);
        Change::Stream(key.clone(), StreamChange::Added { id, body: body.into() })
    }

    /// Someone does something, a moment later.
    fn act(&mut self, deed: Deed) {
        self.now = Millis(self.now.0 + 7_777);
        let acted = act(deed, self.now, &mut self.model, &mut self.store);
        assert!(acted.is_some() || self.may_fail);
    }

    /// What is kept of people is what the model has.
    fn check_people(&mut self) {
        assert_eq!(all_of_store(&mut self.store), all_of_model(&self.model));
        assert_eq!(self.store.ledger.totals(), self.store.ledger.counted());
    }
}

/// No key's name.
const PEOPLE: &[u8] = b"\0people";

/// Cases in one run of a test; the long run raises it by `NARU_CASES`.
fn cases(usual: u32) -> ProptestConfig {
    let cases = std::env::var("NARU_CASES").ok().and_then(|count| count.parse().ok()).unwrap_or(usual);
    ProptestConfig::with_cases(cases)
}

proptest! {
    #![proptest_config(cases(24))]
    #[test]
    fn what_is_taken_back_in_is_what_was_there(
        lives in prop::collection::vec(
            prop::collection::vec((0_u8..15, 0_usize..12, 0_usize..300, deed(), channel_step()), 0..160), 2..4
        ),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let mut began_with = 0;
        let (mut model, mut now) = (Model::new(Epoch::parse("none").unwrap(), tight()), START);
        for (life, steps) in lives.into_iter().enumerate() {
            let mut desk = Desk::open(&data);
            (desk.model, desk.now) = (model, now);
            desk.model.restart();
            began_with += usize::from(desk.checkpoint.is_some());
            for (number, (step, key, size, deed, channel_step)) in steps.into_iter().enumerate() {
                let name = Bytes::from(format!("key-{key}"));
                let text = Bytes::from(format!("{number:0width$}", width = size / 4));
                match step {
                    0..=2 => {
                        let change = desk.add(&name, size);
                        desk.try_change(change);
                    }
                    3..=4 => {
                        let (end, element) = (if size % 2 == 0 { End::Left } else { End::Right }, text);
                        let elements = vec![Element::body(element)];
                        desk.try_change(Change::List(name, ListChange::Pushed { end, elements }));
                    }
                    5 => {
                        desk.store.begin();
                        for key in [&name, &Bytes::from("other"), &name] {
                            let change = desk.add(key, size);
                            desk.try_change(change);
                        }
                        prop_assert!(desk.everything().contains_key(&b"other"[..]), "read before it is recorded");
                        desk.store.commit().unwrap();
                    }
                    6 => {
                        let last = desk.store.stream(&name).unwrap_or(None).map(Stream::last);
                        if let Some(through) = last {
                            desk.try_change(Change::Stream(name, StreamChange::Trimmed { through }));
                        } else if desk.store.kind(&name) == Some(Kind::List) {
                            let change = ListChange::Set { index: 0, element: Element::body(text) };
                            desk.try_change(Change::List(name.clone(), change));
                            let change = ListChange::Popped { end: End::Right, count: 1 };
                            desk.try_change(Change::List(name, change));
                        }
                    }
                    7 if desk.store.keyspace.get(&name).is_some() => {
                        let to = Bytes::from(format!("key-{}", size % 12));
                        let change = match size % 3 {
                            0 => KeyChange::Deleted,
                            1 => KeyChange::Renamed { to },
                            _ => KeyChange::Expires((size % 2 == 0).then_some(u64::MAX)),
                        };
                        desk.try_change(Change::Key(name, change));
                    }
                    8 | 10 | 11 => desk.act(deed),
                    12.. => desk.ask_channel(channel_step),
                    9 if size % 8 == 0 => desk.store.flush().unwrap(),
                    9 => {
                        let change = StringChange::Set { value: text, expiry: None };
                        desk.try_change(Change::Text(name, change));
                    }
                    _ => {}
                }
                desk.turn();
            }
            let everything = desk.everything();
            desk.check_people();
            prop_assert!(desk.config.stream_node_entries_max() > 0);
            (model, now) = (desk.model.clone(), desk.now);
            desk.close();
            let mut again = Desk::open(&data);
            prop_assert_eq!(&again.everything(), &everything);
            again.close();

            // Salvaged, though nothing is lost, it is the same.
            let new = folder.path().join(format!("new-{life}"));
            let options = Options { segment_bytes: 16 << 10, batch_bytes: 2000, level: Level::No, ..Options::default() };
            let head = Loading::to_look().ledger.head().clone();
            let report = salvage_with(Arc::new(RealFs), &data, &new, options, head, Millis(0)).unwrap();
            prop_assert!(report.is_complete(), "{}", report);
            prop_assert_eq!(&Desk::open(&new).everything(), &everything);
        }
        println!("{began_with} of the lives began with a checkpoint");
    }
}

#[test]
fn space_comes_back_when_most_is_trimmed_and_the_rest_is_still_there() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = Desk::open(&folder.path().join("data"));
    let (kept, trimmed) = (Bytes::from("kept"), Bytes::from("trimmed"));
    let mut bytes_max = 0;
    for round in 0..600 {
        // One in twenty stays, so that no segment is ever without anything live.
        let key = if round % 20 == 0 { &kept } else { &trimmed };
        let change = desk.add(key, 400);
        desk.store.change(vec![change]).unwrap();
        if round % 100 == 99 {
            let through = desk.store.stream(&trimmed).unwrap().unwrap().last();
            let change = StreamChange::Trimmed { through };
            desk.store.change(vec![Change::Stream(trimmed.clone(), change)]).unwrap();
        }
        desk.turn();
        bytes_max = bytes_max.max(desk.file_bytes());
    }
    assert!(bytes_max > 64 << 10, "there was something to give back: {bytes_max}");
    // What nobody asks for comes by itself.
    desk.shrink(64 << 10);
    let everything = desk.everything();
    assert_eq!(everything[&kept[..]].len(), 1 + 30);
    desk.close();
    let mut again = Desk::open(&folder.path().join("data"));
    assert_eq!(again.everything(), everything);
}

/// Every change of an entry names its key: a few fill a record, and what is as dense as it can be is not written again and
/// again for the sake of nothing.
#[test]
fn segments_are_emptied_though_names_are_long_and_not_without_end() {
    let mut desk = Desk::open_in(Arc::new(MemoryFs::new()), Path::new("/data"));
    desk.reclaim = Reclaim::new(reclaim::Pace { dead_bytes_min: 20 << 10, ..RECLAIM });
    let name = |letter: &str| Bytes::from(letter.repeat(1500));
    let (kept, trimmed) = (name("k"), name("t"));
    for _ in 0..60 {
        for key in [&kept, &trimmed] {
            let change = desk.add(key, 100);
            desk.store.change(vec![change]).unwrap();
        }
        desk.turn();
    }
    let settle = |desk: &mut Desk| {
        for _ in 0..1500 {
            let _ = desk.store.journal.log().mark();
            desk.turn_to_the_end();
        }
        let end = desk.store.journal.log().next_address().position();
        (end, desk.file_bytes())
    };
    let (end, full) = settle(&mut desk);
    let (later, _) = settle(&mut desk);
    // Marks, and the checkpoints they are for, but no entry.
    assert!(later - end < 150_000, "{} bytes were written, and nothing had changed", later - end);
    desk.store.change(vec![Change::Key(trimmed, KeyChange::Deleted)]).unwrap();
    let (_, half) = settle(&mut desk);
    assert!(half < full * 3 / 4, "{half} of {full} bytes stay");
    assert_eq!(desk.everything()[&kept[..]].len(), 1 + 60);
    desk.close();
}

/// The last one may still be waiting for its name: then this one is as due as before.
#[test]
fn a_checkpoint_that_could_not_begin_begins_as_soon_as_it_can() {
    let disk = Disk::new(1);
    let mut desk = Desk::open_in(Arc::new(disk.clone()), Path::new("/data"));
    let name = Bytes::from("stream");
    let fill = |desk: &mut Desk, count: u32| {
        for _ in 0..count {
            let change = desk.add(&name, 1000);
            desk.try_change(change);
        }
    };
    fill(&mut desk, 6);
    while desk.store.journal.durable() < desk.store.journal.last() {
        desk.store.journal.log().submit().unwrap();
    }
    desk.checkpoints.look(&mut desk.store);
    fill(&mut desk, 1);
    while desk.checkpoints.walk.is_some() {
        desk.checkpoints.go_on(&mut desk.store);
    }
    // It waits for what is not even handed over.
    fill(&mut desk, 6);
    let begun_at = desk.checkpoints.begun_at;
    desk.checkpoints.look(&mut desk.store);
    assert!(desk.checkpoints.walk.is_none() && desk.store.journal.log().is_checkpointing());
    assert_eq!(desk.checkpoints.begun_at, begun_at);
    while desk.checkpoints.walk.is_none() {
        desk.store.journal.log().submit().unwrap();
        desk.checkpoints.look(&mut desk.store);
        std::thread::yield_now();
    }
    assert!(desk.checkpoints.begun_at > begun_at);
    desk.close();
}

/// A walk that has passed a key must not lose it when it gets another name, and its old name another key.
#[test]
fn a_key_that_was_written_is_found_under_its_new_name_though_the_old_one_was_given_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = Desk::open(&folder.path().join("data"));
    let names: Vec<Bytes> = ["first", "second", "third"].map(Bytes::from).into();
    for name in &names {
        let change = desk.add(name, 4000);
        desk.try_change(change);
    }
    // It begins, and passes the first key.
    desk.turn();
    let to = Bytes::from("renamed");
    desk.try_change(Change::Key(names[0].clone(), KeyChange::Renamed { to }));
    let change = desk.add(&names[0], 10);
    desk.try_change(change);
    let before = desk.checkpoint;
    for _ in 0..50 {
        desk.turn();
    }
    desk.turn_to_the_end();
    let everything = desk.everything();
    assert_eq!(everything.len(), 4);
    desk.close();
    let mut again = Desk::open(&folder.path().join("data"));
    assert!(again.checkpoint > before, "a checkpoint was made");
    assert_eq!(again.everything(), everything);
}

/// While the disk is slow, what is renamed behind the walk waits as numbers, not as copies.
#[test]
fn renaming_behind_a_walk_fills_its_queue_and_no_more() {
    const KEYS: usize = 100;
    let disk = Disk::new(1);
    let open = || Desk::open_with(Arc::new(disk.clone()), Path::new("/data"), 1 << 20);
    let mut desk = open();
    desk.checkpoints.pace.log_bytes_min = u64::MAX;
    let name = |letter: &str, number: usize| Bytes::from(format!("{letter}{number}"));
    let text = |bytes: usize| StringChange::Appended { bytes: vec![b'x'; bytes].into() };
    for number in 0..KEYS {
        desk.try_change(Change::Text(name("short", number), text(1)));
        desk.try_change(Change::Text(name("long", number), text(100_000)));
        desk.turn();
    }
    for number in 0..KEYS {
        desk.try_change(Change::Text(name("behind", number), text(1)));
    }
    desk.turn();
    desk.checkpoints.pace.log_bytes_min = 0;
    while desk.checkpoints.walk.as_ref().is_none_or(|walk| walk.next < 2 * KEYS) {
        desk.turn();
    }
    desk.checkpoints.pace.log_bytes_min = u64::MAX;
    let still = disk.hold();
    let rename = |desk: &mut Desk| {
        for number in 0..KEYS {
            let renamed = KeyChange::Renamed { to: name("short", number) };
            desk.try_change(Change::Key(name("long", number), renamed));
            desk.checkpoints.go_on(&mut desk.store);
        }
    };
    let (_, bytes) = naru_measured::peak_bytes(|| rename(&mut desk));
    assert!((1..5 << 20).contains(&bytes), "{bytes}");
    assert!(desk.checkpoints.walk.as_ref().is_some_and(|walk| walk.behind.len() > KEYS / 2));
    drop(still);
    while desk.checkpoints.walk.is_some() {
        desk.turn();
    }
    desk.turn_to_the_end();
    let everything = desk.everything();
    assert_eq!(everything.len(), 2 * KEYS);
    let before = desk.checkpoint;
    desk.close();
    let mut again = open();
    assert!(again.checkpoint > before && again.everything() == everything);
}

/// What is made in vain while it is read back must not stand in the way of what comes after.
#[test]
fn a_key_that_was_renamed_over_one_of_another_kind_and_deleted_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = Desk::open(&folder.path().join("data"));
    let names: Vec<Bytes> = ["first", "list", "stream"].map(Bytes::from).into();
    for at in [0, 2] {
        let change = desk.add(&names[at], 4000);
        desk.try_change(change);
    }
    let push = |text: &'static str| {
        let elements = vec![Element::body(Bytes::from_static(text.as_bytes()))];
        Change::List(names[1].clone(), ListChange::Pushed { end: End::Left, elements })
    };
    desk.try_change(push("before"));
    // It begins, and passes the first key only.
    desk.turn();
    assert!(desk.checkpoints.walk.is_some());
    desk.try_change(push("after"));
    desk.try_change(Change::Key(names[2].clone(), KeyChange::Renamed { to: names[1].clone() }));
    let change = desk.add(&names[1], 10);
    desk.try_change(change);
    desk.try_change(Change::Key(names[1].clone(), KeyChange::Deleted));
    for _ in 0..50 {
        desk.turn();
    }
    desk.turn_to_the_end();
    let everything = desk.everything();
    assert_eq!(everything.len(), 1);
    desk.close();
    let mut again = Desk::open(&folder.path().join("data"));
    assert!(again.checkpoint.is_some(), "a checkpoint was made");
    assert_eq!(again.everything(), everything);
}

#[test]
fn a_long_key_that_changes_while_another_thread_writes_it_is_as_it_was_when_its_turn_came() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = Desk::open(&folder.path().join("data"));
    let name = Bytes::from("long");
    let pushed = |end, numbers: std::ops::Range<u32>| {
        let elements = numbers.map(|number| Element::body(Bytes::from(number.to_string()))).collect();
        Change::List(name.clone(), ListChange::Pushed { end, elements })
    };
    for hundred in 0..400 {
        desk.try_change(pushed(End::Right, hundred * 100..hundred * 100 + 100));
        desk.turn();
    }
    let before = desk.checkpoint;
    for round in 0..50 {
        desk.turn();
        desk.try_change(Change::List(name.clone(), ListChange::Popped { end: End::Left, count: 300 }));
        desk.try_change(pushed(End::Right, 40_000 + round * 100..40_100 + round * 100));
    }
    desk.turn_to_the_end();
    let everything = desk.everything();
    assert_eq!(everything[&name[..]].len(), 1 + 40_000 - 50 * 200);
    desk.close();
    let mut again = Desk::open(&folder.path().join("data"));
    assert!(again.checkpoint > before, "a checkpoint was made, in parts");
    assert_eq!(again.everything(), everything);
}

/// A list that is replayed without what it began with is not longer than it was: when it was emptied, it is gone.
#[test]
fn a_list_that_was_emptied_and_made_anew_behind_the_walk_has_nothing_of_before() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = Desk::open(&folder.path().join("data"));
    let names: Vec<Bytes> = ["first", "list", "stream"].map(Bytes::from).into();
    let push = |text: &'static str| {
        let elements = vec![Element::body(Bytes::from_static(text.as_bytes()))];
        Change::List(names[1].clone(), ListChange::Pushed { end: End::Right, elements })
    };
    let change = desk.add(&names[0], 4000);
    desk.try_change(change);
    for text in ["one", "two", "three"] {
        desk.try_change(push(text));
    }
    let change = desk.add(&names[2], 4000);
    desk.try_change(change);
    // It begins, and passes the first key only.
    desk.turn();
    assert_eq!(desk.checkpoints.walk.as_ref().map(|walk| walk.next), Some(1));
    for _ in 0..5 {
        desk.try_change(push("four"));
        desk.try_change(Change::List(names[1].clone(), ListChange::Removed { indexes: vec![3] }));
    }
    desk.try_change(Change::List(names[1].clone(), ListChange::Popped { end: End::Left, count: 3 }));
    assert!(desk.store.kind(&names[1]).is_none());
    for _ in 0..50 {
        desk.turn();
    }
    assert!(desk.checkpoints.walk.is_none());
    desk.try_change(push("new"));
    let everything = desk.everything();
    desk.close();
    let mut again = Desk::open(&folder.path().join("data"));
    assert_eq!(again.everything(), everything);
}

/// What happens to a few names in one life; a turn now and then.
#[derive(Clone, Debug)]
enum Step {
    Add(usize),
    Push(usize, bool),
    Pop(usize, bool, u64),
    Remove(usize, u64),
    Set(usize),
    Delete(usize),
    Rename(usize, usize),
    Expire(usize, bool),
    Act(Deed),
    Channel(ChannelStep),
    Turn,
}

const NAMES: usize = 5;

fn step() -> impl Strategy<Value = Step> {
    let name = || 0..NAMES;
    prop_oneof![
        3 => name().prop_map(Step::Add),
        3 => (name(), any::<bool>()).prop_map(|(name, left)| Step::Push(name, left)),
        1 => (name(), any::<bool>(), 1_u64..3).prop_map(|(name, left, count)| Step::Pop(name, left, count)),
        1 => (name(), 0_u64..4).prop_map(|(name, index)| Step::Remove(name, index)),
        1 => name().prop_map(Step::Set),
        3 => name().prop_map(Step::Delete),
        5 => (name(), name()).prop_map(|(from, to)| Step::Rename(from, to)),
        1 => (name(), any::<bool>()).prop_map(|(name, is_set)| Step::Expire(name, is_set)),
        8 => deed().prop_map(Step::Act),
        8 => channel_step().prop_map(Step::Channel),
        8 => Just(Step::Turn),
    ]
}

/// What is done in one life. Many short ones find more than few long ones, but those fill segments and make checkpoints.
fn steps(max: usize) -> impl Strategy<Value = Vec<Step>> {
    prop_oneof![
        9 => prop::collection::vec(step(), 1..20),
        1 => prop::collection::vec(step(), 1..max),
    ]
}

impl Desk {
    fn take(&mut self, step: Step, number: usize) {
        let name = |name: usize| Bytes::from(format!("key-{name}"));
        let end = |is_left| if is_left { End::Left } else { End::Right };
        let len = |desk: &Desk, key: &Bytes| {
            desk.store.value::<List>(key).ok().flatten().map_or(0, List::len) as u64
        };
        match step {
            Step::Add(key) => {
                let change = self.add(&name(key), 20 + number % 200);
                self.try_change(change);
            }
            Step::Push(key, is_left) => {
                let elements =
                    vec![Element::body(Bytes::from(format!("{number:0width$}", width = number % 30)))];
                self.try_change(Change::List(name(key), ListChange::Pushed { end: end(is_left), elements }));
            }
            Step::Pop(key, is_left, count) => {
                let (key, count) = (name(key), count.min(len(self, &name(key))));
                if count > 0 {
                    self.try_change(Change::List(key, ListChange::Popped { end: end(is_left), count }));
                }
            }
            Step::Remove(key, index) => {
                if index < len(self, &name(key)) {
                    self.try_change(Change::List(name(key), ListChange::Removed { indexes: vec![index] }));
                }
            }
            Step::Set(key) => {
                let change = StringChange::Set { value: number.to_string().into(), expiry: None };
                self.try_change(Change::Text(name(key), change));
            }
            Step::Delete(key) | Step::Rename(key, _) | Step::Expire(key, _) => {
                if self.store.keyspace.get(&name(key)).is_none() {
                    return;
                }
                let change = match step {
                    Step::Rename(_, to) => KeyChange::Renamed { to: name(to) },
                    Step::Expire(_, is_set) => KeyChange::Expires(is_set.then_some(u64::MAX - 1)),
                    _ => KeyChange::Deleted,
                };
                self.try_change(Change::Key(name(key), change));
            }
            Step::Act(deed) => self.act(deed),
            Step::Channel(step) => self.ask_channel(step),
            Step::Turn => self.turn(),
        }
    }
}

proptest! {
    #![proptest_config(cases(2_000))]
    /// Few names, so that each is another key again and again while one walk is under way; and no life ends in order.
    #[test]
    fn names_that_go_to_and_fro_hold_what_they_held_when_it_was_killed(
        lives in prop::collection::vec(steps(150), 2..4),
    ) {
        let (fs, data) = (MemoryFs::new(), Path::new("/data"));
        let mut number = 0;
        let (mut model, mut now) = (Model::new(Epoch::parse("none").unwrap(), tight()), START);
        for steps in lives {
            let mut desk = Desk::open_in(Arc::new(fs.clone()), data);
            (desk.model, desk.now) = (model, now);
            desk.model.restart();
            desk.checkpoints.pace.log_bytes_min = 500;
            for step in steps {
                number += 1;
                desk.take(step, number);
            }
            // All that was done is durable; a checkpoint may be under way.
            desk.turn();
            let everything = desk.everything();
            desk.check_people();
            (model, now) = (desk.model.clone(), desk.now);
            drop(desk);
            let mut again = Desk::open_in(Arc::new(fs.clone()), data);
            prop_assert_eq!(again.everything(), everything);
        }
    }
}

/// What is gone is counted little by little, and is all counted in the end.
#[test]
fn the_space_of_a_long_stream_and_of_a_long_list_comes_back_when_they_go() {
    let mut desk = Desk::open_in(Arc::new(MemoryFs::new()), Path::new("/data"));
    let (stream, list) = (Bytes::from("stream"), Bytes::from("list"));
    for _ in 0..3000 {
        let change = desk.add(&stream, 100);
        desk.try_change(change);
        let elements = vec![Element::body(vec![b'x'; 100].into())];
        desk.try_change(Change::List(list.clone(), ListChange::Pushed { end: End::Right, elements }));
        desk.turn();
    }
    let through = desk.store.stream(&stream).unwrap().unwrap().last();
    let full = desk.file_bytes();
    desk.try_change(Change::Stream(stream, StreamChange::Trimmed { through }));
    desk.try_change(Change::Key(list, KeyChange::Deleted));
    while desk.store.journal.count_gone() {}
    assert!(desk.store.journal.live().share() == 0.0);
    desk.shrink(full / 4);
    desk.close();
}

#[test]
fn the_space_of_everything_comes_back_though_nothing_is_recorded_any_more() {
    let disk = Disk::new(1);
    let mut desk = Desk::open_in(Arc::new(disk.clone()), Path::new("/data"));
    // The last checkpoint before is long ago.
    desk.checkpoints.pace.log_bytes_min = u64::MAX;
    for _ in 0..60 {
        let change = desk.add(&"stream".into(), 2000);
        desk.try_change(change);
        desk.turn();
    }
    let full = desk.file_bytes();
    desk.checkpoints.pace.log_bytes_min = 6000;
    desk.store.flush().unwrap();
    // Even of the last of them, which alone would not be worth it.
    desk.checkpoints.pace.log_bytes_min = full / 2;
    while desk.file_bytes() > 3 * (16 << 10) {
        desk.turn();
    }
    let marks = desk.store.journal.log().last();
    for _ in 0..100 {
        desk.turn();
    }
    assert_eq!(desk.store.journal.log().last(), marks, "when it is back, nothing more is done for it");
    desk.close();
}

impl Desk {
    /// Alice says something to one of the others.
    fn say(&mut self, to: &str, number: usize, bytes: usize) {
        let [alice, other] = ["alice", to].map(|name| User::parse(name).unwrap());
        let body = format!("\"{}\"", char::from(b'a' + (number % 26) as u8).to_string().repeat(bytes));
        let append = Append {
            conversation: Direct::between(&alice, &other).into(),
            sender: alice,
            client_id: ClientId::parse(&number.to_string()).unwrap(),
            said: Said::Message { body: body.as_bytes().into(), mentions: Default::default() },
            level: naru_ledger::Level::Fsync,
        };
        self.now = Millis(self.now.0 + 1);
        self.store.now = self.now.0;
        let op = Op::Send(append);
        let changes = self.store.decide(&op).unwrap().changes;
        self.store.change_ledger(changes).unwrap();
        self.model.run(&op, self.now).unwrap();
    }
}

/// What a conversation forgets gives its space back, what another keeps is moved, and none of it is the keys'.
#[test]
fn space_comes_back_when_conversations_forget_and_what_is_left_outlives_a_flush() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = Desk::open(&folder.path().join("data"));
    let mut bytes_max = 0;
    for round in 0..600 {
        // Of each only the last six are kept, and few are said to bob.
        desk.say(if round % 80 == 0 { "bob" } else { "carol" }, round, 400);
        let change = desk.add(&"stream".into(), 200);
        desk.try_change(change);
        if round % 100 == 99 {
            desk.store.flush().unwrap();
        }
        desk.turn();
        bytes_max = bytes_max.max(desk.file_bytes());
    }
    assert!(bytes_max > 64 << 10, "there was something to give back: {bytes_max}");
    desk.shrink(64 << 10);
    desk.check_people();
    let everything = desk.everything();
    desk.close();
    let mut again = Desk::open(&folder.path().join("data"));
    assert_eq!(again.everything(), everything);
    let live = again.store.journal.live().share();
    again.store.flush().unwrap();
    assert!(again.store.journal.live().share() > 0.0 && live > 0.0);
}

/// However many there are, a turn writes some of them, and what they are meanwhile is what is taken back in.
#[test]
fn conversations_and_people_are_written_some_at_a_time_while_they_change() {
    const PEOPLE: usize = 1000;
    let fs = MemoryFs::new();
    let open = || Desk::open_in(Arc::new(fs.clone()), Path::new("/data"));
    let mut desk = open();
    desk.checkpoints.pace = Pace { log_bytes_min: u64::MAX, piece_bytes: 1000, ..desk.checkpoints.pace };
    for number in 0..PEOPLE {
        desk.say(&format!("user-{number}"), number, 1);
        if desk.store.journal.log().batch_bytes() > 4000 {
            desk.turn();
        }
    }
    desk.turn();
    desk.checkpoints.pace.log_bytes_min = 0;
    let (mut turns, mut number) = (0, PEOPLE);
    desk.turn();
    desk.checkpoints.pace.log_bytes_min = u64::MAX;
    while desk.checkpoints.walk.is_some() {
        // Known ones, and new ones behind the walk.
        for other in [7, PEOPLE - 7, number] {
            desk.say(&format!("user-{other}"), number, 1);
            number += 1;
        }
        desk.turn();
        turns += 1;
    }
    assert!(turns > 30, "{turns} turns");
    desk.turn_to_the_end();
    let before = desk.checkpoint;
    let rows = rows_of(&desk);
    desk.close();
    let again = open();
    assert!(again.checkpoint > before, "a checkpoint was made");
    assert!(again.store.journal.last() > again.checkpoint.unwrap());
    assert!(rows_of(&again) == rows);
}

type RowsOf<T> = Vec<(Number, T)>;

/// Rows as they are.
fn rows_of(desk: &Desk) -> (RowsOf<Conversation>, RowsOf<Person>) {
    let ledger = &desk.store.ledger;
    let conversations = ledger.conversations().iter().map(|(number, row)| (number, row.clone()));
    (conversations.collect(), ledger.people().iter().map(|(number, row)| (number, row.clone())).collect())
}
