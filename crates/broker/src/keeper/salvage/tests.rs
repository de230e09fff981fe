//! Whatever is damaged, the new folder is whole and opens, has everything that is not lost, and nothing that never was.

mod channels;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use naru_ledger::{
    Answer, ClientId, Conversation, Device, Direct, Epoch, Generation, Mode, Op, Role, Room, Seq, Useq, User,
    answer::{Appended, Content, Entry},
    op::{self, Ack, Append, Delete, Deliver, Edit, From, History, Membership, Read, Recipient, Said},
};
use naru_store::{
    Log, OpenError, Recovery,
    faults::{Disk, Fault, Keep},
    verify,
};

use super::*;
use crate::{
    keeper::{
        change::Change,
        checkpoint::{Checkpoints, Pace},
        ledger::cast::all_of_store,
        store::Store,
    },
    keyspace::{KeyChange, Value},
    ledger::{IdKey, LedgerChange},
    lists::{Element, End, ListChange},
    numbered::Number,
    streams::{GroupChange, Progress, Stream, StreamChange, StreamId},
    strings::StringChange,
};

const DATA: &str = "/data";
const NEW: &str = "/new";

const PACE: Pace = Pace { log_bytes_min: 1, slice: Duration::ZERO, piece_bytes: 200, copied_from: 8 };

fn head(epoch: &str) -> Head {
    Head::new(Epoch::parse(epoch).unwrap(), IdKey::new([7; 16]))
}

fn user(name: &str) -> User {
    User::parse(name).unwrap()
}

fn the_room() -> Room {
    Room::parse("room:den").unwrap()
}

fn room() -> Conversation {
    Conversation::Room(the_room())
}

fn chat() -> Conversation {
    Direct::between(&user("alice"), &user("bob")).into()
}

fn options() -> Options {
    Options { segment_bytes: 16 << 10, batch_bytes: 2000, ..Options::default() }
}

/// A store in a folder, as the keeper has it.
struct Desk {
    store: Store,
    recovery: Recovery,
    ever: Ever,
}

/// Everything that any key has ever held, and that a log has ever said.
#[derive(Clone, Default)]
struct Ever {
    keys: BTreeMap<Vec<u8>, BTreeSet<String>>,
    said: BTreeSet<String>,
}

/// What keys hold, what streams know of their past, and what is in inboxes.
#[derive(Debug, PartialEq)]
struct Everything {
    keys: BTreeMap<Vec<u8>, (Option<u64>, Vec<String>)>,
    pasts: BTreeMap<Vec<u8>, String>,
    /// What was said, as far as it has come to who may read it.
    inboxes: BTreeMap<&'static str, Vec<String>>,
    logs: BTreeMap<String, Vec<String>>,
    /// All that can be asked about people.
    people: Vec<String>,
}

impl Desk {
    fn open(disk: &Disk, folder: &str) -> Result<Desk, OpenError> {
        let config: Arc<Config> = Config::by_default().into();
        let mut loading = Loading::new(Ledger::new(head("first")), config.clone());
        let fs: Arc<dyn Vfs> = Arc::new(disk.clone());
        let (log, recovery) = Log::open(fs, Path::new(folder), options(), Box::new(|_| {}), &mut loading)?;
        assert!(loading.failed.is_none(), "{:?}", loading.failed);
        loading.ledger.check().unwrap();
        assert_eq!(loading.ledger.totals(), loading.ledger.counted());
        let mut journal = Journal::new(log);
        journal.count(&loading.keyspace, &loading.ledger, &loading.channels)?;
        let store = Store::new(loading.keyspace, loading.ledger, loading.channels, journal, config);
        Ok(Desk { store, recovery, ever: Ever::default() })
    }

    fn wait(&mut self) {
        let log = self.store.journal.log();
        log.submit().unwrap();
        while log.durable() < log.last() {
            log.submit().unwrap();
            std::thread::yield_now();
        }
    }

    fn change(&mut self, change: Change) {
        self.store.change(vec![change]).unwrap();
        self.wait();
    }

    /// Adds an entry of this id to a stream, or the next one.
    fn add(&mut self, key: &'static str, body: &str) -> StreamId {
        let stream = self.store.stream(key.as_bytes()).unwrap();
        let id = stream.map_or(StreamId::MIN, Stream::last).next().unwrap();
        let body = Bytes::copy_from_slice(body.as_bytes());
        self.change(Change::Stream(key.into(), StreamChange::Added { id, body: body.into() }));
        id
    }

    fn push(&mut self, key: &'static str, text: &str) {
        let elements = vec![Element::body(Bytes::copy_from_slice(text.as_bytes()))];
        self.change(Change::List(key.into(), ListChange::Pushed { end: End::Right, elements }));
    }

