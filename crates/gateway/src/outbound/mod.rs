//! The gateway's one HTTP client, for what it asks of other servers: keys of tokens, and the application's back end.
//!
//! It runs on a thread of its own, so that one pool of connections serves all cores and no core waits for a handshake.
//! What is asked waits in a bounded queue; each call has one time for everything, a bound for its answer, and is given up
//! when nobody waits for it any more. It follows no redirect and asks no proxy: it goes where the configuration says.

use std::{error::Error, io, sync::Arc, thread};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::ClientConfig;
use tokio::{
    select,
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};

use crate::limits::{OUTBOUND_CALLS_MAX, OUTBOUND_CONNECT, OUTBOUND_IDLE, OUTBOUND_IDLE_MAX};

mod endpoint;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use endpoint::{BadEndpoint, Endpoint};

/// How other servers are asked. Clones share the connections; the thread ends with the last of them.
#[derive(Clone)]
pub(crate) struct Outbound {
    calls: mpsc::Sender<Call>,
}

/// What is asked of another server.
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// What it has answered, whatever its status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoAnswer {
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    #[error("the connection broke: {0}")]
    Broken(String),
    #[error("its answer did not come in time")]
    Late,
    #[error("its answer has more than {0} bytes")]
    TooLarge(usize),
    #[error("too much is asked of other servers at once")]
    Busy,
}

struct Call {
    endpoint: Endpoint,
    request: Request,
    until: Instant,
    answer: oneshot::Sender<Result<Answer, NoAnswer>>,
}

type Https = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

impl Request {
    pub(crate) fn get() -> Request {
        Request { method: Method::GET, headers: HeaderMap::new(), body: Bytes::new() }
    }
}

impl Outbound {
    /// Starts the thread. Without `tls`, places that are reached by TLS are out of reach.
    pub(crate) fn start(tls: Option<Arc<ClientConfig>>) -> io::Result<Outbound> {
        let (calls, asked) = mpsc::channel(OUTBOUND_CALLS_MAX);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("naru-outbound".into()).spawn(move || {
            runtime.block_on(serve(client(tls), asked));
        })?;
        Ok(Outbound { calls })
    }

    /// Asks. Dropped before the answer, the call is given up.
    pub(crate) async fn call(&self, endpoint: &Endpoint, request: Request) -> Result<Answer, NoAnswer> {
        let (answer, answered) = oneshot::channel();
        let until = Instant::now() + endpoint.patience;
        let call = Call { endpoint: endpoint.clone(), request, until, answer };
        self.calls.try_send(call).map_err(|_| NoAnswer::Busy)?;
        answered.await.unwrap_or(Err(NoAnswer::Busy))
    }
}

fn client(tls: Option<Arc<ClientConfig>>) -> Https {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(OUTBOUND_CONNECT));
    let tls = tls.map_or_else(no_tls, Arc::unwrap_or_clone);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(connector);
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(OUTBOUND_IDLE)
        .pool_max_idle_per_host(OUTBOUND_IDLE_MAX)
        .build(connector)
}

/// Trusts nobody.
fn no_tls() -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has the default versions of TLS")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}

/// Each call in a task of its own; as many as the queue holds are under way at once, and as many again wait.
async fn serve(client: Https, mut asked: mpsc::Receiver<Call>) {
    let turns = Arc::new(tokio::sync::Semaphore::new(OUTBOUND_CALLS_MAX));
    while let Some(call) = asked.recv().await {
        let turn = turns.clone().acquire_owned().await.expect("the semaphore is never closed");
        let client = client.clone();
        tokio::spawn(async move {
            let _turn = turn;
            let Call { endpoint, request, until, mut answer } = call;
            let exchanged = select! {
                biased;
                // Nobody waits any longer.
                () = answer.closed() => return,
                exchanged = timeout_at(until, exchange(&client, &endpoint, request)) => exchanged,
            };
            // Who asked may have gone at this very moment, and then nobody has lost anything.
            let _ = answer.send(exchanged.unwrap_or(Err(NoAnswer::Late)));
        });
    }
}

async fn exchange(client: &Https, endpoint: &Endpoint, request: Request) -> Result<Answer, NoAnswer> {
    let Request { method, headers, body } = request;
    let mut asked = http::Request::new(Full::new(body));
    *asked.method_mut() = method;
    *asked.uri_mut() = endpoint.uri.clone();
    *asked.headers_mut() = headers;
    asked
        .headers_mut()
        .entry(header::USER_AGENT)
        .or_insert(HeaderValue::from_static(concat!("naru/", env!("CARGO_PKG_VERSION"))));
    let answered = client.request(asked).await.map_err(|error| {
        if error.is_connect() {
            NoAnswer::Unreachable(causes(&error))
        } else {
            NoAnswer::Broken(causes(&error))
        }
    })?;
    let (head, body) = answered.into_parts();
    let body = Limited::new(body, endpoint.answer_bytes_max).collect().map(|collected| {
        collected.map_err(|error| match error.downcast_ref::<LengthLimitError>() {
            Some(_) => NoAnswer::TooLarge(endpoint.answer_bytes_max),
            None => NoAnswer::Broken(causes(&*error)),
        })
    });
    Ok(Answer { status: head.status, body: body.await?.to_bytes() })
}

/// An error with what is behind it, each said once.
fn causes(error: &(dyn Error + 'static)) -> String {
    let mut said: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if !said.iter().any(|said| said.contains(&text)) {
            said.push(text);
        }
        next = error.source();
    }
    said.join(": ")
}
