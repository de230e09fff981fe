//! Payloads without line breaks: those would end a JSON frame's line.

use std::borrow::Cow;

use serde_json::value::RawValue;

/// The value without line breaks. Valid JSON has them between tokens only, so nothing else changes.
pub(crate) fn compact(json: &RawValue) -> Cow<'_, RawValue> {
    if !json.get().bytes().any(|byte| matches!(byte, b'\n' | b'\r')) {
        return Cow::Borrowed(json);
    }
    let text = json.get().replace(['\n', '\r'], "");
    Cow::Owned(RawValue::from_string(text).expect("JSON without its line breaks is JSON"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_breaks_go_and_nothing_else_changes() {
        let raw: Box<RawValue> =
            serde_json::from_str("{\r\n  \"a\\nb\": [1,\n 2.50],\n\t\"c\": \"d e\"\n}").unwrap();
        assert_eq!(compact(&raw).get(), "{  \"a\\nb\": [1, 2.50],\t\"c\": \"d e\"}");
        let raw: Box<RawValue> = serde_json::from_str(r#"{ "a\nb":"\r" }"#).unwrap();
        assert!(matches!(compact(&raw), Cow::Borrowed(same) if same.get() == r#"{ "a\nb":"\r" }"#));
    }
}