    fn set(&mut self, key: &'static str, value: &str) {
        let value = Bytes::copy_from_slice(value.as_bytes());
        self.change(Change::Text(key.into(), StringChange::Set { value, expiry: None }));
    }

    fn delete(&mut self, key: &'static str) {
        self.change(Change::Key(key.into(), KeyChange::Deleted));
    }

    fn group(&mut self, key: &'static str, change: GroupChange) {
        self.change(Change::Stream(key.into(), StreamChange::Group { group: "g".into(), change }));
    }

    /// The first record of a store.
    fn begin(&mut self) {
        let Head { epoch, key, .. } = head("first");
        self.store.change_ledger(vec![LedgerChange::Begun { epoch, key }]).unwrap();
    }

    fn run(&mut self, op: &Op) -> Answer {
        let decided = self.store.decide(op).unwrap();
        self.store.change_ledger(decided.changes).unwrap();
        self.wait();
        decided.answer
    }

    fn send(&mut self, number: u64) {
        let said = Said::Message {
            body: format!("\"message {number}\"").as_bytes().into(),
            mentions: BTreeSet::new(),
        };
        let client_id = ClientId::parse(&number.to_string()).unwrap();
        self.store.now = number;
        let level = naru_ledger::Level::Fsync;
        self.run(&Op::Send(Append { conversation: chat(), sender: user("alice"), client_id, said, level }));
    }

    fn ack(&mut self, useq: u64) {
        let device = Device::parse("phone").unwrap();
        self.run(&Op::Ack(Ack { user: user("bob"), device, useq: Useq(useq), within: None }));
    }

    fn checkpoint(&mut self) {
        let mut checkpoints = Checkpoints::new(PACE, 0, 0);
        checkpoints.look(&mut self.store);
        while checkpoints.go_on(&mut self.store).is_some() {}
        while self.store.journal.log().is_checkpointing() {
            self.wait();
        }
        self.store.journal.log().checkpoint_outcome().unwrap().unwrap();
    }

    /// Notes what there is, as something that has been.
    fn note(&mut self) {
        for (key, (_, held)) in self.everything().keys {
            self.ever.keys.entry(key).or_default().extend(held);
        }
        let logs = self.logs();
        self.ever.said.extend(logs.into_values().flatten());
    }

    fn everything(&mut self) -> Everything {
        let inboxes = ["alice", "bob"].map(|name| (name, self.inbox(name))).into();
        let (logs, people) = (self.logs(), all_of_store(&mut self.store));
        let keyspace = &self.store.keyspace;
        let body = |place| String::from_utf8(self.store.journal.read(place).unwrap().to_vec()).unwrap();
        let (mut keys, mut pasts) = (BTreeMap::new(), BTreeMap::new());
        for key in (0..keyspace.numbers()).filter_map(|number| keyspace.at(number)) {
            let held = match &key.value {
                Value::Stream(stream) => {
                    pasts.insert(key.name.to_vec(), format!("{:?}", stream.past()));
                    let entries = stream.range(StreamId::MIN, StreamId::MAX);
                    entries.map(|(id, place)| format!("{} {}", id.sequence, body(place))).collect()
                }
                Value::List(list) => {
                    let text = |element: Element| match element.place() {
                        Some(place) => body(place),
                        None => String::from_utf8(element.as_inline().unwrap().to_vec()).unwrap(),
                    };
                    list.from(0).map(text).collect()
                }
                Value::Text(text) => vec![String::from_utf8(text.as_bytes().to_vec()).unwrap()],
            };
            keys.insert(key.name.to_vec(), (key.expiry(), held));
        }
        Everything { keys, pasts, inboxes, logs, people }
    }

    /// What has come to a user, who has a record of it.
    fn inbox(&mut self, name: &str) -> Vec<String> {
        let Answer::Standing(standing) = self.run(&Op::Standing { user: user(name), conversation: chat() })
        else {
            panic!()
        };
        let Some(row) = standing.row else { return Vec::new() };
        let (from, limit) = (From::After(Seq::ZERO), 1000);
        let reader = Some(user(name));
        let history = History { conversation: chat(), reader, from, limit, bytes: None };
        let Answer::Page(page) = self.run(&Op::History(history)) else { panic!() };
        assert!(!page.more);
        let entries = page.entries.iter().filter(|entry| entry.seq <= row.head);
        entries.map(|entry| String::from_utf8(entry.body().unwrap().as_bytes().to_vec()).unwrap()).collect()
    }

    /// What conversations say, but for what follows from others.
    fn logs(&mut self) -> BTreeMap<String, Vec<String>> {
        let logs = [chat(), room()].map(|conversation| {
            let said = self.log(&conversation).into_iter().map(|mut entry| {
                entry.prev = Seq::ZERO;
                if let Content::Edit { body, .. } = &mut entry.content {
                    *body = None;
                }
                let mut json = Vec::new();
                entry.write_json(&mut json);
                String::from_utf8(json).unwrap()
            });
            (conversation.to_string(), said.collect())
        });
        logs.into()
    }

