//! HTTP on a core: the way to a WebSocket, and everything else through the router.

use std::{convert::Infallible, rc::Rc};

use axum::body::Body;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use hyper::{body::Incoming as RequestBody, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use naru_fanout::{Core, Incoming, Socket};
use tokio::io::{AsyncRead, AsyncWrite};
use tower_service::Service;

use crate::{
    limits::{HEADERS_BYTES_MAX, HEADERS_MAX, HEADERS_PATIENCE, HTTP_BUFFER_BYTES_MAX},
    origin,
    session::Session,
    wire::{Gate, Seat},
};

const WEBSOCKET_PATH: &str = "/connection/websocket";

/// The subprotocol we speak; offering none means the same.
const JSON: &str = "centrifuge-json";

/// The one we do not speak yet.
const PROTOBUF: &str = "centrifuge-protobuf";

/// Serves a new connection in a task of its own.
pub(crate) fn serve(core: Rc<Core<Gate>>, incoming: Incoming) {
    let seat = Rc::new(Seat(core));
    match incoming.into_socket() {
        Ok(Socket::Tcp(stream)) => drop(tokio::task::spawn_local(run(seat, stream, Socket::Tcp))),
        Ok(Socket::Unix(stream)) => drop(tokio::task::spawn_local(run(seat, stream, Socket::Unix))),
        Ok(Socket::Tls(_)) => tracing::error!("a chat server's port speaks no TLS of its own"),
        Err(error) => tracing::warn!(%error, "a connection could not be registered"),
    }
}

async fn run<S>(seat: Rc<Seat>, stream: S, socket: fn(S) -> Socket)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(|request| {
        let seat = seat.clone();
        async move {
            Ok::<_, Infallible>(match request.uri().path() {
                WEBSOCKET_PATH => upgrade(seat, request, socket),
                _ => route(&seat, request).await,
            })
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_PATIENCE)
        .max_headers(HEADERS_MAX)
        .max_header_size(HEADERS_BYTES_MAX)
        .max_buf_size(HTTP_BUFFER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "an HTTP connection failed");
    }
}

async fn route(seat: &Seat, request: Request<RequestBody>) -> Response<Body> {
    let answered = seat.0.shared().router.clone().call(request).await;
    answered.unwrap_or_else(|never| match never {})
}

/// Answers a request on the WebSocket's path; if it is one, the connection becomes a session.
fn upgrade<S>(seat: Rc<Seat>, mut request: Request<RequestBody>, socket: fn(S) -> Socket) -> Response<Body>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    if !origin::is_allowed(request.headers(), &seat.0.shared().origins) {
        return refused(
            StatusCode::FORBIDDEN,
            "this page's origin may not connect here: start the server with --origin and that origin",
        );
    }
    let offered = Offered::read(request.headers(), request.uri().query().unwrap_or_default());
    if offered == Offered::Protobuf {
        return refused(
            StatusCode::BAD_REQUEST,
            "the Protobuf form of the client protocol is not supported yet; use JSON",
        );
    }
    let mut response = match tungstenite::handshake::server::create_response_with_body(&request, Body::empty)
    {
        Ok(response) => response,
        Err(error) => {
            return refused(
                StatusCode::UPGRADE_REQUIRED,
                &format!(
                    "this is a WebSocket address, for the Centrifuge SDKs: ws://HOST:PORT{WEBSOCKET_PATH} ({error})"
                ),
            );
        }
    };
    if offered == Offered::Json {
        response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(JSON));
    }
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::task::spawn_local(async move {
        let parts = match upgrade.await.map(|upgraded| upgraded.downcast::<TokioIo<S>>()) {
            Ok(Ok(parts)) => parts,
            Ok(Err(_)) => return tracing::error!("an upgraded connection is not the one that was served"),
            Err(error) => return tracing::debug!(%error, "a WebSocket handshake was not finished"),
        };
        Session::run(&seat.0, socket(parts.io.into_inner()), &parts.read_buf).await;
    });
    response
}

#[derive(Debug, PartialEq, Eq)]
enum Offered {
    /// No subprotocol that we know: JSON, not named.
    Nothing,
    Json,
    Protobuf,
}

impl Offered {
    fn read(headers: &HeaderMap, query: &str) -> Offered {
        let wants_protobuf =
            query.split('&').any(|pair| matches!(pair, "format=protobuf" | "cf_protocol=protobuf"));
        let offers = |name: &str| {
            headers
                .get_all(header::SEC_WEBSOCKET_PROTOCOL)
                .iter()
                .filter_map(|list| list.to_str().ok())
                .flat_map(|list| list.split(','))
                .any(|offered| offered.trim() == name)
        };
        if wants_protobuf {
            Offered::Protobuf
        } else if offers(JSON) {
            Offered::Json
        } else if offers(PROTOBUF) {
            Offered::Protobuf
        } else {
            Offered::Nothing
        }
    }
}

fn refused(status: StatusCode, hint: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{hint}\n")));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if status == StatusCode::UPGRADE_REQUIRED {
        response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    }
    response
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
        assert_eq!(read(&[], ""), Offered::Nothing);
        assert_eq!(read(&["chat"], "format=json"), Offered::Nothing);
        assert_eq!(read(&["a, centrifuge-json"], ""), Offered::Json);
        assert_eq!(read(&["a", "centrifuge-protobuf"], ""), Offered::Protobuf);
        assert_eq!(read(&["centrifuge-protobuf,centrifuge-json"], ""), Offered::Json);
        assert_eq!(read(&[], "a=b&format=protobuf"), Offered::Protobuf);
        assert_eq!(read(&[], "cf_protocol=protobuf"), Offered::Protobuf);
    }
}
