//! HTTP on a core: the ways to a session, and everything else through the router.

use std::{cell::Cell, convert::Infallible, rc::Rc};

use axum::body::Body;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use hyper::{body::Incoming as RequestBody, server::conn::http1, service::service_fn, upgrade::OnUpgrade};
use hyper_util::rt::TokioTimer;
use naru_fanout::{Core, Incoming, Socket, Step};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tower_service::Service;

use crate::{
    admission::{Full, Pass},
    connection::Connection,
    handshake::{self, Handshake, VERSION},
    limits::{HEADERS_BYTES_MAX, HEADERS_MAX, HEADERS_PATIENCE, HTTP_BUFFER_BYTES_MAX},
    origin,
    protocol::flavour::Flavour,
    proxy::Heard,
    session::{Life, Session},
    streams::{self, EMULATION_PATH, EVENTS_PATH, HTTP_STREAM_PATH, Opening, Taken, Watched},
    wire::{Gate, Seat, Shared},
};

const WEBSOCKET_PATH: &str = "/connection/websocket";

/// Serves a new connection in a task of its own.
pub(crate) fn serve(core: Rc<Core<Gate>>, incoming: Incoming) {
    let socket = incoming.into_socket();
    let from = match &socket {
        Ok(Socket::Tcp(stream)) if core.shared().admission.wants_addresses() => stream.peer_addr().ok(),
        _ => None,
    };
    let seat = Rc::new(Seat::new(core, from.map(|address| address.ip())));
    match socket {
        Ok(Socket::Tcp(stream)) => Connection::begin(run(seat, stream, Socket::Tcp)),
        Ok(Socket::Unix(stream)) => Connection::begin(run(seat, stream, Socket::Unix)),
        Ok(Socket::Tls(_)) => tracing::error!("a chat server's port speaks no TLS of its own"),
        Err(error) => tracing::warn!(%error, "a connection could not be registered"),
    }
}

/// Serves requests, until one has the connection become a session.
async fn run<S>(seat: Rc<Seat>, stream: S, socket: fn(S) -> Socket) -> Option<Life>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (taken, upgraded) = (Taken::default(), Rc::new(Cell::default()));
    let service = service_fn(|request| {
        let (seat, taken, upgraded) = (seat.clone(), taken.clone(), upgraded.clone());
        async move {
            Ok::<_, Infallible>(match request.uri().path() {
                WEBSOCKET_PATH => upgrade(&seat, request, &upgraded).await,
                HTTP_STREAM_PATH | EVENTS_PATH => match open(&seat, request).await {
                    Ok(opening) => taken.put(opening).await,
                    Err(refused) => refused,
                },
                EMULATION_PATH => streams::emulate(&seat.core, request).await,
                _ => route(&seat, request).await,
            })
        }
    });
    match streams::serve(&bounded(), stream, taken.clone(), service).await {
        Ok(None) => {
            let Upgrade { on, flavour, heard, pass } = upgraded.take()?;
            let upgraded = on.await.inspect_err(|error| {
                tracing::debug!(%error, "a WebSocket handshake was not finished");
            });
            let Ok(parts) = upgraded.ok()?.downcast::<Watched<S>>() else {
                tracing::error!("an upgraded connection is not the one that was served");
                return None;
            };
            let socket = socket(parts.io.into_inner());
            Some(Session::run(seat.pass_on(), socket, flavour, (heard, pass), parts.read_buf))
        }
        Ok(Some((stream, opening))) => Some(Session::run_apart(seat.pass_on(), socket(stream), opening)),
        Err(error) => {
            tracing::debug!(%error, "an HTTP connection failed");
            None
        }
    }
}

/// How requests are read.
pub(crate) fn bounded() -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEADERS_PATIENCE)
        .max_headers(HEADERS_MAX)
        .max_header_size(HEADERS_BYTES_MAX)
        .max_buf_size(HTTP_BUFFER_BYTES_MAX);
    http
}

