//! `publish`, and what `broadcast` has in common with it.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{
    super::{Api, given, keys::Scope, method::Method, refusal::Refusal},
    PUBLISHING, is_zero,
};
use crate::publication;

/// Something to publish in a channel.
#[derive(Deserialize, ToSchema)]
#[schema(as = PublishRequest)]
pub(crate) struct Publish {
    /// The channel.
    #[serde(default)]
    channel: String,
    /// Any JSON.
    #[serde(default, deserialize_with = "given::json")]
    #[schema(value_type = Option<serde_json::Value>)]
    data: Option<Box<RawValue>>,
    /// Binary data in Base64; counts before `data`.
    b64data: Option<String>,
    /// Only for who is subscribed now: it gets no offset and is not kept.
    skip_history: Option<bool>,
    /// Go along with the publication.
    tags: Option<BTreeMap<String, String>>,
    /// The same key on the same channel within five minutes publishes nothing, and answers as the first time.
    idempotency_key: Option<String>,
    /// Subscribers may be sent what has changed against the publication before, instead of all.
    delta: Option<bool>,
    /// Not available.
    version: Option<u64>,
}

/// Where a publication stands. Both are left out in a channel that keeps nothing.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct PublishResult {
    /// The publication's number in its channel.
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(required = false)]
    offset: u64,
    /// What the numbers are of: a channel that is forgotten begins another.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schema(required = false)]
    epoch: String,
}

/// What is published in one channel or in many.
pub(super) struct Outgoing {
    /// As it goes to the broker.
    payload: Bytes,
    skip_history: bool,
    idempotency_key: Option<String>,
}

impl Outgoing {
    pub(super) fn new(
        (data, b64data): (Option<Box<RawValue>>, Option<&str>),
        tags: Option<BTreeMap<String, String>>,
        delta: Option<bool>,
        version: Option<u64>,
    ) -> Result<Outgoing, Refusal> {
        if version.is_some_and(|version| version > 0) {
            return Err(Refusal::not_available());
        }
        let data = given::payload("data", data, b64data)?;
        let data = data.ok_or_else(|| Refusal::bad("a publication has data or b64data"))?;
        let payload = publication::from_server(&data, &tags.unwrap_or_default(), delta.unwrap_or_default());
        Api::check_size(payload.len())?;
        Ok(Outgoing { payload, skip_history: false, idempotency_key: None })
    }

    pub(super) fn skips_history(self, skip_history: Option<bool>) -> Outgoing {
        Outgoing { skip_history: skip_history.unwrap_or_default(), ..self }
    }

    pub(super) fn once(self, key: Option<String>) -> Outgoing {
        Outgoing { idempotency_key: key.filter(|key| !key.is_empty()), ..self }
    }
}

impl Api {
    /// Publishes; answers when the broker has it.
    pub(super) async fn publish(&self, channel: &str, outgoing: &Outgoing) -> Result<PublishResult, Refusal> {
        self.channel(channel)?;
        // Until the broker keeps channels, nobody could tell a repeat.
        if outgoing.idempotency_key.is_some() {
            return Err(Refusal::not_available());
        }
        let _ = outgoing.skip_history;
        self.bus.publish(channel, outgoing.payload.clone()).await?;
        Ok(PublishResult::default())
    }
}

impl Method for Publish {
    const NAME: &'static str = "publish";
    const SUMMARY: &'static str = "Publishes data in a channel. Answered when the broker has it.";
    const GROUP: &'static str = PUBLISHING;

    type Done = PublishResult;

    fn channels(&self) -> Vec<&str> {
        vec![&self.channel]
    }

    async fn call(self, api: &Api, _: &Scope) -> Result<PublishResult, Refusal> {
        let outgoing =
            Outgoing::new((self.data, self.b64data.as_deref()), self.tags, self.delta, self.version)?
                .skips_history(self.skip_history)
                .once(self.idempotency_key);
        api.publish(&self.channel, &outgoing).await
    }
}
