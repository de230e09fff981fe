//! The data folder: its lock, its format, and how it comes into being.
//!
//! `FORMAT` is written last when a folder is made. So with it there is at least one segment, and without it nothing
//! was ever stored. A folder that is filled from another one has `UNFINISHED` in it before anything else and until it has
//! everything: half a copy is not taken for all, nor the beginning of one for a new folder.

use std::any::Any;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Damage, OpenError};
use crate::segment::{FORMAT, HEAD_BYTES, SegmentHead, file_name, file_number};
use crate::vfs::{Vfs, VfsFile};

const FORMAT_FILE: &str = "FORMAT";
const FORMAT_NEW: &str = "FORMAT.new";
const UNFINISHED_FILE: &str = "UNFINISHED";
const LOCK_FILE: &str = "LOCK";
const SHARD_FOLDER: &str = "shard-00";
/// What a mounted file system brings along.
const HARMLESS: &str = "lost+found";
/// Longer than any version's `FORMAT`.
const FORMAT_FILE_BYTES_MAX: u64 = 4096;

/// A data folder that is ours, locked until this is dropped.
pub(crate) struct Folder {
    pub(crate) shard: PathBuf,
    pub(crate) lock: Box<dyn Any + Send>,
}

/// Locks the folder and, where there is none or an unfinished one, makes it with this first segment.
pub(crate) fn open(fs: &dyn Vfs, data: &Path, first: &SegmentHead) -> Result<Folder, OpenError> {
    create_with_parents(fs, data)?;
    refuse_unfinished(fs, data)?;
    open_or_make(fs, data, first)
}

fn open_or_make(fs: &dyn Vfs, data: &Path, first: &SegmentHead) -> Result<Folder, OpenError> {
    let shard = data.join(SHARD_FOLDER);
    let names = fs.list(data).map_err(OpenError::io("read", data))?;
    let ours = [FORMAT_FILE, FORMAT_NEW, UNFINISHED_FILE, LOCK_FILE, SHARD_FOLDER, HARMLESS];
    let has_format = names.iter().any(|name| name == FORMAT_FILE);
    if let Some(found) = names.iter().find(|name| !has_format && !ours.contains(&name.as_str())) {
        return Err(OpenError::NotOurs { folder: data.to_owned(), found: found.clone() });
    }
    let lock = lock(fs, data)?;
    // Asked again under the lock: another process may have finished making it.
    let format_file = data.join(FORMAT_FILE);
    if fs.exists(&format_file).map_err(OpenError::io("read", &format_file))? {
        check_format(fs, &format_file)?;
        // The run that named it may have died before this.
        fs.sync_folder(data).map_err(OpenError::io("sync", data))?;
    } else {
        remove_unfinished(fs, data, &shard)?;
        create_shard(fs, data, &shard, first)?;
        write_format(fs, data)?;
    }
    Ok(Folder { shard, lock })
}

/// Locks a folder that is there, and changes nothing in it.
pub(crate) fn open_existing(fs: &dyn Vfs, data: &Path) -> Result<Folder, OpenError> {
    refuse_unfinished(fs, data)?;
    let (format_file, shard) = (data.join(FORMAT_FILE), data.join(SHARD_FOLDER));
    let exists = |path: &Path| fs.exists(path).map_err(OpenError::io("read", path));
    if !exists(&format_file)? && exists(&shard)? {
        return Err(format_is_missing(format_file).into());
    }
    check_format(fs, &format_file)?;
    let lock = lock(fs, data)?;
    Ok(Folder { shard, lock })
}

/// Locks a folder whatever has become of it, and changes nothing in it; with it comes what is wrong with its format.
pub(crate) fn open_damaged(fs: &dyn Vfs, data: &Path) -> Result<(Folder, Option<Damage>), OpenError> {
    // Where it is filled from there is more.
    refuse_unfinished(fs, data)?;
    let (format_file, shard) = (data.join(FORMAT_FILE), data.join(SHARD_FOLDER));
    let damage = |what| Damage { path: format_file.clone(), offset: 0, records: None, what };
    let format = match fs.exists(&format_file) {
        Ok(false) => Some(format_is_missing(format_file.clone())),
        _ => match check_format(fs, &format_file) {
            Ok(()) => None,
            Err(OpenError::Damaged(damage)) => Some(damage),
            Err(OpenError::Io { .. }) => Some(damage("the file cannot be read")),
            Err(error) => return Err(error),
        },
    };
    let lock = match lock(fs, data) {
        // Nobody writes there, so nobody has to be kept out.
        Err(OpenError::Io { source, .. }) if source.kind() == io::ErrorKind::ReadOnlyFilesystem => {
            Box::new(())
        }
        locked => locked?,
    };
    Ok((Folder { shard, lock }, format))
}

