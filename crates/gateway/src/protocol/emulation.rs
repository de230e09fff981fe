//! Commands that come apart from their connection.

use bytes::Bytes;
use prost::Message;
use serde::{Deserialize, Deserializer};

use super::{
    encoding::{Encoding, Malformed},
    json,
};

/// For whom commands are.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
pub(crate) struct EmulationRequest {
    /// The server that holds the connection.
    #[prost(string, tag = "1")]
    #[serde(default)]
    pub(crate) node: String,
    /// The connection's secret.
    #[prost(string, tag = "2")]
    #[serde(default)]
    pub(crate) session: String,
    /// A frame of commands.
    #[prost(bytes = "bytes", tag = "3")]
    #[serde(default, deserialize_with = "text")]
    pub(crate) data: Bytes,
}

/// In JSON a frame is text inside JSON.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    String::deserialize(deserializer).map(Bytes::from)
}

impl EmulationRequest {
    /// Reads the body of a request.
    pub(crate) fn read(encoding: Encoding, body: Bytes) -> Result<EmulationRequest, Malformed> {
        match encoding {
            Encoding::Json => json::read(&body).map_err(|_| Malformed),
            Encoding::Protobuf => EmulationRequest::decode(body).map_err(|_| Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_text_in_json_and_bytes_in_protobuf() {
        let given =
            EmulationRequest { node: "a".into(), session: "s".into(), data: Bytes::from_static(b"{}\n{}") };
        let json = br#"{"node":"a","session":"s","data":"{}\n{}","more":[1]}"#;
        assert_eq!(EmulationRequest::read(Encoding::Json, Bytes::from_static(json)), Ok(given.clone()));
        let read = EmulationRequest::read(Encoding::Protobuf, given.encode_to_vec().into());
        assert_eq!(read, Ok(given));
    }

    #[test]
    fn what_is_neither_is_refused() {
        for body in ["", "[]", "null", r#"{"data":{}}"#, r#"{"node":1}"#, "{}{}", r#"{"data":"\ud800"}"#] {
            assert_eq!(
                EmulationRequest::read(Encoding::Json, body.as_bytes().into()),
                Err(Malformed),
                "{body}"
            );
        }
        assert_eq!(
            EmulationRequest::read(Encoding::Protobuf, Bytes::from_static(b"\x0a\xff")),
            Err(Malformed)
        );
    }
}
