//! `presence`: who is in a channel.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{
    super::{Api, given, keys::Scope, method::Method, refusal::Refusal},
    LOOKING,
};
use crate::{
    publication::{Payload, Sender},
    session::present,
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

impl From<&Sender> for ClientInfo {
    fn from(sender: &Sender) -> ClientInfo {
        let json = |info: &Option<Payload>| info.as_ref().and_then(given::raw);
        ClientInfo {
            user: sender.user.clone(),
            client: sender.client.clone(),
            conn_info: json(&sender.conn_info),
            chan_info: json(&sender.chan_info),
        }
    }
}

impl Method for Presence {
    const NAME: &'static str = "presence";
    const SUMMARY: &'static str = "Who is in a channel, on all servers, unless they are more than 10,000.";
    const GROUP: &'static str = LOOKING;

    type Done = PresenceResult;

    fn channels(&self) -> Vec<&str> {
        vec![&self.channel]
    }

    async fn call(self, api: &Api, _: &Scope) -> Result<PresenceResult, Refusal> {
        if !api.channel(&self.channel)?.namespace().presence {
            return Err(Refusal::not_available());
        }
        let present = present(&api.bus, &self.channel).await?;
        let presence = present.into_iter().map(|one| {
            let user = one.user.as_ref().map_or("", |user| user.as_str());
            let sender = Sender::read(one.client.as_str(), user, &one.info);
            (sender.client.clone(), ClientInfo::from(&sender))
        });
        Ok(PresenceResult { presence: presence.collect() })
    }
}
