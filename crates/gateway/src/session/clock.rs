//! Pings, and what ends by itself: clients that never connect, expired connections.
//!
//! A clock is looked at when it says that it is to be ([`Alarms`](super::Alarms)). What becomes due sooner meanwhile is noticed then:
//! it is no later than the next ping.

use std::{cell::Cell, time::Duration};

use tokio::time::Instant;

use super::alarms::Moment;
use crate::{
    auth::unix_seconds,
    codes::Disconnect,
    limits::{EXPIRY_GRACE, PING_INTERVAL, PONG_PATIENCE, REFUSED_PATIENCE, TTL_MAX},
    protocol::reply::Expiry,
};

/// No client is pinged sooner after it has connected, so that a look now and then finds when it is to be.
const FIRST_PING_MIN: Duration = PING_INTERVAL.checked_div(2).expect("two is not zero");

/// What a session's clock stands at.
pub(super) struct Clock {
    stage: Cell<Stage>,
    /// When the stage is over.
    due: Cell<Moment>,
    /// When a connection that was not refreshed ends.
    ends_at: Cell<Moment>,
    /// When it is time for what is done now and then.
    look_at: Cell<Moment>,
    /// A ping went out and was not answered yet.
    awaits_pong: Cell<bool>,
    /// The client is not read right now, or was not: a pong may have come and wait to be read.
    is_held_up: Cell<bool>,
    was_held_up: Cell<bool>,
}

#[derive(Clone, Copy)]
enum Stage {
    /// The connect command is waited for.
    Stranger,
    /// It has come; how long its answer takes is not the client's fault.
    Asked,
    /// It was refused; the client is expected to go.
    Refused,
    /// The client has connected, and is to be pinged.
    Resting,
    /// It has time to answer a ping.
    Pinged,
}

impl Clock {
    /// Of a client that is to connect by then.
    pub(super) fn new(due: Moment) -> Clock {
        Clock {
            stage: Cell::new(Stage::Stranger),
            due: Cell::new(due),
            ends_at: Cell::new(Moment::NEVER),
            look_at: Cell::new(Moment::NEVER),
            awaits_pong: Cell::default(),
            is_held_up: Cell::default(),
            was_held_up: Cell::default(),
        }
    }

    fn begin(&self, stage: Stage, due: Moment) {
        self.stage.set(stage);
        self.due.set(due);
    }

    /// The client has sent its connect command.
    pub(super) fn asked(&self) {
        self.begin(Stage::Asked, Moment::NEVER);
    }

    /// The client has connected.
    pub(super) fn connected(&self, now: Moment) {
        self.begin(Stage::Resting, now + first_ping());
    }

    /// The client was told that it may not connect.
    pub(super) fn refused(&self, now: Moment) {
        self.begin(Stage::Refused, now + REFUSED_PATIENCE);
    }

    /// Sets when what is done now and then is to be done next. Once connected, at a time that is no sooner than the next ping.
    pub(super) fn look_at(&self, then: Moment) {
        self.look_at.set(then);
    }

