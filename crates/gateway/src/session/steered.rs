//! What an application's server wants done with this connection.
//!
//! What ends it is done at once. The rest waits in a queue for a loop of its own beside the session's others: to subscribe means
//! to wait for the broker, and what comes after it must not overtake it.

use std::{
    cell::{OnceCell, RefCell},
    collections::VecDeque,
    rc::Rc,
    sync::Arc,
};

use bytes::Bytes;
use naru_bus::BusError;
use tokio::{
    sync::Notify,
    time::{Duration, sleep},
};

use super::{Ending, Session, Subscription, topic};
use crate::{
    auth::unix_seconds,
    codes::{Disconnect, Unsubscribed},
    interests::Interest,
    limits::{CHANNELS_MAX, STEERS_MAX},
    nodes::{self, Index, Place, Steer},
    protocol::{encoding::Encoding, push::Push},
    publication::Payload,
};

/// How long to leave the broker alone after it did not answer.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// What is to be done, and where the connection is found for it.
#[derive(Default)]
pub(super) struct Steered {
    place: OnceCell<Place>,
    /// At most [`STEERS_MAX`].
    waiting: RefCell<VecDeque<Arc<Steer>>>,
    changed: Notify,
}

impl Session {
    fn index(&self) -> &Index {
        self.core.local()
    }

    /// From here on the connection is found by others.
    pub(super) fn enter_index(&self) {
        let user = self.member().user.as_str().into();
        let client = self.client.parse().expect("a client's id is one that we made");
        let place = self.steered.place.get_or_init(|| Place { user, client, session: None });
        self.index().enter(self.id, place);
    }

    pub(super) fn leave_index(&self) {
        if let Some(place) = self.steered.place.get() {
            self.index().leave(self.id, place);
        }
    }

    /// Does what is wanted, now or soon.
    pub(crate) fn steer(&self, steer: &Arc<Steer>) {
        match &**steer {
            Steer::Disconnect(disconnect) => {
                if !disconnect.whitelist.contains(&self.client) {
                    self.end(Ending::Steered(disconnect.code, disconnect.reason.as_str().into()));
                }
            }
            Steer::Refresh(refresh) => self.refreshed(refresh),
            Steer::Subscribe(_) | Steer::Unsubscribe(_) => {
                let mut waiting = self.steered.waiting.borrow_mut();
                if waiting.len() >= STEERS_MAX {
                    return self.end(Disconnect::InsufficientState);
                }
                waiting.push_back(steer.clone());
                self.steered.changed.notify_one();
            }
        }
    }

    /// Does what waits, one after the other, for as long as the session lasts.
    pub(super) async fn be_steered(self: &Rc<Self>) -> Ending {
        loop {
            let next = self.steered.waiting.borrow_mut().pop_front();
            match next.as_deref() {
                // Apart, so that a session that is never steered does not keep room for it.
                Some(Steer::Subscribe(subscribe)) => Box::pin(self.subscribe_steered(subscribe)).await,
                Some(Steer::Unsubscribe(unsubscribe)) => self.unsubscribe_steered(unsubscribe),
                Some(Steer::Disconnect(_) | Steer::Refresh(_)) => {}
                None => self.steered.changed.notified().await,
            }
        }
    }

    /// Subscribes the client. While the broker is away it waits for it: whoever asked for it was told that it is accepted.
    async fn subscribe_steered(self: &Rc<Self>, subscribe: &nodes::Subscribe) {
        let channel: Arc<str> = subscribe.channel.as_str().into();
        let hold = loop {
            if !self.may_be_subscribed(&channel) {
                return;
            }
            match self.shared().interests.hold(Interest::Channel(channel.clone())).await {
                Ok(hold) => break hold,
                Err(BusError::Unreachable | BusError::Uncertain { .. }) => sleep(RETRY_PAUSE).await,
                Err(error) => return tracing::warn!(%error, "a client could not be subscribed"),
            }
        };
        // It may have subscribed by itself meanwhile.
        if !self.may_be_subscribed(&channel) {
            return;
        }
        let data = subscribe.data.as_ref().and_then(|data| self.told(data));
        self.send(&Push::subscribe_with(&*channel, data).into());
        let topic = topic(&channel);
        let subscription = Subscription { _hold: hold, is_server_side: true };
        self.subscriptions.borrow_mut().insert(channel, subscription);
        self.core.subscribe(self.id, topic);
    }

    fn may_be_subscribed(&self, channel: &str) -> bool {
        let subscriptions = self.subscriptions.borrow();
        !subscriptions.contains_key(channel) && subscriptions.len() < CHANNELS_MAX
    }

    fn unsubscribe_steered(self: &Rc<Self>, unsubscribe: &nodes::Unsubscribe) {
        let channel: &str = &unsubscribe.channel;
        let ended = self.subscriptions.borrow_mut().remove(channel);
        if ended.is_some() {
            self.core.unsubscribe(self.id, topic(channel));
            self.send(&Push::unsubscribe(channel, Unsubscribed::Server).into());
        }
    }

    fn refreshed(&self, refresh: &nodes::Refresh) {
        let is_over = refresh.expire_at.is_some_and(|expire_at| expire_at <= unix_seconds());
        if refresh.expired || is_over {
            return self.end(Disconnect::Expired);
        }
        if let Some(info) = &refresh.info {
            self.member().info.replace(Some(info.clone()));
        }
        let expiry = self.clock.expire_at(refresh.expire_at);
        self.send(&Push::refresh(expiry).into());
    }

    /// What the client can be shown.
    fn told(&self, payload: &Payload) -> Option<Bytes> {
        match self.flavour.encoding() {
            Encoding::Json => payload.json().cloned(),
            Encoding::Protobuf => Some(payload.bytes().clone()),
        }
    }
}
