//! What is counted, and how it is read: Prometheus's text, in OpenMetrics' form.
//!
//! What happens often is counted by each core for itself (`meter.rs`), without a locked instruction; a scrape adds up. No label
//! has anything that clients choose. docs/metrics.md has the list, and a test holds it to the one that is exported.

mod export;
mod meter;
mod process;
mod settings;

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use arc_swap::ArcSwap;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::{
    Router,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderMap, StatusCode, header};
use naru_bus::{Bus, Latency};
use naru_fanout::{CoreId, Directory};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::{
    interests::Interests, namespaces::Namespaces, proxy::Backend, secret::Secret, session::Ending, wire::Gate,
};

pub(crate) use meter::Meter;
pub(crate) use process::Process;
pub use settings::{BadSettings, Options, Settings};

/// All that is counted, and where the rest is found.
pub(crate) struct Metrics {
    meters: Box<[Meter]>,
    /// How connections have ended, by what `disconnected` calls it.
    disconnects: Mutex<BTreeMap<&'static str, u64>>,
    /// How long reading an inbox waited for its turn.
    pub(crate) replay_waits: Latency,
    bus: Bus,
    interests: Arc<Interests>,
    calls: Arc<Semaphore>,
    directory: OnceLock<Arc<Directory<Gate>>>,
    namespaces: Arc<ArcSwap<Namespaces>>,
    backend: Arc<Backend>,
    embedded: Option<Embedded>,
}

/// Reads what a broker in the same process counts.
pub type Embedded = Arc<dyn Fn() -> Vec<Figure> + Send + Sync>;

/// One number of a broker's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// As it is exported, without `_total`.
    pub name: &'static str,
    /// What it is, for people.
    pub help: &'static str,
    /// What it is now.
    pub value: Value,
}

/// A number, and what it may do.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub enum Value {
    /// It only grows.
    Counter(u64),
    /// Time that only grows.
    Seconds(f64),
    /// It rises and falls.
    Gauge(u64),
}

impl Metrics {
    pub(crate) fn new(
        cores: usize,
        bus: Bus,
        interests: Arc<Interests>,
        calls: Arc<Semaphore>,
        (namespaces, backend): (Arc<ArcSwap<Namespaces>>, Arc<Backend>),
        embedded: Option<Embedded>,
    ) -> Arc<Metrics> {
        process::started();
        Arc::new(Metrics {
            meters: (0..cores).map(|_| Meter::default()).collect(),
            disconnects: Mutex::default(),
            replay_waits: Latency::default(),
            bus,
            interests,
            calls,
            directory: OnceLock::new(),
            namespaces,
            backend,
            embedded,
        })
    }

    /// The cores have been started.
    pub(crate) fn found(&self, directory: Arc<Directory<Gate>>) {
        self.directory.get_or_init(|| directory);
    }

    pub(crate) fn core(&self, core: CoreId) -> &Meter {
        &self.meters[core.0]
    }

    pub(crate) fn disconnected(&self, ending: &Ending) {
        let how = match ending {
            Ending::Gone => "gone",
            Ending::Close(disconnect) => disconnect.digits(),
            // Any number that an application's server likes.
            Ending::Steered(..) => "steered",
            Ending::Faulty(1009, _) => "1009",
            Ending::Faulty(1007, _) => "1007",
            Ending::Faulty(..) => "1002",
        };
        *self.disconnects.lock().entry(how).or_default() += 1;
    }
}

/// `/metrics`, for who has the token, if there is one.
pub(crate) fn router(options: &Options, metrics: &Arc<Metrics>) -> Router {
    let (token, metrics) = (options.token.clone(), metrics.clone());
    let scrape = move |headers: HeaderMap| async move { answer(token.as_ref(), &headers, &metrics) };
    Router::new().route("/metrics", get(scrape))
}

fn answer(token: Option<&Secret>, headers: &HeaderMap, metrics: &Arc<Metrics>) -> Response {
    if is_shown(token, headers) {
        return ([(header::CONTENT_TYPE, export::CONTENT_TYPE)], export::text(metrics)).into_response();
    }
    let wanted = [(header::WWW_AUTHENTICATE, "Bearer")];
    (StatusCode::UNAUTHORIZED, wanted, "the metrics' token is wanted\n").into_response()
}

fn is_shown(token: Option<&Secret>, headers: &HeaderMap) -> bool {
    let Some(token) = token else { return true };
    let shown =
        headers.get(header::AUTHORIZATION).and_then(|shown| shown.as_bytes().strip_prefix(b"Bearer "));
    shown.is_some_and(|shown| verify_slices_are_equal(shown, token.expose().as_bytes()).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_the_token_nothing_is_shown() {
        let shown = |token: Option<&str>, header: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, header.parse().unwrap());
            is_shown(token.map(Secret::new).as_ref(), &headers)
        };
        assert!(shown(None, "") && shown(Some("abc"), "Bearer abc"));
        for wrong in ["", "abc", "Bearer ab", "Bearer abcd", "Bearer ", "bearer abc", "Basic abc"] {
            assert!(!shown(Some("abc"), wrong), "{wrong}");
        }
        assert!(!is_shown(Some(&Secret::new("abc")), &HeaderMap::new()));
    }
}
