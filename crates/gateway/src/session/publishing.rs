//! Live publications by a client, as a command or by rpc.

use std::rc::Rc;

use bytes::Bytes;
use naru_bus::BusError;

use super::{Later, Session};
use crate::{
    codes::{Code, Disconnect, Failure, Refused},
    crossing,
    namespaces::By,
    protocol::{command::PublishRequest, message::Empty, reply::Outcome},
    publication,
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

    fn may_publish(&self, channel: &str, data: &[u8]) -> Result<(), Refused> {
        let namespaces = self.shared().namespaces.load();
        let channel = namespaces.find_for_client(channel)?;
        match channel.may_publish(&self.who(channel.name()))? {
            By::Rule | By::Token => channel.namespace().publication_data_format.check(data),
            // No proxy can be configured yet.
            By::Hook(_) => Err(Code::NotAvailable.into()),
        }
    }

    /// Publishes in a channel that this client may use; answers how many servers listened.
    pub(crate) fn publish_live(
        self: &Rc<Self>,
        channel: &str,
        data: &Bytes,
    ) -> Result<impl Future<Output = Result<u64, BusError>> + use<>, Refused> {
        if data.is_empty() {
            return Err(Refused::bad("a publication has data"));
        }
        self.may_publish(channel, data)?;
        let payload = publication::signed(self.info(), self.payload(data));
        let channel = channel.to_owned();
        let session = self.clone();
        Ok(async move {
            let receivers = session.shared().bus.publish(&channel, payload).await?;
            crossing::publish(&session.shared().server, &session.member().user, &channel, receivers);
            Ok(receivers)
        })
    }
}
