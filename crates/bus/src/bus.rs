//! The handle on a link.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use naru_ledger::json::room_channel;
use naru_ledger::{Conversation, Server, User};
use redis::{Cmd, Value};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::{Instant, timeout, timeout_at};

use crate::ask::ask;
use crate::current::Current;
use crate::desired::{Change, Changes, Step, Wanted};
use crate::error::BusError;
use crate::event::{Event, Events};
use crate::latency::Latency;
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
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
    /// The link's own.
    runtime: Handle,
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
    /// Starts the link's own thread, `naru-bus`, and returns at once. The thread connects, and connects again
    /// after a loss, for ever, with growing pauses of random length up to 5 s.
    ///
    /// `events` is called on that thread in the order things came. While it runs nothing else happens on the
    /// link, calls included, so it may block a little, which makes the broker wait, and must not wait for a call.
    ///
    /// # Errors
    ///
    /// [`BusError::BadTarget`] when the address is none.
    ///
    /// # Panics
    ///
    /// When the operating system gives no thread or no event loop, as [`std::thread::spawn`] does.
    pub fn start(
        target: Target,
        server: Server,
        events: impl Fn(Event) + Send + 'static,
    ) -> Result<Bus, BusError> {
        Bus::start_on(Terms::default(), target, server, events)
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
    pub fn start_on(
        terms: Terms,
        target: Target,
        server: Server,
        events: impl Fn(Event) + Send + 'static,
    ) -> Result<Bus, BusError> {
        let place = Place::parse(target)?;
        let current = Arc::new(Current::new());
        let (changes, waiting) = mpsc::channel(CHANGES_MAX);
        let (stop, stopped) = watch::channel(false);
        let events = Arc::new(Events::new(&server, Box::new(events)));
        let link = Link::new(place, server, terms, events, Arc::clone(&current), Changes::new(waiting));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("the operating system gives an event loop");
        let own = runtime.handle().clone();
        let thread = thread::Builder::new()
            .name("naru-bus".to_owned())
            .spawn(move || {
                runtime.block_on(link.run(stopped));
                // Nobody waits for a name that is still looked up.
                runtime.shutdown_background();
            })
            .expect("the operating system gives a thread");
        let (thread, places) = (Arc::new(Mutex::new(Some(thread))), Arc::new(Semaphore::new(CALLS_MAX)));
        let beginning = Arc::default();
        Ok(Bus { current, changes, stop, thread, runtime: own, places, beginning, latency: Arc::default() })
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
        let mut command = redis::cmd("PUBLISH");
        command.arg(channel).arg(&payload[..]);
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
        self.add(Change::new(Step::Route, user.as_str())).await
    }

    /// Says that this server holds no connection of the user any more.
    pub async fn unroute(&self, user: &User) -> Result<(), BusError> {
        self.remove(Change::new(Step::Unroute, user.as_str())).await
    }

    /// Ends the link and its thread, soon. Calls that wait for an answer fail, as do all later ones.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until the thread has ended that was told to: a moment, in which the broker is told. Not to be called in the handler of
    /// events, which that thread runs.
    pub fn join(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }

    pub(crate) async fn call(&self, command: &Cmd) -> Result<Value, BusError> {
        let line = self.current_line().ok_or(BusError::Unreachable)?;
        self.timed(ask(&mut line.connection(), command)).await
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

    /// The same for what is written. It may take several steps: they are taken on the link's thread, and all of them, also if whoever
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
        let called = self.runtime.spawn(async move {
            let _room = room;
            let called = timeout_at(end, in_order(&current, call, Some(beginning))).await;
            called.unwrap_or(Err(BusError::Unreachable))
        });
        self.timed(called).await.unwrap_or(Err(BusError::Unreachable))
    }

    /// The same for what is one step: once it is asked it is done, whoever gives up. So it is asked on the caller's own task, unless
    /// something is on its way to the link's thread that began before it.
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

    /// Has something done on the link's thread that nobody waits for.
    pub(crate) fn finish<F: Future<Output = ()> + Send + 'static>(&self, what: impl FnOnce(Bus) -> F) {
        self.runtime.spawn(what(self.clone()));
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