/// Refuses a folder that holds anything.
fn refuse_unless_empty(fs: &dyn Vfs, target: &Path) -> Result<(), OpenError> {
    if !fs.exists(target).map_err(OpenError::io("read", target))? {
        return Ok(());
    }
    let names = fs.list(target).map_err(OpenError::io("read", target))?;
    match names.into_iter().find(|name| name != HARMLESS) {
        Some(found) => Err(OpenError::NotOurs { folder: target.to_owned(), found }),
        None => Ok(()),
    }
}

/// Makes a folder, in which nothing may be yet, that does not open until [`finish`].
pub(crate) fn begin_to_fill(fs: &dyn Vfs, data: &Path) -> Result<(), OpenError> {
    create_with_parents(fs, data)?;
    refuse_unless_empty(fs, data)?;
    let path = data.join(UNFINISHED_FILE);
    let file = fs.create(&path).map_err(OpenError::io("create", &path))?;
    file.sync().map_err(OpenError::io("sync", &path))?;
    fs.sync_folder(data).map_err(OpenError::io("sync", data))
}

/// Locks a folder that is to be filled, with this first segment.
pub(crate) fn open_to_fill(fs: &dyn Vfs, data: &Path, first: &SegmentHead) -> Result<Folder, OpenError> {
    begin_to_fill(fs, data)?;
    open_or_make(fs, data, first)
}

/// A folder that was to be filled is: all that is in it is on disk.
pub(crate) fn finish(fs: &dyn Vfs, data: &Path) -> Result<(), OpenError> {
    let path = data.join(UNFINISHED_FILE);
    fs.remove(&path).map_err(OpenError::io("remove", &path))?;
    fs.sync_folder(data).map_err(OpenError::io("sync", data))
}

fn refuse_unfinished(fs: &dyn Vfs, data: &Path) -> Result<(), OpenError> {
    let path = data.join(UNFINISHED_FILE);
    match fs.exists(&path).map_err(OpenError::io("read", &path))? {
        true => Err(OpenError::Unfinished { folder: data.to_owned(), mark: path }),
        false => Ok(()),
    }
}

/// Makes a folder for a copy, which is to be given its format when it has everything else. Answers the shard's folder.
pub(crate) fn create_for_copy(fs: &dyn Vfs, target: &Path) -> Result<PathBuf, OpenError> {
    begin_to_fill(fs, target)?;
    let shard = target.join(SHARD_FOLDER);
    fs.create_folder(&shard).map_err(OpenError::io("create folder", &shard))?;
    fs.sync_folder(target).map_err(OpenError::io("sync", target))?;
    Ok(shard)
}

fn lock(fs: &dyn Vfs, data: &Path) -> Result<Box<dyn Any + Send>, OpenError> {
    let lock_file = data.join(LOCK_FILE);
    fs.lock(&lock_file).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => OpenError::InUse { folder: data.to_owned(), lock: lock_file.clone() },
        _ => OpenError::io("write", &lock_file)(error),
    })
}

fn create_with_parents(fs: &dyn Vfs, folder: &Path) -> Result<(), OpenError> {
    if fs.exists(folder).map_err(OpenError::io("read", folder))? {
        return Ok(());
    }
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        create_with_parents(fs, parent)?;
    }
    match fs.create_folder(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(OpenError::io("create folder", folder)(error));
        }
        _ => {}
    }
    let parent = parent.unwrap_or(Path::new("."));
    fs.sync_folder(parent).map_err(OpenError::io("sync", parent))
}

/// A crash while the folder was made leaves a first segment without frames. Anything more had a `FORMAT`.
fn remove_unfinished(fs: &dyn Vfs, data: &Path, shard: &Path) -> Result<(), OpenError> {
    if !fs.exists(shard).map_err(OpenError::io("read", shard))? {
        return Ok(());
    }
    for name in fs.list(shard).map_err(OpenError::io("read", shard))? {
        let path = shard.join(&name);
        let file = fs.open(&path).map_err(OpenError::io("open", &path))?;
        let unused = file_number(&name) == Some(1)
            && is_zero_from(&*file, HEAD_BYTES as u64).map_err(OpenError::io("read", &path))?;
        if !unused {
            return Err(format_is_missing(data.join(FORMAT_FILE)).into());
        }
        fs.remove(&path).map_err(OpenError::io("remove", &path))?;
    }
    Ok(())
}

