//! One connection to a broker, which many callers share: what they ask goes out in the order in which it was first polled, while there
//! is room for it, and answers come back in that order. What the broker pushes in between is told apart.
//!
//! `driver.rs` reads and writes the stream, `awaited.rs` is what is still to be answered, `value.rs` what answers are read as.
//! The protocol is RESP3: <https://redis.io/docs/latest/develop/reference/protocol-spec/>.
//!
//! A call costs its words, once, and one cell for its answer: the future of a call is small, since every session has some.

mod awaited;
mod driver;
mod value;

use std::mem::replace;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use futures_util::future::{Either, select};
use futures_util::task::AtomicWaker;
use naru_resp::encode_request;
use redis::{Cmd, Pipeline, RedisConnectionInfo, Value};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, oneshot};

use crate::ask::{ask, in_time};
use crate::error::BusError;
use crate::event::Events;
use crate::limits::CALLS_MAX;

use self::awaited::{Awaited, Change};
pub(crate) use self::driver::Driver;

/// What can be asked.
pub(crate) trait Command {
    /// Appends it as it goes on the wire: an array of its words.
    fn write(&self, out: &mut Vec<u8>);
}

impl Command for Cmd {
    fn write(&self, out: &mut Vec<u8>) {
        self.write_packed_command(out);
    }
}

impl<const WORDS: usize> Command for [&[u8]; WORDS] {
    fn write(&self, out: &mut Vec<u8>) {
        encode_request(self, out);
    }
}

/// A handle on a connection. Cheap to clone. The connection ends with the last one, or its driver.
#[derive(Clone)]
pub(crate) struct Connection(Arc<Handle>);

struct Handle(Arc<Shared>);

/// What callers and the driver share.
struct Shared {
    /// For calls without an answer.
    room: Semaphore,
    outgoing: Mutex<Outgoing>,
    driver: AtomicWaker,
}

/// What the driver has not taken up yet.
#[derive(Default)]
struct Outgoing {
    words: Vec<u8>,
    /// Whose answers those are, in the same order.
    awaited: Vec<Awaited>,
    /// The driver is gone: nobody will answer.
    is_over: bool,
    /// The last handle is gone: nobody will ask.
    is_left: bool,
}

impl Shared {
    fn outgoing(&self) -> MutexGuard<'_, Outgoing> {
        // Nothing in it is half-done when somebody panics.
        self.outgoing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.outgoing().is_left = true;
        self.0.driver.wake();
    }
}

