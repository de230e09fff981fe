//! What clients are told. Zero values are left out, with the exceptions the protocol names.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::codes::Refused;

/// The answer to the command of that id.
#[derive(Serialize)]
pub(crate) struct Reply {
    pub(crate) id: u32,
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
}

/// What became of a command; an empty result is there nevertheless.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Error(Refused),
    Connect(Box<ConnectResult>),
    Subscribe(SubscribeResult),
    Unsubscribe(Empty),
    Publish(Empty),
    Rpc(RpcResult),
    Refresh(RefreshResult),
}

/// `{}`
#[derive(Serialize)]
pub(crate) struct Empty {}

#[derive(Serialize)]
pub(crate) struct ConnectResult {
    pub(crate) client: String,
    pub(crate) version: &'static str,
    #[serde(flatten)]
    pub(crate) expiry: Expiry,
    pub(crate) data: ServerData,
    pub(crate) subs: BTreeMap<String, SubscribeResult>,
    /// Seconds.
    pub(crate) ping: u64,
    pub(crate) pong: bool,
}

/// What Naru says of itself at connect.
#[derive(Serialize)]
pub(crate) struct ServerData {
    pub(crate) server: String,
}

/// Whether and when a connection ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Expiry {
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) expires: bool,
    /// Seconds.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) ttl: u64,
}

#[derive(Default, Serialize)]
pub(crate) struct SubscribeResult {
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) recoverable: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) epoch: String,
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) recovered: bool,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) offset: u64,
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) positioned: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) was_recovering: bool,
}

#[derive(Serialize)]
pub(crate) struct RpcResult {
    pub(crate) data: Box<RawValue>,
}

#[derive(Serialize)]
pub(crate) struct RefreshResult {
    pub(crate) client: String,
    pub(crate) version: &'static str,
    #[serde(flatten)]
    pub(crate) expiry: Expiry,
}

/// What comes without being asked for.
#[derive(Serialize)]
pub(crate) struct Pushed<'a, D> {
    push: Push<'a, D>,
}

#[derive(Serialize)]
struct Push<'a, D> {
    #[serde(skip_serializing_if = "str::is_empty")]
    channel: &'a str,
    #[serde(flatten)]
    what: What<'a, D>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum What<'a, D> {
    #[serde(rename = "pub")]
    Publication(Publication<'a, D>),
    Subscribe(Subscribed<'a>),
    Unsubscribe(Unsubscribed),
    Refresh(Expiry),
}

/// What comes with a subscription that the server begins.
#[derive(Default, Serialize)]
struct Subscribed<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
}

/// Why the server has ended a subscription.
#[derive(Serialize)]
struct Unsubscribed {
    code: u16,
    reason: &'static str,
}

#[derive(Serialize)]
struct Publication<'a, D> {
    data: D,
    #[serde(skip_serializing_if = "Option::is_none")]
    info: Option<&'a ClientInfo>,
    #[serde(skip_serializing_if = "is_zero")]
    offset: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<&'a BTreeMap<String, String>>,
}

/// Who published; `user` and `client` are always written.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ClientInfo {
    pub(crate) user: String,
    pub(crate) client: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) conn_info: Option<Box<RawValue>>,
}

impl<'a, D: Serialize> Pushed<'a, D> {
    /// A publication in a channel that keeps nothing.
    pub(crate) fn live(channel: &'a str, data: D, info: Option<&'a ClientInfo>) -> Self {
        Pushed::publication(channel, Publication { data, info, offset: 0, tags: None })
    }

    /// A publication of an inbox. What moves no position has the offset of the one before, which is left out if that is 0.
    pub(crate) fn positioned(channel: &'a str, data: D, offset: u64) -> Self {
        Pushed::publication(channel, Publication { data, info: None, offset, tags: None })
    }

    /// The same, with what its publisher sends along.
    pub(crate) fn with_tags(mut self, tags: &'a BTreeMap<String, String>) -> Self {
        if let What::Publication(publication) = &mut self.push.what {
            publication.tags = Some(tags).filter(|tags| !tags.is_empty());
        }
        self
    }

