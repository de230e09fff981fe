//! Pings, and what ends by itself: clients that never connect, expired connections.

use std::{cell::Cell, time::Duration};

use tokio::time::{Instant, sleep_until, timeout_at};

use super::{Ending, Session, Signal};
use crate::{
    codes::Disconnect,
    limits::{CONNECT_PATIENCE, EXPIRY_GRACE, PING_INTERVAL, PONG_PATIENCE, TTL_MAX},
    protocol::{frame, reply::Expiry},
    token::unix_seconds,
};

/// What a session's clock stands at.
#[derive(Default)]
pub(super) struct Clock {
    connected: Signal,
    /// A ping went out and was not answered yet.
    pub(super) awaits_pong: Cell<bool>,
    /// When a connection that was not refreshed ends.
    ends_at: Cell<Option<Instant>>,
}

impl Clock {
    pub(super) fn connected(&self) {
        self.connected.set();
    }

    /// Sets when the connection expires, in seconds since 1970, and answers what the client is told of it.
    pub(super) fn expire_at(&self, expires_at: Option<u64>) -> Expiry {
        let Some(expires_at) = expires_at else {
            self.ends_at.set(None);
            return Expiry::default();
        };
        // At least a second: a token within the leeway of its end still counts, and a ttl of 0 means never.
        let ttl = expires_at.saturating_sub(unix_seconds()).clamp(1, TTL_MAX.as_secs());
        self.ends_at.set(Some(Instant::now() + Duration::from_secs(ttl) + EXPIRY_GRACE));
        Expiry { expires: true, ttl }
    }
}

impl Session {
    /// Runs until one of the deadlines is missed.
    pub(super) async fn keep_time(&self) -> Ending {
        let patience = Instant::now() + CONNECT_PATIENCE;
        if timeout_at(patience, self.clock.connected.wait()).await.is_err() {
            let refused = self.is_refused.get();
            return if refused { Disconnect::ConnectionClosed } else { Disconnect::Stale }.into();
        }
        let mut ping_at = Instant::now() + first_ping();
        loop {
            if let Err(ending) = self.rest_until(ping_at).await {
                return ending;
            }
            self.clock.awaits_pong.set(true);
            self.send_frame(&frame::PING.into());
            if let Err(ending) = self.rest_until(ping_at + PONG_PATIENCE).await {
                return ending;
            }
            if self.clock.awaits_pong.get() {
                return Disconnect::NoPong.into();
            }
            ping_at += PING_INTERVAL;
        }
    }

    /// Waits, unless the connection ends before. A refresh meanwhile counts; one that moves the end closer is noticed
    /// at the next ping.
    async fn rest_until(&self, then: Instant) -> Result<(), Ending> {
        loop {
            let now = Instant::now();
            let ends_at = self.clock.ends_at.get();
            if ends_at.is_some_and(|ends_at| ends_at <= now) {
                return Err(Disconnect::Expired.into());
            }
            if then <= now {
                return Ok(());
            }
            sleep_until(ends_at.map_or(then, |ends_at| ends_at.min(then))).await;
        }
    }
}

/// Between half an interval and a whole one, so that clients who came together are not pinged together.
fn first_ping() -> Duration {
    // Without randomness they are, which harms nobody.
    let random = getrandom::u32().unwrap_or_default();
    let half = PING_INTERVAL / 2;
    half + half.mul_f64(f64::from(random) / f64::from(u32::MAX))
}
