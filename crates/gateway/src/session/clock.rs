//! Pings, and what ends by itself: clients that never connect, expired connections.

use std::{cell::Cell, time::Duration};

use tokio::{
    select,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::bell::Bell;
use crate::{
    auth::unix_seconds,
    codes::Disconnect,
    limits::{EXPIRY_GRACE, PING_INTERVAL, PONG_PATIENCE, REFUSED_PATIENCE, TTL_MAX},
    protocol::reply::Expiry,
};

/// What a session's clock stands at.
#[derive(Default)]
pub(super) struct Clock {
    /// The connect command has come; how long its answer takes is not the client's fault.
    asked: Cell<bool>,
    connected: Cell<bool>,
    /// The connect command was refused; the client is expected to go.
    refused: Cell<bool>,
    /// Rung when one of these is set.
    bell: Bell,
    /// A ping went out and was not answered yet.
    awaits_pong: Cell<bool>,
    /// The client is not read right now, or was not: a pong may have come and wait to be read.
    is_held_up: Cell<bool>,
    was_held_up: Cell<bool>,
    /// When a connection that was not refreshed ends.
    ends_at: Cell<Option<Instant>>,
    /// When it is time for what is done now and then.
    look_at: Cell<Option<Instant>>,
}

impl Clock {
    /// The client has sent its connect command.
    pub(super) fn asked(&self) {
        self.set(&self.asked);
    }

    /// The client has connected.
    pub(super) fn connected(&self) {
        self.set(&self.connected);
    }

    /// The client was told that it may not connect.
    pub(super) fn refused(&self) {
        self.set(&self.refused);
    }

    fn set(&self, what: &Cell<bool>) {
        what.set(true);
        self.bell.ring();
    }

    fn wait(&self, what: &Cell<bool>) -> impl Future<Output = ()> {
        self.bell.until(|| what.get().then_some(()))
    }

    /// Sets when what is done now and then is to be done next. Once connected, at a time that is no sooner than the next ping.
    pub(super) fn look_at(&self, then: Instant) {
        self.look_at.set(Some(then));
    }

    /// Sets when the connection expires, in seconds since 1970, and answers what the client is told of it.
    pub(super) fn expire_at(&self, expires_at: Option<u64>) -> Expiry {
        let (expiry, ends_at) = expiry(expires_at);
        self.ends_at.set(ends_at);
        expiry
    }

    /// Waits for something without which the client is not read further. That its pong is not read is not its fault.
    pub(super) async fn held_up<T>(&self, by: impl Future<Output = T>) -> T {
        self.is_held_up.set(true);
        let done = by.await;
        self.is_held_up.set(false);
        self.was_held_up.set(true);
        done
    }

    /// A pong came; one that no ping asked for is a bad request.
    pub(super) fn pong(&self) -> Result<(), Disconnect> {
        if self.awaits_pong.replace(false) { Ok(()) } else { Err(Disconnect::BadRequest) }
    }

    /// Calls `ping` when it is time to, and `look` when it is for that: one timer does for all. Ends when a deadline is missed, or if the
    /// client has to make room before it has connected.
    pub(super) async fn run(
        &self,
        connect_patience: Duration,
        turned_out: impl Future<Output = ()>,
        ping: impl Fn(),
        look: impl Fn(),
    ) -> Disconnect {
        // Apart: once it is over no room is kept for it.
        let come = Box::pin(async {
            select! {
                // Who is turned out was told so, and is not counted any more.
                biased;
                () = turned_out => Err(Disconnect::TooManyRequests),
                come = self.come(connect_patience) => come,
            }
        });
        if let Err(ending) = come.await {
            return ending;
        }
        let mut ping_at = Instant::now() + first_ping();
        loop {
            if let Err(expired) = self.rest_until(ping_at, &look).await {
                return expired;
            }
            self.awaits_pong.set(true);
            self.was_held_up.set(false);
            ping();
            if let Err(expired) = self.rest_until(ping_at + PONG_PATIENCE, &look).await {
                return expired;
            }
            while self.awaits_pong.get() && (self.was_held_up.take() || self.is_held_up.get()) {
                if let Err(expired) = self.rest_until(Instant::now() + PONG_PATIENCE, &look).await {
                    return expired;
                }
            }
            if self.awaits_pong.get() {
                return Disconnect::NoPong;
            }
            ping_at = (ping_at + PING_INTERVAL).max(Instant::now());
        }
    }

    /// Waits until the client has connected.
    async fn come(&self, connect_patience: Duration) -> Result<(), Disconnect> {
        if timeout(connect_patience, self.wait(&self.asked)).await.is_err() {
            return Err(Disconnect::Stale);
        }
        let refused = async {
            self.wait(&self.refused).await;
            sleep(REFUSED_PATIENCE).await;
        };
        select! {
            () = self.wait(&self.connected) => Ok(()),
            () = refused => Err(Disconnect::ConnectionClosed),
        }
    }

    /// Waits, unless the connection ends before. A refresh meanwhile counts; one that moves the end closer is noticed
    /// at the next ping.
    async fn rest_until(&self, then: Instant, look: &impl Fn()) -> Result<(), Disconnect> {
        loop {
            let now = Instant::now();
            let ends_at = self.ends_at.get();
            if ends_at.is_some_and(|ends_at| ends_at <= now) {
                return Err(Disconnect::Expired);
            }
            if self.look_at.get().is_some_and(|look_at| look_at <= now) {
                self.look_at.set(None);
                look();
            }
            if then <= now {
                return Ok(());
            }
            let sooner = ends_at.into_iter().chain(self.look_at.get());
            sleep_until(sooner.fold(then, Instant::min)).await;
        }
    }
}

/// What a client is told of an end in seconds since 1970, and when it really is.
pub(super) fn expiry(expires_at: Option<u64>) -> (Expiry, Option<Instant>) {
    let Some(expires_at) = expires_at else { return (Expiry::default(), None) };
    let ttl = left(expires_at);
    let ends_at = Instant::now() + Duration::from_secs(ttl) + EXPIRY_GRACE;
    (Expiry { expires: true, ttl: u32::try_from(ttl).expect("a year is not that long") }, Some(ends_at))
}

/// The moment of an end in seconds since 1970, for what does not leave it to the client to be refreshed.
pub(super) fn end(expires_at: Option<u64>) -> Option<Instant> {
    expires_at.map(|expires_at| Instant::now() + Duration::from_secs(left(expires_at)))
}

/// Seconds. At least one: a token within the leeway of its end still counts, and a ttl of 0 means never.
fn left(expires_at: u64) -> u64 {
    expires_at.saturating_sub(unix_seconds()).clamp(1, TTL_MAX.as_secs())
}

/// Between half an interval and a whole one, so that clients who came together are not pinged together.
fn first_ping() -> Duration {
    // Without randomness they are, which harms nobody.
    let random = getrandom::u32().unwrap_or_default();
    let half = PING_INTERVAL / 2;
    half + half.mul_f64(f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;
    use crate::limits::CONNECT_PATIENCE;

    /// Runs the clock of a client that answers its first `pongs` pings; when each ping came, and the end.
    async fn life(clock: &Clock, pongs: usize) -> (Vec<Duration>, Disconnect, Duration) {
        let begun = Instant::now();
        let pings = Cell::new(Vec::new());
        let ending = clock
            .run(
                CONNECT_PATIENCE,
                pending(),
                || {
                    let mut all = pings.take();
                    all.push(begun.elapsed());
                    if all.len() <= pongs {
                        clock.pong().unwrap();
                    }
                    pings.set(all);
                },
                || unreachable!("nothing is done now and then"),
            )
            .await;
        (pings.take(), ending, begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_connect_is_closed_after_its_patience() {
        let (pings, ending, after) = life(&Clock::default(), 0).await;
        assert_eq!((pings.len(), ending), (0, Disconnect::Stale));
        assert_eq!(after.as_secs(), CONNECT_PATIENCE.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_takes_long_is_not_the_clients_fault() {
        let clock = Clock::default();
        clock.asked();
        let answered = async {
            sleep(CONNECT_PATIENCE * 2).await;
            clock.refused();
            std::future::pending::<()>().await;
        };
        let (_, ending, after) = select! {
            life = life(&clock, 0) => life,
            () = answered => unreachable!("it waits for ever"),
        };
        assert_eq!(ending, Disconnect::ConnectionClosed);
        assert_eq!(after.as_secs(), (CONNECT_PATIENCE * 2 + REFUSED_PATIENCE).as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn pings_come_at_their_interval_until_one_is_not_answered() {
        let clock = Clock::default();
        clock.asked();
        clock.connected();
        let (pings, ending, after) = life(&clock, 3).await;
        assert_eq!(ending, Disconnect::NoPong);
        assert_eq!(pings.len(), 4);
        assert!(pings[0] >= PING_INTERVAL / 2 && pings[0] <= PING_INTERVAL + Duration::from_millis(1));
        for pair in pings.windows(2) {
            assert_eq!((pair[1] - pair[0]).as_secs_f64().round() as u64, PING_INTERVAL.as_secs());
        }
        assert_eq!((after - pings[3]).as_secs_f64().round() as u64, PONG_PATIENCE.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_pong_that_could_not_be_read_is_waited_for() {
        let clock = Clock::default();
        clock.asked();
        clock.connected();
        let busy = async {
            // Through the first ping, and long enough for its pong to be missed.
            clock.held_up(sleep(PING_INTERVAL + PONG_PATIENCE * 3)).await;
            sleep(PONG_PATIENCE / 2).await;
            clock.pong().unwrap();
            std::future::pending::<()>().await;
        };
        let (pings, ending, after) = select! {
            life = life(&clock, 0) => life,
            () = busy => unreachable!("it waits for ever"),
        };
        assert_eq!(ending, Disconnect::NoPong);
        // The next one it could have answered.
        assert_eq!(pings.len(), 2);
        assert_eq!((after - pings[1]).as_secs_f64().round() as u64, PONG_PATIENCE.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_pong_that_nobody_asked_for_is_a_bad_request() {
        assert_eq!(Clock::default().pong(), Err(Disconnect::BadRequest));
    }

    #[tokio::test(start_paused = true)]
    async fn an_expired_connection_has_time_to_refresh_and_then_ends() {
        let clock = Clock::default();
        clock.asked();
        clock.connected();
        let expiry = clock.expire_at(Some(unix_seconds() + 60));
        assert!(expiry.expires && (59..=60).contains(&expiry.ttl));
        let (_, ending, after) = life(&clock, usize::MAX).await;
        assert_eq!(ending, Disconnect::Expired);
        let expected = Duration::from_secs(expiry.ttl.into()) + EXPIRY_GRACE;
        assert!(after >= expected && after < expected + Duration::from_secs(1), "{after:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refresh_moves_the_end() {
        let clock = Clock::default();
        clock.asked();
        clock.connected();
        clock.expire_at(Some(unix_seconds()));
        let begun = Instant::now();
        let refresh = async {
            tokio::time::sleep(EXPIRY_GRACE).await;
            clock.expire_at(Some(unix_seconds() + 1000));
            std::future::pending::<()>().await;
        };
        let (ending, _) = tokio::select! {
            ending = clock.run(CONNECT_PATIENCE, pending(), || clock.pong().unwrap_or_default(), || ()) => (ending, ()),
            () = refresh => unreachable!("it waits for ever"),
        };
        assert_eq!(ending, Disconnect::Expired);
        assert!(begun.elapsed() > Duration::from_secs(1000));
    }

    #[tokio::test(start_paused = true)]
    async fn a_ttl_is_at_most_a_year_and_never_zero() {
        let clock = Clock::default();
        assert_eq!(clock.expire_at(None), Expiry { expires: false, ttl: 0 });
        assert_eq!(clock.expire_at(Some(0)), Expiry { expires: true, ttl: 1 });
        assert_eq!(clock.expire_at(Some(u64::MAX)), Expiry { expires: true, ttl: TTL_MAX.as_secs() as u32 });
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_done_now_and_then_is_done_in_time_beside_the_pings() {
        let clock = Clock::default();
        clock.asked();
        clock.connected();
        let begun = Instant::now();
        let every = PING_INTERVAL + Duration::from_secs(7);
        clock.look_at(begun + every);
        let looks = Cell::new(0);
        let look = || {
            looks.set(looks.get() + 1);
            assert_eq!(begun.elapsed().as_secs_f64().round() as u64, (every * looks.get()).as_secs());
            clock.look_at(Instant::now() + every);
        };
        let run = clock.run(CONNECT_PATIENCE, pending(), || clock.pong().unwrap_or_default(), look);
        assert!(timeout(every * 4 + PONG_PATIENCE, run).await.is_err());
        assert_eq!(looks.get(), 4);
    }
}
