//! An owner with a state that refers to the log, checkpoints it piece by piece while it changes, and has dead segments
//! removed: crashes anywhere in all of that (R1, R3), without threads, so that a seed decides everything.

use std::any::Any;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::Path;
use std::sync::Arc;

use parking_lot::RwLock;

use super::crash::{go_down, number_from, plan_fault};
use super::{Random, data, small};
use crate::address::Address;
use crate::batch::Batch;
use crate::checkpoint::CheckpointFile;
use crate::error::{OpenError, WriteError};
use crate::faults::{Disk, Keep};
use crate::frame::Kind;
use crate::log::open_tail;
use crate::lsn::Lsn;
use crate::recovery::{Load, Recovered, Recovery};
use crate::segments::{Hold, Live, Segments};
use crate::tail::Tail;
use crate::verify::verify;
use crate::vfs::Vfs;

pub(super) const KEYS: u8 = 12;
/// Crashes in one run of the test; the long run raises it by `NARU_CRASHES`.
const CRASHES: u64 = 80_000;
const CRASHES_A_SEED: u64 = 20;

/// What a key holds: where, and as of which record. Without a place it was deleted.
type Held = (Lsn, Option<(Address, u32)>);
/// Every change ever written: a key, and its value or that it was deleted.
type History = Vec<(Lsn, u8, Option<Vec<u8>>)>;

#[derive(Default)]
struct State(BTreeMap<u8, Held>);

impl Load for State {
    fn piece(&mut self, piece: &[u8]) {
        let u64_at = |at: usize| u64::from_le_bytes(piece[at..at + 8].try_into().unwrap());
        let bytes = u32::from_le_bytes(piece[17..21].try_into().unwrap());
        let place = (bytes > 0).then(|| (Address::new(u64_at(9)), bytes));
        self.0.insert(piece[0], (Lsn::new(u64_at(1)), place));
    }

    fn record(&mut self, lsn: Lsn, address: Address, record: &[u8]) {
        if self.0.get(&record[0]).is_some_and(|(known, _)| *known >= lsn) {
            return;
        }
        let bytes = record.len() as u32 - 1;
        let place = (bytes > 0).then(|| (address.checked_add(1).unwrap(), bytes));
        self.0.insert(record[0], (lsn, place));
    }
}

fn piece(key: u8, (lsn, place): Held) -> Vec<u8> {
    let (address, bytes) = place.unwrap_or_default();
    let mut piece = vec![key];
    piece.extend_from_slice(&lsn.number().to_le_bytes());
    piece.extend_from_slice(&address.position().to_le_bytes());
    piece.extend_from_slice(&bytes.to_le_bytes());
    piece
}

pub(super) struct Owner {
    fs: Arc<dyn Vfs>,
    pub(super) tail: Tail,
    segments: Segments,
    pub(super) recovery: Recovery,
    checkpoints: Vec<Lsn>,
    state: State,
    /// The next key to be pushed, and where to.
    underway: Option<(u8, Lsn, CheckpointFile)>,
    pub(super) removed: u64,
    pub(super) checkpointed: u64,
    _lock: Box<dyn Any + Send>,
}

pub(super) fn open(disk: &Disk) -> Result<Owner, OpenError> {
    let fs: Arc<dyn Vfs> = Arc::new(disk.clone());
    let mut state = State::default();
    let (recovered, lock) = open_tail(&fs, data(), small(), &mut state)?;
    let Recovered { tail, recovery, segments, checkpoints } = recovered;
    let mut segments = Segments::new(fs.clone(), tail.shard().to_owned(), segments);
    for (address, bytes) in state.0.values().filter_map(|(_, place)| *place) {
        segments.count_live(address, u64::from(bytes), Hold::Loose)?;
    }
    Ok(Owner {
        fs,
        tail,
        segments,
        recovery,
        checkpoints,
        state,
        underway: None,
        removed: 0,
        checkpointed: 0,
        _lock: lock,
    })
}

/// What survives of what: all up to `synced` whatever happens, up to `written` if only the process dies.
#[derive(Clone, Default)]
pub(super) struct Promise {
    history: History,
    pub(super) written: Lsn,
    pub(super) synced: Lsn,
}

impl Owner {
    /// Changes a few keys at once, whichever, and syncs that or not.
    pub(super) fn change(&mut self, random: &mut Random, promise: &mut Promise) -> Result<(), WriteError> {
        let changes: Vec<_> = (0..1 + random.below(3))
            .map(|_| {
                let key = random.below(u64::from(KEYS)) as u8;
                let bytes = if random.below(4) == 0 { 0 } else { 1 + random.below(700) };
                (key, vec![random.next() as u8; bytes as usize])
            })
            .collect();
        self.write(&changes, random.below(3) > 0, promise)
    }

