//! What a session over plain HTTP begins with.

use std::{error::Error, time::SystemTime};

use axum::{body::Body, extract::Query};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version,
    header::{
        CACHE_CONTROL, CONNECTION, CONTENT_TYPE, DATE, EXPIRES, HeaderName, PRAGMA, TRANSFER_ENCODING,
        X_CONTENT_TYPE_OPTIONS,
    },
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as HttpBody, Incoming as RequestBody};
use serde::Deserialize;
use tokio::time::timeout;

use super::{EVENTS_PATH, cors, mailbox::Mailbox, refusal::Takes, secret};
use crate::{
    admission::Pass,
    limits::{BODY_PATIENCE, MESSAGE_BYTES_MAX},
    protocol::{encoding::Encoding, flavour::Flavour},
    proxy::Heard,
    wire::Shared,
};

/// The type of what is Protobuf.
const PROTOBUF: &str = "application/octet-stream";

const EVENTS: Takes = Takes {
    methods: "GET, POST, OPTIONS",
    what: "the first commands in JSON, which begin with connect, as cf_connect in the query or as the body",
};
const STREAM: Takes =
    Takes { methods: "POST, OPTIONS", what: "the first commands, which begin with connect, as the body" };

/// What nginx, and those that do as it does, are told so that they pass on what comes at once.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// A session to be.
pub(crate) struct Opening {
    pub(crate) flavour: Flavour,
    /// Holds what the client has begun with.
    pub(crate) mailbox: Mailbox,
    /// The client knows no chunks: what it gets ends with the connection.
    pub(crate) is_bare: bool,
    /// What hooks are told of its headers.
    pub(crate) heard: Heard,
    /// The head of the answer, and what comes before its first message.
    pub(crate) head: Bytes,
    /// Its place among the server's sessions.
    pub(crate) pass: Pass,
}

#[derive(Deserialize)]
struct InQuery {
    cf_connect: Option<String>,
}

/// A session that is asked for, by what of its request has come with its head.
pub(crate) struct Asked {
    request: Request<RequestBody>,
    /// What it begins with, if that is not the body.
    in_query: Option<Bytes>,
    takes: Takes,
}

/// Looks at what a session begins with before anything is done for it, and at the headers that go into any answer; or answers why there
/// is none.
#[expect(clippy::result_large_err, reason = "an answer goes on as it is, as in what awaits")]
pub(crate) fn look(
    request: Request<RequestBody>,
    shared: &Shared,
) -> Result<(Asked, HeaderMap), Response<Body>> {
    let is_events = request.uri().path() == EVENTS_PATH;
    let takes = if is_events { EVENTS } else { STREAM };
    let answered = admit(&request, takes.methods, &shared.origins)
        .map_err(|(status, headers)| takes.answer(status, headers))?;
    let in_query = match *request.method() {
        Method::GET if is_events => match in_query(&request) {
            Ok(first) => Some(first),
            Err(status) => return Err(takes.answer(status, answered)),
        },
        Method::POST => None,
        _ => return Err(takes.not_allowed(answered)),
    };
    Ok((Asked { request, in_query, takes }, answered))
}

impl Asked {
    pub(crate) fn headers(&self) -> &HeaderMap {
        self.request.headers()
    }

    /// Reads the rest, for who has a place; or answers why there is no session, without what goes into any answer.
    pub(crate) async fn read(
        self,
        shared: &Shared,
        pass: Pass,
        answered: &HeaderMap,
    ) -> Result<Opening, Response<Body>> {
        let Asked { request, in_query, takes } = self;
        let heard = shared.backend.hear(request.headers());
        let is_bare = request.version() < Version::HTTP_11;
        let flavour = match encoding(request.headers()) {
            _ if request.uri().path() == EVENTS_PATH => Flavour::Events,
            Encoding::Json => Flavour::StreamJson,
            Encoding::Protobuf => Flavour::StreamProtobuf,
        };
        let first = match in_query {
            Some(first) => first,
            None => body(request.into_body(), shared.limits.message_bytes_max.min(MESSAGE_BYTES_MAX))
                .await
                .map_err(|status| takes.answer(status, HeaderMap::new()))?,
        };
        let secret = secret::new().map_err(|error| {
            tracing::error!(%error, "there is no randomness for a connection's secret");
            takes.answer(StatusCode::INTERNAL_SERVER_ERROR, HeaderMap::new())
        })?;
        let head = head(flavour, is_bare, answered);
        Ok(Opening { flavour, mailbox: Mailbox::new(secret, first), is_bare, heard, head, pass })
    }
}

fn in_query(request: &Request<RequestBody>) -> Result<Bytes, StatusCode> {
    let Query(InQuery { cf_connect }) =
        Query::try_from_uri(request.uri()).map_err(|_| StatusCode::BAD_REQUEST)?;
    cf_connect.filter(|frame| !frame.is_empty()).map(Bytes::from).ok_or(StatusCode::BAD_REQUEST)
}