    fn log(&mut self, conversation: &Conversation) -> Vec<Entry> {
        let (conversation, from) = (conversation.clone(), From::After(Seq::ZERO));
        let history = History { conversation, reader: None, from, limit: 1000, bytes: None };
        match self.run(&Op::History(history)) {
            Answer::Page(page) => page.entries,
            other => panic!("{other:?}"),
        }
    }

    /// Whoever takes part has got as far as the log says, but for what is still to be delivered: the end of the log may be between
    /// an entry and that.
    fn check_inboxes(&mut self, said: &str) {
        for conversation in [chat(), room()] {
            let fanned_out = self.fanned_out(&conversation);
            let done = |entry: &Entry| entry.seq <= fanned_out;
            let Some(last) = self.log(&conversation).into_iter().rfind(done) else { continue };
            let members = Op::Members { conversation: conversation.clone(), after: None, limit: 100 };
            let Answer::Members(members) = self.run(&members) else { panic!() };
            for member in members.members {
                let standing = Op::Standing { user: member.user, conversation: conversation.clone() };
                let Answer::Standing(standing) = self.run(&standing) else { panic!() };
                assert!(standing.row.is_some_and(|row| row.head >= last.seq), "{conversation} {said}");
            }
        }
    }

    fn fanned_out(&self, conversation: &Conversation) -> Seq {
        let conversations = self.store.ledger.conversations();
        let number = conversations.find(conversation.as_str().as_bytes());
        number.and_then(|number| conversations.get(number)).map_or(Seq::ZERO, |it| it.fanned_out())
    }

    /// Something is said in the room, changed and read, and somebody comes and goes.
    fn meet(&mut self, round: u64) {
        let (client_id, level) =
            (|letter| ClientId::parse(&format!("{letter}{round}")).unwrap(), naru_ledger::Level::Fsync);
        let alice = || user("alice");
        self.store.now = round;
        let member = |name, change| Op::Membership(Membership { room: the_room(), user: user(name), change });
        match round % 8 {
            0 => drop(self.run(&member("alice", op::Change::Join(Role::Owner)))),
            1 => drop(self.run(&member("bob", op::Change::Join(Role::Member)))),
            4 => drop(self.run(&member("carol", op::Change::Join(Role::Member)))),
            7 => drop(self.run(&member("carol", op::Change::Leave))),
            _ => {}
        }
        let body =
            format!("\"in the room {round} {}\"", "r".repeat(round as usize * 31 % 200)).as_bytes().into();
        let said = Said::Message { body, mentions: [user("carol"), user("bob")].into() };
        let append = Append { conversation: room(), sender: alice(), client_id: client_id('m'), said, level };
        let Answer::Appended(Appended { seq, count, .. }) = self.run(&Op::Send(append)) else { panic!() };
        self.note();
        if round % 3 == 1 {
            let body = format!("\"changed {round}\"").as_bytes().into();
            let (conversation, sender, client_id) = (room(), alice(), client_id('e'));
            self.run(&Op::Edit(Edit { conversation, sender, client_id, target: seq, body, level }));
        }
        self.note();
        if round % 5 == 2 {
            let (conversation, sender, client_id) = (room(), alice(), client_id('d'));
            self.run(&Op::Delete(Delete { conversation, sender, client_id, target: seq, level }));
        }
        if round % 4 == 3 {
            self.run(&Op::Read(Read { user: user("bob"), conversation: room(), seq, count }));
            self.run(&Op::Mark { conversation: room(), user: user("bob"), seq });
        }
        self.sweep();
    }

    /// What was left open is delivered, and done.
    fn sweep(&mut self) {
        for entry in self.log(&room()) {
            let members = Op::Members { conversation: room(), after: None, limit: 100 };
            let Answer::Members(members) = self.run(&members) else { panic!() };
            let to =
                members.members.into_iter().map(|member| Recipient { user: member.user, mentioned: false });
            let (seq, count, kind) = (entry.seq, entry.count, entry.kind());
            let (conversation, sender, mode) = (room(), entry.sender, Mode::FanOut);
            self.run(&Op::Deliver(Deliver {
                conversation,
                seq,
                count,
                sender,
                kind,
                mode,
                to: to.collect(),
            }));
            self.run(&Op::Done { conversation: room(), seq });
        }
    }

    fn held(&mut self, key: &str) -> Vec<String> {
        self.everything().keys.remove(key.as_bytes()).map(|(_, held)| held).unwrap_or_default()
    }

