//! What comes without being asked for.

use bytes::Bytes;
use serde::Serialize;

use super::{
    json::is_zero,
    message::{ClientInfo, Publication},
    reply::Expiry,
};
use crate::codes::Unsubscribed;

/// Something about a channel; or, where there is none, about the connection.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
pub(crate) struct Push {
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) channel: String,
    #[prost(oneof = "What", tags = "4, 5, 6, 7, 8, 9, 11, 12")]
    #[serde(flatten)]
    pub(crate) what: Option<What>,
}

#[derive(Clone, PartialEq, prost::Oneof, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum What {
    #[prost(message, tag = "4")]
    #[serde(rename = "pub")]
    Publication(Publication),
    #[prost(message, tag = "5")]
    Join(JoinLeave),
    #[prost(message, tag = "6")]
    Leave(JoinLeave),
    #[prost(message, tag = "7")]
    Unsubscribe(Unsubscribe),
    #[prost(message, tag = "8")]
    Message(Message),
    #[prost(message, tag = "9")]
    Subscribe(Subscribe),
    #[prost(message, tag = "11")]
    Disconnect(Disconnect),
    #[prost(message, tag = "12")]
    Refresh(Refresh),
}

/// Who has come or gone.
#[derive(Clone, PartialEq, Eq, prost::Message, Serialize)]
pub(crate) struct JoinLeave {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) info: Option<ClientInfo>,
}

/// The server has ended a subscription.
#[derive(Clone, PartialEq, Eq, prost::Message, Serialize)]
pub(crate) struct Unsubscribe {
    #[prost(uint32, tag = "2")]
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) code: u32,
    #[prost(string, tag = "3")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) reason: String,
}

/// Something to this connection alone.
#[derive(Clone, PartialEq, Eq, prost::Message, Serialize)]
pub(crate) struct Message {
    #[prost(bytes = "bytes", tag = "1")]
    #[serde(skip_serializing_if = "Bytes::is_empty")]
    pub(crate) data: Bytes,
}

/// The server has begun a subscription.
#[derive(Clone, PartialEq, Eq, prost::Message, Serialize)]
pub(crate) struct Subscribe {
    #[prost(bool, tag = "1")]
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) recoverable: bool,
    #[prost(string, tag = "4")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) epoch: String,
    #[prost(uint64, tag = "5")]
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) offset: u64,
    #[prost(bool, tag = "6")]
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) positioned: bool,
    #[prost(bytes = "bytes", tag = "7")]
    #[serde(skip_serializing_if = "Bytes::is_empty")]
    pub(crate) data: Bytes,
}

/// What a close frame says, where there are none.
#[derive(Clone, PartialEq, Eq, prost::Message, Serialize)]
pub(crate) struct Disconnect {
    #[prost(uint32, tag = "1")]
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) code: u32,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) reason: String,
}

/// The server has moved the connection's end.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, Serialize)]
pub(crate) struct Refresh {
    #[prost(bool, tag = "1")]
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) expires: bool,
    /// Seconds.
    #[prost(uint32, tag = "2")]
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) ttl: u32,
}

impl Push {
    /// A publication.
    pub(crate) fn publication(channel: impl Into<String>, publication: Publication) -> Push {
        Push { channel: channel.into(), what: Some(What::Publication(publication)) }
    }

    /// The server has subscribed the client to a channel that keeps nothing.
    pub(crate) fn subscribe(channel: impl Into<String>) -> Push {
        Push { channel: channel.into(), what: Some(What::Subscribe(Subscribe::default())) }
    }

    /// The server has moved the connection's end.
    pub(crate) fn refresh(expiry: Expiry) -> Push {
        let Expiry { expires, ttl } = expiry;
        Push { channel: String::new(), what: Some(What::Refresh(Refresh { expires, ttl })) }
    }

    /// The server has ended a subscription.
    pub(crate) fn unsubscribe(channel: impl Into<String>, why: Unsubscribed) -> Push {
        let unsubscribe = Unsubscribe { code: why.code().into(), reason: why.reason().to_owned() };
        Push { channel: channel.into(), what: Some(What::Unsubscribe(unsubscribe)) }
    }

    /// The last that comes, where there is no close frame.
    pub(crate) fn disconnect(code: u16, reason: &str) -> Push {
        let disconnect = Disconnect { code: code.into(), reason: reason.to_owned() };
        Push { channel: String::new(), what: Some(What::Disconnect(disconnect)) }
    }
}
