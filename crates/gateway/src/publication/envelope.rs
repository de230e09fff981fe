//! What gateways write on the broker's channels, so that others see who published, and what is not a publication:
//!
//! ```text
//! {"naru":{"user":"u","client":"c","conn_info":…,"chan_info":…},"data":…,"tags":{…},"time":ms,"delta":true}
//! {"naru":{…},"join":true}
//! {"naru":{…},"leave":true}
//! ```
//!
//! `naru` is `{}` if no client published. What is not JSON is in base64, its member's name has `b64` before it. Clients cannot make
//! one themselves: what they publish is its `data`.

use std::{borrow::Cow, collections::HashMap};

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::payload::Payload;
use crate::protocol::{json, message::ClientInfo};

/// What an envelope begins with; anything else is somebody else's and not tried.
const PREFIX: &[u8] = b"{\"naru\":";

/// Something that a gateway says in a channel.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Envelope {
    /// Which client it is from.
    pub(crate) sender: Option<Sender>,
    pub(crate) what: What,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    Published(Published),
    Join,
    Leave,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Published {
    pub(crate) data: Payload,
    pub(crate) tags: HashMap<String, String>,
    /// Milliseconds since 1970; 0 if nobody has said.
    pub(crate) time: i64,
    /// Whoever has agreed on it gets the difference to the one before.
    pub(crate) delta: bool,
}

/// A client, as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sender {
    pub(crate) user: String,
    pub(crate) client: String,
    /// What is known of the connection, and of its subscription.
    pub(crate) conn_info: Option<Payload>,
    pub(crate) chan_info: Option<Payload>,
}

impl Sender {
    /// As the broker has it of who is present.
    pub(crate) fn write(&self) -> Bytes {
        let mut bytes = Vec::new();
        json::write_whole(&mut bytes, &WrittenWho::from(self));
        bytes.into()
    }

    /// What was written so; only who it is where that cannot be read.
    pub(crate) fn read(client: &str, user: &str, written: &Bytes) -> Sender {
        let who: Who<'_> = serde_json::from_slice(written).unwrap_or_default();
        let (conn_info, chan_info) = who.infos(written);
        Sender { user: user.to_owned(), client: client.to_owned(), conn_info, chan_info }
    }

    /// As clients are told of it that speak Protobuf.
    pub(crate) fn in_protobuf(&self) -> ClientInfo {
        self.told(|info| Some(info.bytes()))
    }

    /// As clients are told of it that speak JSON: without what is not.
    pub(crate) fn in_json(&self) -> ClientInfo {
        self.told(Payload::json)
    }

    /// Whether both are the same.
    pub(crate) fn is_json(&self) -> bool {
        [&self.conn_info, &self.chan_info].into_iter().flatten().all(|info| info.json().is_some())
    }

    fn told(&self, told: impl Fn(&Payload) -> Option<&Bytes>) -> ClientInfo {
        let info = |info: &Option<Payload>| info.as_ref().and_then(&told).cloned().unwrap_or_default();
        ClientInfo {
            user: self.user.clone(),
            client: self.client.clone(),
            conn_info: info(&self.conn_info),
            chan_info: info(&self.chan_info),
        }
    }
}

impl From<Payload> for Published {
    fn from(data: Payload) -> Published {
        Published { data, tags: HashMap::new(), time: 0, delta: false }
    }
}

impl Envelope {
    /// The payload for the broker's channel.
    pub(crate) fn write(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(256);
        json::write_whole(&mut bytes, &Written::from(self));
        bytes.into()
    }

    /// What came over a broker's channel, if a gateway has written it.
    pub(crate) fn read(bytes: &Bytes) -> Option<Envelope> {
        if !bytes.starts_with(PREFIX) {
            return None;
        }
        let read: Read<'_> = serde_json::from_slice(bytes).ok()?;
        let (conn_info, chan_info) = read.naru.infos(bytes);
        let Who { user, client, .. } = read.naru;
        let has_sender = !user.is_empty() || !client.is_empty();
        let sender = has_sender.then_some(Sender { user, client, conn_info, chan_info });
        let what = match part(bytes, read.data, read.b64data.as_deref()) {
            Some(data) => {
                What::Published(Published { data, tags: read.tags, time: read.time, delta: read.delta })
            }
            None if read.join => What::Join,
            None if read.leave => What::Leave,
            None => return None,
        };
        Some(Envelope { sender, what })
    }
}

#[derive(Serialize)]
struct Written<'a> {
    naru: WrittenWho<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    b64data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<&'a HashMap<String, String>>,
    #[serde(skip_serializing_if = "json::is_zero")]
    time: i64,
    #[serde(skip_serializing_if = "json::is_zero")]
    delta: bool,
    #[serde(skip_serializing_if = "json::is_zero")]
    join: bool,
    #[serde(skip_serializing_if = "json::is_zero")]
    leave: bool,
}

#[derive(Default, Serialize)]
struct WrittenWho<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conn_info: Option<&'a Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    b64conn_info: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chan_info: Option<&'a Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    b64chan_info: Option<String>,
}

