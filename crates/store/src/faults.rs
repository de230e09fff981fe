//! A disk in memory that loses power, tears writes, fails syncs and fills up, as real ones do, from a seed.
//!
//! What a power cut leaves, worse than most file systems but within what they promise:
//!
//! - of each 512-byte sector written since the last sync of its file, any of the versions it had, whatever became of
//!   the others; a sector itself is torn only where a write was cut short;
//! - a file's length as it was at the last sync or as it is;
//! - of the names made, moved and removed since the last sync of their folder, any subset.
//!
//! A failed sync has written some sectors; the rest read as new, count as clean, and are gone after a power cut.

use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use crate::vfs::{Vfs, VfsFile};

const SECTOR: usize = 512;

/// What of the unsynced is kept when the power fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Only what was synced.
    Nothing,
    /// All of it.
    Everything,
    /// All but one sector, counted over all files.
    AllBut(usize),
    /// So many of the changes made first, over all files and folders: sectors, lengths and names.
    First(usize),
    /// Any of it, drawn from the disk's seed.
    Any,
}

/// What happens at an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The power fails, or the process dies, during the operation: this one and all later ones fail, until
    /// [`Disk::power_on`] or [`Disk::restart`].
    Stop,
    /// The operation fails with this error. A write may have been done in part; a sync has lost data.
    Error(io::ErrorKind),
}

/// The disk. Clones are the same disk.
#[derive(Clone)]
pub struct Disk(Arc<Mutex<State>>);

#[derive(Clone, Default)]
struct State {
    random: u64,
    files: Vec<FileState>,
    folders: BTreeMap<PathBuf, FolderState>,
    locks: Vec<PathBuf>,
    /// Counts what changes the disk: writes, allocations, syncs, and changes of names.
    operations: u64,
    /// Counts what a power cut may lose: versions of sectors, lengths, changes of names.
    changes: u64,
    faults: BTreeMap<u64, Fault>,
    power_off: bool,
    /// Rises with each restart; files opened and locks taken before are of no use after.
    life: u64,
    bytes_max: Option<u64>,
    ignore_syncs: bool,
    /// What of files cannot be read.
    unreadable: Vec<(usize, Range<u64>)>,
}

#[derive(Clone, Default)]
struct FileState {
    /// What a read sees.
    now: Vec<u8>,
    /// What has been synced.
    synced: Vec<u8>,
    /// The versions of each sector since it was synced, each with its place among all changes.
    unsynced: BTreeMap<usize, Vec<(u64, [u8; SECTOR])>>,
    /// The lengths it has had since it was synced; emptied and grown again, it has lost what it held.
    lengths: Vec<(u64, usize)>,
}

#[derive(Clone, Default)]
struct FolderState {
    now: BTreeMap<String, usize>,
    synced: BTreeMap<String, usize>,
    unsynced: Vec<(u64, NameChange)>,
}

#[derive(Clone)]
enum NameChange {
    Made(String, usize),
    Removed(String),
    Moved(String, String, usize),
}

struct OpenFile {
    disk: Disk,
    file: usize,
    life: u64,
}

struct Lock {
    disk: Disk,
    path: PathBuf,
    life: u64,
}

impl Disk {
    /// An empty disk with the folder `/`. All that is drawn at random comes from the seed.
    pub fn new(seed: u64) -> Self {
        let mut state = State { random: seed, ..State::default() };
        state.folders.insert(PathBuf::from("/"), FolderState::default());
        Self(Arc::new(Mutex::new(state)))
    }

    /// Another disk with the same contents, synced and not, on which nothing is open or planned.
    pub fn copy(&self) -> Self {
        let mut state = self.0.lock().clone();
        state.restart();
        state.forget_nameless();
        Self(Arc::new(Mutex::new(state)))
    }

    /// Draws from another seed from now on.
    pub fn reseed(&self, seed: u64) {
        self.0.lock().random = seed;
    }

