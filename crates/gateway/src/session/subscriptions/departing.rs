//! Ending a subscription, and telling those who were told of it.

use std::{rc::Rc, sync::Arc};

use futures_util::{StreamExt, stream};
use tokio::time::timeout;

use super::{Session, Subscription, topic};
use crate::{
    limits::{DEPARTURE_PATIENCE, WITHDRAWALS_MAX},
    publication::{Envelope, Said, Sender},
};

/// What others have to be told of a subscription that has ended.
pub(super) struct Departure {
    pub(super) sender: Sender,
    pub(super) is_present: bool,
    pub(super) is_told: bool,
}

impl Session {
    /// Ends a subscription. Nothing more of the channel is delivered when this returns for the first time; and what the broker is
    /// told is before whatever it is told after that.
    pub(in crate::session) async fn take_away(self: &Rc<Self>, channel: &str) {
        let taken = self.subscriptions.all.borrow_mut().remove(channel);
        if let Some(subscription) = taken
            && let Some(departure) = self.stop_listening(channel, subscription)
        {
            self.depart(channel, &departure).await;
        }
    }

    /// The same, if it is over: what is left of it.
    pub(super) async fn take_away_over(self: &Rc<Self>, channel: &str) {
        let is_over = self.subscriptions.all.borrow().get(channel).is_some_and(Subscription::is_over);
        if is_over {
            self.take_away(channel).await;
        }
    }

    fn stop_listening(self: &Rc<Self>, channel: &str, subscription: Subscription) -> Option<Departure> {
        if subscription.is_joining() || subscription.is_over() {
            self.subscriptions.attend(-1);
        }
        if subscription.more.as_ref().is_some_and(|more| more.delta.is_some()) {
            self.subscriptions.attend(-1);
        }
        if subscription.is_listening {
            self.core.unsubscribe(self.id, topic(channel));
        }
        subscription.departure()
    }

    async fn depart(&self, channel: &str, departure: &Departure) {
        let Departure { sender, is_present, is_told } = departure;
        let bus = &self.shared().bus;
        let left = async {
            if *is_present {
                bus.leave(channel, &sender.client).await?;
            }
            if *is_told {
                let envelope = Envelope { sender: Some(sender.clone()), what: Said::Leave };
                bus.publish(channel, envelope.write()).await?;
            }
            Ok::<_, naru_bus::BusError>(())
        };
        if let Err(error) = left.await {
            tracing::debug!(%error, "others could not be told that a client has left a channel");
        }
    }

    /// Ends all of them; nothing more is delivered when this returns. The rest is the future's, which takes no longer than
    /// [`DEPARTURE_PATIENCE`].
    pub(in crate::session) fn take_all_away(self: &Rc<Self>) -> impl Future<Output = ()> + use<> {
        let all = self.subscriptions.all.take();
        let departures: Vec<(Arc<str>, Departure)> = all
            .into_iter()
            .filter_map(|(channel, subscription)| {
                let departure = self.stop_listening(&channel, subscription)?;
                Some((channel, departure))
            })
            .collect();
        let session = self.clone();
        async move {
            if departures.is_empty() {
                return;
            }
            let departed =
                stream::iter(departures).for_each_concurrent(WITHDRAWALS_MAX, |(channel, departure)| {
                    let session = session.clone();
                    async move { session.depart(&channel, &departure).await }
                });
            // The run of this server ends with it, whatever the broker did not take.
            let _ = timeout(DEPARTURE_PATIENCE, departed).await;
        }
    }
}