impl<'a> From<&'a Envelope> for Written<'a> {
    fn from(envelope: &'a Envelope) -> Written<'a> {
        let naru = envelope.sender.as_ref().map_or_else(WrittenWho::default, WrittenWho::from);
        let published = match &envelope.what {
            What::Published(published) => Some(published),
            What::Join | What::Leave => None,
        };
        Written {
            naru,
            data: published.and_then(|published| published.data.json()),
            b64data: published.and_then(|published| published.data.base64()),
            tags: published.map(|published| &published.tags).filter(|tags| !tags.is_empty()),
            time: published.map_or(0, |published| published.time),
            delta: published.is_some_and(|published| published.delta),
            join: envelope.what == What::Join,
            leave: envelope.what == What::Leave,
        }
    }
}

impl<'a> From<&'a Sender> for WrittenWho<'a> {
    fn from(sender: &'a Sender) -> WrittenWho<'a> {
        WrittenWho {
            user: Some(&sender.user),
            client: Some(&sender.client),
            conn_info: sender.conn_info.as_ref().and_then(Payload::json),
            b64conn_info: sender.conn_info.as_ref().and_then(Payload::base64),
            chan_info: sender.chan_info.as_ref().and_then(Payload::json),
            b64chan_info: sender.chan_info.as_ref().and_then(Payload::base64),
        }
    }
}

#[derive(Deserialize)]
struct Read<'a> {
    #[serde(borrow)]
    naru: Who<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    b64data: Option<Cow<'a, str>>,
    #[serde(default)]
    tags: HashMap<String, String>,
    #[serde(default)]
    time: i64,
    #[serde(default)]
    delta: bool,
    #[serde(default)]
    join: bool,
    #[serde(default)]
    leave: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Who<'a> {
    user: String,
    client: String,
    #[serde(borrow, deserialize_with = "present")]
    conn_info: Option<&'a RawValue>,
    #[serde(borrow)]
    b64conn_info: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "present")]
    chan_info: Option<&'a RawValue>,
    #[serde(borrow)]
    b64chan_info: Option<Cow<'a, str>>,
}

impl Who<'_> {
    fn infos(&self, written: &Bytes) -> (Option<Payload>, Option<Payload>) {
        (
            part(written, self.conn_info, self.b64conn_info.as_deref()),
            part(written, self.chan_info, self.b64chan_info.as_deref()),
        )
    }
}

/// A payload that is part of what was written, or in it in base64.
fn part(written: &Bytes, json: Option<&RawValue>, base64: Option<&str>) -> Option<Payload> {
    let part = json.map(|json| Payload::Json(written.slice_ref(json.get().as_bytes())));
    part.or_else(|| Payload::from_base64(base64?))
}

/// A member that is there, also when it is `null`.
fn present<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(conn_info: Option<Payload>) -> Sender {
        Sender { user: "alice".into(), client: "1".into(), conn_info, chan_info: None }
    }

    fn written(envelope: &Envelope) -> String {
        let bytes = envelope.write();
        assert_eq!(Envelope::read(&bytes).as_ref(), Some(envelope));
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn an_envelope_is_read_as_it_was_written() {
        let json = |text: &'static str| Payload::of(Bytes::from_static(text.as_bytes()));
        let data = || What::Published(Published::from(json("{\"a\":1}")));
        assert_eq!(
            written(&Envelope { sender: Some(sender(Some(json("null")))), what: data() }),
            r#"{"naru":{"user":"alice","client":"1","conn_info":null},"data":{"a":1}}"#
        );
        assert_eq!(written(&Envelope { sender: None, what: data() }), r#"{"naru":{},"data":{"a":1}}"#);
        let all = Published {
            data: json("null"),
            tags: HashMap::from([("k".into(), "v".into())]),
            time: 7,
            delta: true,
        };
        assert_eq!(
            written(&Envelope { sender: None, what: What::Published(all) }),
            r#"{"naru":{},"data":null,"tags":{"k":"v"},"time":7,"delta":true}"#
        );
        assert_eq!(
            written(&Envelope { sender: Some(sender(None)), what: What::Join }),
            r#"{"naru":{"user":"alice","client":"1"},"join":true}"#
        );
        assert_eq!(
            written(&Envelope { sender: Some(sender(None)), what: What::Leave }),
            r#"{"naru":{"user":"alice","client":"1"},"leave":true}"#
        );
    }

    #[test]
    fn what_is_no_json_travels_in_base64() {
        let binary = Payload::of(Bytes::from_static(b"\0\xff"));
        let what = What::Published(Published::from(binary.clone()));
        assert_eq!(
            written(&Envelope { sender: Some(sender(Some(binary))), what }),
            r#"{"naru":{"user":"alice","client":"1","b64conn_info":"AP8="},"b64data":"AP8="}"#
        );
    }

    #[test]
    fn what_is_no_envelope_is_somebody_elses() {
        for payload in [
            "",
            "{}",
            r#"{"naru":{}}"#,
            r#"{"naru":1,"data":2}"#,
            r#"{"naru":{},"data":"#,
            r#"{"naru":{},"b64data":"%"}"#,
            r#" {"naru":{},"data":1}"#,
            r#"{"naru":{},"data":1} x"#,
        ] {
            assert_eq!(Envelope::read(&Bytes::from_static(payload.as_bytes())), None, "{payload}");
        }
    }
}
