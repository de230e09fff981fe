//! How far the rooms have come that clients of this server follow by their channels.
//!
//! A client that may have missed something of a room is told how far it is. Everybody in it may have, when the link to the broker
//! was lost: so that is read from the log once for all of them, and goes on with what is heard of the room. A room is known here as
//! long as a session follows it.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use ahash::RandomState;
use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};
use naru_bus::{Bus, BusError};
use naru_ledger::{
    Conversation, Seq, User,
    answer::Entry,
    op::{From, History},
};
use parking_lot::Mutex;
use tokio::{sync::Semaphore, time::Instant};

use crate::{
    departed::{Departed, Turn},
    interests::{Hold, Interest, Interests},
    limits::{COMPARE_EVERY, HEADS_AT_ONCE},
};

/// How old a look at a log may be that tells a client how far it is: something may have been told and got lost.
const LOOK_AGAIN: Duration = Duration::from_secs(COMPARE_EVERY.as_secs() / 2);

/// The rooms followed here.
pub(crate) struct Heads {
    bus: Bus,
    interests: Arc<Interests>,
    rooms: Mutex<HashMap<Conversation, Weak<Head>, RandomState>>,
    /// When the link to the broker was there again. What was said before may not have been heard.
    returned: Mutex<Instant>,
    turns: Arc<Semaphore>,
}

/// One of them. While there is one, this server hears what is said in the room.
pub(crate) struct Head {
    heads: Arc<Heads>,
    conversation: Conversation,
    _hold: Hold,
    known: Known,
    departed: Mutex<Departed>,
}

/// How far a log has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Newest {
    /// Its newest entry; 0 if there is none.
    pub(crate) seq: Seq,
    /// The messages up to it.
    pub(crate) count: u64,
}

impl std::convert::From<&Entry> for Newest {
    fn from(entry: &Entry) -> Newest {
        Newest { seq: entry.seq, count: entry.count }
    }
}

impl Newest {
    fn or(self, other: Newest) -> Newest {
        if self.seq < other.seq { other } else { self }
    }
}

impl Heads {
    pub(crate) fn new(bus: Bus, interests: Arc<Interests>) -> Arc<Heads> {
        Arc::new(Heads {
            bus,
            interests,
            rooms: Mutex::default(),
            returned: Mutex::new(Instant::now()),
            turns: Arc::new(Semaphore::new(HEADS_AT_ONCE)),
        })
    }

    /// Follows a room; returns when the broker has confirmed that this server hears it.
    pub(crate) async fn follow(self: &Arc<Self>, conversation: &Conversation) -> Result<Arc<Head>, BusError> {
        if let Some(head) = self.followed(conversation) {
            return Ok(head);
        }
        let hold = self.interests.hold(Interest::Room(conversation.clone())).await?;
        let head = Arc::new(Head {
            heads: self.clone(),
            conversation: conversation.clone(),
            _hold: hold,
            known: Known::default(),
            departed: Mutex::default(),
        });
        let followed = {
            let mut rooms = self.rooms.lock();
            let followed = rooms.get(conversation).and_then(Weak::upgrade);
            if followed.is_none() {
                rooms.insert(conversation.clone(), Arc::downgrade(&head));
            }
            followed
        };
        Ok(followed.unwrap_or(head))
    }

    fn followed(&self, conversation: &Conversation) -> Option<Arc<Head>> {
        self.rooms.lock().get(conversation).and_then(Weak::upgrade)
    }

    /// Something is said in a room. Noted before any session is told, so that who begins to listen has it here or hears it.
    pub(crate) fn heard(&self, conversation: &Conversation, seq: Seq, entry: Option<&Entry>) {
        if let Some(head) = self.followed(conversation) {
            head.known.heard(seq, entry.map(Newest::from));
            if let Some(turn) = entry.and_then(Turn::of) {
                head.departed.lock().note(seq, turn);
            }
        }
    }

    /// The link to the broker is there again. Noted before any session is told.
    pub(crate) fn returned(&self) {
        *self.returned.lock() = Instant::now();
        let heads: Vec<Arc<Head>> = self.rooms.lock().values().filter_map(Weak::upgrade).collect();
        heads.iter().for_each(|head| head.departed.lock().forget());
    }

    /// What has been read since this is good for whoever listens meanwhile.
    pub(crate) fn since(&self) -> Instant {
        let returned = *self.returned.lock();
        Instant::now().checked_sub(LOOK_AGAIN).map_or(returned, |again| returned.max(again))
    }
}