    /// Gives keys these values, in one frame; without a byte the key is deleted.
    pub(super) fn write(
        &mut self,
        changes: &[(u8, Vec<u8>)],
        is_synced: bool,
        promise: &mut Promise,
    ) -> Result<(), WriteError> {
        let mut batch = Batch::new(self.tail.end(), self.tail.written().plus(1));
        let mut dead = Vec::new();
        for (key, value) in changes {
            let record = [&[*key], &value[..]].concat();
            let (lsn, address) = batch.push(Kind::Data, &record);
            promise.history.push((lsn, *key, (!value.is_empty()).then(|| value.clone())));
            let before = self.state.0.get(key).and_then(|(_, place)| *place);
            dead.extend(before);
            self.state.record(lsn, address, &record);
        }
        let (first, base) = (batch.first(), batch.base());
        self.tail.write(&Arc::new(RwLock::new(batch)))?;
        let live = |place: &&(Address, u32)| place.0 >= base;
        let places: Vec<_> =
            self.state.0.values().filter_map(|(lsn, place)| place.filter(|_| *lsn >= first)).collect();
        let loose = places.iter().filter(live).map(|(_, bytes)| u64::from(*bytes)).sum();
        let now = self.tail.written();
        self.segments.written(self.tail.head(), self.tail.end(), Live { loose, firm: 0 }, now);
        for (address, bytes) in dead.into_iter().filter(|(address, _)| *address < base) {
            self.segments.count_dead(address, u64::from(bytes), Hold::Loose, now);
        }
        promise.written = self.tail.written();
        if is_synced {
            self.tail.pave()?;
            self.sync(promise)?;
        }
        self.tail.prepare_next().map(drop)
    }

    pub(super) fn sync(&mut self, promise: &mut Promise) -> Result<(), WriteError> {
        let outcome = self.tail.sync();
        promise.synced = self.tail.synced();
        outcome
    }

    /// Says that everything is on disk, as the log does when it is idle.
    pub(super) fn mark(&mut self, promise: &mut Promise) -> Result<(), WriteError> {
        self.sync(promise)?;
        let mut batch = Batch::new(self.tail.end(), self.tail.written().plus(1));
        batch.push(Kind::Mark, &[]);
        self.tail.write(&Arc::new(RwLock::new(batch)))?;
        let now = self.tail.written();
        self.segments.written(self.tail.head(), self.tail.end(), Live::default(), now);
        promise.written = now;
        self.sync(promise)?;
        self.tail.prepare_next().map(drop)
    }

    /// A step of a checkpoint: begin, a few keys, or finish.
    pub(super) fn checkpoint(
        &mut self,
        random: &mut Random,
        promise: &mut Promise,
    ) -> Result<(), WriteError> {
        let newest = self.checkpoints.last().copied();
        let Some((key, lsn, mut file)) = self.underway.take() else {
            let lsn = self.tail.written();
            if lsn > newest.unwrap_or_default() {
                let file = CheckpointFile::create(&self.fs, self.tail.shard(), lsn, random.next())?;
                self.underway = Some((0, lsn, file));
            }
            return Ok(());
        };
        if key < KEYS {
            let until = KEYS.min(key + 5);
            for (key, held) in self.state.0.range(key..until) {
                file.push(&piece(*key, *held))?;
            }
            self.underway = Some((until, lsn, file));
            return Ok(());
        }
        file.finish(self.tail.written())?;
        self.sync(promise)?;
        file.publish(newest)?;
        self.checkpoints.push(lsn);
        self.checkpointed += 1;
        let surplus = self.checkpoints.len().saturating_sub(2);
        self.checkpoints.drain(..surplus);
        self.segments.look_again();
        Ok(())
    }

    pub(super) fn reclaim(&mut self) {
        if let [older, _] = self.checkpoints[..] {
            for dead in self.segments.take_dead(older, self.tail.synced()) {
                dead.carry_out(&*self.fs);
                self.removed += 1;
            }
        }
    }

    /// The state is that after the last record there is, to the byte, and nothing promised is behind it.
    pub(super) fn check(&self, promise: &mut Promise, only_process_died: bool) -> Result<(), String> {
        let promised = if only_process_died { promise.written } else { promise.synced };
        let last = self.recovery.last;
        if last < promised {
            return Err(format!("{promised} was promised, the last is {last}"));
        }
        promise.history.retain(|(lsn, ..)| *lsn <= last);
        self.check_values(promise)?;
        (promise.written, promise.synced) = (last, last);
        Ok(())
    }