    /// Operations so far that changed the disk.
    pub fn operations(&self) -> u64 {
        self.0.lock().operations
    }

    /// Plans a fault for the operation with this number, counted as in [`Disk::operations`] from 1.
    pub fn plan(&self, operation: u64, fault: Fault) {
        self.0.lock().faults.insert(operation, fault);
    }

    /// Files take at most this many bytes in all; `None`: no limit.
    pub fn limit(&self, bytes_max: Option<u64>) {
        self.0.lock().bytes_max = bytes_max;
    }

    /// Bytes that all files take.
    pub fn bytes(&self) -> u64 {
        self.0.lock().bytes()
    }

    /// Makes syncs do nothing and say they did. To see that a test would notice.
    pub fn ignore_syncs(&self) {
        self.0.lock().ignore_syncs = true;
    }

    /// Cuts the power, if it is not off, and turns it on again: what was not synced is kept or lost, planned faults
    /// are forgotten.
    pub fn power_on(&self, keep: Keep) {
        self.0.lock().power_on(keep);
    }

    /// The process dies and another takes over: locks are free, nothing is lost, planned faults are forgotten.
    pub fn restart(&self) {
        self.0.lock().restart();
    }

    /// Holds every operation up until the answer is dropped.
    pub fn hold(&self) -> impl Drop + '_ {
        self.0.lock()
    }

    /// Sectors that a power cut may lose.
    pub fn unsynced_sectors(&self) -> usize {
        self.0.lock().files.iter().map(|file| file.unsynced.len()).sum()
    }

    /// Changes that a power cut may lose, as [`Keep::First`] counts them.
    pub fn unsynced_changes(&self) -> usize {
        self.0.lock().unsynced().len()
    }

    /// Every file with its length, in order of name.
    pub fn files(&self) -> Vec<(PathBuf, u64)> {
        let state = self.0.lock();
        let mut files = Vec::new();
        for (path, folder) in &state.folders {
            for (name, file) in &folder.now {
                files.push((path.join(name), state.files[*file].now.len() as u64));
            }
        }
        files
    }

    /// What a file holds.
    pub fn contents(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.0.lock();
        let file = state.find(path)?;
        Ok(state.files[file].now.clone())
    }

    /// Makes a file hold this, on disk, as rot or a careless hand would.
    pub fn overwrite(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.0.lock();
        let file = state.find(path)?;
        state.files[file] = FileState { now: bytes.to_vec(), synced: bytes.to_vec(), ..FileState::default() };
        Ok(())
    }

    /// Makes these bytes of a file unreadable, as a bad sector would.
    pub fn spoil(&self, path: &Path, bytes: Range<u64>) -> io::Result<()> {
        let mut state = self.0.lock();
        let file = state.find(path)?;
        state.unreadable.push((file, bytes));
        Ok(())
    }

    /// Takes the lock for an operation that changes the disk, or fails as planned.
    fn operate(&self, life: Option<u64>) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.look(life)?;
        state.operations += 1;
        let operation = state.operations;
        match state.faults.remove(&operation) {
            None => Ok(state),
            Some(Fault::Stop) => {
                state.power_off = true;
                Err(power_is_off())
            }
            Some(Fault::Error(kind)) => Err(kind.into()),
        }
    }

    fn look(&self, life: Option<u64>) -> io::Result<MutexGuard<'_, State>> {
        let state = self.0.lock();
        let stale = life.is_some_and(|life| life != state.life);
        if state.power_off || stale { Err(power_is_off()) } else { Ok(state) }
    }
}

