//! What applications give: payloads as JSON, or in Base64.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::refusal::Refusal;
use crate::publication::Payload;

/// Any JSON that is there: `null` is data as any other.
pub(super) fn json<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

/// As it is in JSON, if it is.
pub(super) fn raw(payload: &Payload) -> Option<Box<RawValue>> {
    serde_json::from_slice(payload.json()?).ok()
}

/// One of the two; the one in Base64 if there are both. `name` is the member's.
pub(super) fn payload(
    name: &str,
    json: Option<Box<RawValue>>,
    base64: Option<&str>,
) -> Result<Option<Payload>, Refusal> {
    let Some(base64) = base64.filter(|text| !text.is_empty()) else { return Ok(json.map(Payload::from)) };
    let bytes = BASE64_STANDARD
        .decode(base64)
        .map_err(|error| Refusal::bad(format_args!("b64{name} is no Base64: {error}")))?;
    Ok(Some(Payload::of(bytes.into())))
}
