//! Live publications by a client, as a command or by rpc.

use std::{rc::Rc, sync::Arc};

use bytes::Bytes;
use naru_bus::{BusError, Keep};

use super::{Later, Session};
use crate::{
    codes::{Code, Disconnect, Failure, Refused},
    crossing,
    namespaces::{By, History, Namespace},
    protocol::{command::PublishRequest, message::Empty, reply::Outcome},
    publication::{self, Sender},
};

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

    fn may_publish(&self, channel: &str, data: &[u8]) -> Result<Arc<Namespace>, Refused> {
        let namespaces = self.shared().namespaces.load();
        let channel = namespaces.find_for_client(channel)?;
        let namespace = channel.namespace();
        match channel.may_publish(&self.who(channel.name()))? {
            By::Rule | By::Token => namespace.publication_data_format.check(data)?,
            // No proxy can be configured yet.
            By::Hook(_) => return Err(Code::NotAvailable.into()),
        }
        Ok(namespace.clone())
    }

    /// Publishes in a channel that this client may use, which keeps it if its namespace says so; answers how many servers
    /// listened.
    pub(crate) fn publish_live(
        self: &Rc<Self>,
        channel: &str,
        data: &Bytes,
    ) -> Result<impl Future<Output = Result<u64, BusError>> + use<>, Refused> {
        let namespace = self.may_publish(channel, data)?;
        let sender = Sender { chan_info: self.chan_info(channel), ..self.info() };
        let payload = publication::signed(sender, self.payload(data), namespace.delta_publish);
        let keep = namespace.history().map(|history| {
            let History { size, ttl, meta_ttl } = history;
            Keep { size, ttl, meta_ttl }
        });
        let channel = channel.to_owned();
        let session = self.clone();
        Ok(async move {
            let bus = &session.shared().bus;
            let receivers = match keep {
                Some(keep) => bus.publish_kept(&channel, payload, keep, None).await?.receivers,
                None => bus.publish(&channel, payload).await?,
            };
            crossing::publish(&session.shared().server, session.user_name(), &channel, receivers);
            Ok(receivers)
        })
    }
}
