//! The opening handshake of a WebSocket: RFC 6455, section 4.2.

use axum::body::Body;
use base64::{
    Engine, alphabet,
    engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use tungstenite::handshake::derive_accept_key;

use crate::protocol::flavour::Flavour;

/// The subprotocols we speak; offering none means the first.
const JSON: &str = "centrifuge-json";
const PROTOBUF: &str = "centrifuge-protobuf";

/// The version of the protocol that is spoken.
pub(crate) const VERSION: &str = "13";

const KEY_BYTES: usize = 16;

/// Of the last character only some bits count. The others may be any: in the example of RFC 6455, section 4.1, they are set.
const KEY: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

#[cfg(any(test, feature = "laws"))]
pub(crate) mod law;

/// What comes of a request that is as it should be.
pub(crate) struct Handshake {
    pub(crate) flavour: Flavour,
    pub(crate) response: Response<Body>,
}

/// What is wrong with a request for a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("the method is not GET")]
    Method,
    #[error("HTTP is older than 1.1")]
    Http,
    #[error("a request has one Host")]
    Host,
    #[error("a request for a WebSocket has no body")]
    Body,
    #[error("Connection does not say upgrade")]
    Connection,
    #[error("Upgrade does not say websocket")]
    Upgrade,
    #[error("Sec-WebSocket-Version is not {VERSION}")]
    Version,
    #[error("Sec-WebSocket-Key is not one of {KEY_BYTES} bytes")]
    Key,
}

impl Fault {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            // RFC 9110, section 15.5.6.
            Fault::Method => StatusCode::METHOD_NOT_ALLOWED,
            // RFC 9112, section 3.2; RFC 9110, section 9.3.1; RFC 6455, section 4.2.1.
            Fault::Host | Fault::Body | Fault::Key => StatusCode::BAD_REQUEST,
            _ => StatusCode::UPGRADE_REQUIRED,
        }
    }
}

/// Reads a request for a WebSocket. Extensions are not taken.
pub(crate) fn read<B>(request: &Request<B>) -> Result<Handshake, Fault> {
    let headers = request.headers();
    if request.method() != Method::GET {
        return Err(Fault::Method);
    }
    if request.version() < Version::HTTP_11 {
        return Err(Fault::Http);
    }
    only(headers, header::HOST).ok_or(Fault::Host)?;
    if has_body(headers) {
        return Err(Fault::Body);
    }
    if !says(headers, header::CONNECTION, "upgrade") {
        return Err(Fault::Connection);
    }
    if !says(headers, header::UPGRADE, "websocket") {
        return Err(Fault::Upgrade);
    }
    only(headers, header::SEC_WEBSOCKET_VERSION).filter(|it| *it == VERSION).ok_or(Fault::Version)?;
    let is_key = |key: &&HeaderValue| KEY.decode(key).is_ok_and(|key| key.len() == KEY_BYTES);
    let key = only(headers, header::SEC_WEBSOCKET_KEY).filter(is_key).ok_or(Fault::Key)?;
    let accepted = HeaderValue::try_from(derive_accept_key(key.as_bytes())).expect("base64 is visible ASCII");

    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let answer = response.headers_mut();
    answer.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    answer.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    answer.insert(header::SEC_WEBSOCKET_ACCEPT, accepted);
    let offered = Offered::read(headers, request.uri().query().unwrap_or_default());
    if let Some(subprotocol) = offered.subprotocol {
        answer.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(subprotocol));
    }
    Ok(Handshake { flavour: offered.flavour, response })
}

/// Whether something is announced behind the head: how much of it would be taken for frames would depend on when it comes.
fn has_body(headers: &HeaderMap) -> bool {
    let is_empty = |length: &HeaderValue| length == "0";
    headers.contains_key(header::TRANSFER_ENCODING)
        || !headers.get_all(header::CONTENT_LENGTH).iter().all(is_empty)
}

/// A header that is there once.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&HeaderValue> {
    let mut all = headers.get_all(name).iter();
    all.next().filter(|_| all.next().is_none())
}

/// Whether a list has a word, in whatever case.
fn says(headers: &HeaderMap, name: HeaderName, word: &str) -> bool {
    words(headers, name).any(|it| it.eq_ignore_ascii_case(word))
}

/// What a list has, which may be in several headers.
fn words(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let lists = headers.get_all(name).into_iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).map(str::trim)
}

/// What a client wants to speak.
#[derive(Debug, PartialEq, Eq)]
struct Offered {
    flavour: Flavour,
    /// The subprotocol of that, if it was offered.
    subprotocol: Option<&'static str>,
}

impl Offered {
    fn read(headers: &HeaderMap, query: &str) -> Offered {
        let wants_protobuf =
            query.split('&').any(|pair| matches!(pair, "format=protobuf" | "cf_protocol=protobuf"));
        let offers = |name| words(headers, header::SEC_WEBSOCKET_PROTOCOL).any(|offered| offered == name);
        let (flavour, name) = if wants_protobuf || offers(PROTOBUF) {
            (Flavour::WebSocketProtobuf, PROTOBUF)
        } else {
            (Flavour::WebSocketJson, JSON)
        };
        Offered { flavour, subprotocol: offers(name).then_some(name) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_spoken_unless_protobuf_is_asked_for() {
        let read = |offers: &[&str], query: &str| {
            let mut headers = HeaderMap::new();
            for offer in offers {
                headers.append(header::SEC_WEBSOCKET_PROTOCOL, offer.parse().unwrap());
            }
            Offered::read(&headers, query)
        };
        let offered = |flavour, subprotocol| Offered { flavour, subprotocol };
        let (json, protobuf) = (Flavour::WebSocketJson, Flavour::WebSocketProtobuf);
        assert_eq!(read(&[], ""), offered(json, None));
        assert_eq!(read(&["chat"], "format=json"), offered(json, None));
        assert_eq!(read(&["a, centrifuge-json"], ""), offered(json, Some(JSON)));
        assert_eq!(read(&["a", "centrifuge-protobuf"], ""), offered(protobuf, Some(PROTOBUF)));
        assert_eq!(read(&["centrifuge-json,centrifuge-protobuf"], ""), offered(protobuf, Some(PROTOBUF)));
        assert_eq!(read(&[], "a=b&format=protobuf"), offered(protobuf, None));
        assert_eq!(read(&["centrifuge-json"], "cf_protocol=protobuf"), offered(protobuf, None));
    }
}
