//! What an application gives us to pass on.

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use serde_json::value::RawValue;

/// JSON as it was given, or anything else.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Payload {
    Json(Box<RawValue>),
    Binary(Base64),
}

/// Bytes that are written in Base64 where JSON has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Base64(pub(crate) Bytes);

impl Payload {
    /// The bytes that clients get.
    pub(crate) fn into_bytes(self) -> Bytes {
        match self {
            Payload::Json(json) => Bytes::from(Box::<str>::from(json).into_boxed_bytes()),
            Payload::Binary(Base64(bytes)) => bytes,
        }
    }

    /// What JSON clients can be shown.
    pub(crate) fn json(&self) -> Option<&RawValue> {
        match self {
            Payload::Json(json) => Some(json),
            Payload::Binary(Base64(bytes)) => serde_json::from_slice(bytes).ok(),
        }
    }
}

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Base64, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let bytes = BASE64_STANDARD.decode(text.as_bytes()).map_err(D::Error::custom)?;
        Ok(Base64(bytes.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_stays_as_it_was_written_and_bytes_survive() {
        let json: Payload = serde_json::from_str(r#"{"json":{"a": 1.0}}"#).unwrap();
        assert_eq!(json.json().unwrap().get(), r#"{"a": 1.0}"#);
        assert_eq!(json.into_bytes(), r#"{"a": 1.0}"#);
        let binary = Payload::Binary(Base64(Bytes::from_static(b"\0\xff")));
        let written = serde_json::to_string(&binary).unwrap();
        assert_eq!(written, r#"{"binary":"AP8="}"#);
        let again: Payload = serde_json::from_str(&written).unwrap();
        assert!(again.json().is_none());
        assert_eq!(&again.into_bytes()[..], b"\0\xff");
    }
}
