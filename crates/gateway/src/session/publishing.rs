//! Live publications by a client, as a command or by rpc.

use std::{rc::Rc, sync::Arc};

use bytes::Bytes;
use naru_bus::{Keep, Once};

use super::{Later, Session};
use crate::{
    auth::unix_millis,
    codes::{Disconnect, Failure, Refused},
    crossing,
    limits::{Doing, IDEMPOTENCY_WINDOW},
    namespaces::{By, History, Namespace},
    protocol::{command::PublishRequest, message::Empty, reply::Outcome},
    proxy::Amended,
    publication::{Envelope, Payload, Published, Said, Sender},
};

/// What a client may do.
struct Permit {
    namespace: Arc<Namespace>,
    /// The hook that has to agree.
    hook: Option<String>,
}

impl Session {
    pub(super) fn publish(self: &Rc<Self>, publish: &PublishRequest) -> Result<Later, Failure> {
        if publish.channel.is_empty() {
            return Err(Disconnect::BadRequest.into());
        }
        let published = self.publish_live(&publish.channel, &publish.data)?;
        Ok(Box::pin(async move {
            published.await?;
            Ok(Outcome::Publish(Empty {}))
        }))
    }

    fn may_publish(&self, channel: &str) -> Result<Permit, Refused> {
        let namespaces = self.shared().namespaces.load();
        let channel = namespaces.find_for_client(channel)?;
        let hook = match self.right(channel.name(), |who| channel.may_publish(who))? {
            By::Rule | By::Token => None,
            By::Hook(name) => Some(name.to_owned()),
        };
        Ok(Permit { namespace: channel.namespace().clone(), hook })
    }

    /// Whether the application has to agree to what this client publishes in a channel.
    pub(crate) fn is_hooked(&self, channel: &str) -> bool {
        self.shared().backend.hears_publications()
            && self.may_publish(channel).is_ok_and(|permit| permit.hook.is_some())
    }

    /// Publishes in a channel that this client may use, which keeps it if its namespace says so; answers how many servers
    /// listened.
    pub(crate) fn publish_live(
        self: &Rc<Self>,
        channel: &str,
        data: &Bytes,
    ) -> Result<impl Future<Output = Result<u64, Failure>> + use<>, Refused> {
        let Permit { namespace, hook } = self.may_publish(channel)?;
        self.spend_in(&namespace, Doing::Publishing)?;
        if hook.is_none() {
            namespace.publication_data_format.check(data)?;
        }
        let data = self.payload(data);
        let channel = channel.to_owned();
        let session = self.clone();
        Ok(async move {
            let Some(hook) = hook else {
                return session.put(&channel, &namespace, data, Amended::default()).await;
            };
            Box::pin(session.publish_if_agreed(&hook, &channel, &namespace, data)).await
        })
    }

    /// The same, if the application agrees; it may also change what is published.
    async fn publish_if_agreed(
        &self,
        hook: &str,
        channel: &str,
        namespace: &Namespace,
        data: Payload,
    ) -> Result<u64, Failure> {
        let _turn = self.asking.turn().await;
        let meta = self.meta();
        let caller = self.caller(meta.as_deref());
        let mut amended = self.shared().backend.publish(hook, caller, channel, data.bytes()).await?;
        let data = amended.data.take().unwrap_or(data);
        namespace.publication_data_format.check(data.bytes())?;
        // For the broker it was not waited yet.
        let turn = self.shared().calls.acquire().await;
        let _turn = turn.expect("the semaphore is never closed");
        self.put(channel, namespace, data, amended).await
    }

    async fn put(
        &self,
        channel: &str,
        namespace: &Namespace,
        data: Payload,
        amended: Amended,
    ) -> Result<u64, Failure> {
        let Amended { skips_history, tags, wants_delta, key, .. } = amended;
        let sender = Sender { chan_info: self.chan_info(channel), ..self.info() };
        let delta = wants_delta || namespace.delta_publish;
        let bytes = data.bytes().len();
        let history = namespace.history().filter(|_| !skips_history);
        // Of what is live it is now.
        let time = if history.is_some() { unix_millis() } else { 0 };
        let published = Published { tags, delta, time, ..Published::from(data) };
        let payload = Envelope { sender: Some(sender), what: Said::Published(published) }.write();
        let once = key.map(|key| Once { key, window: IDEMPOTENCY_WINDOW });
        let keep = match (history, &once) {
            (Some(History { size, ttl, meta_ttl }), _) => Some(Keep { size, ttl, meta_ttl }),
            // Nothing is kept but what was answered.
            (None, Some(once)) => Some(Keep { size: 0, ttl: once.window, meta_ttl: once.window }),
            (None, None) => None,
        };
        let bus = &self.shared().bus;
        let (receivers, is_new) = match keep {
            Some(keep) => {
                let kept = bus.publish_kept(channel, payload, keep, once).await?;
                (kept.receivers, !kept.repeat)
            }
            None => (bus.publish(channel, payload).await?, true),
        };
        if is_new {
            namespace.counted.published(bytes);
        }
        crossing::publish(&self.shared().server, self.user_name(), channel, receivers);
        Ok(receivers)
    }
}
