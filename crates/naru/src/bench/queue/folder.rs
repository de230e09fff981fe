use std::{fs, io, os::unix::fs::MetadataExt as _, path::Path};

use anyhow::Context as _;

/// `st_blocks` counts in these, whatever the file system's own blocks.
const BLOCK_BYTES: u64 = 512;

/// The space on disk that the files of a folder take, in bytes: as du(1) has it, so with what is allocated ahead and
/// without holes.
pub(super) fn space(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    let entries = fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    for entry in entries {
        // A server that is at work may remove a file that was listed.
        let looked = entry.and_then(|entry| Ok((entry.path(), entry.metadata()?)));
        match looked {
            Ok((path, metadata)) if metadata.is_dir() => bytes += space(&path)?,
            Ok((_, metadata)) => bytes += metadata.blocks() * BLOCK_BYTES,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("{} cannot be read", folder.display())),
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_is_what_is_allocated_in_all_folders() {
        let folder = tempfile::tempdir().unwrap();
        let before = space(folder.path()).unwrap();
        fs::create_dir(folder.path().join("inner")).unwrap();
        fs::write(folder.path().join("inner/file"), vec![1; 100_000]).unwrap();
        fs::File::create(folder.path().join("hole")).unwrap().set_len(1 << 30).unwrap();
        let grown = space(folder.path()).unwrap() - before;
        assert!((100_000..200_000).contains(&grown), "{grown}");
        assert!(space(&folder.path().join("nothing")).is_err());
    }
}
