//! Taking a socket back from hyper, when a request has been read and none of its answer written.

use std::{
    cell::RefCell,
    future::{pending, poll_fn},
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use axum::body::Body;
use hyper::{
    body::Incoming as RequestBody,
    rt::{Read, ReadBufCursor, Write},
    server::conn::http1,
    service::HttpService,
};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Opening;

/// Where a service puts what its connection is to go on as.
#[derive(Clone, Default)]
pub(crate) struct Taken(Rc<RefCell<Option<Opening>>>);

impl Taken {
    /// Has the connection taken from hyper; the service never answers.
    pub(crate) async fn put<T>(&self, opening: Opening) -> T {
        *self.0.borrow_mut() = Some(opening);
        pending().await
    }
}

/// Serves requests until the connection has ended, or is taken; then the socket comes back.
pub(crate) async fn serve<S, V>(
    http: &http1::Builder,
    stream: S,
    taken: Taken,
    service: V,
) -> hyper::Result<Option<(S, Opening)>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    V: HttpService<RequestBody, ResBody = Body>,
    V::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (stream, is_stuck) = Watched::new(stream);
    let mut connection = http.serve_connection(stream, service).with_upgrades();
    let opening = poll_fn(|context| {
        if let Poll::Ready(served) = Pin::new(&mut connection).poll(context) {
            return Poll::Ready(served.map(|()| None));
        }
        // hyper may still have to write what it has answered to earlier requests. Polled, it writes all that it can.
        if is_stuck.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        match taken.0.borrow_mut().take() {
            Some(opening) => Poll::Ready(Ok(Some(opening))),
            None => Poll::Pending,
        }
    })
    .await?;
    // What the client has sent behind its request is of no interest.
    let parts = connection.into_parts();
    Ok(opening.zip(parts.map(|parts| parts.io.into_inner())).map(|(opening, stream)| (stream, opening)))
}

/// A socket of hyper's that says whether hyper waits to write.
pub(crate) struct Watched<S> {
    stream: TokioIo<S>,
    is_stuck: Arc<AtomicBool>,
}

impl<S> Watched<S> {
    fn new(stream: S) -> (Watched<S>, Arc<AtomicBool>) {
        let is_stuck = Arc::<AtomicBool>::default();
        (Watched { stream: TokioIo::new(stream), is_stuck: is_stuck.clone() }, is_stuck)
    }

    pub(crate) fn into_inner(self) -> S {
        self.stream.into_inner()
    }

    fn noted<T>(&self, written: Poll<T>) -> Poll<T> {
        self.is_stuck.store(written.is_pending(), Ordering::Relaxed);
        written
    }
}

impl<S: AsyncRead + Unpin> Read for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> Write for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.noted(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.noted(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