impl Vfs for Disk {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        let mut state = self.operate(None)?;
        if state.folders.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        // Folders are few and made once; they are not lost, only the names in them are.
        state.folders.insert(path.to_owned(), FolderState::default());
        Ok(())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let state = self.look(None)?;
        Ok(state.folders.contains_key(path) || state.find(path).is_ok())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let state = self.look(None)?;
        let mut names: Vec<String> =
            state.folders.get(folder).ok_or(io::ErrorKind::NotFound)?.now.keys().cloned().collect();
        for other in state.folders.keys().filter(|other| other.parent() == Some(folder)) {
            names.extend(other.file_name().map(|name| name.to_string_lossy().into_owned()));
        }
        Ok(names)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        let mut state = self.operate(None)?;
        let file = state.create(path)?;
        Ok(Box::new(OpenFile { disk: self.clone(), file, life: state.life }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        let state = self.look(None)?;
        let file = state.find(path)?;
        Ok(Box::new(OpenFile { disk: self.clone(), file, life: state.life }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.operate(None)?;
        assert_eq!(from.parent(), to.parent(), "only within a folder");
        let change = state.next_change();
        let (folder, from) = state.folder_of(from)?;
        let file = folder.now.remove(&from).ok_or(io::ErrorKind::NotFound)?;
        let to = name_of(to);
        folder.now.insert(to.clone(), file);
        folder.unsynced.push((change, NameChange::Moved(from, to, file)));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.operate(None)?;
        let change = state.next_change();
        let (folder, name) = state.folder_of(path)?;
        folder.now.remove(&name).ok_or(io::ErrorKind::NotFound)?;
        folder.unsynced.push((change, NameChange::Removed(name)));
        Ok(())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let mut state = self.operate(None)?;
        let ignore = state.ignore_syncs;
        let folder = state.folders.get_mut(folder).ok_or(io::ErrorKind::NotFound)?;
        if !ignore {
            folder.synced = folder.now.clone();
            folder.unsynced.clear();
        }
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send>> {
        let mut state = self.operate(None)?;
        if state.locks.iter().any(|held| held == path) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if state.find(path).is_err() {
            state.create(path)?;
        }
        state.locks.push(path.to_owned());
        Ok(Box::new(Lock { disk: self.clone(), path: path.to_owned(), life: state.life }))
    }
}

impl VfsFile for OpenFile {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.disk.look(Some(self.life))?.files[self.file].now.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let state = self.disk.look(Some(self.life))?;
        let end = offset + buffer.len() as u64;
        let is_spoiled = |(file, bytes): &(usize, Range<u64>)| {
            *file == self.file && bytes.start < end && offset < bytes.end
        };
        if state.unreadable.iter().any(is_spoiled) {
            return Err(io::Error::other("a sector cannot be read"));
        }
        let start = offset as usize;
        let bytes = state.files[self.file].now.get(start..start + buffer.len());
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let outcome = self.disk.operate(Some(self.life)).map(drop);
        let mut state = self.disk.0.lock();
        if state.life != self.life {
            return outcome;
        }
        let part = match outcome {
            Ok(()) => bytes.len(),
            Err(_) => state.below(bytes.len() + 1),
        };
        let end = offset + part as u64;
        let grows = end.saturating_sub(state.files[self.file].now.len() as u64);
        state.take_space(grows)?;
        let state = &mut *state;
        state.files[self.file].write(&bytes[..part], offset as usize, &mut state.changes);
        outcome
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.disk.operate(Some(self.life))?;
        let grows = bytes.saturating_sub(state.files[self.file].now.len() as u64);
        state.take_space(grows)?;
        let state = &mut *state;
        state.files[self.file].grow(bytes as usize, &mut state.changes);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let outcome = self.disk.operate(Some(self.life)).map(drop);
        let mut state = self.disk.0.lock();
        if state.life != self.life || state.power_off || state.ignore_syncs {
            return outcome;
        }
        if outcome.is_err() {
            // Some of it was written; the rest is now taken for clean.
            let mut file = state.files[self.file].clone();
            file.settle(Kept::Any, &mut state, &mut 0);
            state.files[self.file].synced = file.synced;
        } else {
            let file = &mut state.files[self.file];
            file.settle_all();
        }
        state.files[self.file].unsynced.clear();
        state.files[self.file].lengths.clear();
        outcome
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let mut state = self.disk.0.lock();
        if state.life == self.life {
            state.locks.retain(|held| *held != self.path);
        }
    }
}

impl State {
    fn restart(&mut self) {
        self.life += 1;
        self.locks.clear();
        self.faults.clear();
        self.power_off = false;
    }

    /// The places of the changes that a power cut may lose, in the order they were made.
    fn unsynced(&self) -> Vec<u64> {
        let sectors = self.files.iter().flat_map(|file| file.unsynced.values().flatten().map(|(at, _)| *at));
        let lengths = self.files.iter().flat_map(|file| file.lengths.iter().map(|(at, _)| *at));
        let names = self.folders.values().flat_map(|folder| folder.unsynced.iter().map(|(at, _)| *at));
        let mut places: Vec<_> = sectors.chain(lengths).chain(names).collect();
        places.sort_unstable();
        places
    }

    fn next_change(&mut self) -> u64 {
        self.changes += 1;
        self.changes
    }

    fn power_on(&mut self, keep: Keep) {
        let keep = match keep {
            Keep::Nothing => Kept::Until(0),
            Keep::Everything => Kept::Until(u64::MAX),
            Keep::AllBut(sector) => Kept::AllBut(sector),
            Keep::First(count) => Kept::Until(self.unsynced().get(count).copied().unwrap_or(u64::MAX)),
            Keep::Any => Kept::Any,
        };
        let mut sector = 0;
        for index in 0..self.files.len() {
            let mut file = std::mem::take(&mut self.files[index]);
            file.settle(keep, self, &mut sector);
            self.files[index] = FileState { now: file.synced.clone(), ..file };
        }
        let mut folders = std::mem::take(&mut self.folders);
        for folder in folders.values_mut() {
            for (at, change) in std::mem::take(&mut folder.unsynced) {
                let kept = match keep {
                    Kept::Until(end) => at < end,
                    Kept::AllBut(_) => true,
                    Kept::Any => self.below(2) == 1,
                };
                if kept {
                    change.apply(&mut folder.synced);
                }
            }
            folder.now = folder.synced.clone();
        }
        self.folders = folders;
        self.restart();
    }

    /// Empties the files that no name leads to, nor will after a power cut.
    fn forget_nameless(&mut self) {
        let mut named = vec![false; self.files.len()];
        for folder in self.folders.values() {
            folder.now.values().chain(folder.synced.values()).for_each(|file| named[*file] = true);
            for (_, change) in &folder.unsynced {
                if let NameChange::Made(_, file) | NameChange::Moved(_, _, file) = change {
                    named[*file] = true;
                }
            }
        }
        for (file, _) in self.files.iter_mut().zip(named).filter(|(_, named)| !named) {
            *file = FileState::default();
        }
    }

    fn bytes(&self) -> u64 {
        let named = self.folders.values().flat_map(|folder| folder.now.values());
        named.map(|file| self.files[*file].now.len() as u64).sum()
    }

    fn take_space(&self, bytes: u64) -> io::Result<()> {
        match self.bytes_max {
            Some(bytes_max) if bytes > 0 && self.bytes() + bytes > bytes_max => {
                Err(io::ErrorKind::StorageFull.into())
            }
            _ => Ok(()),
        }
    }

    fn create(&mut self, path: &Path) -> io::Result<usize> {
        let change = self.next_change();
        if let Ok(file) = self.find(path) {
            self.files[file].now.clear();
            self.files[file].unsynced.clear();
            self.files[file].lengths.push((change, 0));
            return Ok(file);
        }
        self.files.push(FileState::default());
        let file = self.files.len() - 1;
        let (folder, name) = self.folder_of(path)?;
        folder.now.insert(name.clone(), file);
        folder.unsynced.push((change, NameChange::Made(name, file)));
        Ok(file)
    }

    fn find(&self, path: &Path) -> io::Result<usize> {
        let folder = path.parent().and_then(|folder| self.folders.get(folder));
        let file = folder.and_then(|folder| folder.now.get(&name_of(path)).copied());
        Ok(file.ok_or(io::ErrorKind::NotFound)?)
    }

    fn folder_of(&mut self, path: &Path) -> io::Result<(&mut FolderState, String)> {
        let folder = path.parent().and_then(|folder| self.folders.get_mut(folder));
        Ok((folder.ok_or(io::ErrorKind::NotFound)?, name_of(path)))
    }

    /// A number below the bound (splitmix64).
    fn below(&mut self, bound: usize) -> usize {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }
}

/// What of the unsynced is kept, in terms of what each change knows of itself.
#[derive(Clone, Copy)]
enum Kept {
    /// The changes before this place.
    Until(u64),
    AllBut(usize),
    Any,
}

impl FileState {
    fn write(&mut self, bytes: &[u8], offset: usize, changes: &mut u64) {
        if bytes.is_empty() {
            return;
        }
        let end = offset + bytes.len();
        self.grow(end, changes);
        self.now[offset..end].copy_from_slice(bytes);
        for sector in offset / SECTOR..end.div_ceil(SECTOR) {
            let start = sector * SECTOR;
            let stop = (start + SECTOR).min(self.now.len());
            let mut version = [0; SECTOR];
            version[..stop - start].copy_from_slice(&self.now[start..stop]);
            *changes += 1;
            self.unsynced.entry(sector).or_default().push((*changes, version));
        }
    }

    /// Makes it this long, if it is shorter.
    fn grow(&mut self, length: usize, changes: &mut u64) {
        if length > self.now.len() {
            self.now.resize(length, 0);
            *changes += 1;
            self.lengths.push((*changes, length));
        }
    }

    fn settle_all(&mut self) {
        for (_, length) in std::mem::take(&mut self.lengths) {
            self.synced.resize(length, 0);
        }
        // Not all that can be read: what a failed sync has lost counts as clean.
        self.synced.resize(self.now.len(), 0);
        for sector in self.unsynced.keys() {
            let start = sector * SECTOR;
            let stop = (start + SECTOR).min(self.now.len());
            self.synced[start..stop].copy_from_slice(&self.now[start..stop]);
        }
    }

    /// Decides what of the unsynced is on disk. `sector` counts over all files.
    fn settle(&mut self, keep: Kept, state: &mut State, sector: &mut usize) {
        let lengths_end = match keep {
            Kept::Until(end) => end,
            Kept::AllBut(_) => u64::MAX,
            Kept::Any => [0, u64::MAX][state.below(2)],
        };
        for (_, length) in std::mem::take(&mut self.lengths).into_iter().filter(|(at, _)| *at < lengths_end) {
            self.synced.resize(length, 0);
        }
        for (index, versions) in std::mem::take(&mut self.unsynced) {
            let kept = match keep {
                Kept::Until(end) => versions.iter().rev().find(|(at, _)| *at < end),
                Kept::AllBut(lost) => versions.last().filter(|_| *sector != lost),
                Kept::Any => versions.get(state.below(versions.len() + 1)),
            };
            *sector += 1;
            let start = (index * SECTOR).min(self.synced.len());
            let stop = (start + SECTOR).min(self.synced.len());
            if let Some((_, version)) = kept {
                self.synced[start..stop].copy_from_slice(&version[..stop - start]);
            }
        }
    }
}

impl NameChange {
    fn apply(self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Made(name, file) => drop(names.insert(name, file)),
            Self::Removed(name) => drop(names.remove(&name)),
            Self::Moved(from, to, file) => {
                names.remove(&from);
                names.insert(to, file);
            }
        }
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn power_is_off() -> io::Error {
    io::Error::other("the power is off")
}