    fn publication(channel: &'a str, publication: Publication<'a, D>) -> Self {
        Pushed { push: Push { channel, what: What::Publication(publication) } }
    }
}

impl<'a> Pushed<'a, ()> {
    /// The server has subscribed the client to a channel that keeps nothing.
    pub(crate) fn subscribe(channel: &'a str) -> Self {
        Pushed { push: Push { channel, what: What::Subscribe(Subscribed::default()) } }
    }

    /// The same, with what the application gives along.
    pub(crate) fn subscribe_with(channel: &'a str, data: Option<&'a RawValue>) -> Self {
        Pushed { push: Push { channel, what: What::Subscribe(Subscribed { data }) } }
    }

    /// The server has moved when the connection ends.
    pub(crate) fn refresh(expiry: Expiry) -> Self {
        Pushed { push: Push { channel: "", what: What::Refresh(expiry) } }
    }

    /// The server has ended that, for good.
    pub(crate) fn unsubscribe(channel: &'a str) -> Self {
        let unsubscribed = Unsubscribed { code: 2000, reason: "server unsubscribe" };
        Pushed { push: Push { channel, what: What::Unsubscribe(unsubscribed) } }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes what it skips by reference")]
fn is_false(value: &bool) -> bool {
    !value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes what it skips by reference")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes::Code;

    fn json(value: impl Serialize) -> String {
        serde_json::to_string(&value).unwrap()
    }

    #[test]
    fn an_empty_result_is_still_there() {
        let reply = |outcome| json(Reply { id: 7, outcome });
        assert_eq!(reply(Outcome::Publish(Empty {})), r#"{"id":7,"publish":{}}"#);
        assert_eq!(reply(Outcome::Subscribe(SubscribeResult::default())), r#"{"id":7,"subscribe":{}}"#);
        assert_eq!(
            reply(Outcome::Error(Code::UnknownChannel.into())),
            r#"{"id":7,"error":{"code":102,"message":"unknown channel"}}"#
        );
        let data = RawValue::from_string(r#"{"offset": 1.0}"#.into()).unwrap();
        assert_eq!(reply(Outcome::Rpc(RpcResult { data })), r#"{"id":7,"rpc":{"data":{"offset": 1.0}}}"#);
    }

    #[test]
    fn zero_values_are_left_out() {
        let result = ConnectResult {
            client: "c".into(),
            version: "Naru",
            expiry: Expiry::default(),
            data: ServerData { server: "s".into() },
            subs: BTreeMap::from([(
                "inbox:a".into(),
                SubscribeResult {
                    recoverable: true,
                    positioned: true,
                    epoch: "e".into(),
                    ..Default::default()
                },
            )]),
            ping: 25,
            pong: true,
        };
        assert_eq!(
            json(result),
            r#"{"client":"c","version":"Naru","data":{"server":"s"},"subs":{"inbox:a":{"recoverable":true,"epoch":"e","positioned":true}},"ping":25,"pong":true}"#
        );
    }

    #[test]
    fn a_publication_before_the_first_has_no_offset() {
        let at = |offset| json(Pushed::positioned("inbox:a", 1, offset));
        assert_eq!(at(0), r#"{"push":{"channel":"inbox:a","pub":{"data":1}}}"#);
        assert_eq!(at(2), r#"{"push":{"channel":"inbox:a","pub":{"data":1,"offset":2}}}"#);
    }

    #[test]
    fn the_servers_own_subscriptions_begin_and_end() {
        assert_eq!(json(Pushed::subscribe("room:a")), r#"{"push":{"channel":"room:a","subscribe":{}}}"#);
        assert_eq!(
            json(Pushed::unsubscribe("room:a")),
            r#"{"push":{"channel":"room:a","unsubscribe":{"code":2000,"reason":"server unsubscribe"}}}"#
        );
    }
}
