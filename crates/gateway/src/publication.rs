//! What is published through the fan-out: frames made once, for all clients on all cores. And what gateways write on
//! the broker's channels, so that others see who published.

use std::sync::Arc;

use bytes::Bytes;
use naru_bus::first::Entry;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    limits::LIVE_BYTES_MAX,
    protocol::{
        compact::compact,
        frame,
        reply::{ClientInfo, MessageData, Pushed},
    },
};

/// A finished frame, and what a session has to know to pass it on.
#[derive(Clone)]
pub(crate) struct Publication {
    channel: Bytes,
    pub(crate) frame: Bytes,
    pub(crate) kind: Kind,
}

#[derive(Clone)]
pub(crate) enum Kind {
    /// Of a channel that keeps nothing.
    Live,
    /// Of an inbox.
    Inbox { epoch: Arc<str>, offset: u64 },
}

impl naru_fanout::Publication for Publication {
    fn channel(&self) -> &[u8] {
        &self.channel
    }

    fn bytes(&self) -> usize {
        self.frame.len()
    }
}

/// Why a payload on a broker's channel reaches no client.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum Undeliverable {
    #[error("it is not UTF-8, and clients speak JSON")]
    NotText,
    #[error("it has more than the {LIVE_BYTES_MAX} bytes that may wait for a client")]
    TooLarge,
}

/// What a gateway publishes. Clients cannot make one themselves: what they publish is its `data`.
#[derive(Serialize, Deserialize)]
struct Signed<'a> {
    naru: ClientInfo,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// What [`Signed`] begins with; anything else is somebody else's and not tried.
const SIGNED_PREFIX: &[u8] = b"{\"naru\":";

/// The payload for the broker's channel.
pub(crate) fn signed(info: ClientInfo, data: &RawValue) -> Bytes {
    serde_json::to_vec(&Signed { naru: info, data }).expect("names and JSON can be written as JSON").into()
}

/// What came over a broker's channel, for its subscribers: from a gateway with who published it; other JSON as it
/// is; other text, as `PUBLISH public:news hi` sends it, as a JSON string.
pub(crate) fn live(channel: &str, payload: &[u8]) -> Result<Publication, Undeliverable> {
    let frame = if let Some(signed) = read_signed(payload) {
        frame::text(&Pushed::live(channel, compact(signed.data), Some(&signed.naru)))
    } else if let Ok(data) = serde_json::from_slice::<&RawValue>(payload) {
        frame::text(&Pushed::live(channel, compact(data), None))
    } else {
        let text = std::str::from_utf8(payload).map_err(|_| Undeliverable::NotText)?;
        frame::text(&Pushed::live(channel, text, None))
    };
    if frame.len() > LIVE_BYTES_MAX {
        return Err(Undeliverable::TooLarge);
    }
    Ok(Publication { channel: Bytes::copy_from_slice(channel.as_bytes()), frame, kind: Kind::Live })
}

fn read_signed(payload: &[u8]) -> Option<Signed<'_>> {
    if !payload.starts_with(SIGNED_PREFIX) {
        return None;
    }
    serde_json::from_slice(payload).ok()
}

/// An inbox's entry, for that user's sessions.
pub(crate) fn inbox(channel: &str, epoch: &Arc<str>, offset: u64, entry: &Entry) -> Publication {
    let frame = frame::text(&Pushed::positioned(channel, MessageData::from(entry), offset, epoch));
    let channel = Bytes::copy_from_slice(channel.as_bytes());
    Publication { channel, frame, kind: Kind::Inbox { epoch: epoch.clone(), offset } }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed(payload: &[u8]) -> String {
        let publication = live("public:a", payload).unwrap();
        let text = String::from_utf8_lossy(&publication.frame).into_owned();
        text[text.find('{').unwrap()..].to_owned()
    }

    #[test]
    fn what_a_gateway_publishes_says_who_published_it() {
        let info = ClientInfo { user: "alice".into(), client: "1".into(), conn_info: None };
        let data: Box<RawValue> = serde_json::from_str("{\"text\":\n\"hi\"}").unwrap();
        assert_eq!(
            pushed(&signed(info, &data)),
            r#"{"push":{"channel":"public:a","pub":{"data":{"text":"hi"},"info":{"user":"alice","client":"1"}}}}"#
        );
    }

    #[test]
    fn what_others_publish_arrives_as_json_or_as_text() {
        for (payload, data) in [
            ("hi", r#""hi""#),
            ("{\"a\": 1}", "{\"a\": 1}"),
            (" 7\n", "7"),
            ("[1,\n2]", "[1,2]"),
            ("", r#""""#),
            ("line\nbreak \"quoted\"", r#""line\nbreak \"quoted\"""#),
            ("{\"naru\":{}", r#""{\"naru\":{}""#),
            ("{\"naru\":1,\"data\":2}", "{\"naru\":1,\"data\":2}"),
            ("나루", "\"나루\""),
        ] {
            assert_eq!(
                pushed(payload.as_bytes()),
                format!(r#"{{"push":{{"channel":"public:a","pub":{{"data":{data}}}}}}}"#),
                "{payload:?}"
            );
        }
    }

    #[test]
    fn what_no_client_could_read_reaches_none() {
        assert_eq!(live("public:a", b"\xff\xfe").err(), Some(Undeliverable::NotText));
        let large = "x".repeat(LIVE_BYTES_MAX);
        assert_eq!(live("public:a", large.as_bytes()).err(), Some(Undeliverable::TooLarge));
    }

    #[test]
    fn a_client_cannot_speak_as_somebody_else() {
        let info = ClientInfo { user: "mallory".into(), client: "1".into(), conn_info: None };
        let forged: Box<RawValue> =
            serde_json::from_str(r#"{"naru":{"user":"alice","client":"2"},"data":1}"#).unwrap();
        let seen = pushed(&signed(info, &forged));
        assert!(seen.contains(r#""info":{"user":"mallory","client":"1"}"#), "{seen}");
    }
}
