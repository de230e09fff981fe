//! The life of the link: connect, register, restore, serve, watch; and all over again.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::pin::pin;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use naru_ledger::op::Run;
use naru_ledger::{Epoch, Server};
use redis::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::select;
use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

use crate::ask::in_time;
use crate::backoff::Backoff;
use crate::bus::Terms;
use crate::connection::{Connection, Driver};
use crate::current::Current;
use crate::desired::{Changes, Desired, Registered};
use crate::dialect::Dialect;
use crate::error::BusError;
use crate::event::{Event, Events};
use crate::inspect::Inspection;
use crate::limits::{CONNECT_TIMEOUT, PAUSE_MAX, PROBE_EVERY, PROBE_TIMEOUT};
use crate::line::{Line, new_epoch};
use crate::target::{Address, Place};
use crate::{reply, sweeper, tending};

/// Everything a link owns where it lives.
pub(crate) struct Link {
    place: Place,
    server: Server,
    terms: Terms,
    /// Of this run of the server, where its routes outlive a connection.
    epoch: Epoch,
    events: Arc<Events>,
    current: Arc<Current>,
    changes: Changes,
    desired: Desired,
    /// What was last said about being down.
    down: Option<String>,
    /// What was last said about a Redis or Valkey.
    found: Option<Inspection>,
    /// Whether the link was up or said to be down before.
    known: bool,
}

/// How a connection ended.
enum Ended {
    /// It was lost, or there was none.
    Lost(String),
    /// Nobody wants it any more.
    Stopped,
}

impl Link {
    pub(crate) fn new(
        place: Place,
        server: Server,
        terms: Terms,
        events: Arc<Events>,
        current: Arc<Current>,
        changes: Changes,
    ) -> Link {
        let (desired, epoch) = (Desired::default(), new_epoch());
        let (down, found, known) = (None, None, false);
        Link { place, server, terms, epoch, events, current, changes, desired, down, found, known }
    }

    /// Runs until it is told to stop or nobody has a handle any more. Calls in hand fail, because their answers'
    /// senders are dropped with the driver.
    pub(crate) async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        let mut backoff = Backoff::new();
        loop {
            let begun = Instant::now();
            match self.live(&mut stopped).await {
                Ended::Stopped => break,
                Ended::Lost(reason) => {
                    self.current.down();
                    self.tell_down(reason);
                }
            }
            if begun.elapsed() > PAUSE_MAX {
                backoff.reset();
            }
            let pause = backoff.pause(getrandom::u32().unwrap_or(u32::MAX));
            select! {
                biased;
                () = stop(&mut stopped) => break,
                () = sleep(pause) => {}
                never = refuse(&mut self.changes, &mut self.desired) => match never {},
            }
        }
        self.current.over();
    }

    /// One connection, from the attempt to the loss; answers why it came to that.
    async fn live(&mut self, stopped: &mut watch::Receiver<bool>) -> Ended {
        let connected = select! {
            biased;
            () = stop(stopped) => return Ended::Stopped,
            connected = timeout(CONNECT_TIMEOUT, connect(&self.place, &self.events)) => connected,
            never = refuse(&mut self.changes, &mut self.desired) => match never {},
        };
        let (connection, driver) = match connected {
            Ok(Ok(connected)) => connected,
            Ok(Err(reason)) => return Ended::Lost(reason),
            Err(_) => return Ended::Lost(silent(&self.place)),
        };
        let mut driver = pin!(driver);
        let lost = format!("the connection to the broker {} was closed", self.place);
        select! {
            // First, so that answers and pushes are taken in before anybody is found late.
            biased;
            () = &mut driver => Ended::Lost(lost),
            ended = self.hold(connection, stopped) => ended,
        }
    }

    async fn hold(&mut self, connection: Connection, stopped: &mut watch::Receiver<bool>) -> Ended {
        let opened = select! {
            biased;
            () = stop(stopped) => return Ended::Stopped,
            opened = self.open(connection) => opened,
        };
        let registered = match opened {
            Ok(registered) => registered,
            Err(reason) => return Ended::Lost(reason),
        };
        let Registered { line, run } = &registered;
        self.current.up(line.clone());
        tracing::info!("connected to the broker {}", self.place);
        self.down = None;
        self.events.tell(Event::Up { again: std::mem::replace(&mut self.known, true) });
        let reason = select! {
            biased;
            () = stop(stopped) => {
                self.current.over();
                tending::leave(line, run).await;
                return Ended::Stopped;
            }
            () = watch_over(line.connection(), &self.events) => "does not answer any more".to_owned(),
            () = tending::until_succeeded(line) => "is not the one it was".to_owned(),
            () = line.lost() => "has closed the second connection, or is not the one it was".to_owned(),
            error = serve(&registered, &mut self.changes, &mut self.desired) => {
                format!("is of no use: {}", fault(error))
            }
            never = tending::renew(line, run) => match never {},
            never = sweeper::sweep(line, &self.server, self.terms.sweeps) => match never {},
        };
        Ended::Lost(format!("the broker {} {reason}", self.place))
    }

    /// Makes a new connection this server's, and asks for everything that is wanted.
    async fn open(&mut self, connection: Connection) -> Result<Registered, String> {
        let line = Line::open(connection, &self.place, &self.terms.keeping).await;
        let line = line.map_err(|error| match error {
            BusError::Unusable(reason) => reason,
            error => self.not_taken_in(error),
        })?;
        if let Some(found) = line.inspection().filter(|found| self.found.as_ref() != Some(*found)) {
            found.say(&self.place);
            self.found = Some(found.clone());
        }
        let epoch = match line.dialect() {
            // There a run ends with its connection, which may be noticed after the next one has begun.
            Dialect::Native => new_epoch(),
            Dialect::Scripts => self.epoch.clone(),
        };
        let registered = Registered { line, run: Run { server: self.server.clone(), epoch } };
        self.register(&registered).await.map_err(|error| self.not_taken_in(error))?;
        Ok(registered)
    }

    async fn register(&mut self, registered: &Registered) -> Result<(), BusError> {
        let Registered { line, run } = registered;
        tending::register(line, run).await?;
        in_time(line.connection().subscribe(&[self.events.inbox_channel()])).await?;
        self.desired.restore(registered).await
    }

    fn not_taken_in(&self, error: BusError) -> String {
        format!("the broker {} does not take this server in: {}", self.place, fault(error))
    }

    /// Says that the link is down, once for each reason.
    fn tell_down(&mut self, reason: String) {
        let reason = format!("{reason}; trying again");
        if self.down.as_ref() == Some(&reason) {
            return;
        }
        tracing::warn!("{reason}");
        self.down = Some(reason.clone());
        self.known = true;
        self.events.tell(Event::Down { reason });
    }
}