/// What is the same for all requests here: who may come, and what a browser asks before. The headers that go into the answer;
/// or all of it.
pub(super) fn admit(
    request: &Request<RequestBody>,
    methods: &'static str,
    origins: &[String],
) -> Result<HeaderMap, (StatusCode, HeaderMap)> {
    let Ok(mut headers) = cors::allow(request.headers(), origins) else {
        return Err((StatusCode::FORBIDDEN, HeaderMap::new()));
    };
    if request.method() == Method::OPTIONS {
        cors::preflight(request.headers(), methods, &mut headers);
        return Err((StatusCode::NO_CONTENT, headers));
    }
    Ok(headers)
}

/// What a body is written in.
pub(super) fn encoding(headers: &HeaderMap) -> Encoding {
    let named = headers.get(CONTENT_TYPE).and_then(|named| named.to_str().ok()).unwrap_or_default();
    let essence = named.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(PROTOBUF) { Encoding::Protobuf } else { Encoding::Json }
}

/// Reads a body, in a bounded time.
pub(super) async fn body<B>(body: B, bytes_max: usize) -> Result<Bytes, StatusCode>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    // Known before anything of it has come, if the client says it.
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let collected = timeout(BODY_PATIENCE, Limited::new(body, bytes_max).collect()).await;
    match collected.map_err(|_| StatusCode::REQUEST_TIMEOUT)? {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Err(_) => Err(StatusCode::BAD_REQUEST),
    }
}

/// The head of an answer that goes on, and for events the line that comes before the first.
fn head(flavour: Flavour, is_bare: bool, answered: &HeaderMap) -> Bytes {
    let mut headers = HeaderMap::new();
    let content_type = match flavour {
        Flavour::Events => "text/event-stream",
        Flavour::StreamProtobuf => PROTOBUF,
        Flavour::StreamJson | Flavour::WebSocketJson | Flavour::WebSocketProtobuf => "application/json",
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    let fixed = [
        (CACHE_CONTROL, "no-store, no-cache, no-transform, private, must-revalidate, max-age=0"),
        (PRAGMA, "no-cache"),
        (EXPIRES, "0"),
        (X_ACCEL_BUFFERING, "no"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // It is for nothing else afterwards.
        (CONNECTION, "close"),
    ];
    headers.extend(fixed.map(|(name, value)| (name, HeaderValue::from_static(value))));
    if !is_bare {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    if let Ok(date) = HeaderValue::from_str(&httpdate::fmt_http_date(SystemTime::now())) {
        headers.insert(DATE, date);
    }
    let mut head = b"HTTP/1.1 200 OK\r\n".to_vec();
    for (name, value) in answered.iter().chain(&headers) {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    match (flavour, is_bare) {
        (Flavour::Events, false) => head.extend_from_slice(b"2\r\n\r\n\r\n"),
        (Flavour::Events, true) => head.extend_from_slice(b"\r\n"),
        _ => {}
    }
    head.into()
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream};
    use http_body_util::{Full, StreamBody};
    use hyper::body::Frame;

    use super::*;

    #[test]
    fn protobuf_is_what_says_so() {
        let of = |named: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, named.parse().unwrap());
            encoding(&headers)
        };
        assert_eq!(of("application/octet-stream"), Encoding::Protobuf);
        assert_eq!(of("Application/Octet-Stream; charset=binary"), Encoding::Protobuf);
        assert_eq!(of("application/json"), Encoding::Json);
        assert_eq!(of("text/plain; a=application/octet-stream"), Encoding::Json);
        assert_eq!(encoding(&HeaderMap::new()), Encoding::Json);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let begun = tokio::time::Instant::now();
        let first = stream::iter([Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(b"{")))]);
        let slow = StreamBody::new(first.chain(stream::pending()));
        assert_eq!(body(slow, 9).await, Err(StatusCode::REQUEST_TIMEOUT));
        assert_eq!(begun.elapsed().as_secs(), BODY_PATIENCE.as_secs());
    }

    #[tokio::test]
    async fn a_body_is_bounded() {
        let given = || Full::new(Bytes::from_static(b"12345"));
        assert_eq!(body(given(), 5).await.as_deref(), Ok(b"12345".as_slice()));
        assert_eq!(body(given(), 4).await, Err(StatusCode::PAYLOAD_TOO_LARGE));
        let chunks =
            [b"123", b"456"].map(|chunk| Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(chunk))));
        assert_eq!(body(StreamBody::new(stream::iter(chunks)), 5).await, Err(StatusCode::PAYLOAD_TOO_LARGE));
    }

    #[test]
    fn nobody_on_the_way_keeps_or_changes_a_stream() {
        let text =
            |flavour, is_bare| String::from_utf8(head(flavour, is_bare, &HeaderMap::new()).to_vec()).unwrap();
        let events = text(Flavour::Events, false);
        assert!(
            events.starts_with("HTTP/1.1 200 OK\r\n") && events.ends_with("\r\n\r\n2\r\n\r\n\r\n"),
            "{events}"
        );
        for line in
            ["text/event-stream", "no-store", "x-accel-buffering: no", "transfer-encoding: chunked", "date: "]
        {
            assert!(events.contains(line), "{line}: {events}");
        }
        let bare = text(Flavour::StreamJson, true);
        assert!(
            !bare.contains("chunked") && bare.contains("connection: close") && bare.ends_with("\r\n\r\n"),
            "{bare}"
        );
    }
}
