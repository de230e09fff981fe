//! Connections and subscriptions that the application prolongs: when one is about to end, it is asked, not the client.
//!
//! While the application does not answer, they stay.

use std::{cell::Cell, rc::Rc, sync::Arc, time::Duration};

use tokio::{
    select,
    time::{Instant, sleep_until},
};

use super::{Chore, Ending, Moment, Session, clock};
use crate::{
    codes::{Disconnect, Failure},
    limits::RENEWAL_RETRY,
    protocol::reply::Expiry,
    proxy::{Renewed, Told},
};

/// When the application is asked next.
pub(super) struct Renewal {
    connection_at: Cell<Moment>,
}

impl Default for Renewal {
    fn default() -> Renewal {
        Renewal { connection_at: Cell::new(Moment::NEVER) }
    }
}

impl Session {
    /// Sets when the connection ends, in seconds since 1970, and answers what the client is told of it: nothing, if refreshing is
    /// not its business.
    pub(super) fn expires(&self, expires_at: Option<u64>) -> Expiry {
        if !self.shared().backend.refreshes() {
            return self.clock.expire_at(expires_at, self.now());
        }
        self.renew_connection_in(clock::time_left(expires_at));
        self.bells.ring(Chore::Renewal);
        Expiry::default()
    }

    fn renew_connection_in(&self, time: Option<Duration>) {
        self.renewal.connection_at.set(time.map_or(Moment::NEVER, |time| self.now() + time));
    }

    /// Asks about what is about to end, for as long as the session lasts.
    pub(super) async fn keep_renewed(self: &Rc<Self>) -> Ending {
        loop {
            self.bells.rung(Chore::Renewal).await;
            // Apart, so that a session without an end does not keep room for it.
            if let Err(ending) = Box::pin(self.renew_in_time()).await {
                return ending;
            }
        }
    }

    /// Goes on until there is nothing that ends.
    async fn renew_in_time(self: &Rc<Self>) -> Result<(), Ending> {
        loop {
            let connection_at = self.renewal.connection_at.get();
            if connection_at <= self.now() {
                self.renew_connection().await?;
                continue;
            }
            let subscription = self.next_renewal();
            if let Some((channel, at)) = &subscription
                && *at <= Instant::now()
            {
                self.renew_subscription(channel).await?;
                continue;
            }
            let connection_at = (connection_at != Moment::NEVER)
                .then(|| self.shared().limits.instant(connection_at.since_start()));
            let Some(next) = connection_at.into_iter().chain(subscription.map(|(_, at)| at)).min() else {
                return Ok(());
            };
            select! {
                () = self.bells.rung_again(Chore::Renewal) => {}
                () = sleep_until(next) => {}
            }
        }
    }

    async fn renew_connection(&self) -> Result<(), Ending> {
        let meta = self.meta();
        let asked = self.shared().backend.refresh(self.caller(meta.as_deref())).await;
        let next = match verdict(asked, Disconnect::Expired)? {
            Some(Renewed { expires_at, info, meta }) => {
                let meta = meta.filter(|_| self.shared().backend.wants_meta());
                self.connected().claims.change(|said| {
                    said.info = info.or(said.info.take());
                    said.meta = meta.map(Rc::from).or(said.meta.take());
                });
                clock::time_left(expires_at)
            }
            None => Some(retry_pause()),
        };
        self.renew_connection_in(next);
        Ok(())
    }

    async fn renew_subscription(self: &Rc<Self>, channel: &Arc<str>) -> Result<(), Ending> {
        let namespaces = self.shared().namespaces.load_full();
        let found = namespaces.find(channel).ok().map(|channel| channel.namespace().clone());
        let Some(namespace) = found.filter(|namespace| namespace.sub_refresh_proxy_enabled) else {
            // It is not asked any more, so nobody prolongs it.
            return self.expire(channel).await;
        };
        let meta = self.meta();
        let caller = self.caller(meta.as_deref());
        let name = &namespace.sub_refresh_proxy_name;
        let asked = self.shared().backend.sub_refresh(name, caller, channel).await;
        match verdict(asked, Disconnect::SubscriptionExpired) {
            Ok(Some(Renewed { expires_at, info, .. })) => self.renewed(channel, clock::end(expires_at), info),
            Ok(None) => self.renewed(channel, Some(Instant::now() + retry_pause()), None),
            Err(Ending::Close(Disconnect::SubscriptionExpired)) => return self.expire(channel).await,
            Err(ending) => return Err(ending),
        }
        Ok(())
    }
}

/// What the application has said; none if it has not.
fn verdict(asked: Result<Renewed, Failure>, over: Disconnect) -> Result<Option<Renewed>, Ending> {
    match asked {
        Ok(renewed) => Ok(Some(renewed)),
        Err(Failure::Refused(_)) => Ok(None),
        Err(Failure::Disconnect(_) | Failure::Told(Told::Error(_))) => Err(over.into()),
        Err(Failure::Told(Told::Disconnect(code, reason))) => Err(Ending::Steered(code, reason.into())),
    }
}

/// How long not to ask again: not all at once that have ended together.
fn retry_pause() -> Duration {
    let random = f64::from(getrandom::u32().unwrap_or_default()) / f64::from(u32::MAX);
    RENEWAL_RETRY.mul_f64(0.75 + random / 4.0)
}