/// Ends when the link is to end: nobody wants it any more, or nobody has a handle.
async fn stop(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// A stream to the broker with the protocol set up on it, or why there is none.
pub(crate) async fn connect(place: &Place, events: &Arc<Events>) -> Result<(Connection, Driver), String> {
    match &place.address {
        Address::Tcp { host, port } => set_up(place, events, open(place, host, *port).await?).await,
        Address::Tls { host, port, name, terms } => {
            let stream = open(place, host, *port).await?;
            let stream = TlsConnector::from(terms.clone()).connect(name.clone(), stream).await;
            let stream = stream.map_err(|error| {
                format!(
                    "the broker {place} and this server do not agree on TLS ({error}); check that this is its \
                     --tls-port, and the certificates of both"
                )
            })?;
            set_up(place, events, stream).await
        }
        Address::Embedded(connect) => {
            let stream = connect().and_then(|stream| {
                stream.set_nonblocking(true)?;
                UnixStream::from_std(stream)
            });
            let stream =
                stream.map_err(|error| format!("the broker {place} takes no connection: {error}"))?;
            set_up(place, events, stream).await
        }
    }
}

/// Something listens there, and says nothing.
pub(crate) fn silent(place: &Place) -> String {
    format!(
        "the broker {place} does not answer; see that it is a Naru, Redis or Valkey that listens there, and whether it \
         wants TLS (rediss://) or none"
    )
}

async fn open(place: &Place, host: &str, port: u16) -> Result<TcpStream, String> {
    let found = looked_up(host, port).await;
    let connected = match found {
        Ok(addresses) => TcpStream::connect(&addresses[..]).await,
        Err(error) => Err(error),
    };
    let stream = connected.map_err(|error| {
        format!("no broker {place} ({error}); start one, such as `naru broker`, or correct the address")
    })?;
    // Without it small commands only wait longer: no reason to give up the connection.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

pub(crate) async fn set_up<S>(
    place: &Place,
    events: &Arc<Events>,
    stream: S,
) -> Result<(Connection, Driver), String>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    Connection::open(stream, &place.login, Arc::clone(events)).await.map_err(|error| {
        format!(
            "the broker {place} does not let this server in ({}); check the user and password in its address",
            fault(error)
        )
    })
}

/// On a thread of its own: the one that ends a link must not wait for a name that is still looked up.
async fn looked_up(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![(address, port).into()]);
    }
    let (sender, found) = oneshot::channel();
    let host = host.to_owned();
    thread::Builder::new().name("naru-lookup".to_owned()).spawn(move || {
        let addresses = (host.as_str(), port).to_socket_addrs().map(Iterator::collect);
        // Who has given up does not want it.
        let _ = sender.send(addresses);
    })?;
    found.await.map_err(io::Error::other)?
}