    /// Sets when the connection expires, in seconds since 1970, and answers what the client is told of it.
    pub(super) fn expire_at(&self, expires_at: Option<u64>, now: Moment) -> Expiry {
        let (expiry, patience) = patience(expires_at);
        self.ends_at.set(patience.map_or(Moment::NEVER, |patience| now + patience));
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

    /// Calls `ping` if it is time to, and `compare` if it is for what is done now and then; answers when to look again. An error if a
    /// deadline was missed.
    pub(super) fn look(
        &self,
        now: Moment,
        ping: impl FnOnce(),
        compare: impl FnOnce(),
    ) -> Result<Moment, Disconnect> {
        let stage = self.stage.get();
        let is_due = self.due.get() <= now;
        match stage {
            Stage::Stranger if is_due => return Err(Disconnect::Stale),
            Stage::Refused if is_due => return Err(Disconnect::ConnectionClosed),
            Stage::Stranger | Stage::Asked | Stage::Refused => {
                return Ok(self.due.get().min(now + FIRST_PING_MIN));
            }
            Stage::Resting | Stage::Pinged => {}
        }
        if self.ends_at.get() <= now {
            return Err(Disconnect::Expired);
        }
        if self.look_at.get() <= now {
            self.look_at.set(Moment::NEVER);
            compare();
        }
        match stage {
            _ if !is_due => {}
            Stage::Pinged if !self.awaits_pong.get() => {
                self.begin(Stage::Resting, now + (PING_INTERVAL - PONG_PATIENCE));
            }
            Stage::Pinged if self.was_held_up.take() || self.is_held_up.get() => {
                self.due.set(now + PONG_PATIENCE);
            }
            Stage::Pinged => return Err(Disconnect::NoPong),
            _ => {
                self.awaits_pong.set(true);
                self.was_held_up.set(false);
                ping();
                self.begin(Stage::Pinged, now + PONG_PATIENCE);
            }
        }
        Ok(self.due.get().min(self.ends_at.get()).min(self.look_at.get()))
    }
}

/// What a client is told of an end in seconds since 1970, and when it really is.
pub(super) fn expiry(expires_at: Option<u64>) -> (Expiry, Option<Instant>) {
    let (expiry, patience) = patience(expires_at);
    (expiry, patience.map(|patience| Instant::now() + patience))
}

/// What a client is told of an end in seconds since 1970, and how long it is until it really ends.
fn patience(expires_at: Option<u64>) -> (Expiry, Option<Duration>) {
    let Some(expires_at) = expires_at else { return (Expiry::default(), None) };
    let ttl = left(expires_at);
    let patience = Duration::from_secs(ttl) + EXPIRY_GRACE;
    (Expiry { expires: true, ttl: u32::try_from(ttl).expect("a year is not that long") }, Some(patience))
}

/// When an end in seconds since 1970 is, for what does not leave it to the client to be refreshed.
pub(super) fn end(expires_at: Option<u64>) -> Option<Instant> {
    time_left(expires_at).map(|time| Instant::now() + time)
}

/// The same, as the time until then.
pub(super) fn time_left(expires_at: Option<u64>) -> Option<Duration> {
    expires_at.map(|expires_at| Duration::from_secs(left(expires_at)))
}

/// Seconds. At least one: a token within the leeway of its end still counts, and a ttl of 0 means never.
fn left(expires_at: u64) -> u64 {
    expires_at.saturating_sub(unix_seconds()).clamp(1, TTL_MAX.as_secs())
}

/// Between half an interval and a whole one, so that clients who came together are not pinged together.
fn first_ping() -> Duration {
    // Without randomness they are, which harms nobody.
    let random = getrandom::u32().unwrap_or_default();
    FIRST_PING_MIN + (PING_INTERVAL - FIRST_PING_MIN).mul_f64(f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use futures_util::FutureExt;
    use tokio::sync::oneshot;

    use super::*;
    use crate::limits::CONNECT_PATIENCE;

    const START: Moment = Moment::START;

    fn stranger() -> Clock {
        Clock::new(START + CONNECT_PATIENCE)
    }

    fn connected() -> Clock {
        let clock = stranger();
        clock.asked();
        clock.connected(START);
        clock
    }

    fn at(seconds: u64) -> Moment {
        START + Duration::from_secs(seconds)
    }

    /// Looks at a clock whenever it says, until its client is to go: then when each ping came, why it ends, and when. `now` is called
    /// before each look, and `ping` at each ping with how many there were before.
    fn life(
        clock: &Clock,
        mut now: impl FnMut(Moment),
        ping: impl Fn(usize, Moment),
    ) -> (Vec<Duration>, Disconnect, Duration) {
        let pings = RefCell::new(Vec::new());
        let mut at = START;
        loop {
            now(at);
            let pinged = || {
                let mut pings = pings.borrow_mut();
                ping(pings.len(), at);
                pings.push(at.since_start());
            };
            match clock.look(at, pinged, || unreachable!("nothing is done now and then")) {
                Ok(next) => {
                    assert!(next > at, "it would be looked at for ever");
                    at = next;
                }
                Err(ending) => return (pings.into_inner(), ending, at.since_start()),
            }
        }
    }

    #[test]
    fn a_client_that_does_not_connect_is_closed_after_its_patience() {
        let (pings, ending, after) = life(&stranger(), |_| (), |_, _| ());
        assert_eq!((pings.len(), ending, after), (0, Disconnect::Stale, CONNECT_PATIENCE));
    }

    #[test]
    fn an_answer_that_takes_long_is_not_the_clients_fault() {
        let clock = stranger();
        clock.asked();
        let refused_at = Cell::new(None);
        let late = |now| {
            if now > START + CONNECT_PATIENCE * 2 && refused_at.get().is_none() {
                refused_at.set(Some(now));
                clock.refused(now);
            }
        };
        let (_, ending, after) = life(&clock, late, |_, _| ());
        assert_eq!(ending, Disconnect::ConnectionClosed);
        assert_eq!(Moment::from(after), refused_at.get().unwrap() + REFUSED_PATIENCE);
    }

    #[test]
    fn pings_come_at_their_interval_until_one_is_not_answered() {
        let clock = connected();
        let answers = |before, _| {
            if before < 3 {
                clock.pong().unwrap();
            }
        };
        let (pings, ending, after) = life(&clock, |_| (), answers);
        assert_eq!((pings.len(), ending), (4, Disconnect::NoPong));
        assert!(pings[0] >= PING_INTERVAL / 2 && pings[0] <= PING_INTERVAL);
        assert!(pings.windows(2).all(|pair| pair[1] - pair[0] == PING_INTERVAL));
        assert_eq!(after - pings[3], PONG_PATIENCE);
    }

    #[test]
    fn who_connects_at_any_time_is_looked_at_before_the_first_ping_is_due() {
        for seconds in [0, 9, 13, 40] {
            let clock = Clock::new(at(60));
            clock.asked();
            let connected_at = Cell::new(START);
            let connect = |now| {
                if matches!(clock.stage.get(), Stage::Asked) && now >= at(seconds) {
                    connected_at.set(now);
                    clock.connected(now);
                }
            };
            // Looked at before the client connects, as if it had just missed that.
            let (pings, ..) = life(
                &clock,
                |now| {
                    if now > START {
                        connect(now)
                    }
                },
                |_, _| (),
            );
            assert!(Moment::from(pings[0]) <= connected_at.get() + PING_INTERVAL);
        }
    }

    #[test]
    fn a_pong_that_could_not_be_read_is_waited_for() {
        let clock = connected();
        let (done, waits) = oneshot::channel::<()>();
        let (mut done, mut busy) = (Some(done), Box::pin(clock.held_up(waits)));
        assert!(busy.as_mut().now_or_never().is_none());
        // Through the first ping, and long enough for its pong to be missed.
        let busy_until = START + PING_INTERVAL + PONG_PATIENCE * 3;
        let (answer_at, answered) = (busy_until + PONG_PATIENCE / 2, Cell::new(false));
        let now = |now| {
            if now > busy_until
                && let Some(done) = done.take()
            {
                done.send(()).unwrap();
                busy.as_mut().now_or_never().unwrap().unwrap();
            }
            if now > answer_at && !answered.replace(true) {
                clock.pong().unwrap();
            }
        };
        let (pings, ending, after) = life(&clock, now, |_, _| ());
        // The next one it could have answered.
        assert_eq!((ending, pings.len()), (Disconnect::NoPong, 2));
        assert_eq!(after - pings[1], PONG_PATIENCE);
    }

    #[test]
    fn a_pong_that_nobody_asked_for_is_a_bad_request() {
        assert_eq!(stranger().pong(), Err(Disconnect::BadRequest));
    }

    #[test]
    fn an_expired_connection_has_time_to_refresh_and_then_ends() {
        let clock = connected();
        let expiry = clock.expire_at(Some(unix_seconds() + 60), START);
        assert!(expiry.expires && (50..=60).contains(&expiry.ttl));
        let (_, ending, after) = life(&clock, |_| (), |_, _| clock.pong().unwrap());
        assert_eq!(ending, Disconnect::Expired);
        assert_eq!(after, Duration::from_secs(expiry.ttl.into()) + EXPIRY_GRACE);
    }

    #[test]
    fn a_refresh_moves_the_end() {
        let clock = connected();
        clock.expire_at(Some(unix_seconds()), START);
        let is_refreshed = Cell::new(false);
        let refresh = |now| {
            if now >= at(20) && !is_refreshed.replace(true) {
                clock.expire_at(Some(unix_seconds() + 1000), now);
            }
        };
        let (_, ending, after) = life(&clock, refresh, |_, _| clock.pong().unwrap());
        assert_eq!(ending, Disconnect::Expired);
        assert!(after > Duration::from_secs(1000));
    }

    #[test]
    fn a_ttl_is_at_most_a_year_and_never_zero() {
        let clock = stranger();
        let told = |expires_at| clock.expire_at(expires_at, START);
        assert_eq!(told(None), Expiry { expires: false, ttl: 0 });
        assert_eq!(told(Some(0)), Expiry { expires: true, ttl: 1 });
        assert_eq!(told(Some(u64::MAX)), Expiry { expires: true, ttl: TTL_MAX.as_secs() as u32 });
    }

    #[test]
    fn what_is_done_now_and_then_is_done_in_time_beside_the_pings() {
        let clock = connected();
        let every = PING_INTERVAL + Duration::from_secs(7);
        clock.look_at(START + every);
        let looks = Cell::new(0);
        let mut now = START;
        while looks.get() < 4 {
            let look = || {
                looks.set(looks.get() + 1);
                assert_eq!(now.since_start(), every * looks.get());
                clock.look_at(now + every);
            };
            now = clock.look(now, || clock.pong().unwrap_or_default(), look).unwrap();
        }
    }
}
