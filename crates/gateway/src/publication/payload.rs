//! What applications say to each other.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::value::RawValue;

use crate::protocol::json;

/// Bytes that are JSON, or are not: then clients that speak JSON cannot have them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    Json(Bytes),
    Binary(Bytes),
}

impl Payload {
    /// What these bytes are.
    pub(crate) fn of(bytes: Bytes) -> Payload {
        if json::is_json(&bytes) { Payload::Json(bytes) } else { Payload::Binary(bytes) }
    }

    /// As it is in JSON; none if it is not.
    pub(crate) fn json(&self) -> Option<&Bytes> {
        match self {
            Payload::Json(bytes) => Some(bytes),
            Payload::Binary(_) => None,
        }
    }

    /// In JSON, in base64: what is not JSON itself.
    pub(super) fn base64(&self) -> Option<String> {
        match self {
            Payload::Json(_) => None,
            Payload::Binary(bytes) => Some(STANDARD.encode(bytes)),
        }
    }

    pub(super) fn from_base64(text: &str) -> Option<Payload> {
        STANDARD.decode(text).ok().map(|bytes| Payload::of(bytes.into()))
    }

    /// As it is.
    pub(crate) fn bytes(&self) -> &Bytes {
        match self {
            Payload::Json(bytes) | Payload::Binary(bytes) => bytes,
        }
    }
}

impl From<Box<RawValue>> for Payload {
    fn from(json: Box<RawValue>) -> Payload {
        Payload::Json(Bytes::from(Box::<str>::from(json).into_boxed_bytes()))
    }
}