/// Makes changes as they come, until the link is of no use any more.
async fn serve(registered: &Registered, changes: &mut Changes, desired: &mut Desired) -> BusError {
    loop {
        let applied = select! {
            (step, batch) = changes.batch() => desired.apply(step, batch, registered).await,
            () = desired.until_again() => desired.again(registered).await,
        };
        if let Err(error) = applied {
            return error;
        }
    }
}

/// Answers changes while there is no broker.
async fn refuse(changes: &mut Changes, desired: &mut Desired) -> Infallible {
    loop {
        let (step, batch) = changes.batch().await;
        desired.refuse(step, batch);
    }
}

/// Asks the broker for a sign of life every so often; ends when there is none.
async fn watch_over(connection: Connection, events: &Events) {
    loop {
        sleep(PROBE_EVERY).await;
        events.forget();
        let answer = timeout(PROBE_TIMEOUT, connection.call(&redis::cmd("PING"))).await;
        match answer {
            Ok(Ok(_)) => {}
            Ok(Err(_)) => return,
            // Pushes that came in are life enough: the answer is queued behind them.
            Err(_) if events.heard() => {}
            Err(_) => return,
        }
    }
}

/// What went wrong, said of the broker.
fn fault(error: BusError) -> String {
    match error {
        BusError::Unreachable => {
            "it gives no answer, or closed the connection: a broker on another machine lets \
                                  nobody in without --requirepass, whose password goes into the address"
                .to_owned()
        }
        error => error.to_string(),
    }
}

/// The server's name and version, from its answer to HELLO.
pub(crate) fn who(hello: Value) -> (String, String) {
    let (mut name, mut version) = ("an unknown server".to_owned(), "of an unknown version".to_owned());
    if let Value::Map(fields) = hello {
        for (key, value) in fields {
            match (reply::text(key).as_deref(), reply::text(value)) {
                (Ok("server"), Ok(text)) => name = text,
                (Ok("version"), Ok(text)) => version = text,
                _ => {}
            }
        }
    }
    (name, version)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, sync_channel};

    use tokio::io::DuplexStream;

    use super::*;
    use crate::played;

    async fn played_link() -> (Connection, DuplexStream, Arc<Events>, Receiver<Event>) {
        let (heard, events) = sync_channel(64);
        let server = Server::parse("s1").unwrap();
        let handler = Events::new(&server, Box::new(move |event| heard.send(event).unwrap()));
        let handler = Arc::new(handler);
        let (connection, broker) = played::connection(&handler).await;
        (connection, broker, handler, events)
    }

    #[tokio::test(start_paused = true)]
    async fn a_broker_that_answers_is_watched_for_ever_and_a_silent_one_for_5_seconds() {
        let (connection, mut broker, events, _) = played_link().await;
        let begun = tokio::time::Instant::now();
        let broker = async move {
            for _ in 0..100 {
                assert_eq!(played::hears(&mut broker).await, "PING");
                played::says(&mut broker, "+PONG\r\n").await;
            }
            assert_eq!(played::hears(&mut broker).await, "PING");
            std::future::pending::<()>().await
        };
        select! {
            () = watch_over(connection, &events) => {}
            () = broker => {}
        }
        assert_eq!(begun.elapsed(), 101 * PROBE_EVERY + PROBE_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_broker_busy_pushing_is_alive_although_its_answer_is_late() {
        let (connection, mut broker, events, pushed) = played_link().await;
        let begun = tokio::time::Instant::now();
        let broker = async move {
            assert_eq!(played::hears(&mut broker).await, "PING");
            played::says(&mut broker, ">3\r\n$7\r\nmessage\r\n$4\r\nroom\r\n$2\r\nhi\r\n").await;
            std::future::pending::<()>().await
        };
        select! {
            () = watch_over(connection, &events) => {}
            () = broker => {}
        }
        assert_eq!(begun.elapsed(), 2 * (PROBE_EVERY + PROBE_TIMEOUT));
        assert!(matches!(pushed.try_recv().unwrap(), Event::Published { .. }));
    }
}
