//! What clients are told. Zero values are left out, with the exceptions the protocol names.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Serialize, Serializer};

use super::{
    json::is_zero,
    message::{ClientInfo, Empty, Error, Publication},
    push::Push,
};

/// A message to a client: the answer to the command of that id, or a push, or nothing: a ping.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
pub(crate) struct Reply {
    #[prost(uint32, tag = "1")]
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) id: u32,
    #[prost(oneof = "Outcome", tags = "2, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15")]
    #[serde(flatten)]
    pub(crate) outcome: Option<Outcome>,
}

/// What became of a command; an empty result is there nevertheless. Or what nobody asked for.
#[derive(Clone, PartialEq, prost::Oneof, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    #[prost(message, tag = "2")]
    Error(Error),
    #[prost(message, tag = "4")]
    Push(Push),
    #[prost(message, tag = "5")]
    Connect(Box<ConnectResult>),
    #[prost(message, tag = "6")]
    Subscribe(SubscribeResult),
    #[prost(message, tag = "7")]
    Unsubscribe(Empty),
    #[prost(message, tag = "8")]
    Publish(Empty),
    #[prost(message, tag = "9")]
    Presence(PresenceResult),
    #[prost(message, tag = "10")]
    PresenceStats(PresenceStatsResult),
    #[prost(message, tag = "11")]
    History(HistoryResult),
    #[prost(message, tag = "13")]
    Rpc(RpcResult),
    #[prost(message, tag = "14")]
    Refresh(RefreshResult),
    #[prost(message, tag = "15")]
    SubRefresh(SubRefreshResult),
}

#[derive(Clone, PartialEq, prost::Message, Serialize)]
pub(crate) struct ConnectResult {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) client: String,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) version: String,
    #[prost(bool, tag = "3")]
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) expires: bool,
    /// Seconds.
    #[prost(uint32, tag = "4")]
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) ttl: u32,
    #[prost(bytes = "bytes", tag = "5")]
    #[serde(skip_serializing_if = "Bytes::is_empty")]
    pub(crate) data: Bytes,
    /// A map by channel, in both encodings.
    #[prost(message, repeated, tag = "6")]
    #[serde(serialize_with = "by_channel", skip_serializing_if = "Vec::is_empty")]
    pub(crate) subs: Vec<ServerSide>,
    /// Seconds.
    #[prost(uint32, tag = "7")]
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) ping: u32,
    #[prost(bool, tag = "8")]
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) pong: bool,
    /// The secret by which commands that come by themselves find this connection.
    #[prost(string, tag = "9")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) session: String,
    /// The server that holds it.
    #[prost(string, tag = "10")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) node: String,
    /// Milliseconds since 1970.
    #[prost(int64, tag = "11")]
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) time: i64,
}

/// A channel that the server subscribes to, as an entry of a map. Protobuf lets an entry's empty result be left out, and
/// prost leaves it out of its maps, but not all SDKs read that: centrifuge-go panics.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ServerSide {
    #[prost(string, required, tag = "1")]
    pub(crate) channel: String,
    #[prost(message, required, tag = "2")]
    pub(crate) result: SubscribeResult,
}

impl From<(String, SubscribeResult)> for ServerSide {
    fn from((channel, result): (String, SubscribeResult)) -> ServerSide {
        ServerSide { channel, result }
    }
}

fn by_channel<S: Serializer>(subs: &[ServerSide], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(subs.iter().map(|one| (&one.channel, &one.result)))
}

#[derive(Clone, PartialEq, prost::Message, Serialize)]
pub(crate) struct SubscribeResult {
    #[prost(bool, tag = "1")]
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) expires: bool,
    /// Seconds.
    #[prost(uint32, tag = "2")]
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) ttl: u32,
    #[prost(bool, tag = "3")]
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) recoverable: bool,
    #[prost(string, tag = "6")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) epoch: String,
    #[prost(message, repeated, tag = "7")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) publications: Vec<Publication>,
    #[prost(bool, tag = "8")]
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) recovered: bool,
    #[prost(uint64, tag = "9")]
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) offset: u64,
    #[prost(bool, tag = "10")]
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) positioned: bool,
    #[prost(bytes = "bytes", tag = "11")]
    #[serde(skip_serializing_if = "Bytes::is_empty")]
    pub(crate) data: Bytes,
    #[prost(bool, tag = "12")]
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) was_recovering: bool,
    #[prost(bool, tag = "13")]
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) delta: bool,
}

/// Who is in a channel, by client; always written.
#[derive(Clone, PartialEq, Eq, prost::Message, Serialize)]
pub(crate) struct PresenceResult {
    #[prost(btree_map = "string, message", tag = "1")]
    pub(crate) presence: BTreeMap<String, ClientInfo>,
}

/// How many are in a channel; always written.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, Serialize)]
pub(crate) struct PresenceStatsResult {
    #[prost(uint32, tag = "1")]
    pub(crate) num_clients: u32,
    #[prost(uint32, tag = "2")]
    pub(crate) num_users: u32,
}

/// A part of a stream, and where the stream's top is; always written.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
pub(crate) struct HistoryResult {
    #[prost(message, repeated, tag = "1")]
    pub(crate) publications: Vec<Publication>,
    #[prost(string, tag = "2")]
    pub(crate) epoch: String,
    #[prost(uint64, tag = "3")]
    pub(crate) offset: u64,
}

#[derive(Clone, PartialEq, Eq, prost::Message, Serialize)]
pub(crate) struct RpcResult {
    #[prost(bytes = "bytes", tag = "1")]
    #[serde(skip_serializing_if = "Bytes::is_empty")]
    pub(crate) data: Bytes,
}

#[derive(Clone, PartialEq, Eq, prost::Message, Serialize)]
pub(crate) struct RefreshResult {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) client: String,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) version: String,
    #[prost(bool, tag = "3")]
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) expires: bool,
    /// Seconds.
    #[prost(uint32, tag = "4")]
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) ttl: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message, Serialize)]
pub(crate) struct SubRefreshResult {
    #[prost(bool, tag = "1")]
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) expires: bool,
    /// Seconds.
    #[prost(uint32, tag = "2")]
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) ttl: u32,
}

/// Whether and when something ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Expiry {
    pub(crate) expires: bool,
    /// Seconds.
    pub(crate) ttl: u32,
}

impl Reply {
    /// The answer to a command.
    pub(crate) fn to(id: u32, outcome: Outcome) -> Reply {
        Reply { id, outcome: Some(outcome) }
    }
}

impl From<Push> for Reply {
    fn from(push: Push) -> Reply {
        Reply { id: 0, outcome: Some(Outcome::Push(push)) }
    }
}
