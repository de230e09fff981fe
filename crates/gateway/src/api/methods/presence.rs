//! `presence`: who is in a channel.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{
    super::{Api, keys::Scope, method::Method, refusal::Refusal},
    LOOKING,
};

/// In which channel.
#[derive(Deserialize, ToSchema)]
#[schema(as = PresenceRequest)]
pub(crate) struct Presence {
    /// The channel.
    #[serde(default)]
    channel: String,
}

/// Who is there.
#[derive(Serialize, ToSchema)]
pub(crate) struct PresenceResult {
    /// By client id.
    presence: BTreeMap<String, ClientInfo>,
}

/// Somebody who is connected.
#[derive(Serialize, ToSchema)]
pub(crate) struct ClientInfo {
    pub(super) user: String,
    pub(super) client: String,
    /// What the connection's token says beside the name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub(super) conn_info: Option<Box<RawValue>>,
    /// What the subscription's token says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub(super) chan_info: Option<Box<RawValue>>,
}

impl Method for Presence {
    const NAME: &'static str = "presence";
    const SUMMARY: &'static str = "Who is in a channel, on all servers.";
    const GROUP: &'static str = LOOKING;

    type Done = PresenceResult;

    fn channels(&self) -> Vec<&str> {
        vec![&self.channel]
    }

    async fn call(self, api: &Api, _: &Scope) -> Result<PresenceResult, Refusal> {
        api.channel(&self.channel)?;
        Err(Refusal::not_available())
    }
}
