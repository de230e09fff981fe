//! What the application answers: one of `result`, `error` and `disconnect`. What is wrong about an answer is said without
//! any of its content.

use http::StatusCode;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::told::Told;
use crate::protocol::{json, message};

/// Codes of errors that may be said: the protocol's own from 100 on, and the application's from 400.
const ERROR_CODES: std::ops::RangeInclusive<u32> = 100..=1999;

/// Codes a connection may be closed with: the protocol's own, and the application's from 4000; from 3500 and 4500 on the client
/// does not come back.
const DISCONNECT_CODES: std::ops::RangeInclusive<u32> = 3000..=4999;

/// Bytes that a close frame has for its reason.
const REASON_BYTES_MAX: usize = 123;

/// What is wrong about an answer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("its status is {0}")]
    Status(StatusCode),
    #[error("{0}")]
    Shape(String),
    #[error("its result: {0}")]
    Result(String),
    #[error("it has no result, no error and no disconnect")]
    Empty,
    #[error(
        "it has an error with the code {0}: codes are from 400 to 1999, or the protocol's own from 100 on"
    )]
    ErrorCode(u32),
    #[error(
        "it has a disconnect with the code {0}: codes are from 4000 to 4999, or the protocol's own from 3000 on"
    )]
    DisconnectCode(u32),
}

/// `error`
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Error {
    code: u32,
    #[serde(default)]
    message: String,
    #[serde(default)]
    temporary: bool,
}

/// `disconnect`
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Disconnect {
    code: u32,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
struct Answer {
    result: Option<Box<RawValue>>,
    error: Option<Error>,
    disconnect: Option<Disconnect>,
}

impl Error {
    pub(super) fn told(&self) -> Result<Told, Fault> {
        let Error { code, ref message, temporary } = *self;
        if !ERROR_CODES.contains(&code) {
            return Err(Fault::ErrorCode(code));
        }
        Ok(Told::Error(message::Error { code, message: message.clone(), temporary }))
    }
}

impl Disconnect {
    pub(super) fn told(&self) -> Result<Told, Fault> {
        let Disconnect { code, ref reason } = *self;
        if !DISCONNECT_CODES.contains(&code) {
            return Err(Fault::DisconnectCode(code));
        }
        let code = u16::try_from(code).expect("they are all below 5000");
        let end = (0..=REASON_BYTES_MAX).rev().find(|&end| reason.is_char_boundary(end)).unwrap_or_default();
        let reason = &reason[..end.min(reason.len())];
        Ok(Told::Disconnect(code, reason.into()))
    }
}

/// Reads the body of an answer: what was asked for, or what the client is told instead.
pub(super) fn read<R: DeserializeOwned>(body: &[u8]) -> Result<Result<R, Told>, Fault> {
    let Answer { result, error, disconnect } =
        json::read(body).map_err(|error| Fault::Shape(without_content(&error)))?;
    if let Some(disconnect) = disconnect {
        return disconnect.told().map(Err);
    }
    if let Some(error) = error {
        return error.told().map(Err);
    }
    let result = result.ok_or(Fault::Empty)?;
    json::read(result.get().as_bytes()).map(Ok).map_err(|error| Fault::Result(without_content(&error)))
}

/// What serde says, less the values that it quotes.
fn without_content(error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    if !error.is_data() {
        return format!("it is no JSON from line {line}, column {column} on");
    }
    let text = error.to_string();
    let quotes = ["invalid type", "invalid value", "invalid length", "unknown variant"];
    if !quotes.iter().any(|quote| text.starts_with(quote)) {
        return text;
    }
    // What is expected is ours to say, and stands last.
    match text.rfind(", expected ") {
        Some(at) => text[at + 2..].to_owned(),
        None => format!("something else is expected at line {line} column {column}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Wanted {
        user: String,
        #[serde(default)]
        expire_at: u64,
    }

    fn read(body: &str) -> Result<Result<Wanted, Told>, String> {
        super::read(body.as_bytes()).map_err(|fault| fault.to_string())
    }

    fn error(code: u32, message: &str, temporary: bool) -> Told {
        Told::Error(message::Error { code, message: message.into(), temporary })
    }

    #[test]
    fn an_answer_is_a_result_or_what_the_client_is_told() {
        let result = Wanted { user: "a".into(), expire_at: 0 };
        assert_eq!(read(r#"{"result":{"user":"a","more":1},"other":[]}"#), Ok(Ok(result)));
        assert_eq!(
            read(r#"{"result":{"user":"a"},"error":{"code":403,"message":"no","temporary":true}}"#),
            Ok(Err(error(403, "no", true)))
        );
        assert_eq!(read(r#"{"error":{"code":1999},"disconnect":null}"#), Ok(Err(error(1999, "", false))));
        assert_eq!(
            read(r#"{"error":{"code":403},"disconnect":{"code":4500,"reason":"out"}}"#),
            Ok(Err(Told::Disconnect(4500, "out".into())))
        );
        let long = json!({"disconnect": {"code": 4000, "reason": "ü".repeat(100)}}).to_string();
        assert_eq!(read(&long), Ok(Err(Told::Disconnect(4000, "ü".repeat(61).into()))));
    }

    #[test]
    fn what_is_wrong_is_said_without_content() {
        for (body, expected) in [
            ("", "it is no JSON from line 1, column 0 on"),
            ("<html>secret", "it is no JSON from line 1, column 1 on"),
            (r#"["secret"]"#, "expected an object at line 1 column 0"),
            (r#""secret""#, "expected an object at line 1 column 8"),
            ("{}", "it has no result, no error and no disconnect"),
            (r#"{"status":"forbidden"}"#, "it has no result, no error and no disconnect"),
            (r#"{"result":["secret"]}"#, "its result: expected an object at line 1 column 0"),
            (r#"{"result":{}}"#, "its result: missing field `user` at line 1 column 2"),
            (
                r#"{"result":{"user":"a","expire_at":"secret, expected secret"}}"#,
                "its result: expected u64 at line 1 column 49",
            ),
            (r#"{"result":{"user":7}}"#, "its result: expected a string at line 1 column 9"),
            (
                r#"{"error":{"code":7,"message":"secret"}}"#,
                "it has an error with the code 7: codes are from 400 to 1999, or the protocol's own from 100 on",
            ),
            (
                r#"{"disconnect":{"code":1000}}"#,
                "it has a disconnect with the code 1000: codes are from 4000 to 4999, or the protocol's own from 3000 on",
            ),
            (r#"{"error":{"code":"secret"}}"#, "expected u32 at line 1 column 25"),
        ] {
            let told = read(body).unwrap_err();
            assert!(!told.contains("secret"), "{told}");
            assert_eq!(told, expected, "{body}");
        }
    }
}
