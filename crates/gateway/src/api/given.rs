//! What applications give: payloads as JSON, or in Base64.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::refusal::Refusal;
use crate::nodes::{Base64, Payload};

/// Any JSON that is there: `null` is data as any other.
pub(super) fn json<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

/// One of the two; the one in Base64 if there are both. `name` is the member's.
pub(super) fn payload(
    name: &str,
    json: Option<Box<RawValue>>,
    base64: Option<&str>,
) -> Result<Option<Payload>, Refusal> {
    let Some(base64) = base64.filter(|text| !text.is_empty()) else { return Ok(json.map(Payload::Json)) };
    let bytes = BASE64_STANDARD
        .decode(base64)
        .map_err(|error| Refusal::bad(format_args!("b64{name} is no Base64: {error}")))?;
    let json = str::from_utf8(&bytes).ok().and_then(|text| RawValue::from_string(text.to_owned()).ok());
    Ok(Some(match json {
        Some(json) => Payload::Json(json),
        None => Payload::Binary(Base64(bytes.into())),
    }))
}