    fn close(self) {
        self.store.journal.close().unwrap();
    }
}

/// Keys of all kinds in some segments, with checkpoints after so many rounds; the log was closed.
fn stored(checkpoints: &[usize]) -> (Disk, Everything, Ever) {
    let disk = Disk::new(1);
    let mut desk = Desk::open(&disk, DATA).unwrap();
    desk.begin();
    for round in 0..40 {
        let id = desk.add("stream", &format!("entry {round} {}", "e".repeat(round * 37 % 400)));
        desk.add("other", &format!("other {round} {}", "o".repeat(200)));
        desk.push("list", &format!("element {round} {}", "l".repeat(round * 53 % 300)));
        desk.push("short", &format!("{round}"));
        desk.set("text", &format!("text {round} {}", "t".repeat(round)));
        desk.send(round as u64);
        desk.meet(round as u64);
        if round == 0 {
            desk.group("stream", GroupChange::Created(Progress::default()));
        }
        let progress = Progress { last: id, read: None };
        let (consumer, ids) = ("c".into(), vec![id]);
        desk.group("stream", GroupChange::Delivered { consumer, at: 7, ids, are_pending: true, progress });
        if round % 3 == 0 {
            desk.group("stream", GroupChange::Settled { ids: vec![id] });
            let trimmed = StreamChange::Trimmed { through: StreamId { sequence: round as u64 / 2, ..id } };
            desk.change(Change::Stream("other".into(), trimmed));
            desk.change(Change::List("list".into(), ListChange::Popped { end: End::Left, count: 1 }));
            desk.ack(round as u64 / 2);
        }
        desk.note();
        if round % 10 == 5 {
            desk.change(Change::Key("text".into(), KeyChange::Renamed { to: "moved".into() }));
            desk.change(Change::Key("moved".into(), KeyChange::Expires(Some(u64::MAX / 2))));
            desk.delete("short");
        }
        desk.note();
        if round == 20 {
            desk.push("over", "what a SET takes away");
            desk.note();
            desk.set("over", "whatever it was");
        }
        if checkpoints.contains(&round) {
            desk.checkpoint();
        }
    }
    desk.note();
    let (everything, ever) = (desk.everything(), std::mem::take(&mut desk.ever));
    desk.close();
    disk.power_on(Keep::Everything);
    (disk, everything, ever)
}

fn salvaged(disk: &Disk) -> (Report, Desk) {
    let fs: Arc<dyn Vfs> = Arc::new(disk.clone());
    let report =
        salvage_with(fs, Path::new(DATA), Path::new(NEW), options(), head("second"), Millis(0)).unwrap();
    let verified = verify(disk, Path::new(NEW)).unwrap();
    assert!(verified.damages.is_empty() && verified.torn.is_none(), "{verified:?}");
    let desk = Desk::open(disk, NEW).unwrap();
    assert!(desk.recovery.clean);
    (report, desk)
}

/// The files of the log and its checkpoints that have anything in them, up to where they have.
fn files(disk: &Disk) -> Vec<(PathBuf, usize)> {
    let used = |path: &Path| disk.contents(path).unwrap().iter().rposition(|byte| *byte != 0);
    let files = disk.files().into_iter().filter(|(path, _)| path.starts_with(DATA));
    files.filter_map(|(path, _)| used(&path).map(|last| (path, last + 1))).collect()
}

fn edit(disk: &Disk, path: &Path, edit: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = disk.contents(path).unwrap();
    edit(&mut bytes);
    disk.overwrite(path, &bytes).unwrap();
}

/// Where these bytes are in the log.
fn find(disk: &Disk, text: &str) -> (PathBuf, usize) {
    let at = |path: &Path| {
        let bytes = disk.contents(path).unwrap();
        bytes.windows(text.len()).position(|window| window == text.as_bytes())
    };
    let segments = disk.files().into_iter().map(|(path, _)| path);
    let mut segments = segments.filter(|path| path.extension().is_some_and(|extension| extension == "seg"));
    segments.find_map(|path| at(&path).map(|at| (path, at))).unwrap()
}

fn flip(disk: &Disk, text: &str) {
    let (path, at) = find(disk, text);
    edit(disk, &path, |bytes| bytes[at] ^= 0x20);
}

fn segment(number: u64) -> PathBuf {
    Path::new(DATA).join(format!("shard-00/{number:016}.seg"))
}

/// splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }
}

/// Nothing is there that never was.
fn check_nothing_new(found: &Everything, Ever { keys: ever, said: ever_said }: &Ever, said: &str) {
    for entry in found.logs.values().flatten() {
        assert!(ever_said.contains(entry), "{entry}\n{said}");
    }
    for (key, (_, held)) in &found.keys {
        // A key that is renamed takes along what it held.
        let known = |text: &String| ever.values().any(|ever| ever.contains(text));
        assert!(ever.contains_key(key) && held.iter().all(known), "{}: {held:?}\n{said}", key.escape_ascii());
    }
}

