use std::{
    cell::Cell,
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

/// How long to wait after accepting failed, as it does while the process has no file descriptor left, or while there are as many
/// connections as may be.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// A bound TCP port, accepting nothing yet.
pub struct Listener {
    inner: TcpListener,
    address: SocketAddr,
    congestion: Congestion,
    tls: Option<TlsTerms>,
    /// Connections that may be there at once.
    at_most: usize,
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
        Ok(Listener { inner, address, congestion, tls: None, at_most: usize::MAX })
    }

    /// The same port, for TLS only.
    pub fn with_tls(self, terms: TlsTerms) -> Self {
        Listener { tls: Some(terms), ..self }
    }

    /// Accepts no more while so many connections are there: they wait in the system's queue until one has ended. So they leave the
    /// process the other files that it has to open.
    pub fn with_at_most(self, at_most: usize) -> Self {
        Listener { at_most, ..self }
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
        let has_warned = Cell::new(false);
        hand_out(directory.clone(), stop, async || {
            while directory.connections() >= self.at_most {
                if !has_warned.replace(true) {
                    tracing::warn!(
                        at_most = self.at_most,
                        "there are as many connections as the process has files for, and who comes waits: raise the hard limit \
                         (ulimit -Hn, LimitNOFILE), or add a server"
                    );
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
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

#[cfg(test)]
mod tests {
    use std::{net::TcpStream, rc::Rc};

    use bytes::Bytes;
    use tokio::{task::yield_now, time::timeout};

    use super::*;
    use crate::{Core, CoreId, Publication, nobody::Nobody};

    /// Nothing is served.
    enum Closed {}

    #[derive(Clone)]
    enum Nothing {}

    impl Publication for Nothing {
        fn channel(&self) -> &[u8] {
            match *self {}
        }

        fn bytes(&self) -> usize {
            match *self {}
        }
    }

    impl Wire for Closed {
        type Shared = ();
        type Local = ();
        type Peer = Nobody;
        type Publication = Nothing;
        type Frame<'a> = ();
        type Mail = ();

        fn local(_: CoreId, _: &Arc<()>) {}
        fn accept(_: &Rc<Core<Self>>, _: Incoming) {}
        fn receive(_: &Rc<Core<Self>>, (): ()) {}
        fn frame(_: &[Nothing], _: Option<&Bytes>) {}
    }

    #[tokio::test]
    async fn who_is_one_too_many_waits_until_another_has_gone() {
        let listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap().with_at_most(2);
        let address = listener.address();
        let directory = Arc::new(Directory::<Closed>::new(1));
        let (_stop, stopped) = watch::channel(false);
        let accepting = listener.run(directory.clone(), stopped);
        let _come: Vec<_> = (0..3).map(|_| TcpStream::connect(address).unwrap()).collect();
        let until = async |count| {
            while directory.connections() < count {
                yield_now().await;
            }
        };
        let watched = async {
            until(2).await;
            assert!(timeout(5 * ACCEPT_PAUSE, until(3)).await.is_err(), "there are as many as may be");
            directory.released(CoreId(0));
            until(2).await;
        };
        tokio::select! {
            _ = accepting => unreachable!("nobody stops it"),
            () = watched => {}
        }
    }
}
