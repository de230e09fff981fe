//! The handle on a link.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Poll;

use bytes::Bytes;
use naru_ledger::json::room_channel;
use naru_ledger::{Conversation, Server, User};
use redis::Value;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::{Instant, timeout, timeout_at};

use crate::ask::ask;
use crate::connection::Command;
use crate::current::Current;
use crate::desired::{Change, Changes, Step, Wanted};
use crate::error::BusError;
use crate::event::{Events, Hears};
use crate::latency::Latency;
use crate::life::{End, Life};
use crate::limits::{CALL_TIMEOUT, CALLS_MAX, CHANGES_MAX};
use crate::line::Line;
use crate::link::Link;
use crate::reply;
use crate::scripts::Keeping;
use crate::target::{Place, Target};

/// A gateway's link to a broker. Cheap to clone; usable from any thread's Tokio runtime that has its timer on.
///
/// The link ends with [`Bus::stop`], or when the last handle is dropped.
#[derive(Clone)]
pub struct Bus {
    current: Arc<Current>,
    changes: mpsc::Sender<Change>,
    stop: watch::Sender<bool>,
    end: Arc<End>,
    /// Where the link lives, once it does.
    runtime: Arc<OnceLock<Handle>>,
    /// Places for calls that are taken to their end there, whoever gives up.
    places: Arc<Semaphore>,
    /// How many of these have begun and are not asked yet.
    beginning: Arc<AtomicUsize>,
    latency: Arc<Latency>,
}

/// How a link is, beside where to.
#[derive(Debug, Clone)]
pub struct Terms {
    /// How the ledger is kept where that is Redis or Valkey. The same for all servers.
    pub keeping: Keeping,
    /// Whether this server finishes what others have left half-done.
    pub sweeps: bool,
}

impl Default for Terms {
    fn default() -> Terms {
        Terms { keeping: Keeping::default(), sweeps: true }
    }
}

impl Bus {
    /// Begins a link that lives on a thread of its own, `naru-bus`, and returns at once.
    ///
    /// # Errors
    ///
    /// [`BusError::BadTarget`] when the address is none.
    ///
    /// # Panics
    ///
    /// As [`Life::on_its_own_thread`].
    pub fn start(target: Target, server: Server, ears: impl Hears) -> Result<Bus, BusError> {
        Bus::start_on(Terms::default(), target, server, ears)
    }

    /// The same, on other terms.
    ///
    /// # Errors
    ///
    /// As [`Bus::start`].
    ///
    /// # Panics
    ///
    /// As [`Bus::start`].
    pub fn start_on(terms: Terms, target: Target, server: Server, ears: impl Hears) -> Result<Bus, BusError> {
        let (bus, life) = Bus::new(terms, target, server, ears)?;
        life.on_its_own_thread();
        Ok(bus)
    }

    /// A link, and the life it has yet to be given. Until then calls fail as while there is no broker.
    ///
    /// `ears` are told, where the link lives, in the order things came. While they are nothing else happens on the
    /// link, calls included, so they must not wait.
    ///
    /// # Errors
    ///
    /// [`BusError::BadTarget`] when the address is none.
    pub fn new(
        terms: Terms,
        target: Target,
        server: Server,
        ears: impl Hears,
    ) -> Result<(Bus, Life), BusError> {
        let place = Place::parse(target)?;
        let current = Arc::new(Current::new());
        let (changes, waiting) = mpsc::channel(CHANGES_MAX);
        let (stop, stopped) = watch::channel(false);
        let events = Arc::new(Events::new(&server, Box::new(ears)));
        let link = Link::new(place, server, terms, events, Arc::clone(&current), Changes::new(waiting));
        let runtime = Arc::new(OnceLock::new());
        let (life, end) = Life::of(link, stopped, Arc::clone(&runtime));
        let places = Arc::new(Semaphore::new(CALLS_MAX));
        let (beginning, latency) = (Arc::default(), Arc::default());
        Ok((Bus { current, changes, stop, end, runtime, places, beginning, latency }, life))
    }

    /// Whether calls have a broker to go to at this moment.
    pub fn is_up(&self) -> bool {
        self.current.line().is_some()
    }

