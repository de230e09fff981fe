//! What requests, replies and pushes have in common.

use std::collections::HashMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::json::{self, is_zero};

/// A message without fields.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, Serialize, Deserialize)]
pub(crate) struct Empty {}

/// Why a command was refused.
#[derive(Clone, PartialEq, Eq, prost::Message, Serialize)]
pub(crate) struct Error {
    #[prost(uint32, tag = "1")]
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) code: u32,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) message: String,
    /// Trying again may help.
    #[prost(bool, tag = "3")]
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) temporary: bool,
}

/// Who somebody is; `user` and `client` are always written.
#[derive(Clone, PartialEq, Eq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ClientInfo {
    #[prost(string, tag = "1")]
    pub(crate) user: String,
    #[prost(string, tag = "2")]
    pub(crate) client: String,
    #[prost(bytes = "bytes", tag = "3")]
    #[serde(skip_serializing_if = "Bytes::is_empty", deserialize_with = "json::payload")]
    pub(crate) conn_info: Bytes,
    #[prost(bytes = "bytes", tag = "4")]
    #[serde(skip_serializing_if = "Bytes::is_empty", deserialize_with = "json::payload")]
    pub(crate) chan_info: Bytes,
}

/// Something that was said in a channel.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
pub(crate) struct Publication {
    #[prost(bytes = "bytes", tag = "4")]
    #[serde(skip_serializing_if = "Bytes::is_empty")]
    pub(crate) data: Bytes,
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) info: Option<ClientInfo>,
    #[prost(uint64, tag = "6")]
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) offset: u64,
    #[prost(map = "string, string", tag = "7")]
    #[serde(skip_serializing_if = "HashMap::is_empty")]
    pub(crate) tags: HashMap<String, String>,
    /// The data is the difference to the one before.
    #[prost(bool, tag = "8")]
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) delta: bool,
    /// Milliseconds since 1970.
    #[prost(int64, tag = "9")]
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) time: i64,
    /// Said with the first offset, to who follows the channel already.
    #[prost(string, tag = "14")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) epoch: String,
}

/// A place in a stream.
#[derive(Clone, PartialEq, Eq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct StreamPosition {
    #[prost(uint64, tag = "1")]
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) offset: u64,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) epoch: String,
}
