//! What may be published in a namespace.

use serde::{Deserialize, de::IgnoredAny};

use crate::codes::Refused;

/// What a publication's data has to be: `publication_data_format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum DataFormat {
    /// Anything but nothing.
    #[default]
    #[serde(rename = "")]
    Any,
    /// Valid JSON.
    #[serde(rename = "json")]
    Json,
    /// Valid JSON, an object.
    #[serde(rename = "json_object")]
    JsonObject,
    /// Anything, and nothing as well.
    #[serde(rename = "binary")]
    Binary,
}

impl DataFormat {
    /// Whether this can be published.
    pub(crate) fn check(self, data: &[u8]) -> Result<(), Refused> {
        let is_json = || serde_json::from_slice::<IgnoredAny>(data).is_ok();
        let is_object = || data.trim_ascii_start().first() == Some(&b'{');
        let (is_good, wanted) = match self {
            DataFormat::Any => (!data.is_empty(), "a publication has data"),
            DataFormat::Json => (is_json(), "in this channel data is JSON"),
            DataFormat::JsonObject => (is_object() && is_json(), "in this channel data is a JSON object"),
            DataFormat::Binary => (true, ""),
        };
        if is_good { Ok(()) } else { Err(Refused::bad(wanted)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_as_the_namespace_wants_it() {
        let table: [(&[u8], [bool; 4]); 7] = [
            (b"", [false, false, false, true]),
            (b" ", [true, false, false, true]),
            (b"x", [true, false, false, true]),
            (b"1", [true, true, false, true]),
            (b"[{}]", [true, true, false, true]),
            (br#" {"a":1} "#, [true, true, true, true]),
            (br#"{"a":1"#, [true, false, false, true]),
        ];
        for (data, expected) in table {
            let formats = [DataFormat::Any, DataFormat::Json, DataFormat::JsonObject, DataFormat::Binary];
            assert_eq!(formats.map(|format| format.check(data).is_ok()), expected, "{data:?}");
        }
    }
}