    /// Every key has its last value, to the byte.
    pub(super) fn check_values(&self, promise: &Promise) -> Result<(), String> {
        let mut expected: BTreeMap<u8, Option<&Vec<u8>>> = BTreeMap::new();
        for (_, key, value) in &promise.history {
            expected.insert(*key, value.as_ref());
        }
        if expected.len() != self.state.0.len() {
            return Err("not the keys that were written".to_owned());
        }
        for (key, value) in expected {
            let Some((_, place)) = self.state.0.get(&key) else {
                return Err(format!("key {key} is not there"));
            };
            let found = place.map(|(address, bytes)| {
                let mut buffer = vec![0; bytes as usize];
                self.segments.read(address, &mut buffer).map(|()| buffer)
            });
            let found = found.transpose().map_err(|error| format!("key {key}: {error}"))?;
            if found.as_ref() != value {
                return Err(format!("key {key} is not what it was"));
            }
        }
        Ok(())
    }
}

/// Opens, going down during that up to three times.
fn open_through_crashes(
    disk: &Disk,
    random: &mut Random,
    killed: &mut bool,
    stopped: &mut u64,
) -> Result<Owner, String> {
    for _ in 0..random.below(4) {
        plan_fault(disk, random, 24);
        match open(disk) {
            Ok(owner) => return Ok(owner),
            Err(OpenError::Io { .. }) => {
                *stopped += 1;
                *killed &= go_down(disk, random);
            }
            Err(error) => return Err(format!("refused: {error}")),
        }
    }
    disk.restart();
    open(disk).map_err(|error| format!("refused: {error}"))
}

/// What was met between so many crashes.
#[derive(Debug, Default)]
struct Met {
    /// Recoveries that were stopped.
    stopped: u64,
    /// Segments that were removed.
    removed: u64,
    /// Starts from a checkpoint.
    used: u64,
}

fn run(seed: u64, crashes: u64, ignore_syncs: bool, met: &mut Met) -> Result<(), String> {
    let mut random = Random(seed);
    let disk = Disk::new(random.next());
    if ignore_syncs {
        disk.ignore_syncs();
    }
    let (mut promise, mut killed) = (Promise::default(), false);
    for _ in 0..crashes {
        let mut owner = open_through_crashes(&disk, &mut random, &mut killed, &mut met.stopped)?;
        owner.check(&mut promise, killed)?;
        met.used += u64::from(owner.recovery.checkpoint.is_some());
        if !owner.recovery.damaged_checkpoints.is_empty() {
            return Err("a crash has damaged a checkpoint".to_owned());
        }
        plan_fault(&disk, &mut random, 120);
        let space = disk.bytes() + random.below(40_000);
        disk.limit((random.below(4) == 0).then_some(space));
        for _ in 0..random.below(60) {
            let outcome = match random.below(3) {
                0 => owner.change(&mut random, &mut promise),
                1 => owner.checkpoint(&mut random, &mut promise),
                _ => {
                    owner.reclaim();
                    owner.change(&mut random, &mut promise)
                }
            };
            if outcome.is_err() {
                break;
            }
        }
        met.removed += owner.removed;
        killed = go_down(&disk, &mut random);
        disk.limit(None);
    }
    Ok(())
}

#[test]
fn no_crash_loses_or_changes_what_the_state_refers_to() {
    let crashes = number_from("NARU_CRASHES").unwrap_or(CRASHES);
    let first = number_from("NARU_SEED").unwrap_or_else(|| RandomState::new().build_hasher().finish());
    let mut met = Met::default();
    for index in 0..crashes.div_ceil(CRASHES_A_SEED) {
        let seed = first.wrapping_add(index);
        run(seed, CRASHES_A_SEED, false, &mut met)
            .unwrap_or_else(|what| panic!("{what}; again with NARU_SEED={seed} NARU_CRASHES=1"));
    }
    println!("{crashes} crashes: {met:?}");
    let Met { stopped, removed, used } = met;
    assert!(crashes < 1000 || (stopped > crashes / 4 && removed > crashes / 10 && used > crashes / 3));
}

#[test]
fn a_disk_that_ignores_syncs_is_caught_by_this_check_too() {
    let caught =
        (0..20).filter(|seed| run(*seed, CRASHES_A_SEED, true, &mut Met::default()).is_err()).count();
    assert!(caught >= 19, "only {caught} of 20");
}

/// A folder with two checkpoints, gaps where dead segments were, and records behind the newest checkpoint.
struct Shape {
    seed: u64,
    /// Changes for each step of a checkpoint.
    changes_a_step: u64,
    removed_min: u64,
    sealed_max: usize,
}

const SMALL: Shape = Shape { seed: 5, changes_a_step: 1, removed_min: 1, sealed_max: 1 };
const LARGE: Shape = Shape { seed: 17, changes_a_step: 3, removed_min: 4, sealed_max: 6 };