#[test]
fn a_whole_folder_comes_out_as_it_was() {
    for checkpoints in [&[][..], &[15], &[15, 30]] {
        let (disk, before, _) = stored(checkpoints);
        let contents: Vec<_> = files(&disk).iter().map(|(path, _)| disk.contents(path).unwrap()).collect();
        let (report, mut desk) = salvaged(&disk);
        assert!(report.is_complete(), "{report}");
        assert_eq!(desk.everything(), before);
        assert_eq!(desk.store.ledger.head().epoch.as_str(), "first");
        let after: Vec<_> = files(&disk).iter().map(|(path, _)| disk.contents(path).unwrap()).collect();
        assert!(contents == after, "nothing is changed");
        assert!(report.to_string().ends_with("nothing is lost\n"), "{report}");
    }
}

#[test]
fn a_flipped_bit_anywhere_costs_at_most_what_one_record_did() {
    for (seed, checkpoints) in [(1, &[][..]), (2, &[15]), (3, &[15, 30])] {
        let (whole, before, ever) = stored(checkpoints);
        let mut random = Random(seed);
        let (mut complete, mut lossy) = (0, 0);
        for _ in 0..150 {
            let disk = whole.copy();
            let files = files(&disk);
            let (path, used) = &files[random.below(files.len())];
            let (at, bit) = (random.below(*used), random.below(8));
            edit(&disk, path, |bytes| bytes[at] ^= 1 << bit);
            let (report, mut desk) = salvaged(&disk);
            let said = format!("{} byte {at} bit {bit}:\n{report}", path.display());
            let found = desk.everything();
            check_nothing_new(&found, &ever, &said);
            let names: BTreeSet<_> = before.keys.keys().chain(found.keys.keys()).collect();
            let differ =
                names.iter().filter(|name| before.keys.get(**name) != found.keys.get(**name)).count();
            let logs = before.logs.iter().filter(|(name, log)| found.logs[*name] != **log).count();
            // A RENAME is about two keys.
            assert!(differ + logs <= 2, "{said}{differ}");
            let missing = |name: &str| before.logs[name].len().saturating_sub(found.logs[name].len());
            assert!(before.logs.keys().map(|name| missing(name)).sum::<usize>() <= 1, "{said}");
            desk.check_inboxes(&said);
            if report.is_complete() {
                assert!(found == before, "{said}");
                complete += 1;
            } else {
                lossy += 1;
            }
        }
        assert!(complete > 10 && lossy > 10, "{complete} {lossy}");
    }
}

#[test]
fn however_much_is_damaged_the_new_folder_is_whole_and_has_nothing_that_never_was() {
    for (seed, checkpoints) in [(1, &[][..]), (2, &[15]), (3, &[15, 30])] {
        let (whole, _, ever) = stored(checkpoints);
        let mut random = Random(seed);
        for round in 0..60 {
            let disk = whole.copy();
            let mut said = String::new();
            for _ in 0..=random.below(8) {
                let files = files(&disk);
                let (path, used) = &files[random.below(files.len())];
                let (at, what) = (random.below(*used), random.below(9));
                said += &format!("{round}: {what} at {} byte {at}\n", path.display());
                match what {
                    0 => disk.remove(path).unwrap(),
                    1 => edit(&disk, path, |bytes| bytes.truncate(at)),
                    2 => disk.spoil(path, at as u64..at as u64 + 4096).unwrap(),
                    3 | 4 => edit(&disk, path, |bytes| {
                        let end = bytes.len().min(at + 4096);
                        bytes[at..end].fill(0);
                    }),
                    _ => edit(&disk, path, |bytes| bytes[at] ^= 1 << (at % 8)),
                }
            }
            let fs: Arc<dyn Vfs> = Arc::new(disk.clone());
            if let Err(error) = Salvage::open(fs, Path::new(DATA)) {
                assert!(matches!(error, OpenError::Damaged(_)), "{said}{error}");
                continue;
            }
            let (report, mut desk) = salvaged(&disk);
            check_nothing_new(&desk.everything(), &ever, &format!("{said}{report}"));
            desk.check_inboxes(&format!("{said}{report}"));
        }
    }
}

