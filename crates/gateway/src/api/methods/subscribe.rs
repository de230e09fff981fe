//! `subscribe`: the server's own subscriptions for a user's connections.

use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{
    super::{Api, given, keys::Scope, method::Method, refusal::Refusal},
    Empty, STEERING,
};
use crate::nodes::{self, Overrides, Since, Steer, Whom};

/// Whom to subscribe, to what.
#[derive(Deserialize, ToSchema)]
#[schema(as = SubscribeRequest)]
pub(crate) struct Subscribe {
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
    /// What others in the channel are shown: any JSON.
    #[schema(value_type = Option<serde_json::Value>)]
    info: Option<Box<RawValue>>,
    /// The same, binary, in Base64; counts before `info`.
    b64info: Option<String>,
    /// What the client gets with the push: any JSON.
    #[schema(value_type = Option<serde_json::Value>)]
    data: Option<Box<RawValue>>,
    /// The same, binary, in Base64; counts before `data`.
    b64data: Option<String>,
    /// What was published after this position is sent behind the push.
    recover_since: Option<StreamPosition>,
    /// When the subscription ends, in seconds since 1970.
    expire_at: Option<u64>,
    /// What is otherwise than the namespace says.
    #[serde(rename = "override")]
    overrides: Option<SubscribeOverride>,
}

/// A place in a channel's stream.
#[derive(Clone, Deserialize, ToSchema)]
pub(crate) struct StreamPosition {
    /// The number of a publication.
    #[serde(default)]
    pub(super) offset: u64,
    /// What it is a number of.
    #[serde(default)]
    pub(super) epoch: String,
}

/// Options of one subscription.
#[derive(Deserialize, ToSchema)]
pub(crate) struct SubscribeOverride {
    presence: Option<BoolValue>,
    join_leave: Option<BoolValue>,
    force_recovery: Option<BoolValue>,
    force_positioning: Option<BoolValue>,
    force_push_join_leave: Option<BoolValue>,
}

/// Yes or no, where absent is neither.
#[derive(Clone, Copy, Deserialize, ToSchema)]
pub(crate) struct BoolValue {
    #[serde(default)]
    value: bool,
}

impl From<SubscribeOverride> for Overrides {
    fn from(given: SubscribeOverride) -> Overrides {
        let said = |value: Option<BoolValue>| value.map(|BoolValue { value }| value);
        Overrides {
            presence: said(given.presence),
            join_leave: said(given.join_leave),
            force_recovery: said(given.force_recovery),
            force_positioning: said(given.force_positioning),
            force_push_join_leave: said(given.force_push_join_leave),
        }
    }
}

impl From<StreamPosition> for Since {
    fn from(StreamPosition { offset, epoch }: StreamPosition) -> Since {
        Since { offset, epoch }
    }
}

impl Method for Subscribe {
    const NAME: &'static str = "subscribe";
    const SUMMARY: &'static str =
        "Subscribes a user's connections to a channel. Answered when it is accepted.";
    const GROUP: &'static str = STEERING;

    type Done = Empty;

    fn channels(&self) -> Vec<&str> {
        vec![&self.channel]
    }

    async fn call(self, api: &Api, _: &Scope) -> Result<Empty, Refusal> {
        api.channel(&self.channel)?;
        let steer = nodes::Subscribe {
            whom: Whom { user: self.user, client: self.client, session: self.session },
            channel: self.channel,
            info: given::payload("info", self.info, self.b64info.as_deref())?,
            data: given::payload("data", self.data, self.b64data.as_deref())?,
            recover_since: self.recover_since.map(Since::from),
            expire_at: self.expire_at.filter(|&expire_at| expire_at > 0),
            overrides: self.overrides.map(Overrides::from).unwrap_or_default(),
        };
        api.nodes.steer(Steer::Subscribe(steer)).await?;
        Ok(Empty {})
    }
}
