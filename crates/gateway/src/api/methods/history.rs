//! `history`: what a channel keeps.

use std::collections::HashMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use naru_bus::Read;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{
    super::{Api, given, keys::Scope, method::Method, refusal::Refusal},
    LOOKING, is_zero,
    presence::ClientInfo,
    subscribe::StreamPosition,
};
use crate::{
    limits::API_HISTORY_BYTES_MAX,
    namespaces,
    publication::{Envelope, Payload, Said},
};

/// What of which channel.
#[derive(Deserialize, ToSchema)]
#[schema(as = HistoryRequest)]
pub(crate) struct History {
    /// The channel.
    #[serde(default)]
    channel: String,
    /// How many publications at most; 0 or absent for the position alone, negative for all. No more than have 16 MiB are told at once.
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
    #[serde(skip_serializing_if = "HashMap::is_empty")]
    #[schema(required = false)]
    tags: HashMap<String, String>,
    /// When it was published, in milliseconds since 1970, if that is known.
    #[serde(skip_serializing_if = "is_not_known")]
    #[schema(required = false)]
    time: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes what it skips by reference")]
fn is_not_known(time: &i64) -> bool {
    *time == 0
}

/// As it is told; nothing for what is none.
fn publication(offset: u64, payload: &Bytes) -> Option<Publication> {
    let (sender, published) = match Envelope::read(payload) {
        Some(Envelope { sender, what: Said::Published(published) }) => (sender, published),
        Some(Envelope { what: Said::Join | Said::Leave, .. }) => return None,
        None => (None, Payload::of(payload.clone()).into()),
    };
    let data = given::raw(&published.data);
    let b64data = match data {
        Some(_) => String::new(),
        None => BASE64_STANDARD.encode(published.data.bytes()),
    };
    let info = sender.as_ref().map(ClientInfo::from);
    Some(Publication { data, b64data, offset, info, tags: published.tags, time: published.time })
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
        let namespace = api.channel(&self.channel)?.namespace().clone();
        let namespaces::History { meta_ttl, .. } = namespace.history().ok_or(Refusal::not_available())?;
        let reverse = self.reverse.unwrap_or_default();
        if reverse && self.since.as_ref().is_some_and(|since| since.offset == 0) {
            return Err(Refusal::bad("before offset 0 there is nothing"));
        }
        let limit = match self.limit.unwrap_or(0) {
            ..0 => None,
            limit => Some(u32::try_from(limit).unwrap_or(u32::MAX)),
        };
        let since = self.since.as_ref().map(|since| since.offset);
        let read = Read { since, limit, bytes: Some(API_HISTORY_BYTES_MAX), reverse, meta_ttl };
        let page = api.bus.stream(&self.channel, read).await?;
        let epoch = page.top.epoch.as_str();
        if self.since.is_some_and(|since| !since.epoch.is_empty() && since.epoch != epoch) {
            return Err(Refusal::unrecoverable_position());
        }
        let publications =
            page.publications.iter().filter_map(|(offset, payload)| publication(*offset, payload));
        Ok(HistoryResult {
            publications: publications.collect(),
            offset: page.top.offset,
            epoch: epoch.to_owned(),
        })
    }
}
