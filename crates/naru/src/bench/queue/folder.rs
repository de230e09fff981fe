use std::{fs, io, os::unix::fs::MetadataExt as _, path::Path};

use anyhow::Context as _;

/// `st_blocks` and a disk's counters count in these, whatever their own blocks.
const SECTOR_BYTES: u64 = 512;

/// Where the server keeps its files.
#[derive(Clone, Copy, Debug)]
pub(super) struct Folder<'a>(pub(super) &'a Path);

impl Folder<'_> {
    /// The space that its files take on disk, in bytes: as du(1) has it, so with what is allocated ahead and without holes.
    pub(super) fn space(self) -> anyhow::Result<u64> {
        space(self.0).with_context(|| format!("{} cannot be read", self.0.display()))
    }

    /// What everybody has written to its disk since that was attached, with all that waited to be written; `None` if it is
    /// on no single disk.
    ///
    /// There is no such count by process to be had: /proc/PID/io counts a whole folio of the system's cache, which may be
    /// megabytes, for each of its bytes that were written.
    fn disk_written_bytes(self) -> Option<u64> {
        let folder = fs::File::open(self.0).ok()?;
        rustix::fs::syncfs(&folder).ok()?;
        let device = folder.metadata().ok()?.dev();
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        written_bytes(&fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/stat")).ok()?)
    }
}

/// Counts what is written to the disk of a folder.
pub(super) struct Disk<'a> {
    folder: Option<Folder<'a>>,
    before: Option<u64>,
}

impl<'a> Disk<'a> {
    /// From now on.
    pub(super) fn new(folder: Option<Folder<'a>>) -> Self {
        Disk { folder, before: folder.and_then(Folder::disk_written_bytes) }
    }

    /// Up to now, by everybody; `None` if there is no folder or no single disk.
    pub(super) fn written_bytes(&self) -> Option<u64> {
        let now = self.folder.and_then(Folder::disk_written_bytes);
        now.zip(self.before).map(|(now, before)| now.saturating_sub(before))
    }
}

fn space(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        bytes += match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => space(&entry.path())?,
            Ok(metadata) => metadata.blocks() * SECTOR_BYTES,
            // A server that is at work may remove a file that was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
    }
    Ok(bytes)
}

/// The seventh field of a block device's statistics.
fn written_bytes(stat: &str) -> Option<u64> {
    Some(stat.split_ascii_whitespace().nth(6)?.parse::<u64>().ok()? * SECTOR_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_is_what_is_allocated_in_all_folders() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder(root.path());
        let before = folder.space().unwrap();
        fs::create_dir(root.path().join("inner")).unwrap();
        fs::write(root.path().join("inner/file"), vec![1; 100_000]).unwrap();
        fs::File::create(root.path().join("hole")).unwrap().set_len(1 << 30).unwrap();
        let grown = folder.space().unwrap() - before;
        assert!((100_000..200_000).contains(&grown), "{grown}");
        assert!(Folder(&root.path().join("nothing")).space().is_err());
    }

    #[test]
    fn what_a_disk_has_written_is_counted_in_sectors() {
        let stat =
            " 2146824    60659 88153074  3626890  2544543   662167 218475928   852789        0   316144";
        assert_eq!(written_bytes(stat), Some(218_475_928 * 512));
        assert_eq!(written_bytes("1 2 3"), None);
    }
}
