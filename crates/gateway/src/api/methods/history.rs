//! `history`: what a channel keeps.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{
    super::{Api, keys::Scope, method::Method, refusal::Refusal},
    LOOKING, is_zero,
    presence::ClientInfo,
    subscribe::StreamPosition,
};

/// What of which channel.
#[derive(Deserialize, ToSchema)]
#[schema(as = HistoryRequest)]
pub(crate) struct History {
    /// The channel.
    #[serde(default)]
    channel: String,
    /// How many publications at most; 0 or absent for the position alone, negative for all.
    limit: Option<i64>,
    /// Only what came after this, or with `reverse` before.
    since: Option<StreamPosition>,
    /// The newest first.
    reverse: Option<bool>,
}

/// A part of what a channel keeps.
#[derive(Serialize, ToSchema)]
pub(crate) struct HistoryResult {
    publications: Vec<Publication>,
    /// The top: the last publication's number, whatever part was asked for.
    offset: u64,
    /// What the numbers are of.
    epoch: String,
}

/// Something that was published.
#[derive(Serialize, ToSchema)]
pub(crate) struct Publication {
    /// What was published: any JSON; `null` beside `b64data`.
    #[schema(value_type = Option<serde_json::Value>)]
    data: Option<Box<RawValue>>,
    /// The same in Base64, where it is no JSON.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schema(required = false)]
    b64data: String,
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(required = false)]
    offset: u64,
    /// Who published, if it was a client.
    #[serde(skip_serializing_if = "Option::is_none")]
    info: Option<ClientInfo>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(required = false)]
    tags: BTreeMap<String, String>,
}

impl Method for History {
    const NAME: &'static str = "history";
    const SUMMARY: &'static str = "What a channel keeps, and where it stands.";
    const GROUP: &'static str = LOOKING;

    type Done = HistoryResult;

    fn channels(&self) -> Vec<&str> {
        vec![&self.channel]
    }

    async fn call(self, api: &Api, _: &Scope) -> Result<HistoryResult, Refusal> {
        api.channel(&self.channel)?;
        Err(Refusal::not_available())
    }
}
