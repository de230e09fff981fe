//! Connections and subscriptions that the application prolongs: when one is about to end, it is asked, not the client.
//!
//! While the application does not answer, they stay.

use std::{cell::Cell, rc::Rc, sync::Arc, time::Duration};

use tokio::{
    select,
    time::{Instant, sleep_until},
};

use super::{Chore, Ending, Session, clock};
use crate::{
    codes::{Disconnect, Failure},
    limits::RENEWAL_RETRY,
    protocol::reply::Expiry,
    proxy::{Renewed, Told},
};

/// When the application is asked next.
#[derive(Default)]
pub(super) struct Renewal {
    connection_at: Cell<Option<Instant>>,
}

impl Session {
    /// Sets when the connection ends, in seconds since 1970, and answers what the client is told of it: nothing, if refreshing is
    /// not its business.
    pub(super) fn expires(&self, expires_at: Option<u64>) -> Expiry {
        if !self.shared().backend.refreshes() {
            return self.clock.expire_at(expires_at, self.now());
        }
        self.renewal.connection_at.set(clock::end(expires_at));
        self.bells.ring(Chore::Renewal);
        Expiry::default()
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
            let now = Instant::now();
            let connection_at = self.renewal.connection_at.get();
            if connection_at.is_some_and(|at| at <= now) {
                self.renew_connection().await?;
                continue;
            }
            let subscription = self.next_renewal();
            if let Some((channel, at)) = &subscription
                && *at <= now
            {
                self.renew_subscription(channel).await?;
                continue;
            }
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
                clock::end(expires_at)
            }
            None => Some(soon()),
        };
        self.renewal.connection_at.set(next);
        Ok(())
    }

    async fn renew_subscription(self: &Rc<Self>, channel: &Arc<str>) -> Result<(), Ending> {
        let namespaces = self.shared().namespaces.load_full();
        let found = namespaces.find_granted(channel).ok().map(|channel| channel.namespace().clone());
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
            Ok(None) => self.renewed(channel, Some(soon()), None),
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

/// When to ask again: not all at once that have ended together.
fn soon() -> Instant {
    let random = f64::from(getrandom::u32().unwrap_or_default()) / f64::from(u32::MAX);
    Instant::now() + Duration::from_secs_f64(RENEWAL_RETRY.as_secs_f64() * (0.75 + random / 4.0))
}
