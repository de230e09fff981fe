use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

/// Puts a text in place of a file's, all or nothing, and has it on disk. The file keeps its permissions; a new one is for
/// its owner only.
pub(crate) fn replace_file(path: &Path, text: &[u8]) -> io::Result<()> {
    let beside = beside(path);
    let written = write_beside(path, &beside, text);
    if written.is_err() {
        // It is of no use; whoever could not write it may not be able to remove it either.
        let _ = fs::remove_file(&beside);
    }
    written
}

fn write_beside(path: &Path, beside: &Path, text: &[u8]) -> io::Result<()> {
    // What a killed broker left there may be readable to others, and is not to become the file.
    match fs::remove_file(beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(beside)?;
    if let Ok(old) = fs::metadata(path) {
        file.set_permissions(Permissions::from_mode(old.permissions().mode()))?;
    }
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(beside, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// Where the new file is written before it takes the old one's place.
fn beside(path: &Path) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".tmp-{}", std::process::id()));
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_its_permissions_and_a_new_one_is_its_owners_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        fs::write(beside(&path), "left behind").unwrap();
        replace_file(&path, b"a").unwrap();
        assert_eq!((fs::read(&path).unwrap(), mode()), (b"a".to_vec(), 0o600));
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        replace_file(&path, b"b").unwrap();
        assert_eq!((fs::read(&path).unwrap(), mode()), (b"b".to_vec(), 0o640));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
