//! What is published through the fan-out: frames made once, for all clients on all cores. And what gateways write on
//! the broker's channels, so that others see who published.

use std::collections::BTreeMap;

use bytes::Bytes;
use naru_bus::Delivery;
use naru_ledger::{Seq, Useq, answer::PointerKind, json::To};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::{
    channels::inbox_of,
    limits::LIVE_BYTES_MAX,
    nodes::{Base64, Payload},
    protocol::{
        compact::compact,
        data, frame,
        reply::{ClientInfo, Pushed},
    },
    reached::ConversationKey,
};

/// A finished frame, and what a session has to know to pass it on.
#[derive(Clone)]
pub(crate) struct Publication {
    channel: Bytes,
    pub(crate) frame: Bytes,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// Of a channel that keeps nothing.
    Live,
    /// Of an inbox.
    Inbox(Change),
    /// Of a room that is followed by its channel: the entry with this number. Without a frame it is to be looked at in the log.
    Room(Seq),
}

/// What has come into an inbox.
#[derive(Clone, Copy)]
pub(crate) struct Change {
    /// Its number; 0 if it is not known.
    pub(crate) useq: Useq,
    /// Where, and up to which entry.
    pub(crate) conversation: ConversationKey,
    pub(crate) seq: Seq,
    /// The frame has all of it. Otherwise there is none, and it is read.
    pub(crate) is_whole: bool,
    /// It may change which rooms the user follows by their channel.
    pub(crate) turns: bool,
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

/// What an application's server publishes: nobody's.
#[derive(Serialize, Deserialize)]
struct Unsigned<'a> {
    naru: Nobody,
    #[serde(borrow, default, deserialize_with = "is_there", skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    b64data: Option<Base64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    delta: bool,
}

/// Data that is there is data, `null` too.
fn is_there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// `{}`
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nobody {}

/// The payload for the broker's channel of what an application's server publishes.
pub(crate) fn from_server(data: &Payload, tags: &BTreeMap<String, String>, delta: bool) -> Bytes {
    let (data, b64data) = match data {
        Payload::Json(json) => (Some(&**json), None),
        Payload::Binary(bytes) => (None, Some(bytes.clone())),
    };
    let unsigned = Unsigned { naru: Nobody {}, data, b64data, tags: tags.clone(), delta };
    serde_json::to_vec(&unsigned).expect("names and JSON can be written as JSON").into()
}

/// What came over a broker's channel, for its subscribers: from a gateway with who published it; other JSON as it
/// is; other text, as `PUBLISH public:news hi` sends it, as a JSON string.
pub(crate) fn live(channel: &str, payload: &[u8]) -> Result<Publication, Undeliverable> {
    let frame = if let Some(signed) = read_signed(payload) {
        frame::text(&Pushed::live(channel, compact(signed.data), Some(&signed.naru)))
    } else if let Some(unsigned) = read_unsigned(payload) {
        let data = unsigned.data.ok_or(Undeliverable::NotText)?;
        frame::text(&Pushed::live(channel, compact(data), None).with_tags(&unsigned.tags))
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

fn read_unsigned(payload: &[u8]) -> Option<Unsigned<'_>> {
    if !payload.starts_with(SIGNED_PREFIX) {
        return None;
    }
    serde_json::from_slice(payload).ok()
}

/// What has come into a user's inbox, for their sessions. `data` is the entry as they see it.
pub(crate) fn inbox(
    delivery: &Delivery,
    told: &To,
    data: impl FnOnce() -> Option<Box<RawValue>>,
) -> Publication {
    let To { user, useq, after } = told;
    let channel = inbox_of(user.as_str());
    let entry = delivery.entry.as_ref();
    // One entry and no more: the one before it is not new.
    let is_whole = entry.is_some_and(|entry| *after < entry.seq && entry.prev <= *after);
    let data = if is_whole { data() } else { None };
    let frame = data.map_or_else(Bytes::new, |data| frame::text(&Pushed::positioned(&channel, data, useq.0)));
    let turns = match (delivery.kind, entry) {
        (PointerKind::Entry(kind), Some(entry)) => data::turns(kind, &entry.sender, user),
        (PointerKind::Entry(_), None) | (PointerKind::Read | PointerKind::Mention, _) => false,
    };
    let change = Change {
        useq: *useq,
        conversation: (&delivery.conversation).into(),
        seq: delivery.seq,
        is_whole: !frame.is_empty(),
        turns,
    };
    Publication { channel: channel.into(), frame, kind: Kind::Inbox(change) }
}

/// What has come into a room, for those who follow it by its channel.
pub(crate) fn room(delivery: &Delivery, data: Option<Box<RawValue>>) -> Publication {
    let channel = delivery.conversation.as_str();
    let frame = data.map_or_else(Bytes::new, |data| frame::text(&Pushed::live(channel, data, None)));
    let channel = Bytes::copy_from_slice(channel.as_bytes());
    Publication { channel, frame, kind: Kind::Room(delivery.seq) }
}

#[cfg(test)]
mod tests {
    use naru_ledger::{
        Conversation, Millis, Role, User,
        answer::{Content, Entry},
    };

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
            (r#"{"naru":{},"data":{"a":1}}"#, r#"{"a":1}"#),
            (r#"{"naru":{},"data":null}"#, "null"),
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

    fn delivery(prev: u64, after: u64) -> Publication {
        let bob = User::parse("bob").unwrap();
        let conversation = Conversation::parse("room:a").unwrap();
        let entry = Entry {
            conversation: conversation.clone(),
            seq: Seq(7),
            prev: Seq(prev),
            count: 5,
            at: Millis(9),
            sender: bob.clone(),
            client_id: None,
            content: Content::Join { role: Role::Member },
        };
        let told = To { user: bob, useq: Useq(41), after: Seq(after) };
        let kind = PointerKind::Entry(entry.kind());
        let delivery = Delivery { conversation, seq: Seq(7), kind, to: Vec::new(), entry: Some(entry) };
        inbox(&delivery, &told, || RawValue::from_string("{}".into()).ok())
    }

    #[test]
    fn an_inbox_gets_at_once_what_is_one_entry_and_no_more() {
        let is_whole =
            |prev, after| matches!(delivery(prev, after).kind, Kind::Inbox(change) if change.is_whole);
        assert!(is_whole(6, 6));
        assert!(is_whole(3, 6), "after a jump");
        assert!(!is_whole(6, 5), "one before it is new as well");
        assert!(!is_whole(6, 7), "only what is unread has changed");
        assert!(delivery(6, 5).frame.is_empty());
        let publication = delivery(6, 6);
        let text = String::from_utf8_lossy(&publication.frame).into_owned();
        assert!(
            text.ends_with(r#"{"push":{"channel":"inbox:bob","pub":{"data":{},"offset":41}}}"#),
            "{text}"
        );
        assert!(matches!(publication.kind, Kind::Inbox(change) if change.turns), "bob himself has joined");
    }
}
