//! `broadcast`: one publication in many channels.

use std::collections::HashMap;

use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{
    super::{Api, given, keys::Scope, method::Method, refusal::Refusal},
    PUBLISHING,
    publish::{Outgoing, PublishResult},
};
use crate::limits::API_CALLS_AT_ONCE;

/// Something to publish in many channels.
#[derive(Deserialize, ToSchema)]
#[schema(as = BroadcastRequest)]
pub(crate) struct Broadcast {
    /// The channels. In one that is named twice it is published twice, and in that order.
    #[serde(default)]
    channels: Vec<String>,
    /// Any JSON.
    #[serde(default, deserialize_with = "given::json")]
    #[schema(value_type = Option<serde_json::Value>)]
    data: Option<Box<RawValue>>,
    /// Binary data in Base64; counts before `data`.
    b64data: Option<String>,
    /// Only for who is subscribed now: it gets no offset and is not kept.
    skip_history: Option<bool>,
    /// Go along with the publication.
    tags: Option<HashMap<String, String>>,
    /// The same key on the same channel within five minutes publishes nothing there, and answers as the first time.
    idempotency_key: Option<String>,
    /// Subscribers may be sent what has changed against the publication before, instead of all.
    delta: Option<bool>,
    /// In a channel with history nothing is published if this is not higher than the version of its last publication with one. 0: none.
    version: Option<u64>,
    /// Versions of different ones are not compared; without one, with the last whatever it is of. Up to 128 bytes.
    version_epoch: Option<String>,
}

/// What became of it in each channel, in the order of the channels.
#[derive(Serialize, ToSchema)]
pub(crate) struct BroadcastResult {
    responses: Vec<PublishResponse>,
}

/// What became of it in one channel.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PublishResponse {
    Result(PublishResult),
    Error(Refusal),
}

impl Method for Broadcast {
    const NAME: &'static str = "broadcast";
    const SUMMARY: &'static str =
        "Publishes the same data in many channels. One that fails does not stop the others.";
    const GROUP: &'static str = PUBLISHING;

    type Done = BroadcastResult;

    fn channels(&self) -> Vec<&str> {
        self.channels.iter().map(String::as_str).collect()
    }

    async fn call(self, api: &Api, _: &Scope) -> Result<BroadcastResult, Refusal> {
        if self.channels.is_empty() {
            return Err(Refusal::bad("a broadcast names channels"));
        }
        let data = given::payload("data", self.data, self.b64data.as_deref())?;
        let outgoing = Outgoing::new(data, self.tags)?
            .version(self.version, self.version_epoch)
            .skips_history(self.skip_history)
            .wants_delta(self.delta)
            .once(self.idempotency_key);
        let outgoing = &outgoing;
        // They are begun in order, so one channel has its publications in order.
        let responses = stream::iter(self.channels)
            .map(|channel| async move {
                match api.publish(&channel, outgoing).await {
                    Ok(result) => PublishResponse::Result(result),
                    Err(refusal) => PublishResponse::Error(refusal),
                }
            })
            .buffered(API_CALLS_AT_ONCE)
            .collect()
            .await;
        Ok(BroadcastResult { responses })
    }
}
