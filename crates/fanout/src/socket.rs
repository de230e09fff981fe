use std::{
    future::poll_fn,
    io::{self, IoSlice},
    net::Shutdown,
    os::fd::{AsFd, BorrowedFd},
    sync::Arc,
    task::{Context, Poll},
};

use tokio::{
    io::Interest,
    net::{TcpStream, UnixStream},
};

use crate::{HandshakeError, TlsSocket, unsent::unsent};

/// A connection on its way to a core: not yet registered with any runtime. All kinds are non-blocking.
#[derive(Debug)]
pub enum Incoming {
    /// From a TCP listener.
    Tcp(std::net::TcpStream),
    /// From a TCP listener for TLS, with the terms that hold for it.
    Tls(std::net::TcpStream, Arc<rustls::ServerConfig>),
    /// From a Unix listener, or one end of a pair inside the process.
    Unix(std::os::unix::net::UnixStream),
}

impl Incoming {
    /// Registers with the runtime of the calling thread. Nothing is read or written before [`Socket::handshake`].
    pub fn into_socket(self) -> io::Result<Socket> {
        match self {
            Incoming::Tcp(stream) => TcpStream::from_std(stream).map(Socket::Tcp),
            Incoming::Tls(stream, config) => {
                let socket = TlsSocket::new(TcpStream::from_std(stream)?, config)?;
                Ok(Socket::Tls(Box::new(socket)))
            }
            Incoming::Unix(stream) => UnixStream::from_std(stream).map(Socket::Unix),
        }
    }
}

/// A registered connection. All operations take `&self`, so that the core can write while a task waits to read.
#[derive(Debug)]
pub enum Socket {
    /// TCP.
    Tcp(TcpStream),
    /// TLS over TCP.
    Tls(Box<TlsSocket>),
    /// Unix domain.
    Unix(UnixStream),
}

macro_rules! each {
    ($socket:expr, $stream:ident => $do:expr) => {
        match $socket {
            Socket::Tcp($stream) => $do,
            Socket::Tls($stream) => $do,
            Socket::Unix($stream) => $do,
        }
    };
}

impl Socket {
    /// Does what comes before anything can be read or written: with TLS, agrees with the peer.
    pub async fn handshake(&self) -> Result<(), HandshakeError> {
        match self {
            Socket::Tls(socket) => socket.handshake().await,
            Socket::Tcp(_) | Socket::Unix(_) => Ok(()),
        }
    }

    /// Waits until reading may succeed. Dropping the future loses nothing. Only one task may wait at a time, and its
    /// future is small: it is what an idle connection is at.
    pub async fn readable(&self) -> io::Result<()> {
        poll_fn(|context| self.poll_readable(context)).await
    }

    /// The same, for who waits by hand.
    pub fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => stream.poll_read_ready(context))
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
        let _ = match self {
            Socket::Tcp(stream) => stream.try_io(Interest::READABLE, nothing),
            Socket::Unix(stream) => stream.try_io(Interest::READABLE, nothing),
            // It has read until there was nothing.
            Socket::Tls(_) => Ok(()),
        };
    }

    /// What bytes can be sent into as they are.
    pub(crate) fn plain(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Socket::Tcp(stream) => Some(stream.as_fd()),
            Socket::Unix(stream) => Some(stream.as_fd()),
            Socket::Tls(_) => None,
        }
    }

    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        each!(self, stream => stream.try_write(bytes))
    }

    pub(crate) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        each!(self, stream => stream.try_write_vectored(slices))
    }

    /// See [`unsent`].
    pub(crate) fn unsent(&self) -> Option<usize> {
        unsent(match self.tcp() {
            Ok(stream) => stream.as_fd(),
            Err(stream) => stream.as_fd(),
        })
    }

    /// What pages can be sent into.
    pub(crate) fn takes_pages(&self) -> Option<&TcpStream> {
        match self {
            Socket::Tcp(stream) => Some(stream),
            Socket::Tls(_) | Socket::Unix(_) => None,
        }
    }

    pub(crate) fn shutdown(&self, how: Shutdown) {
        // A socket that is gone already is as shut down as it will be.
        let _ = match self {
            Socket::Tcp(stream) => socket2::SockRef::from(stream).shutdown(how),
            Socket::Tls(socket) => socket.shutdown(how),
            Socket::Unix(stream) => socket2::SockRef::from(stream).shutdown(how),
        };
    }

    /// The peer's address as Redis shows it: `ip:port`, or `path:0` with the listener's path for a Unix socket.
    pub fn peer_name(&self) -> String {
        match self.tcp() {
            Ok(stream) => stream.peer_addr().map(|address| address.to_string()).unwrap_or_default(),
            Err(stream) => unix_name(stream),
        }
    }

    /// Our own address, in the same form.
    pub fn local_name(&self) -> String {
        match self.tcp() {
            Ok(stream) => stream.local_addr().map(|address| address.to_string()).unwrap_or_default(),
            Err(stream) => unix_name(stream),
        }
    }

    /// Whether the peer is on this machine.
    pub fn is_local(&self) -> bool {
        match self.tcp() {
            Ok(stream) => stream.peer_addr().is_ok_and(|address| address.ip().to_canonical().is_loopback()),
            Err(_) => true,
        }
    }

    /// What is below, with TLS or without.
    fn tcp(&self) -> Result<&TcpStream, &UnixStream> {
        match self {
            Socket::Tcp(stream) => Ok(stream),
            Socket::Tls(socket) => Ok(socket.stream()),
            Socket::Unix(stream) => Err(stream),
        }
    }
}

/// A client's end of a Unix socket has no name, so both are called by the listener's; a pair has none at all.
fn unix_name(stream: &UnixStream) -> String {
    let address = stream.local_addr().ok();
    match address.as_ref().and_then(|address| address.as_pathname()) {
        Some(path) => format!("{}:0", path.display()),
        None => "unix:0".into(),
    }
}
