//! What clients ask. Unknown members and fields are ignored: SDKs send newer ones.

use std::collections::HashMap;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize};

use super::{
    json::{self, is_zero},
    message::{Empty, StreamPosition},
};

/// What can be asked by a command, by the names of its members.
pub const COMMANDS: [&str; 12] = [
    "connect",
    "subscribe",
    "unsubscribe",
    "publish",
    "presence",
    "presence_stats",
    "history",
    "ping",
    "send",
    "rpc",
    "refresh",
    "sub_refresh",
];

/// One command. At most one request is set; of several the first in the order of this list counts.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Command {
    /// Chosen by the client, from 1; 0 for what gets no reply.
    #[prost(uint32, tag = "1")]
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) id: u32,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::object")]
    pub(crate) connect: Option<ConnectRequest>,
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::object")]
    pub(crate) subscribe: Option<SubscribeRequest>,
    #[prost(message, optional, tag = "6")]
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::object")]
    pub(crate) unsubscribe: Option<UnsubscribeRequest>,
    #[prost(message, optional, tag = "7")]
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::object")]
    pub(crate) publish: Option<PublishRequest>,
    #[prost(message, optional, tag = "8")]
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::object")]
    pub(crate) presence: Option<PresenceRequest>,
    #[prost(message, optional, tag = "9")]
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::object")]
    pub(crate) presence_stats: Option<PresenceStatsRequest>,
    #[prost(message, optional, tag = "10")]
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::object")]
    pub(crate) history: Option<HistoryRequest>,
    #[prost(message, optional, tag = "11")]
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::object")]
    pub(crate) ping: Option<Empty>,
    #[prost(message, optional, tag = "12")]
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::object")]
    pub(crate) send: Option<SendRequest>,
    #[prost(message, optional, tag = "13")]
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::object")]
    pub(crate) rpc: Option<RpcRequest>,
    #[prost(message, optional, tag = "14")]
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::object")]
    pub(crate) refresh: Option<RefreshRequest>,
    #[prost(message, optional, tag = "15")]
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::object")]
    pub(crate) sub_refresh: Option<SubRefreshRequest>,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ConnectRequest {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) token: String,
    #[prost(bytes = "bytes", tag = "2")]
    #[serde(skip_serializing_if = "Bytes::is_empty", deserialize_with = "json::payload")]
    pub(crate) data: Bytes,
    /// Where the client stands in channels the server subscribed it to before.
    #[prost(map = "string, message", tag = "3")]
    #[serde(skip_serializing_if = "HashMap::is_empty", deserialize_with = "json::map")]
    pub(crate) subs: HashMap<String, SubscribeRequest>,
    #[prost(string, tag = "4")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) name: String,
    #[prost(string, tag = "5")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) version: String,
    /// Headers that the client would have sent if it could.
    #[prost(map = "string, string", tag = "6")]
    #[serde(skip_serializing_if = "HashMap::is_empty", deserialize_with = "json::texts")]
    pub(crate) headers: HashMap<String, String>,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SubscribeRequest {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) channel: String,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) token: String,
    /// What came after the position given is wanted.
    #[prost(bool, tag = "3")]
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) recover: bool,
    #[prost(string, tag = "6")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) epoch: String,
    #[prost(uint64, tag = "7")]
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) offset: u64,
    #[prost(bytes = "bytes", tag = "8")]
    #[serde(skip_serializing_if = "Bytes::is_empty", deserialize_with = "json::payload")]
    pub(crate) data: Bytes,
    #[prost(bool, tag = "9")]
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) positioned: bool,
    #[prost(bool, tag = "10")]
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) recoverable: bool,
    #[prost(bool, tag = "11")]
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) join_leave: bool,
    #[prost(string, tag = "12")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) delta: String,
    /// A tags filter, whatever is in it.
    #[prost(message, optional, tag = "13")]
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "there")]
    pub(crate) tf: Option<Empty>,
    #[prost(int64, tag = "14")]
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) flag: i64,
    #[prost(int32, tag = "15")]
    #[serde(rename = "type", skip_serializing_if = "is_zero")]
    pub(crate) kind: i32,
}