fn stored(shape: &Shape) -> (Disk, Promise) {
    let disk = Disk::new(5);
    let mut random = Random(shape.seed);
    let mut promise = Promise::default();
    let mut owner = open(&disk).unwrap();
    let mut steps = 0;
    while owner.removed < shape.removed_min
        || owner.underway.is_none()
        || owner.checkpoints.len() < 2
        || owner.segments.sealed().count() > shape.sealed_max
    {
        owner.change(&mut random, &mut promise).unwrap();
        if steps % shape.changes_a_step == 0 {
            owner.checkpoint(&mut random, &mut promise).unwrap();
            owner.reclaim();
        }
        steps += 1;
        assert!(steps < 2000);
    }
    owner.sync(&mut promise).unwrap();
    drop(owner);
    disk.power_on(Keep::Everything);
    let whole = verify(&disk.copy(), data()).unwrap();
    assert!(whole.damages.is_empty() && whole.torn.is_none() && whole.checkpoints >= 2, "{whole:?}");
    (disk, promise)
}

/// What became of a folder with one bit flipped, and how often.
#[derive(Debug, Default)]
struct Outcomes {
    refused: u64,
    cut: u64,
    said: u64,
    compared: u64,
    whole: u64,
}

impl Outcomes {
    /// Opens a copy in which a file holds other bytes: nothing of it is passed over in silence.
    fn add(&mut self, disk: &Disk, promise: &Promise, path: &Path, bytes: &[u8], place: &str) {
        let copy = disk.copy();
        copy.overwrite(path, bytes).unwrap();
        let verified = verify(&copy, data());
        let is_seen = verified.is_err()
            || verified.is_ok_and(|found| !found.damages.is_empty() || found.torn.is_some());
        match open(&copy) {
            Err(error) => {
                assert!(is_seen, "{place}: {error}");
                let text = error.to_string();
                assert!(text.contains("/data") && !text.contains("newer Naru"), "{place}: {text}");
                self.refused += 1;
            }
            Ok(owner) if owner.recovery.torn.is_some() => {
                assert!(is_seen, "{place}");
                let mut promise = promise.clone();
                promise.written = promise.written.min(owner.recovery.last);
                owner.check(&mut promise, true).unwrap_or_else(|what| panic!("{place}: {what}"));
                self.cut += 1;
            }
            Ok(owner) if !owner.recovery.damaged_checkpoints.is_empty() => {
                assert!(is_seen, "{place}");
                assert_eq!(owner.recovery.damaged_checkpoints[0].path, path);
                owner.check(&mut promise.clone(), true).unwrap_or_else(|what| panic!("{place}: {what}"));
                self.said += 1;
            }
            // Below the replay point nobody reads bodies at the start: whoever does compares their checksums.
            Ok(owner) if owner.check(&mut promise.clone(), true).is_err() => {
                assert!(is_seen && path.extension().is_some_and(|seg| seg == "seg"), "{place}");
                self.compared += 1;
            }
            Ok(_) => self.whole += 1,
        }
    }

    fn total(&self) -> u64 {
        self.refused + self.cut + self.said + self.compared + self.whole
    }
}

/// Flips bits, one at a time: of one in so many bytes, those that are chosen.
fn flip(
    (disk, promise): &(Disk, Promise),
    step: usize,
    mut bits: impl FnMut() -> std::ops::Range<u64>,
) -> Outcomes {
    let mut outcomes = Outcomes::default();
    for (path, _) in disk.files() {
        let mut bytes = disk.contents(&path).unwrap();
        for at in (0..bytes.len()).step_by(step) {
            for bit in bits() {
                bytes[at] ^= 1 << bit;
                let place = format!("{} byte {at} bit {bit}", path.display());
                outcomes.add(disk, promise, &path, &bytes, &place);
                bytes[at] ^= 1 << bit;
            }
        }
    }
    println!("{} flips: {outcomes:?}", outcomes.total());
    outcomes
}

#[test]
fn a_flipped_bit_anywhere_is_refused_said_or_shows_when_the_bytes_are_compared() {
    let mut random = Random(19);
    let Outcomes { refused, cut, said, compared, whole } = flip(&stored(&LARGE), 9, || {
        let bit = random.below(8);
        bit..bit + 1
    });
    assert!(refused > 100 && said > 10 && compared > 30 && cut + whole > 0);
}

#[test]
fn no_bit_of_a_small_folder_is_flipped_in_silence() {
    let small = stored(&SMALL);
    let outcomes = flip(&small, 1, || 0..8);
    let Outcomes { refused, cut, said, compared, whole } = outcomes;
    assert_eq!(outcomes.total(), 8 * small.0.bytes());
    assert!(refused > 1000 && cut > 100 && said > 1000 && compared > 1000 && whole > 1000);
}