    /// How long calls have taken that a broker was asked.
    pub fn latency(&self) -> &Latency {
        &self.latency
    }

    async fn timed<T>(&self, call: impl Future<Output = T>) -> T {
        let begun = Instant::now();
        let outcome = call.await;
        self.latency.add(begun.elapsed());
        outcome
    }

    /// Publishes on a live channel; answers how many subscribers the broker passed it to. Never repeated: after
    /// [`BusError::Unreachable`] it may have been heard.
    pub async fn publish(&self, channel: &str, payload: Bytes) -> Result<u64, BusError> {
        let command: [&[u8]; 3] = [b"PUBLISH", channel.as_bytes(), &payload];
        reply::number(self.call(&command).await?)
    }

    /// Subscribes to a live channel; returns when the broker has confirmed it. From then on it is subscribed to
    /// again after every loss of the link. After an error it is not wanted.
    ///
    /// Calls are applied in the order in which they were first polled. The caller counts its own subscribers, and
    /// unsubscribes if it drops this future unfinished.
    pub async fn subscribe(&self, channel: &str) -> Result<(), BusError> {
        self.add(Change::new(Step::Subscribe, channel)).await
    }

    /// Unsubscribes from a live channel. It is not wanted any more whatever the answer is; while the link is down
    /// that is all there is to do.
    pub async fn unsubscribe(&self, channel: &str) -> Result<(), BusError> {
        self.remove(Change::new(Step::Unsubscribe, channel)).await
    }

    /// Hears what comes into a room that is followed by its channel, as [`Event::Delivered`] to nobody. As a subscription.
    pub async fn follow(&self, room: &Conversation) -> Result<(), BusError> {
        self.subscribe(&room_channel(room)).await
    }

    /// Does not hear it any more.
    pub async fn unfollow(&self, room: &Conversation) -> Result<(), BusError> {
        self.unsubscribe(&room_channel(room)).await
    }

    /// Says that this server holds a connection of the user, so that the broker sends it what comes into the
    /// user's inbox. Wanted, and restored, as a subscription is.
    pub async fn route(&self, user: &User) -> Result<(), BusError> {
        self.add(Change::new(Step::Route, user.shared())).await
    }

    /// Says that this server holds no connection of the user any more.
    pub async fn unroute(&self, user: &User) -> Result<(), BusError> {
        self.remove(Change::new(Step::Unroute, user.shared())).await
    }

    /// Ends the link, soon. Calls that wait for an answer fail, as do all later ones.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until the link has ended that was told to: a moment, in which the broker is told. Not to be called where it lives,
    /// nor by its ears.
    pub fn join(&self) {
        self.end.wait();
    }

    pub(crate) async fn call(&self, command: &impl Command) -> Result<Value, BusError> {
        let line = self.current_line().ok_or(BusError::Unreachable)?;
        self.timed(ask(&line.connection(), command)).await
    }

    pub(crate) fn current_line(&self) -> Option<Arc<Line>> {
        self.current.line()
    }

    /// Calls something that is safe to repeat: where the link is lost under it, again on the next one, as long as the call may
    /// take. Without a link it fails at once.
    pub(crate) async fn call_safely<T, F>(&self, call: impl Fn(Arc<Line>) -> F) -> Result<T, BusError>
    where
        F: Future<Output = Result<T, BusError>>,
    {
        let end = Instant::now() + CALL_TIMEOUT;
        let mut given = self.current.given().ok_or(BusError::Unreachable)?;
        let called = timeout_at(end, async {
            loop {
                match call(Arc::clone(&given.line)).await {
                    Err(BusError::Unreachable) => given = self.current.after(given).await?,
                    outcome => return outcome,
                }
            }
        });
        self.timed(called).await.unwrap_or(Err(BusError::Unreachable))
    }

