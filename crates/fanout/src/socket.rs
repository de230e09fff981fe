use std::{
    io::{self, IoSlice},
    net::Shutdown,
};

use tokio::{
    io::Interest,
    net::{TcpStream, UnixStream},
};

/// A connection on its way to a core: not yet registered with any runtime. Both kinds are non-blocking.
#[derive(Debug)]
pub enum Incoming {
    /// From a TCP listener.
    Tcp(std::net::TcpStream),
    /// From a Unix listener, or one end of a pair inside the process.
    Unix(std::os::unix::net::UnixStream),
}

impl Incoming {
    /// Registers with the runtime of the calling thread.
    pub fn into_socket(self) -> io::Result<Socket> {
        match self {
            Incoming::Tcp(stream) => TcpStream::from_std(stream).map(Socket::Tcp),
            Incoming::Unix(stream) => UnixStream::from_std(stream).map(Socket::Unix),
        }
    }
}

/// A registered connection. All operations take `&self`, so that the core can write while a task waits to read.
#[derive(Debug)]
pub enum Socket {
    /// TCP.
    Tcp(TcpStream),
    /// Unix domain.
    Unix(UnixStream),
}

macro_rules! each {
    ($socket:expr, $stream:ident => $do:expr) => {
        match $socket {
            Socket::Tcp($stream) => $do,
            Socket::Unix($stream) => $do,
        }
    };
}

impl Socket {
    /// Waits until reading may succeed. Dropping the future loses nothing.
    pub async fn readable(&self) -> io::Result<()> {
        each!(self, stream => stream.ready(Interest::READABLE).await.map(drop))
    }

    pub(crate) async fn writable(&self) -> io::Result<()> {
        each!(self, stream => stream.writable().await)
    }

    /// Reads what is there; `WouldBlock` if nothing is.
    pub fn try_read(&self, into: &mut [u8]) -> io::Result<usize> {
        let count = each!(self, stream => stream.try_read(into))?;
        if 0 < count && count < into.len() {
            self.drained();
        }
        Ok(count)
    }

    /// Notes that nothing is left to read for now, which a short read says as well as one that finds nothing: so the
    /// latter is spared. The end of the stream is not forgotten by this.
    fn drained(&self) {
        let nothing = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
        let _ = each!(self, stream => stream.try_io(Interest::READABLE, nothing));
    }

    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        each!(self, stream => stream.try_write(bytes))
    }

    pub(crate) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        each!(self, stream => stream.try_write_vectored(slices))
    }

    pub(crate) fn shutdown(&self, how: Shutdown) {
        // A socket that is gone already is as shut down as it will be.
        let _ = each!(self, stream => socket2::SockRef::from(stream).shutdown(how));
    }

    /// The peer's address as Redis shows it: `ip:port`, or the path for a Unix socket.
    pub fn peer_name(&self) -> String {
        match self {
            Socket::Tcp(stream) => stream.peer_addr().map(|address| address.to_string()).unwrap_or_default(),
            Socket::Unix(_) => "unix:0".into(),
        }
    }

    /// Our own address, in the same form.
    pub fn local_name(&self) -> String {
        match self {
            Socket::Tcp(stream) => stream.local_addr().map(|address| address.to_string()).unwrap_or_default(),
            Socket::Unix(_) => "unix:0".into(),
        }
    }

    /// Whether the peer is on this machine.
    pub fn is_local(&self) -> bool {
        match self {
            Socket::Tcp(stream) => {
                stream.peer_addr().is_ok_and(|address| address.ip().to_canonical().is_loopback())
            }
            Socket::Unix(_) => true,
        }
    }
}
