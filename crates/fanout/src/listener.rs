use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use socket2::{Domain, Protocol, SockRef, Socket as RawSocket, Type};
use tokio::{sync::watch, task::coop::consume_budget};

use crate::{Directory, Incoming, TlsTerms, Wire, congestion::Congestion};

/// Connections the kernel may hold for us until we accept them (Redis's `tcp-backlog` is 511).
pub(crate) const BACKLOG: i32 = 1024;

/// How long to wait after accepting failed, as it does while the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// A bound TCP port, accepting nothing yet.
pub struct Listener {
    inner: TcpListener,
    address: SocketAddr,
    congestion: Congestion,
    tls: Option<TlsTerms>,
}

impl Listener {
    /// Binds `address`; port 0 takes a free one.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        Self::bind_with(address, false)
    }

    /// As [`Self::bind`], but `::` takes no IPv4 connections, so that `0.0.0.0` can have the same port.
    pub fn bind_apart(address: SocketAddr) -> io::Result<Self> {
        Self::bind_with(address, address.is_ipv6())
    }

    fn bind_with(address: SocketAddr, only_v6: bool) -> io::Result<Self> {
        let socket = RawSocket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        if only_v6 {
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        let congestion = Congestion::of(SockRef::from(&socket));
        socket.listen(BACKLOG)?;
        let inner: TcpListener = socket.into();
        let address = inner.local_addr()?;
        Ok(Listener { inner, address, congestion, tls: None })
    }

    /// The same port, for TLS only.
    pub fn with_tls(self, terms: TlsTerms) -> Self {
        Listener { tls: Some(terms), ..self }
    }

    /// Whether it is for TLS.
    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts connections and gives each to the core with the fewest, until `stop` changes or its sender is gone.
    /// Needs a Tokio runtime with I/O; one such task serves all cores.
    pub async fn run<W: Wire>(
        self,
        directory: Arc<Directory<W>>,
        stop: watch::Receiver<bool>,
    ) -> io::Result<()> {
        let more = self.inner.try_clone()?;
        let listener = tokio::net::TcpListener::from_std(self.inner)?;
        hand_out(directory, stop, async || {
            let (stream, peer) = match more.accept() {
                // Tokio would register it with this thread, only to be registered with its core.
                Ok((stream, peer)) => {
                    consume_budget().await;
                    stream.set_nonblocking(true)?;
                    (stream, peer)
                }
                // It fails again, or there is none and Tokio waits for the next.
                Err(_) => {
                    let (stream, peer) = listener.accept().await?;
                    (stream.into_std()?, peer)
                }
            };
            stream.set_nodelay(true)?;
            self.congestion.accepted(&stream, peer);
            Ok(match &self.tls {
                None => Incoming::Tcp(stream),
                Some(terms) => Incoming::Tls(stream, terms.current()),
            })
        })
        .await;
        Ok(())
    }
}

/// Gives each connection that `accept` yields to the core with the fewest, until `stop` changes.
pub(crate) async fn hand_out<W: Wire>(
    directory: Arc<Directory<W>>,
    mut stop: watch::Receiver<bool>,
    accept: impl AsyncFn() -> io::Result<Incoming>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = accept() => accepted,
            _ = stop.changed() => return,
        };
        match accepted {
            Ok(incoming) => directory.adopt(incoming),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
