//! Live channels a client follows.

use std::{rc::Rc, sync::Arc};

use super::{Ending, Session, Subscription, topic};
use crate::{
    channels::inbox_of,
    codes::{Code, Disconnect, Failure, Refused},
    interests::{Hold, Interest},
    limits::CHANNELS_MAX,
    namespaces::{By, Caps, Who},
    protocol::{
        command::{SubscribeRequest, UnsubscribeRequest},
        message::Empty,
        reply::{Outcome, SubscribeResult},
    },
};

impl Session {
    pub(super) async fn subscribe(
        self: &Rc<Self>,
        id: u32,
        subscribe: SubscribeRequest,
    ) -> Result<(), Ending> {
        let channel: Arc<str> = subscribe.channel.as_str().into();
        let hold = match self.hold_channel(&subscribe, &channel).await {
            Ok(hold) => hold,
            Err(failure) => return self.answer(id, Err(failure)),
        };
        // The reply comes before any publication, and after the broker's confirmation.
        self.answer(id, Ok(Outcome::Subscribe(SubscribeResult::default())))?;
        let topic = topic(&channel);
        let subscription = Subscription { _hold: hold, is_server_side: false };
        self.subscriptions.borrow_mut().insert(channel, subscription);
        self.core.subscribe(self.id, topic);
        Ok(())
    }

    async fn hold_channel(&self, subscribe: &SubscribeRequest, channel: &Arc<str>) -> Result<Hold, Failure> {
        self.may_subscribe(subscribe)?;
        Ok(self.shared().interests.hold(Interest::Channel(channel.clone())).await?)
    }

    fn may_subscribe(&self, subscribe: &SubscribeRequest) -> Result<(), Failure> {
        let channel: &str = &subscribe.channel;
        let is_known_delta = matches!(&*subscribe.delta, "" | "fossil");
        if channel.is_empty() || !is_known_delta {
            return Err(Disconnect::BadRequest.into());
        }
        if subscribe.kind != 0 {
            return Err(Code::NotAvailable.into());
        }
        if subscribe.tf.is_some() {
            return Err(Refused::bad("tags filters are not allowed here").into());
        }
        let subscriptions = self.subscriptions.borrow();
        if subscriptions.contains_key(channel) || inbox_of(self.member().user.as_str()) == channel {
            return Err(Code::AlreadySubscribed.into());
        }
        drop(subscriptions);
        let namespaces = self.shared().namespaces.load();
        let channel = namespaces.find_for_client(channel)?;
        match channel.may_subscribe(&self.who(channel.name()), false)? {
            By::Rule | By::Token => {}
            // No proxy can be configured yet.
            By::Hook(_) => return Err(Code::NotAvailable.into()),
        }
        if self.subscriptions.borrow().len() >= CHANNELS_MAX {
            return Err(Code::LimitExceeded.into());
        }
        Ok(())
    }

    /// This client, in view of a channel.
    pub(super) fn who(&self, channel: &str) -> Who<'_> {
        Who {
            user: self.member().user.as_str(),
            is_subscribed: self.subscriptions.borrow().contains_key(channel),
            caps: Caps::default(),
        }
    }

    /// Succeeds also for what is not subscribed. What the server has subscribed to stays.
    pub(super) fn unsubscribe(self: &Rc<Self>, unsubscribe: &UnsubscribeRequest) -> Result<Outcome, Failure> {
        let channel: &str = &unsubscribe.channel;
        if channel.is_empty() {
            return Err(Disconnect::BadRequest.into());
        }
        let mut subscriptions = self.subscriptions.borrow_mut();
        let is_ours = subscriptions.get(channel).is_some_and(|subscription| !subscription.is_server_side);
        let ended = if is_ours { subscriptions.remove(channel) } else { None };
        drop(subscriptions);
        if ended.is_some() {
            self.core.unsubscribe(self.id, topic(channel));
        }
        Ok(Outcome::Unsubscribe(Empty {}))
    }
}