impl Head {
    pub(crate) fn conversation(&self) -> &Conversation {
        &self.conversation
    }

    /// How far the room is, by a look at its log that is not older than this and by what was heard after it.
    pub(crate) async fn newest(&self, since: Instant) -> Result<Newest, BusError> {
        self.known.newest(since, || self.look().boxed()).await
    }

    /// The entry by which a user is known to have left it, and after which they have not come back.
    pub(crate) fn left(&self, user: &User) -> Option<Seq> {
        self.departed.lock().left(user)
    }

    fn look(&self) -> impl Future<Output = Result<Newest, BusError>> + Send + 'static {
        let (bus, turns) = (self.heads.bus.clone(), self.heads.turns.clone());
        let conversation = self.conversation.clone();
        async move {
            let _turn = turns.acquire().await.expect("it is never closed");
            let newest = History { conversation, reader: None, from: From::Newest, limit: 1, bytes: Some(1) };
            let page = bus.history(newest).await?;
            Ok(page.entries.last().map(Newest::from).unwrap_or_default())
        }
    }
}

impl Drop for Head {
    fn drop(&mut self) {
        let mut rooms = self.heads.rooms.lock();
        // Somebody may follow it anew by now.
        if rooms.get(&self.conversation).is_some_and(|head| head.strong_count() == 0) {
            rooms.remove(&self.conversation);
        }
    }
}

type Look = BoxFuture<'static, Result<Newest, BusError>>;

/// What is known of one room.
#[derive(Default)]
struct Known(Mutex<Told>);

#[derive(Default)]
struct Told {
    /// What the last look said, and when it began.
    read: Option<(Instant, Newest)>,
    /// Heard since then, or since the look began that is under way.
    heard: Newest,
    /// Heard without how many messages there are by then. A look says that.
    uncounted: Seq,
    looking: Option<Looking>,
}

struct Looking {
    begun: Instant,
    /// What was not counted when it began.
    uncounted: Seq,
    /// Whoever waits keeps it alive: if all of them go, it ends.
    look: WeakShared<Look>,
}

impl Known {
    fn heard(&self, seq: Seq, newest: Option<Newest>) {
        let mut told = self.0.lock();
        match newest {
            Some(newest) => told.heard = told.heard.or(newest),
            None => told.uncounted = told.uncounted.max(seq),
        }
    }

    async fn newest(&self, since: Instant, look: impl Fn() -> Look) -> Result<Newest, BusError> {
        loop {
            let (begun, looking) = {
                let mut told = self.0.lock();
                if let Some(newest) = told.newest(since) {
                    return Ok(newest);
                }
                told.looking(since).unwrap_or_else(|| told.begin(look()))
            };
            let found = looking.await;
            self.0.lock().found(begun, found)?;
        }
    }
}

impl Told {
    fn newest(&self, since: Instant) -> Option<Newest> {
        let (begun, read) = self.read?;
        let newest = read.or(self.heard);
        (since <= begun && self.uncounted <= newest.seq).then_some(newest)
    }

    /// The look that is under way, if it is good enough.
    fn looking(&self, since: Instant) -> Option<(Instant, Shared<Look>)> {
        let looking = self.looking.as_ref().filter(|looking| since <= looking.begun)?;
        let is_enough = self.uncounted == looking.uncounted;
        is_enough.then(|| looking.look.upgrade()).flatten().map(|look| (looking.begun, look))
    }

    fn begin(&mut self, look: Look) -> (Instant, Shared<Look>) {
        let begun = Instant::now();
        let look = look.shared();
        let heard = std::mem::take(&mut self.heard);
        // It stays known if nothing comes of the look.
        self.read = self.read.map(|(begun, read)| (begun, read.or(heard)));
        let weak = look.downgrade().expect("it has just been made");
        self.looking = Some(Looking { begun, uncounted: self.uncounted, look: weak });
        (begun, look)
    }