#[derive(Clone, PartialEq, Eq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct UnsubscribeRequest {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) channel: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct PublishRequest {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) channel: String,
    /// Empty if there is none.
    #[prost(bytes = "bytes", tag = "2")]
    #[serde(skip_serializing_if = "Bytes::is_empty", deserialize_with = "json::payload")]
    pub(crate) data: Bytes,
}

#[derive(Clone, PartialEq, Eq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct PresenceRequest {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) channel: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct PresenceStatsRequest {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) channel: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct HistoryRequest {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) channel: String,
    /// How many: 0 for the position only, below for all.
    #[prost(int32, tag = "7")]
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) limit: i32,
    #[prost(message, optional, tag = "8")]
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "json::object")]
    pub(crate) since: Option<StreamPosition>,
    #[prost(bool, tag = "9")]
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) reverse: bool,
}

#[derive(Clone, PartialEq, Eq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SendRequest {
    #[prost(bytes = "bytes", tag = "1")]
    #[serde(skip_serializing_if = "Bytes::is_empty", deserialize_with = "json::payload")]
    pub(crate) data: Bytes,
}

#[derive(Clone, PartialEq, Eq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct RpcRequest {
    /// Empty if there is none.
    #[prost(bytes = "bytes", tag = "1")]
    #[serde(skip_serializing_if = "Bytes::is_empty", deserialize_with = "json::payload")]
    pub(crate) data: Bytes,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) method: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct RefreshRequest {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) token: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SubRefreshRequest {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) channel: String,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) token: String,
    /// What is refreshed; 0 for a subscription.
    #[prost(int32, tag = "3")]
    #[serde(rename = "type", skip_serializing_if = "is_zero")]
    pub(crate) kind: i32,
}

fn there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Empty>, D::Error> {
    Ok(json::there(deserializer)?.map(|()| Empty {}))
}

/// What a command asks.
#[derive(Debug)]
pub(crate) enum Request {
    Connect(ConnectRequest),
    Subscribe(SubscribeRequest),
    Unsubscribe(UnsubscribeRequest),
    Publish(PublishRequest),
    Presence(PresenceRequest),
    PresenceStats(PresenceStatsRequest),
    History(HistoryRequest),
    /// What SDKs can ask and do not.
    Ping,
    /// The application's message without a reply.
    Send,
    Rpc(RpcRequest),
    Refresh(RefreshRequest),
    SubRefresh(SubRefreshRequest),
    /// The answer to a ping.
    Pong,
    /// What we do not know.
    Unknown,
}

impl Command {
    /// What it asks.
    pub(crate) fn request(self) -> Request {
        if self.id == 0 && self.send.is_none() {
            return Request::Pong;
        }
        None.or(self.connect.map(Request::Connect))
            .or(self.subscribe.map(Request::Subscribe))
            .or(self.unsubscribe.map(Request::Unsubscribe))
            .or(self.publish.map(Request::Publish))
            .or(self.presence.map(Request::Presence))
            .or(self.presence_stats.map(Request::PresenceStats))
            .or(self.history.map(Request::History))
            .or(self.ping.map(|_| Request::Ping))
            .or(self.send.map(|_| Request::Send))
            .or(self.rpc.map(Request::Rpc))
            .or(self.refresh.map(Request::Refresh))
            .or(self.sub_refresh.map(Request::SubRefresh))
            .unwrap_or(Request::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use serde::{de::value::Error, forward_to_deserialize_any};

    use super::*;

    /// Reads nothing, but sees what members there are.
    struct Members(&'static [&'static str]);

    impl<'de> Deserializer<'de> for &mut Members {
        type Error = Error;

        fn deserialize_struct<V: serde::de::Visitor<'de>>(
            self,
            _: &'static str,
            members: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Error> {
            self.0 = members;
            Err(serde::de::Error::custom("nothing is read"))
        }

        fn deserialize_any<V: serde::de::Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
            Err(serde::de::Error::custom("a command is a struct"))
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct
            newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }

    #[test]
    fn all_that_can_be_asked_is_listed() {
        let mut members = Members(&[]);
        Command::deserialize(&mut members).unwrap_err();
        assert_eq!(members.0, [&["id"][..], &COMMANDS].concat());
    }
}
