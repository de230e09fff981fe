//! `unsubscribe`: ends subscriptions of a user's connections.

use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    super::{Api, keys::Scope, method::Method, refusal::Refusal},
    Empty, STEERING,
};
use crate::nodes::{self, Steer, Whom};

/// Whose subscription to end.
#[derive(Deserialize, ToSchema)]
#[schema(as = UnsubscribeRequest)]
pub(crate) struct Unsubscribe {
    /// The channel.
    #[serde(default)]
    channel: String,
    /// Whose connections; the empty user is who is anonymous.
    #[serde(default)]
    user: String,
    /// Only the connection with this client id.
    client: Option<String>,
    /// Only the connection with this session id.
    session: Option<String>,
}

impl Method for Unsubscribe {
    const NAME: &'static str = "unsubscribe";
    const SUMMARY: &'static str =
        "Ends a user's subscriptions to a channel, whoever has begun them. Answered when it is accepted.";
    const GROUP: &'static str = STEERING;

    type Done = Empty;

    fn channels(&self) -> Vec<&str> {
        vec![&self.channel]
    }

    async fn call(self, api: &Api, _: &Scope) -> Result<Empty, Refusal> {
        api.channel(&self.channel)?;
        let whom = Whom { user: self.user, client: self.client, session: self.session };
        api.nodes.steer(Steer::Unsubscribe(nodes::Unsubscribe { whom, channel: self.channel })).await?;
        Ok(Empty {})
    }
}