    /// What a look has found; each who waited for it says so. One that another one has followed meanwhile says nothing of what
    /// was heard before that began.
    fn found(&mut self, begun: Instant, found: Result<Newest, BusError>) -> Result<(), BusError> {
        let looking = self.looking.take_if(|looking| looking.begun == begun);
        let newest = found?;
        if let Some(looking) = looking {
            self.read = Some((begun, newest));
            if self.uncounted == looking.uncounted {
                self.uncounted = Seq::ZERO;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use futures_util::future::join_all;
    use tokio::time::sleep;

    use super::*;

    /// A log that takes a second to look at.
    #[derive(Default)]
    struct Log {
        newest: Arc<AtomicU64>,
        looks: Arc<AtomicU64>,
        is_away: Arc<AtomicU64>,
    }

    impl Log {
        fn say(&self) -> Newest {
            self.newest.fetch_add(1, Relaxed);
            self.now()
        }

        fn now(&self) -> Newest {
            newest(self.newest.load(Relaxed))
        }

        fn look(&self) -> Look {
            let (now, looks, is_away) = (self.now(), self.looks.clone(), self.is_away.clone());
            async move {
                looks.fetch_add(1, Relaxed);
                sleep(Duration::from_secs(1)).await;
                if is_away.load(Relaxed) > 0 { Err(BusError::Unreachable) } else { Ok(now) }
            }
            .boxed()
        }

        fn looks(&self) -> u64 {
            self.looks.swap(0, Relaxed)
        }
    }

    fn newest(seq: u64) -> Newest {
        Newest { seq: Seq(seq), count: seq }
    }

    async fn later() -> Instant {
        sleep(Duration::from_secs(1)).await;
        Instant::now()
    }

    #[tokio::test(start_paused = true)]
    async fn however_many_ask_a_log_is_looked_at_once_for_all_and_again_after_the_link_was_lost() {
        let (log, known) = (Log::default(), Known::default());
        for round in 1..=3 {
            let since = later().await;
            log.say();
            let all = join_all((0..10_000).map(|_| known.newest(since, || log.look()))).await;
            assert!(all.into_iter().all(|found| found == Ok(newest(round))));
            assert_eq!(known.newest(since, || log.look()).await, Ok(newest(round)));
            assert_eq!(log.looks(), 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_heard_before_during_and_after_a_look_is_not_forgotten() {
        let (log, known) = (Log::default(), Known::default());
        let since = Instant::now();
        known.newest(since, || log.look()).await.unwrap();
        let say = || known.heard(log.now().seq, Some(log.say()));
        say();
        assert_eq!(known.newest(since, || log.look()).await, Ok(newest(1)));
        let since = later().await;
        let during = async {
            sleep(Duration::from_millis(500)).await;
            say();
        };
        let (found, ()) = tokio::join!(known.newest(since, || log.look()), during);
        assert_eq!(found, Ok(newest(2)));
        let since = later().await;
        log.is_away.store(1, Relaxed);
        assert_eq!(known.newest(since, || log.look()).await, Err(BusError::Unreachable));
        log.is_away.store(0, Relaxed);
        log.looks();
        assert_eq!(known.newest(Instant::now() - Duration::from_secs(3), || log.look()).await, Ok(newest(2)));
        assert_eq!(log.looks(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_after_a_look_has_begun_that_is_too_old_does_not_go_by_it() {
        let (log, known) = (Log::default(), Known::default());
        let early = known.newest(Instant::now(), || log.look());
        let late = async {
            sleep(Duration::from_millis(500)).await;
            log.say();
            known.newest(Instant::now(), || log.look()).await
        };
        let (early, late) = tokio::join!(early, late);
        assert_eq!((early.is_ok(), late, log.looks()), (true, Ok(newest(1)), 2));
    }

    #[tokio::test(start_paused = true)]
    async fn what_came_without_its_count_is_looked_for_once_though_the_log_has_none_of_it() {
        let (log, known) = (Log::default(), Known::default());
        let since = Instant::now();
        known.newest(since, || log.look()).await.unwrap();
        known.heard(log.say().seq, None);
        assert_eq!(known.newest(since, || log.look()).await, Ok(newest(1)));
        known.heard(Seq(9), None);
        for _ in 0..3 {
            assert_eq!(known.newest(since, || log.look()).await, Ok(newest(1)), "of another store");
        }
        assert_eq!(log.looks(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_with_less_than_before_counts_from_there() {
        let (log, known) = (Log::default(), Known::default());
        for _ in 0..5 {
            log.say();
        }
        known.newest(Instant::now(), || log.look()).await.unwrap();
        log.newest.store(2, Relaxed);
        let since = later().await;
        assert_eq!(known.newest(since, || log.look()).await, Ok(newest(2)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_all_have_left_keeps_nobody_waiting() {
        let (log, known) = (Log::default(), Known::default());
        let since = Instant::now();
        let left = tokio::time::timeout(Duration::from_millis(1), known.newest(since, || log.look())).await;
        assert!(left.is_err());
        assert_eq!(known.newest(since, || log.look()).await, Ok(newest(0)));
        assert_eq!(log.looks(), 2);
    }
}
