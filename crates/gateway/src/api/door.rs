//! A port of its own for the API.

use std::{
    convert::Infallible,
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use axum::{Router, body::Body};
use http::Request;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::TcpStream,
    select,
    sync::{Semaphore, watch},
    time::{sleep, timeout},
};
use tower_service::Service;

use crate::limits::{
    API_CONNECTIONS_MAX, HEADERS_BYTES_MAX, HEADERS_MAX, HEADERS_PATIENCE, HTTP_BUFFER_BYTES_MAX,
};

/// How long to wait after accepting failed, as it does while the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// A port on which a router is served, by a thread of its own.
pub(crate) struct Door {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

impl Door {
    /// Begins to serve. When it is stopped, what is under way has the grace to end.
    pub(crate) fn open(address: SocketAddr, router: Router, grace: Duration) -> io::Result<Door> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = watch::channel(false);
        let thread = thread::Builder::new().name("naru-api".into()).spawn(move || {
            if let Err(error) = runtime.block_on(serve(listener, router, grace, stopped)) {
                tracing::error!(%error, "the server API's port cannot be served");
            }
        })?;
        Ok(Door { address, stop, thread })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts no more; what is under way goes on for the grace.
    pub(crate) fn close(&self) {
        self.stop.send_replace(true);
    }

    /// Waits for its end.
    pub(crate) fn join(self) {
        // One that panicked has said so on its own thread.
        let _ = self.thread.join();
    }
}

async fn serve(
    listener: TcpListener,
    router: Router,
    grace: Duration,
    mut stopped: watch::Receiver<bool>,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let places = Arc::new(Semaphore::new(API_CONNECTIONS_MAX));
    loop {
        let accepted = select! {
            _ = stopped.changed() => break,
            accepted = async {
                // Whoever comes when all places are taken waits in the kernel's queue.
                let place = places.clone().acquire_owned().await;
                (listener.accept().await, place.expect("the semaphore is never closed"))
            } => accepted,
        };
        match accepted {
            (Ok((stream, _)), place) => {
                let (router, stopped) = (router.clone(), stopped.clone());
                tokio::spawn(async move {
                    connection(stream, router, stopped).await;
                    drop(place);
                });
            }
            (Err(error), _) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    let all = u32::try_from(API_CONNECTIONS_MAX).expect("the bound is small");
    // Those that do not end by themselves end with the runtime.
    let _ = timeout(grace, places.acquire_many(all)).await;
    Ok(())
}

async fn connection(stream: TcpStream, router: Router, mut stopped: watch::Receiver<bool>) {
    // Without it small answers wait for nothing; not worth an error.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| {
        let mut router = router.clone();
        async move {
            Service::<Request<Body>>::call(&mut router, request.map(Body::new)).await as Result<_, Infallible>
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_PATIENCE)
        .max_headers(HEADERS_MAX)
        .max_header_size(HEADERS_BYTES_MAX)
        .max_buf_size(HTTP_BUFFER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = std::pin::pin!(served);
    let ended = select! {
        ended = served.as_mut() => ended,
        _ = stopped.changed() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an HTTP connection failed");
    }
}
