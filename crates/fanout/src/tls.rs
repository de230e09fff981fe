use std::{
    cell::RefCell,
    fmt,
    io::{self, IoSlice, Read, Write},
    net::Shutdown,
    sync::Arc,
    task::{self, Poll},
};

use parking_lot::RwLock;
use rustls::{ServerConfig, ServerConnection};
use tokio::net::TcpStream;

use crate::limits::HANDSHAKE_TIME_MAX;

/// The first byte of whatever a TLS client begins with (RFC 8446, 5.1: `ContentType.handshake`).
const HANDSHAKE_RECORD: u8 = 22;

/// What a TLS port shakes hands with: certificate, key, versions, who may come. It can be exchanged while the port is
/// open; connections keep what they began with.
#[derive(Clone)]
pub struct TlsTerms(Arc<RwLock<Arc<ServerConfig>>>);

impl TlsTerms {
    /// Terms to begin with.
    pub fn new(config: ServerConfig) -> Self {
        TlsTerms(Arc::new(RwLock::new(Arc::new(config))))
    }

    /// Puts others in their place, for connections from now on.
    pub fn replace(&self, config: ServerConfig) {
        *self.0.write() = Arc::new(config);
    }

    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        self.0.read().clone()
    }
}

/// Why a TLS connection did not come about.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The peer's fault: it does not speak TLS at all.
    #[error("it speaks no TLS")]
    Plain,
    /// The peer's fault, or that of our terms: no agreement was reached.
    #[error("{0}")]
    Disagreed(#[from] rustls::Error),
    /// The peer took longer than it may.
    #[error("it took longer than {} s", HANDSHAKE_TIME_MAX.as_secs())]
    Late,
    /// Nobody's fault.
    #[error("connection lost: {0}")]
    Lost(#[from] io::Error),
}

/// A TCP connection that speaks TLS, with the non-blocking operations of a plain one, so that the core can write to it
/// as it does to any other.
///
/// Plaintext counts as written only when all of its ciphertext has been handed to the kernel. Until then writing
/// answers `WouldBlock`, and **the same bytes must come first in the next write**; they are not encrypted again. So
/// the outbox in front keeps counting them, and at most one write's ciphertext (rustls's 64 KiB) waits here.
pub struct TlsSocket {
    stream: TcpStream,
    state: RefCell<State>,
}

struct State {
    connection: ServerConnection,
    /// Plaintext that was encrypted and not yet reported as written.
    unreported: usize,
    /// Reading may succeed whatever the kernel says: plaintext is left, or the end has been reached.
    has_more: bool,
}

impl TlsSocket {
    pub(crate) fn new(stream: TcpStream, config: Arc<ServerConfig>) -> io::Result<Self> {
        let connection = ServerConnection::new(config).map_err(io::Error::other)?;
        Ok(TlsSocket { stream, state: RefCell::new(State { connection, unreported: 0, has_more: false }) })
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Agrees with the peer, before anything is read or written.
    pub(crate) async fn handshake(&self) -> Result<(), HandshakeError> {
        let done = tokio::time::timeout(HANDSHAKE_TIME_MAX, async {
            let mut first = [0];
            if self.stream.peek(&mut first).await? == 0 {
                return Err(HandshakeError::Lost(io::ErrorKind::UnexpectedEof.into()));
            }
            if first[0] != HANDSHAKE_RECORD {
                return Err(HandshakeError::Plain);
            }
            loop {
                self.sent().await?;
                if !self.state.borrow().connection.is_handshaking() {
                    return Ok(());
                }
                self.stream.readable().await?;
                let taken = self.state.borrow_mut().take_in(&self.stream);
                match taken {
                    Ok(0) => return Err(HandshakeError::Lost(io::ErrorKind::UnexpectedEof.into())),
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => {
                        return Err(match error.downcast::<rustls::Error>() {
                            Ok(disagreed) => HandshakeError::Disagreed(disagreed),
                            Err(lost) => HandshakeError::Lost(lost),
                        });
                    }
                }
            }
        });
        done.await.unwrap_or(Err(HandshakeError::Late))
    }

    /// Waits until all ciphertext has been handed to the kernel.
    async fn sent(&self) -> io::Result<()> {
        loop {
            let sent = self.state.borrow_mut().send(&self.stream);
            match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.stream.writable().await?,
                done => return done,
            }
        }
    }

    pub(crate) fn poll_read_ready(&self, context: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        if self.state.borrow().has_more {
            return Poll::Ready(Ok(()));
        }
        self.stream.poll_read_ready(context)
    }

    pub(crate) async fn writable(&self) -> io::Result<()> {
        self.stream.writable().await
    }

    /// Fills as much of `into` as there is plaintext for. An end without the peer saying so in TLS is taken for one
    /// all the same: a command that was cut off is not executed, so nothing can be feigned by it.
    pub(crate) fn try_read(&self, into: &mut [u8]) -> io::Result<usize> {
        let state = &mut *self.state.borrow_mut();
        let mut filled = 0;
        state.has_more = true;
        loop {
            match state.connection.reader().read(&mut into[filled..]) {
                Ok(0) => return Ok(filled),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(filled),
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                Err(_) => match state.take_in(&self.stream) {
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        state.has_more = false;
                        return if filled > 0 { Ok(filled) } else { Err(error) };
                    }
                    Err(error) => return Err(error),
                },
            }
        }
    }

    /// See the type for what `WouldBlock` asks of the caller.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.try_write_vectored(&[IoSlice::new(bytes)])
    }

    pub(crate) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let state = &mut *self.state.borrow_mut();
        if state.unreported == 0 {
            state.unreported = state.connection.writer().write_vectored(slices)?;
        }
        state.send(&self.stream)?;
        Ok(std::mem::take(&mut state.unreported))
    }

    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        if how != Shutdown::Read {
            let state = &mut *self.state.borrow_mut();
            state.connection.send_close_notify();
            // What does not fit any more is lost, as on a plain socket.
            let _ = state.send(&self.stream);
        }
        socket2::SockRef::from(&self.stream).shutdown(how)
    }
}

impl fmt::Debug for TlsSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSocket").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl State {
    /// Reads ciphertext once and decrypts it; how much it was, 0 at the end.
    fn take_in(&mut self, stream: &TcpStream) -> io::Result<usize> {
        let count = self.connection.read_tls(&mut Kernel(stream))?;
        if let Err(error) = self.connection.process_new_packets() {
            // The alert that tells the peer why; if it cannot be sent now, nothing can.
            let _ = self.send(stream);
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        Ok(count)
    }

    /// Hands ciphertext to the kernel; `WouldBlock` if some is left.
    fn send(&mut self, stream: &TcpStream) -> io::Result<()> {
        while self.connection.wants_write() {
            self.connection.write_tls(&mut Kernel(stream))?;
        }
        Ok(())
    }
}

/// The socket as rustls wants it.
struct Kernel<'a>(&'a TcpStream);

impl Read for Kernel<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(into)
    }
}

impl Write for Kernel<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
