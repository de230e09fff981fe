//! `publish`, and what `broadcast` has in common with it.

use std::collections::HashMap;

use bytes::Bytes;
use naru_bus::{Keep, Once, Version};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{
    super::{Api, given, keys::Scope, method::Method, refusal::Refusal},
    PUBLISHING, is_zero,
};
use crate::{
    auth::unix_millis,
    limits::IDEMPOTENCY_WINDOW,
    namespaces::History,
    publication::{Envelope, Payload, Published, Said},
};

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
    tags: Option<HashMap<String, String>>,
    /// The same key on the same channel within five minutes publishes nothing, and answers as the first time.
    idempotency_key: Option<String>,
    /// Subscribers may be sent what has changed against the publication before, instead of all.
    delta: Option<bool>,
    /// In a channel with history nothing is published if this is not higher than the version of the last publication with one. 0: none.
    version: Option<u64>,
    /// Versions of different ones are not compared; without one, with the last whatever it is of. Up to 128 bytes.
    version_epoch: Option<String>,
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
    /// As it goes to the broker; and so that subscribers may be sent the difference.
    whole: Bytes,
    delta: Bytes,
    data: Payload,
    skip_history: bool,
    wants_delta: bool,
    once: Option<Once>,
    version: Option<Version>,
}

impl Outgoing {
    pub(super) fn new(
        data: Option<Payload>,
        tags: Option<HashMap<String, String>>,
    ) -> Result<Outgoing, Refusal> {
        // Whether there has to be something is the namespace's to say.
        let data = data.unwrap_or_else(|| Payload::Binary(Bytes::new()));
        let tags = tags.unwrap_or_default();
        let published = Published { tags, time: unix_millis(), ..Published::from(data.clone()) };
        let written = |published| Envelope { sender: None, what: Said::Published(published) }.write();
        let delta = written(Published { delta: true, ..published.clone() });
        Api::check_size(delta.len())?;
        let whole = written(published);
        Ok(Outgoing {
            whole,
            delta,
            data,
            skip_history: false,
            wants_delta: false,
            once: None,
            version: None,
        })
    }

    pub(super) fn skips_history(self, skip_history: Option<bool>) -> Outgoing {
        Outgoing { skip_history: skip_history.unwrap_or_default(), ..self }
    }

    pub(super) fn wants_delta(self, delta: Option<bool>) -> Outgoing {
        Outgoing { wants_delta: delta.unwrap_or_default(), ..self }
    }

    pub(super) fn version(self, number: Option<u64>, epoch: Option<String>) -> Outgoing {
        let number = number.filter(|number| *number > 0);
        let version = number.map(|number| Version { number, epoch: epoch.unwrap_or_default() });
        Outgoing { version, ..self }
    }

    pub(super) fn once(self, key: Option<String>) -> Outgoing {
        let key = key.filter(|key| !key.is_empty());
        Outgoing { once: key.map(|key| Once { key, window: IDEMPOTENCY_WINDOW }), ..self }
    }
}

impl Api {
    /// Publishes; answers when the broker has it.
    pub(super) async fn publish(&self, channel: &str, outgoing: &Outgoing) -> Result<PublishResult, Refusal> {
        let found = self.channel(channel)?;
        let namespace = found.namespace();
        namespace.publication_data_format.check(outgoing.data.bytes())?;
        let is_delta = outgoing.wants_delta || namespace.delta_publish;
        let payload = if is_delta { &outgoing.delta } else { &outgoing.whole }.clone();
        let history = namespace.history().filter(|_| !outgoing.skip_history);
        let keep = match (history, &outgoing.once) {
            (Some(History { size, ttl, meta_ttl }), _) => Keep { size, ttl, meta_ttl },
            // Nothing is kept but what was answered.
            (None, Some(once)) => Keep { size: 0, ttl: once.window, meta_ttl: once.window },
            (None, None) => {
                self.bus.publish(channel, payload).await?;
                namespace.counted.published(outgoing.data.bytes().len());
                return Ok(PublishResult::default());
            }
        };
        let (once, version) = (outgoing.once.clone(), outgoing.version.clone());
        let kept = self.bus.publish_version(channel, payload, keep, once, version).await?;
        if !kept.repeat {
            namespace.counted.published(outgoing.data.bytes().len());
        }
        Ok(kept.position.map_or_else(PublishResult::default, |position| PublishResult {
            offset: position.offset,
            epoch: position.epoch.as_str().to_owned(),
        }))
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
        let data = given::payload("data", self.data, self.b64data.as_deref())?;
        let outgoing = Outgoing::new(data, self.tags)?
            .version(self.version, self.version_epoch)
            .skips_history(self.skip_history)
            .wants_delta(self.delta)
            .once(self.idempotency_key);
        api.publish(&self.channel, &outgoing).await
    }
}
