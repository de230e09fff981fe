//! What clients ask. Unknown members are ignored: SDKs send newer ones.

use std::{borrow::Cow, collections::HashMap};

use serde::{Deserialize, Deserializer, de::IgnoredAny};
use serde_json::value::RawValue;

/// One command of a frame.
#[derive(Debug)]
pub(crate) struct Command<'a> {
    /// Chosen by the client, from 1; 0 for what gets no reply.
    pub(crate) id: u32,
    pub(crate) request: Request<'a>,
}

#[derive(Debug)]
pub(crate) enum Request<'a> {
    Connect(Connect<'a>),
    Subscribe(Subscribe<'a>),
    Unsubscribe(Unsubscribe<'a>),
    Publish(Publish<'a>),
    Rpc(Rpc<'a>),
    Refresh(Refresh<'a>),
    /// The application's message without a reply.
    Send,
    /// The answer to a ping.
    Pong,
    /// What the protocol has and we do not offer.
    NotOffered,
    /// What we do not know.
    Unknown,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Connect<'a> {
    #[serde(borrow)]
    pub(crate) token: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "present")]
    pub(crate) data: Option<&'a RawValue>,
    /// Where the client stands in channels the server subscribed it to before.
    pub(crate) subs: HashMap<String, Standing>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Standing {
    pub(crate) recover: bool,
    pub(crate) epoch: String,
    pub(crate) offset: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Subscribe<'a> {
    #[serde(borrow)]
    pub(crate) channel: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) delta: Cow<'a, str>,
    /// A tags filter.
    pub(crate) tf: Option<IgnoredAny>,
    #[serde(rename = "type")]
    pub(crate) kind: i32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Unsubscribe<'a> {
    #[serde(borrow)]
    pub(crate) channel: Cow<'a, str>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Publish<'a> {
    #[serde(borrow)]
    pub(crate) channel: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "present")]
    pub(crate) data: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Rpc<'a> {
    #[serde(borrow)]
    pub(crate) method: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "present")]
    pub(crate) data: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Refresh<'a> {
    #[serde(borrow)]
    pub(crate) token: Cow<'a, str>,
}

/// As it is on the wire. If more than one request is there, the first in the schema's order counts.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(default)]
    id: u32,
    #[serde(borrow)]
    connect: Option<Connect<'a>>,
    #[serde(borrow)]
    subscribe: Option<Subscribe<'a>>,
    #[serde(borrow)]
    unsubscribe: Option<Unsubscribe<'a>>,
    #[serde(borrow)]
    publish: Option<Publish<'a>>,
    presence: Option<IgnoredAny>,
    presence_stats: Option<IgnoredAny>,
    history: Option<IgnoredAny>,
    ping: Option<IgnoredAny>,
    send: Option<IgnoredAny>,
    #[serde(borrow)]
    rpc: Option<Rpc<'a>>,
    #[serde(borrow)]
    refresh: Option<Refresh<'a>>,
    sub_refresh: Option<IgnoredAny>,
}

/// A member that is there, also when it is `null`.
fn present<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// The commands of one frame, one a line; the last line may be ended. An empty line is a command that cannot be
/// decoded, and so is an empty frame.
pub(crate) fn lines(frame: &[u8]) -> impl Iterator<Item = &[u8]> {
    frame.strip_suffix(b"\n").unwrap_or(frame).split(|byte| *byte == b'\n')
}

/// Reads one command.
pub(crate) fn decode(line: &[u8]) -> serde_json::Result<Command<'_>> {
    let envelope: Envelope<'_> = serde_json::from_slice(line)?;
    let id = envelope.id;
    if id == 0 && envelope.send.is_none() {
        return Ok(Command { id, request: Request::Pong });
    }
    let request = if let Some(connect) = envelope.connect {
        Request::Connect(connect)
    } else if let Some(subscribe) = envelope.subscribe {
        Request::Subscribe(subscribe)
    } else if let Some(unsubscribe) = envelope.unsubscribe {
        Request::Unsubscribe(unsubscribe)
    } else if let Some(publish) = envelope.publish {
        Request::Publish(publish)
    } else if envelope.presence.is_some()
        || envelope.presence_stats.is_some()
        || envelope.history.is_some()
        || envelope.ping.is_some()
    {
        Request::NotOffered
    } else if envelope.send.is_some() {
        Request::Send
    } else if let Some(rpc) = envelope.rpc {
        Request::Rpc(rpc)
    } else if let Some(refresh) = envelope.refresh {
        Request::Refresh(refresh)
    } else if envelope.sub_refresh.is_some() {
        Request::NotOffered
    } else {
        Request::Unknown
    };
    Ok(Command { id, request })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_holds_one_command_a_line() {
        let count = |frame: &str| lines(frame.as_bytes()).count();
        assert_eq!(count("{}"), 1);
        assert_eq!(count("{}\n"), 1);
        assert_eq!(count("{}\n{}\n"), 2);
        let all_good = |frame: &str| lines(frame.as_bytes()).all(|line| decode(line).is_ok());
        assert!(all_good("{}\r\n{\"id\":1}\n"));
        for frame in
            ["", "\n", "{}\n\n", "\n{}", "{}\n\n{}", "{", "[]", "1", "{}{}", "{\"id\":-1}", "{\"id\":\"1\"}"]
        {
            assert!(!all_good(frame), "{frame:?}");
        }
    }

    #[test]
    fn nothing_but_an_id_of_zero_is_a_pong() {
        let request = |line: &'static str| decode(line.as_bytes()).unwrap().request;
        assert!(matches!(request("{}"), Request::Pong));
        assert!(matches!(request(r#"{"rpc":{"method":"a"}}"#), Request::Pong));
        assert!(matches!(request(r#"{"send":{"data":1}}"#), Request::Send));
        assert!(matches!(request(r#"{"id":1}"#), Request::Unknown));
        assert!(matches!(request(r#"{"id":1,"ping":{}}"#), Request::NotOffered));
    }

    #[test]
    fn the_first_request_in_the_schemas_order_counts() {
        let command = decode(br#"{"rpc":{"method":"a"},"id":4294967295,"publish":{"channel":"c"}}"#).unwrap();
        assert_eq!(command.id, u32::MAX);
        assert!(matches!(command.request, Request::Publish(publish) if publish.channel == "c"));
    }

    #[test]
    fn payloads_are_kept_as_they_are_and_null_is_one() {
        let publish = |line: &'static str| match decode(line.as_bytes()).unwrap().request {
            Request::Publish(publish) => publish.data.map(|data| data.get()),
            other => panic!("{other:?}"),
        };
        assert_eq!(publish(r#"{"id":1,"publish":{"data":{"a": 1.50}}}"#), Some(r#"{"a": 1.50}"#));
        assert_eq!(publish(r#"{"id":1,"publish":{"data":null}}"#), Some("null"));
        assert_eq!(publish(r#"{"id":1,"publish":{}}"#), None);
    }

    #[test]
    fn newer_members_are_ignored() {
        let line = br#"{"id":1,"new":{},"connect":{"token":"t","name":"js","flag":9,
            "subs":{"inbox:a":{"recover":true,"offset":3,"epoch":"e","x":1}},"headers":{}}}"#;
        match decode(line).unwrap().request {
            Request::Connect(connect) => {
                assert_eq!(connect.token, "t");
                let standing = &connect.subs["inbox:a"];
                assert_eq!((standing.recover, standing.offset, &*standing.epoch), (true, 3, "e"));
            }
            other => panic!("{other:?}"),
        }
    }
}