async fn route(seat: &Seat, request: Request<RequestBody>) -> Response<Body> {
    let answered = seat.core.shared().router.clone().call(request).await;
    answered.unwrap_or_else(|never| match never {})
}

/// Takes a place for the session that is asked for with these headers, when its turn has come, or answers that there is none.
async fn enter(seat: &Seat, headers: &HeaderMap) -> Result<Pass, Response<Body>> {
    let Seat { core, from, .. } = seat;
    let Shared { admission, arrivals, limits, metrics, .. } = &**core.shared();
    let entered = async {
        if core.waiting(Step::First) >= limits.newcomers_max {
            return Err(Full::Rate);
        }
        let pass = admission.knock(*from, headers)?;
        // hyper sees who goes meanwhile, and drops this; unless they have sent more than it takes up of the request: it reads no
        // further then, and tokio does not wait for an end that something unread is before.
        let turn = metrics.core(core.id()).in_line(core.step(Step::First));
        timeout(limits.newcomer_patience, turn).await.map_err(|_| Full::Rate)?;
        let pass = pass.enter()?;
        arrivals.let_in();
        Ok(pass)
    };
    entered.await.map_err(|full| unavailable(seat, full))
}

fn unavailable(seat: &Seat, full: Full) -> Response<Body> {
    let Seat { core, .. } = seat;
    core.shared().metrics.core(core.id()).turned_away(full);
    let status =
        if full.is_theirs() { StatusCode::TOO_MANY_REQUESTS } else { StatusCode::SERVICE_UNAVAILABLE };
    refused(status, full.hint())
}

/// Reads what a session over plain HTTP begins with, or answers why there is none.
async fn open(seat: &Seat, request: Request<RequestBody>) -> Result<Opening, Response<Body>> {
    let shared = seat.core.shared();
    let (asked, answered) = streams::look(request, shared)?;
    let opened = async {
        let pass = enter(seat, asked.headers()).await?;
        let turned_out = pass.turned_out();
        tokio::select! {
            biased;
            () = turned_out => Err(unavailable(seat, Full::All)),
            read = asked.read(shared, pass, &answered) => read,
        }
    };
    opened.await.map_err(|mut refused| {
        // A browser shows a page no status without them.
        refused.headers_mut().extend(answered);
        refused
    })
}

/// A WebSocket to be, when its answer has been written.
struct Upgrade {
    on: OnUpgrade,
    flavour: Flavour,
    /// What hooks are told of its headers.
    heard: Heard,
    /// Its place among the server's sessions.
    pass: Pass,
}

/// Answers a request on the WebSocket's path; if it is one, puts down what the connection becomes.
async fn upgrade(
    seat: &Seat,
    mut request: Request<RequestBody>,
    upgraded: &Cell<Option<Upgrade>>,
) -> Response<Body> {
    if !origin::is_allowed(request.headers(), &seat.core.shared().origins) {
        return refused(
            StatusCode::FORBIDDEN,
            "this page's origin may not connect here: start the server with --origin and that origin",
        );
    }
    let Handshake { flavour, response } = match handshake::read(&request) {
        Ok(handshake) => handshake,
        Err(fault) => {
            tracing::debug!(%fault, "a WebSocket handshake is refused");
            return refused(
                fault.status(),
                &format!(
                    "this is a WebSocket address, for the Centrifuge SDKs: ws://HOST:PORT{WEBSOCKET_PATH} ({fault})"
                ),
            );
        }
    };
    let pass = match enter(seat, request.headers()).await {
        Ok(pass) => pass,
        Err(refused) => return refused,
    };
    let heard = seat.core.shared().backend.hear(request.headers());
    let on = hyper::upgrade::on(&mut request);
    upgraded.set(Some(Upgrade { on, flavour, heard, pass }));
    response
}

fn refused(status: StatusCode, hint: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{hint}\n")));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET"));
    }
    if status == StatusCode::UPGRADE_REQUIRED {
        response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        response.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
    }
    response
}