#[test]
fn a_body_below_a_checkpoint_is_lost_alone() {
    let (disk, before, _) = stored(&[39]);
    flip(&disk, "entry 20 e");
    flip(&disk, "element 21 l");
    let (path, at) = find(&disk, "other 30 o");
    disk.spoil(&path, at as u64..at as u64 + 1).unwrap();
    let (report, mut desk) = salvaged(&disk);
    let said = report.to_string();
    for line in [
        "key \"stream\": entry 0-21 (",
        "key \"list\": 1 elements, from index 7 on (",
        "\"other\": entry 0-31",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(said.contains(&format!("{} from byte {}", path.display(), at - 4)), "{said}");
    assert!(!report.is_complete() && !report.has_lost_changes());
    let found = desk.everything();
    assert_eq!((found.keys.len(), &found.inboxes), (before.keys.len(), &before.inboxes));
    for (key, lost) in [("stream", "entry 20"), ("list", "element 21"), ("other", "other 30")] {
        let held = &before.keys[key.as_bytes()].1;
        let expected: Vec<_> = held.iter().filter(|text| !text.contains(lost)).cloned().collect();
        assert_eq!((desk.held(key), expected.len()), (expected.clone(), held.len() - 1));
    }
    // It is as if it had been deleted: still pending, and the ids go on.
    let stream = desk.store.stream(b"stream").unwrap().unwrap();
    assert_eq!((stream.last().sequence, stream.deleted_max().sequence, stream.added()), (40, 21, 40));
    let lost = StreamId { millis: 0, sequence: 21 };
    assert!(stream.group(b"g").unwrap().pending(lost).is_some());
    assert_eq!(desk.store.ledger.head().epoch.as_str(), "first");
}

#[test]
fn a_record_that_is_lost_is_said_with_what_can_be_guessed() {
    let (disk, before, _) = stored(&[]);
    flip(&disk, "entry 20 e");
    let (report, mut desk) = salvaged(&disk);
    let said = report.to_string();
    assert!(said.contains("1 records, ") && said.contains("seems to have changed key \"stream\""), "{said}");
    let found = desk.everything();
    assert_eq!(found.keys.keys().collect::<Vec<_>>(), before.keys.keys().collect::<Vec<_>>());
    let differ: Vec<_> =
        found.keys.iter().filter(|(key, held)| before.keys[*key] != **held).map(|(key, _)| key).collect();
    assert_eq!(differ, [b"stream"]);
    assert_eq!((desk.held("stream").len(), found.inboxes), (39, before.inboxes));
    // Positions of old may be ahead of what is there now.
    assert_eq!(desk.store.ledger.head().epoch.as_str(), "second");
}

#[test]
fn a_message_that_is_lost_is_lost_alone() {
    let (disk, before, _) = stored(&[]);
    flip(&disk, "message 20");
    let (report, mut desk) = salvaged(&disk);
    assert!(report.has_lost_changes());
    let found = desk.everything();
    assert_eq!(found.keys, before.keys);
    for user in ["alice", "bob"] {
        let mut expected = before.inboxes[user].clone();
        expected.retain(|text| !text.contains("message 20"));
        assert_eq!((&found.inboxes[user], expected.len()), (&expected, before.inboxes[user].len() - 1));
    }
}

/// The record that is lost has made both of them known, and the conversation.
#[test]
fn inboxes_whose_changes_are_lost_are_made_again_from_the_log() {
    let disk = Disk::new(1);
    let mut desk = Desk::open(&disk, DATA).unwrap();
    desk.begin();
    for number in 10..16 {
        desk.send(number);
    }
    desk.ack(3);
    desk.close();
    flip(&disk, "message 10");
    let (report, mut desk) = salvaged(&disk);
    let said = report.to_string();
    assert!(said.contains("changes of conversations and inboxes, which are about what is lost"), "{said}");
    let left: Vec<_> = (11..16).map(|number| format!("\"message {number}\"")).collect();
    for name in ["alice", "bob"] {
        assert_eq!(desk.inbox(name), left);
        let standing = Op::Standing { user: user(name), conversation: chat() };
        let Answer::Standing(standing) = desk.run(&standing) else { panic!() };
        let row = standing.row.unwrap();
        // What alice said is read by her, and bob's phone is not known any more.
        assert_eq!((row.head, row.count, row.read), (Seq(6), 6, if name == "alice" { 6 } else { 0 }));
        assert!(standing.devices.is_empty());
    }
    // Numbers of messages jump, and those of inboxes, too.
    desk.send(16);
    let last = desk.log(&chat()).pop().unwrap();
    assert_eq!((last.seq, last.prev, last.count), (Seq(7 + naru_ledger::JUMP), Seq(6), 7));
    assert_eq!(desk.store.ledger.head().epoch.as_str(), "second");
}

#[test]
fn what_later_records_show_to_be_gone_goes() {
    let disk = Disk::new(1);
    let mut desk = Desk::open(&disk, DATA).unwrap();
    for number in 0..5 {
        desk.add("s", &format!("old {number}"));
    }
    desk.push("l", "a list once");
    // All that follows in one record, which will be lost.
    desk.store.begin();
    for change in ["s", "l"].map(|key| Change::Key(key.into(), KeyChange::Deleted)) {
        desk.store.change(vec![change]).unwrap();
    }
    let change = StringChange::Set { value: "the one that is lost".into(), expiry: None };
    desk.store.change(vec![Change::Text("x".into(), change)]).unwrap();
    desk.store.commit().unwrap();
    desk.wait();
    desk.add("s", "new");
    desk.add("l", "a stream now");
    let before = desk.everything();
    desk.close();
    flip(&disk, "the one that is lost");
    let (report, mut desk) = salvaged(&disk);
    let said = report.to_string();
    assert!(
        said.contains("key \"s\": it was deleted") && said.contains("key \"l\": it was deleted"),
        "{said}"
    );
    assert_eq!(desk.held("s"), before.keys[&b"s"[..]].1);
    assert_eq!(desk.held("l"), before.keys[&b"l"[..]].1);
    assert!(desk.held("x").is_empty());
}

#[test]
fn an_id_that_a_group_has_read_is_not_given_again() {
    let disk = Disk::new(1);
    let mut desk = Desk::open(&disk, DATA).unwrap();
    desk.add("s", "first");
    desk.group("s", GroupChange::Created(Progress::default()));
    let id = desk.add("s", "the one that is lost");
    let progress = Progress { last: id, read: None };
    desk.group(
        "s",
        GroupChange::Delivered { consumer: "c".into(), at: 7, ids: vec![id], are_pending: true, progress },
    );
    desk.close();
    flip(&disk, "the one that is lost");
    let (_, desk) = salvaged(&disk);
    let stream = desk.store.stream(b"s").unwrap().unwrap();
    assert_eq!((stream.len(), stream.last()), (1, id));
}

#[test]
fn damaged_checkpoints_cost_nothing_while_the_log_is_there_and_little_when_it_is_not() {
    let (disk, before, ever) = stored(&[15, 30]);
    let checkpoints: Vec<_> =
        files(&disk).into_iter().filter(|(path, _)| path.to_str().unwrap().contains("ckpt-")).collect();
    assert_eq!(checkpoints.len(), 2);
    let damaged = disk.copy();
    for (path, used) in checkpoints.iter().rev() {
        edit(&damaged, path, |bytes| bytes[used / 2] ^= 1);
        let disk = damaged.copy();
        let (report, mut desk) = salvaged(&disk);
        assert!(report.is_complete() && report.to_string().contains(path.to_str().unwrap()), "{report}");
        assert_eq!(desk.everything(), before);
    }
    damaged.remove(&segment(1)).unwrap();
    let (report, mut desk) = salvaged(&damaged);
    assert!(!report.is_complete() && report.to_string().contains("no checkpoint is whole"), "{report}");
    let found = desk.everything();
    check_nothing_new(&found, &ever, &report.to_string());
    assert!(found.keys.len() >= 4 && desk.held("stream").len() > 20, "{found:?}\n{report}");
}

#[test]
fn a_missing_segment_is_missed_if_anything_refers_to_it() {
    let (whole, before, _) = stored(&[10, 25]);
    let look = |disk: &Disk| crate::keeper::verify(Arc::new(disk.clone()), Path::new(DATA)).unwrap();
    assert_eq!(look(&whole).damaged(), 0);
    let numbers = (1..).take_while(|number| whole.contents(&segment(*number)).is_ok());
    let mut missed = 0;
    for number in numbers {
        let disk = whole.copy();
        disk.remove(&segment(number)).unwrap();
        let found = look(&disk);
        let opened = Desk::open(&disk, DATA);
        // A start and the doctor agree.
        assert_eq!(opened.is_err(), found.damaged() > 0, "{number}: {found}");
        match opened {
            Ok(mut desk) => assert_eq!(desk.everything(), before),
            Err(error) => {
                missed += u64::from(found.to_string().contains("entries"));
                let named = segment(number);
                assert!(found.stored.damages.iter().any(|damage| damage.path == named), "{number}: {found}");
                assert!(error.to_string().contains("missing"), "{error}");
            }
        }
    }
    assert!(missed > 0, "the log below the checkpoint has something that is alive");
}

#[test]
fn a_missing_segment_costs_what_was_in_it() {
    let (disk, before, ever) = stored(&[]);
    disk.remove(&segment(2)).unwrap();
    let (report, mut desk) = salvaged(&disk);
    let (found, said) = (desk.everything(), report.to_string());
    check_nothing_new(&found, &ever, &said);
    assert!(said.contains(segment(2).to_str().unwrap()) && said.contains("records, "), "{said}");
    let last = |everything: &Everything| everything.keys[&b"stream"[..]].1.last().cloned();
    assert_eq!(last(&found), last(&before));
    assert!(found.inboxes["bob"].len() > 10);
}

#[test]
fn an_unfinished_new_folder_does_not_open_and_one_with_anything_in_it_is_not_taken() {
    let (whole, ..) = stored(&[]);
    let mut is_finished = false;
    let first = whole.operations() + 1;
    // Every one at first, while the folder is made.
    let beginning = (0..60).map(|number| (first + number / 2, number));
    for (operation, number) in beginning.chain((first + 30..).step_by(3).zip(0..)) {
        let keep = [Keep::Everything, Keep::Nothing][number as usize % 2];
        let disk = whole.copy();
        disk.plan(operation, Fault::Stop);
        let fs: Arc<dyn Vfs> = Arc::new(disk.clone());
        let head = head("second");
        let outcome =
            salvage_with(fs.clone(), Path::new(DATA), Path::new(NEW), options(), head.clone(), Millis(0));
        disk.power_on(keep);
        if outcome.is_ok() {
            is_finished = true;
            let again = salvage_with(fs, Path::new(DATA), Path::new(NEW), options(), head, Millis(0));
            assert!(matches!(again, Err(SalvageError::Target(OpenError::NotOurs { .. }))));
            break;
        }
        let is_nothing = !disk.files().iter().any(|(path, _)| path.starts_with(NEW));
        match Desk::open(&disk, NEW) {
            Err(OpenError::Unfinished { .. }) => {
                assert!(matches!(verify(&disk, Path::new(NEW)), Err(OpenError::Unfinished { .. })));
            }
            Err(error) => panic!("{error}"),
            // Only the last sync was missing.
            Ok(mut desk) => assert!(is_nothing || desk.held("stream").len() == 40, "{operation}"),
        }
    }
    assert!(is_finished);
}

#[test]
fn a_body_longer_than_a_chunk_is_copied_and_a_long_string_is_put_together() {
    let disk = Disk::new(1);
    let mut desk = Desk::open(&disk, DATA).unwrap();
    desk.begin();
    desk.set("text", &"long ".repeat(1500));
    desk.add("stream", &"body ".repeat(1500));
    desk.push("list", &"element ".repeat(900));
    let before = desk.everything();
    desk.close();
    let (report, mut desk) = salvaged(&disk);
    assert!(report.is_complete() && desk.everything() == before, "{report}");
}

/// A head that is lost has the generation and the secret; rows have been in a later one than it begins with.
#[test]
fn what_is_given_after_a_head_is_lost_was_never_given() {
    let disk = Disk::new(1);
    let mut desk = Desk::open(&disk, DATA).unwrap();
    desk.begin();
    desk.store.change_ledger(vec![LedgerChange::Raised(Generation(5))]).unwrap();
    for number in 0..5 {
        desk.send(number);
    }
    desk.checkpoint();
    let last = desk.log(&chat()).pop().unwrap().seq;
    desk.close();
    disk.power_on(Keep::Everything);

    let mut source = Salvage::open(Arc::new(disk.clone()), Path::new(DATA)).unwrap();
    let mut salvaging =
        Salvaging::new(Loading::new(Ledger::new(head("second")), Config::by_default().into()));
    source.load(&mut salvaging);
    assert!(salvaging.loading.has_head);
    let mut ledger = salvaging.loading.ledger;
    ledger.put_head(head("second"));
    mend(&mut ledger, &source, head("second").epoch, Millis(0));
    let generation = ledger.head().generation;
    assert!(generation.after(last.0, Generation(5)) > last.0 + 1, "{generation}");
}

#[test]
fn rows_behind_one_that_does_not_fit_are_taken_in() {
    let desk_with = |names: &[&str]| {
        let mut ledger = Ledger::new(head("first"));
        let names = names.iter().enumerate();
        for (at, name) in names {
            let person = Number::of(at).unwrap();
            ledger.apply(LedgerChange::Known { person, user: user(name) }, 0, &mut |_| {}).unwrap();
        }
        ledger
    };
    let rows = desk_with(&["alice", "bob", "carol"]);
    let row = |at: usize| rows.people().get(Number::of(at).unwrap()).unwrap().clone();
    let people = [(Number::of(0), row(0)), (Number::of(1), row(0)), (Number::of(2), row(2))];
    let people: Vec<_> = people.into_iter().map(|(number, row)| (number.unwrap(), row)).collect();
    // A piece of people.
    let piece = postcard::to_allocvec(&(4_u8, 7_u64, people)).unwrap();
    let mut loading = Loading::new(Ledger::new(head("second")), Config::by_default().into());
    loading.bears_holes = true;
    assert!(loading.take_piece(&piece).is_err());
    let there = ["alice", "bob", "carol"].map(|name| loading.ledger.people().find(name.as_bytes()).is_some());
    assert_eq!(there, [true, false, true]);
}
