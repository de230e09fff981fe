//! What the application is asked: the bodies of requests, in Centrifugo's form.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use super::heard::Heard;
use crate::protocol::{encoding::Encoding, flavour::Flavour};

/// The connection that something is asked about.
#[derive(Clone)]
pub(crate) struct Caller<'a> {
    pub(crate) client: String,
    pub(crate) flavour: Flavour,
    /// Empty for the anonymous; none for who is not known yet.
    pub(crate) user: Option<&'a str>,
    pub(crate) meta: Option<&'a RawValue>,
    pub(crate) heard: &'a Heard,
}

/// What is asked about it; what is empty is left out.
#[derive(Clone, Copy, Default)]
pub(super) struct Question<'a> {
    pub(super) name: &'a str,
    pub(super) version: &'a str,
    pub(super) channel: &'a str,
    pub(super) method: &'a str,
    pub(super) channels: &'a [&'a str],
    pub(super) data: Option<&'a Bytes>,
}

#[derive(Serialize)]
struct Body<'a> {
    client: &'a str,
    transport: &'a str,
    protocol: &'a str,
    encoding: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    version: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    channel: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    method: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    channels: &'a [&'a str],
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    b64data: Option<String>,
}

impl Caller<'_> {
    /// The body of a request. `is_binary` if payloads go as base64; those that are not JSON do in any case.
    pub(super) fn body(&self, question: Question<'_>, includes_meta: bool, is_binary: bool) -> Bytes {
        let given = question.data.filter(|data| !data.is_empty());
        let data = given.filter(|_| !is_binary).and_then(|data| serde_json::from_slice(data).ok());
        let body = Body {
            client: &self.client,
            transport: transport(self.flavour),
            protocol: match self.flavour.encoding() {
                Encoding::Json => "json",
                Encoding::Protobuf => "protobuf",
            },
            encoding: if is_binary { "binary" } else { "json" },
            user: self.user,
            name: question.name,
            version: question.version,
            channel: question.channel,
            method: question.method,
            channels: question.channels,
            meta: self.meta.filter(|_| includes_meta),
            data,
            b64data: given.filter(|_| data.is_none()).map(|data| STANDARD.encode(data)),
        };
        serde_json::to_vec(&body).expect("it has text keys and no failing parts").into()
    }
}

/// As Centrifugo calls it.
fn transport(flavour: Flavour) -> &'static str {
    match flavour {
        Flavour::WebSocketJson | Flavour::WebSocketProtobuf => "websocket",
        Flavour::StreamJson | Flavour::StreamProtobuf => "http_stream",
        Flavour::Events => "sse",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_goes_as_json_or_as_base64() {
        let heard = Heard::default();
        let caller = Caller {
            client: "c".into(),
            flavour: Flavour::WebSocketProtobuf,
            user: Some(""),
            meta: None,
            heard: &heard,
        };
        let body = |data: &'static [u8], is_binary| {
            let data = Bytes::from_static(data);
            let body = caller.body(Question { data: Some(&data), ..Question::default() }, true, is_binary);
            String::from_utf8(body.to_vec()).unwrap()
        };
        let head = r#"{"client":"c","transport":"websocket","protocol":"protobuf","encoding":"#;
        assert_eq!(body(b"[1]", false), format!(r#"{head}"json","user":"","data":[1]}}"#));
        assert_eq!(body(b"[1]", true), format!(r#"{head}"binary","user":"","b64data":"WzFd"}}"#));
        assert_eq!(body(&[0, 1], false), format!(r#"{head}"json","user":"","b64data":"AAE="}}"#));
        assert_eq!(body(b"", false), format!(r#"{head}"json","user":""}}"#));
    }
}
