//! How payloads are written between servers: JSON as it is, anything else in Base64.

use std::borrow::Cow;

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use serde_json::value::RawValue;

use crate::publication::Payload;

/// Bytes that are written in Base64 where JSON has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Base64(pub(crate) Bytes);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Written<'a> {
    #[serde(borrow)]
    Json(Cow<'a, RawValue>),
    Binary(Base64),
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let json = self.json().and_then(|bytes| serde_json::from_slice::<&RawValue>(bytes).ok());
        let written = match json {
            Some(json) => Written::Json(Cow::Borrowed(json)),
            None => Written::Binary(Base64(self.bytes().clone())),
        };
        written.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Payload, D::Error> {
        Ok(match Written::deserialize(deserializer)? {
            Written::Json(json) => json.into_owned().into(),
            Written::Binary(Base64(bytes)) => Payload::of(bytes),
        })
    }
}

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Base64, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
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
        assert_eq!(json, Payload::Json(Bytes::from_static(br#"{"a": 1.0}"#)));
        let binary = Payload::of(Bytes::from_static(b"\0\xff"));
        let written = serde_json::to_string(&binary).unwrap();
        assert_eq!(written, r#"{"binary":"AP8="}"#);
        assert_eq!(serde_json::from_str::<Payload>(&written).unwrap(), binary);
    }
}