impl Connection {
    /// Signs in on a stream. The driver has to be polled from then on.
    ///
    /// # Errors
    ///
    /// [`BusError::Unreachable`] when the stream ends, or else what the broker says.
    pub(crate) async fn open<S>(
        stream: S,
        login: &RedisConnectionInfo,
        events: Arc<Events>,
    ) -> Result<(Connection, Driver), BusError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let shared = Arc::new(Shared {
            room: Semaphore::new(CALLS_MAX),
            outgoing: Mutex::default(),
            driver: AtomicWaker::new(),
        });
        let connection = Connection(Arc::new(Handle(Arc::clone(&shared))));
        let mut driver = driver::drive(shared, stream, events);
        let signed_in = match select(pin!(connection.sign_in(login)), &mut driver).await {
            Either::Left((signed_in, _)) => signed_in,
            // It may have been said before why.
            Either::Right(((), sign_in)) => {
                drop(driver);
                return Err(sign_in.await.err().unwrap_or(BusError::Unreachable));
            }
        };
        signed_in.map(|()| (connection, driver))
    }

    async fn sign_in(&self, login: &RedisConnectionInfo) -> Result<(), BusError> {
        let mut hello = redis::cmd("HELLO");
        hello.arg(3);
        if let Some(password) = login.password() {
            hello.arg("AUTH").arg(login.username().unwrap_or("default")).arg(password);
        }
        ask(self, &hello).await?;
        let mut info = redis::pipe();
        info.cmd("CLIENT").arg("SETINFO").arg("LIB-NAME").arg("naru-bus");
        info.cmd("CLIENT").arg("SETINFO").arg("LIB-VER").arg(env!("CARGO_PKG_VERSION"));
        // What is older than Redis 7.2 does not know them, and need not.
        in_time(self.pipeline(&info)).await.map(drop)
    }

    /// Asks; an error reply is a value.
    ///
    /// # Errors
    ///
    /// [`BusError::Unreachable`] when the connection ends first. So it may have been done or not.
    pub(crate) async fn call(&self, command: &impl Command) -> Result<Value, BusError> {
        self.write(|out| command.write(out), Awaited::One).await
    }

    /// Asks several at once; error replies are values.
    pub(crate) async fn pipeline(&self, commands: &Pipeline) -> Result<Vec<Value>, BusError> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let awaited = |answer| Awaited::Several { missing: commands.len(), values: Vec::new(), answer };
        // Large ones are packed before others have to wait for it.
        let words = commands.get_packed_pipeline();
        self.write(|out| out.extend_from_slice(&words), awaited).await
    }

    /// Subscribes, and returns when all is confirmed, or with the first refusal.
    pub(crate) async fn subscribe(&self, channels: &[&str]) -> Result<(), BusError> {
        self.change(Change::Subscribe, channels).await
    }

    /// Unsubscribes, as it subscribes.
    pub(crate) async fn unsubscribe(&self, channels: &[&str]) -> Result<(), BusError> {
        self.change(Change::Unsubscribe, channels).await
    }

    async fn change(&self, change: Change, channels: &[&str]) -> Result<(), BusError> {
        let words: Vec<&str> = [change.command()].iter().chain(channels).copied().collect();
        let missing = channels.len();
        if missing == 0 {
            return Ok(());
        }
        let awaited = |answer| Awaited::Confirmed { change, missing, answer };
        let answer = self.write(|out| encode_request(&words, out), awaited).await?;
        answer.extract_error()?;
        Ok(())
    }

    async fn write<T>(
        &self,
        write: impl FnOnce(&mut Vec<u8>),
        awaited: impl FnOnce(oneshot::Sender<T>) -> Awaited,
    ) -> Result<T, BusError> {
        let Handle(shared) = &*self.0;
        // It is given back with the answer, also when whoever asked has given up.
        shared.room.acquire().await.map_err(|_| BusError::Unreachable)?.forget();
        let (answer, answered) = oneshot::channel();
        let is_first = {
            let mut outgoing = shared.outgoing();
            if outgoing.is_over {
                return Err(BusError::Unreachable);
            }
            let is_first = outgoing.awaited.is_empty();
            write(&mut outgoing.words);
            outgoing.awaited.push(awaited(answer));
            is_first
        };
        if is_first {
            shared.driver.wake();
        }
        answered.await.map_err(|_| BusError::Unreachable)
    }
}

impl Shared {
    /// What was asked since the last time, in place of what is handed in to be used again; whether anybody can still ask.
    fn take(&self, waker: &Waker, words: &mut Vec<u8>, awaited: &mut Vec<Awaited>) -> bool {
        self.driver.register(waker);
        let mut outgoing = self.outgoing();
        *words = replace(&mut outgoing.words, std::mem::take(words));
        *awaited = replace(&mut outgoing.awaited, std::mem::take(awaited));
        !outgoing.is_left
    }

    /// Nobody will be answered any more.
    fn end(&self) {
        self.room.close();
        let mut outgoing = self.outgoing();
        outgoing.is_over = true;
        // Whoever waits is told by the end of its sender, which wakes it: not under the lock.
        let unanswered = std::mem::take(&mut outgoing.awaited);
        drop(outgoing);
        drop(unanswered);
    }
}

#[cfg(test)]
mod tests;
