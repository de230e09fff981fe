//! Commands that come by themselves, for a session on this server or another.

use axum::body::Body;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming as RequestBody;
use naru_bus::BusError;
use naru_fanout::Core;
use naru_ledger::Server;
use tokio::time::timeout;

use super::{
    refusal::Takes,
    request::{admit, body, encoding},
};
use crate::{
    limits::{ADMIT_PATIENCE, EMULATION_BYTES_MAX, MESSAGE_BYTES_MAX, SECRET_BYTES_MAX},
    nodes::{Base64, Emulate},
    protocol::emulation::EmulationRequest,
    wire::Gate,
};

const TAKES: Takes = Takes {
    methods: "POST, OPTIONS",
    what: "{\"node\", \"session\", \"data\"}: the two as the answer to connect has them, and commands as text",
};

/// Passes the commands of a request on. Whether there is such a session is not said: that its stream has ended is seen by
/// whoever had it.
pub(crate) async fn emulate(core: &Core<Gate>, request: Request<RequestBody>) -> Response<Body> {
    let headers = match admit(&request, TAKES.methods, &core.shared().origins) {
        Ok(headers) => headers,
        Err((status, headers)) => return TAKES.answer(status, headers),
    };
    if request.method() != Method::POST {
        return TAKES.not_allowed(headers);
    }
    TAKES.answer(passed_on(core, request).await.unwrap_or_else(|status| status), headers)
}

/// Whether there is such a server.
async fn forward(core: &Core<Gate>, server: &Server, session: String, data: Bytes) -> Result<bool, BusError> {
    let shared = core.shared();
    // Those on this server have room in a moment; for the broker there is a turn, of no session's.
    core.directory().relieved().await;
    let _turn = match *server == shared.server {
        true => None,
        false => Some(shared.emulations.acquire().await.expect("the semaphore is never closed")),
    };
    shared.nodes.emulate(server, Emulate { session, data: Base64(data) }).await
}

async fn passed_on(core: &Core<Gate>, request: Request<RequestBody>) -> Result<StatusCode, StatusCode> {
    let encoding = encoding(request.headers());
    let read = body(request.into_body(), EMULATION_BYTES_MAX).await?;
    let EmulationRequest { node, session, data } =
        EmulationRequest::read(encoding, read).map_err(|_| StatusCode::BAD_REQUEST)?;
    if session.is_empty() || session.len() > SECRET_BYTES_MAX || data.is_empty() {
        return Err(StatusCode::BAD_REQUEST);
    }
    if data.len() > core.shared().limits.message_bytes_max.min(MESSAGE_BYTES_MAX) {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let server = Server::parse(&node).map_err(|_| StatusCode::NOT_FOUND)?;
    match timeout(ADMIT_PATIENCE, forward(core, &server, session, data)).await {
        Ok(Ok(true)) => Ok(StatusCode::NO_CONTENT),
        Ok(Ok(false)) => Err(StatusCode::NOT_FOUND),
        // The client comes back, perhaps to another server.
        Ok(Err(_)) | Err(_) => Err(StatusCode::SERVICE_UNAVAILABLE),
    }
}