fn format_is_missing(path: PathBuf) -> Damage {
    Damage { path, offset: 0, records: None, what: "the file is missing, though there is data beside it" }
}

fn create_shard(fs: &dyn Vfs, data: &Path, shard: &Path, first: &SegmentHead) -> Result<(), OpenError> {
    match fs.create_folder(shard) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(OpenError::io("create folder", shard)(error));
        }
        _ => {}
    }
    fs.sync_folder(data).map_err(OpenError::io("sync", data))?;
    let path = shard.join(file_name(first.number));
    let file = fs.create(&path).map_err(OpenError::io("create", &path))?;
    file.allocate(first.bytes).map_err(OpenError::io("allocate", &path))?;
    file.write_at(&first.encode(), 0).map_err(OpenError::io("write", &path))?;
    file.sync().map_err(OpenError::io("sync", &path))?;
    fs.sync_folder(shard).map_err(OpenError::io("sync", shard))
}

pub(crate) fn write_format(fs: &dyn Vfs, data: &Path) -> Result<(), OpenError> {
    let (new, named) = (data.join(FORMAT_NEW), data.join(FORMAT_FILE));
    let file = fs.create(&new).map_err(OpenError::io("create", &new))?;
    file.write_at(format_text(FORMAT).as_bytes(), 0).map_err(OpenError::io("write", &new))?;
    file.sync().map_err(OpenError::io("sync", &new))?;
    fs.rename(&new, &named).map_err(OpenError::io("rename", &new))?;
    fs.sync_folder(data).map_err(OpenError::io("sync", data))
}

fn check_format(fs: &dyn Vfs, path: &Path) -> Result<(), OpenError> {
    let file = fs.open_to_read(path).map_err(OpenError::io("open", path))?;
    let length = file.bytes().map_err(OpenError::io("read", path))?.min(FORMAT_FILE_BYTES_MAX);
    let mut bytes = vec![0; length as usize];
    file.read_at(&mut bytes, 0).map_err(OpenError::io("read", path))?;
    match format_version(&bytes) {
        Some(FORMAT) => Ok(()),
        Some(found) if found > FORMAT => {
            Err(OpenError::Newer { path: path.to_owned(), found, known: FORMAT })
        }
        Some(found) if found < FORMAT => {
            Err(OpenError::Older { path: path.to_owned(), found, known: FORMAT })
        }
        _ => {
            Err(Damage { path: path.to_owned(), offset: 0, records: None, what: "it is not as written" }
                .into())
        }
    }
}

/// One line for people and programs. A later version keeps its beginning and its end, and may say more between.
fn format_text(format: u32) -> String {
    let said = format!("naru data folder, format {format}, shards 1");
    format!("{said}, check {:08x}\n", crc32c::crc32c(said.as_bytes()))
}

fn format_version(bytes: &[u8]) -> Option<u32> {
    let (said, check) = std::str::from_utf8(bytes).ok()?.strip_suffix('\n')?.rsplit_once(", check ")?;
    if check != format!("{:08x}", crc32c::crc32c(said.as_bytes())) {
        return None;
    }
    said.strip_prefix("naru data folder, format ")?.split(',').next()?.parse().ok()
}

/// What is read at once to look for zeros. Short enough that malloc does not take it for a sign that long blocks come and
/// go, and keeps all of those from then on.
const PIECE_BYTES: u64 = 64 * 1024;

/// Whether the file has nothing but zeros from this place on.
pub(crate) fn is_zero_from(file: &dyn VfsFile, mut offset: u64) -> io::Result<bool> {
    let end = file.bytes()?;
    let mut piece = vec![0; end.saturating_sub(offset).min(PIECE_BYTES) as usize];
    while offset < end {
        let length = (end - offset).min(piece.len() as u64) as usize;
        file.read_at(&mut piece[..length], offset)?;
        if piece[..length].iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        offset += length as u64;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_line_is_read_back_and_every_flipped_bit_in_it_is_seen() {
        let text = format_text(FORMAT);
        assert_eq!(format_version(text.as_bytes()), Some(FORMAT));
        let mut bytes = text.into_bytes();
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(format_version(&bytes), None, "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn a_later_format_is_known_as_such() {
        assert_eq!(format_version(format_text(FORMAT + 1).as_bytes()), Some(FORMAT + 1));
    }
}
