use std::{
    fs, io,
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
        net::UnixListener as StdListener,
    },
    path::{Path, PathBuf},
    sync::Arc,
};

use socket2::{Domain, SockAddr, Socket as RawSocket, Type};
use tokio::sync::watch;

use crate::{
    Directory, Incoming, Wire,
    listener::{BACKLOG, hand_out},
};

/// Why a Unix socket cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum UnixBindError {
    /// Somebody listens there.
    #[error("another program listens there")]
    Live,
    /// What is there was not made by a listener, so it is not removed.
    #[error("there is a file that is no socket")]
    NotASocket,
    /// Anything else.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A bound Unix socket, accepting nothing yet. Its file is removed when it goes.
pub struct UnixListener {
    inner: StdListener,
    file: SocketFile,
}

impl UnixListener {
    /// Binds `path`. A socket file that nobody listens on any more is replaced. With `mode`, the file gets these
    /// permissions before anybody can connect; without, what the process's umask leaves.
    pub fn bind(path: &Path, mode: Option<u32>) -> Result<Self, UnixBindError> {
        let address = SockAddr::unix(path)?;
        make_way(path, &address)?;
        let socket = RawSocket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address).map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => UnixBindError::Live,
            _ => error.into(),
        })?;
        let file = SocketFile::made_at(path)?;
        if let Some(mode) = mode {
            fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        }
        socket.listen(BACKLOG)?;
        Ok(UnixListener { inner: socket.into(), file })
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// As [`Listener::run`](crate::Listener::run).
    pub async fn run<W: Wire>(
        self,
        directory: Arc<Directory<W>>,
        stop: watch::Receiver<bool>,
    ) -> io::Result<()> {
        let listener = tokio::net::UnixListener::from_std(self.inner)?;
        hand_out(directory, stop, async || {
            let (stream, _) = listener.accept().await?;
            stream.into_std().map(Incoming::Unix)
        })
        .await;
        Ok(())
    }
}

/// Removes a socket file that nobody listens on.
fn make_way(path: &Path, address: &SockAddr) -> Result<(), UnixBindError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
        Ok(there) if !there.file_type().is_socket() => return Err(UnixBindError::NotASocket),
        Ok(_) => {}
    }
    let probe = RawSocket::new(Domain::UNIX, Type::STREAM, None)?;
    // Else it waits for a listener that is slow to accept.
    probe.set_nonblocking(true)?;
    match probe.connect(address) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(fs::remove_file(path)?),
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error.into()),
        Ok(()) | Err(_) => Err(UnixBindError::Live),
    }
}

/// The file of a bound socket, removed at the end, unless another has taken its place.
struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    fn made_at(path: &Path) -> io::Result<Self> {
        let made = fs::symlink_metadata(path)?;
        Ok(SocketFile { path: path.to_owned(), device: made.dev(), inode: made.ino() })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|there| (there.dev(), there.ino()) == (self.device, self.inode));
        if is_ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "the socket file could not be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    /// A folder of the test's own, removed at its end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("naru-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Folder(path)
        }

        fn socket(&self) -> PathBuf {
            self.0.join("socket")
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_socket_that_somebody_listens_on_is_left_alone() {
        let folder = Folder::new("live");
        let first = UnixListener::bind(&folder.socket(), None).unwrap();
        assert!(matches!(UnixListener::bind(&folder.socket(), None), Err(UnixBindError::Live)));
        UnixStream::connect(first.path()).unwrap();
    }

    #[test]
    fn a_socket_that_nobody_listens_on_is_replaced() {
        let folder = Folder::new("stale");
        // The standard library's listener leaves its file behind, as a killed process does.
        drop(StdListener::bind(folder.socket()).unwrap());
        assert!(folder.socket().exists());
        let listener = UnixListener::bind(&folder.socket(), None).unwrap();
        UnixStream::connect(listener.path()).unwrap();
    }

    #[test]
    fn a_file_that_is_no_socket_is_not_replaced() {
        let folder = Folder::new("file");
        fs::write(folder.socket(), "a letter").unwrap();
        assert!(matches!(UnixListener::bind(&folder.socket(), None), Err(UnixBindError::NotASocket)));
        assert_eq!(fs::read(folder.socket()).unwrap(), b"a letter");
    }

    #[test]
    fn the_file_has_the_permissions_asked_for_and_goes_with_the_listener() {
        let folder = Folder::new("mode");
        let listener = UnixListener::bind(&folder.socket(), Some(0o700)).unwrap();
        assert_eq!(fs::metadata(folder.socket()).unwrap().permissions().mode() & 0o777, 0o700);
        drop(listener);
        assert!(!folder.socket().exists());
    }

    #[test]
    fn a_file_that_took_its_place_stays() {
        let folder = Folder::new("place");
        let first = UnixListener::bind(&folder.socket(), None).unwrap();
        fs::rename(folder.socket(), folder.0.join("elsewhere")).unwrap();
        let second = UnixListener::bind(&folder.socket(), None).unwrap();
        drop(first);
        UnixStream::connect(second.path()).unwrap();
    }
}