    /// The same for what is written. It may take several steps: they are taken where the link lives, and all of them, also if whoever
    /// asked gives up, whose client may be gone. Else others would wait until it is found to be half-done.
    ///
    /// Calls are asked in the order in which they were first polled, also where the link is lost under them: a client that sends
    /// without waiting for answers has what it said in its order.
    pub(crate) async fn call_to_the_end<T, F>(
        &self,
        call: impl Fn(Arc<Line>) -> F + Send + Sync + 'static,
    ) -> Result<T, BusError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, BusError>> + Send,
    {
        if !self.is_up() {
            return Err(BusError::Unreachable);
        }
        let end = Instant::now() + CALL_TIMEOUT;
        let beginning = Beginning::new(&self.beginning);
        let room = timeout_at(end, Arc::clone(&self.places).acquire_owned()).await;
        let room = room.ok().and_then(Result::ok).ok_or(BusError::Unreachable)?;
        let current = Arc::clone(&self.current);
        // What is up lives.
        let runtime = self.runtime.get().ok_or(BusError::Unreachable)?;
        let called = runtime.spawn(async move {
            let _room = room;
            let called = timeout_at(end, in_order(&current, call, Some(beginning))).await;
            called.unwrap_or(Err(BusError::Unreachable))
        });
        self.timed(called).await.unwrap_or(Err(BusError::Unreachable))
    }

    /// The same for what is one step: once it is asked it is done, whoever gives up. So it is asked on the caller's own task, unless
    /// something is on its way to where the link lives that began before it.
    pub(crate) async fn call_in_order<T, F>(
        &self,
        call: impl Fn(Arc<Line>) -> F,
    ) -> Option<Result<T, BusError>>
    where
        F: Future<Output = Result<T, BusError>>,
    {
        // What the same client asked before has begun on this thread.
        if self.beginning.load(Ordering::Acquire) > 0 {
            return None;
        }
        let called = timeout_at(Instant::now() + CALL_TIMEOUT, in_order(&self.current, call, None));
        Some(self.timed(called).await.unwrap_or(Err(BusError::Unreachable)))
    }

    /// Has something done where the link lives that nobody waits for.
    pub(crate) fn finish<F: Future<Output = ()> + Send + 'static>(&self, what: impl FnOnce(Bus) -> F) {
        if let Some(runtime) = self.runtime.get() {
            runtime.spawn(what(self.clone()));
        }
    }

    pub(crate) async fn add(&self, (change, answer): Wanted) -> Result<(), BusError> {
        let queued = timeout(CALL_TIMEOUT, self.changes.send(change)).await;
        queued.map_err(|_| BusError::Unreachable)?.map_err(|_| BusError::Unreachable)?;
        answered(answer).await
    }

    /// Waits for room as long as it takes: what is not wanted any more must not stay for lack of room.
    pub(crate) async fn remove(&self, (change, answer): Wanted) -> Result<(), BusError> {
        self.changes.send(change).await.map_err(|_| BusError::Unreachable)?;
        answered(answer).await
    }
}

/// A call from when it begins until it is asked.
struct Beginning(Arc<AtomicUsize>);

impl Beginning {
    fn new(count: &Arc<AtomicUsize>) -> Beginning {
        count.fetch_add(1, Ordering::Relaxed);
        Beginning(Arc::clone(count))
    }
}

impl Drop for Beginning {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

/// Asks on whatever line there is when it is this call's turn.
async fn in_order<T, F>(
    current: &Current,
    call: impl Fn(Arc<Line>) -> F,
    mut beginning: Option<Beginning>,
) -> Result<T, BusError>
where
    F: Future<Output = Result<T, BusError>>,
{
    let place = current.place();
    let mut given = place.line(None).await?;
    loop {
        let mut asking = pin!(call(Arc::clone(&given.line)));
        // What is polled once is on its way.
        let first = poll_fn(|context| Poll::Ready(asking.as_mut().poll(context))).await;
        place.is_asked(&given);
        drop(beginning.take());
        let outcome = match first {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => asking.await,
        };
        match outcome {
            Err(BusError::Unreachable) => given = place.line(Some(given)).await?,
            outcome => return outcome,
        }
    }
}

/// Waits for the link's answer. Once this gave up, the link sees that nobody waits and undoes an addition.
async fn answered(mut answer: oneshot::Receiver<Result<(), BusError>>) -> Result<(), BusError> {
    match timeout(CALL_TIMEOUT, &mut answer).await {
        Ok(answer) => answer.unwrap_or(Err(BusError::Unreachable)),
        Err(_) => {
            answer.close();
            answer.try_recv().unwrap_or(Err(BusError::Unreachable))
        }
    }
}
