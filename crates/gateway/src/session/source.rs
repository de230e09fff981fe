use bytes::Bytes;

use super::{Ending, Session};
use crate::{streams::Downstream, websocket::WebSocket};

/// Where a session's commands come from, and how its connection is seen to end.
pub(super) enum Source {
    WebSocket(WebSocket),
    /// They come apart from the connection.
    Apart(Downstream),
}

impl Source {
    /// Of a session of which nothing has come that is not taken; `read` is what has been read before.
    pub(super) fn of(session: &Session, read: &[u8]) -> Source {
        let (core, link) = (session.core.clone(), session.link.clone());
        match &session.mailbox {
            None => Source::WebSocket(WebSocket::new(core, link, read)),
            Some(mailbox) => Source::Apart(Downstream::new(core, link, mailbox.clone())),
        }
    }

    /// The next frame of commands, if it has come.
    pub(super) fn take(&mut self) -> Option<Result<Bytes, Ending>> {
        match self {
            Source::WebSocket(socket) => socket.take(),
            Source::Apart(downstream) => downstream.take().map(Ok),
        }
    }

    /// Whether nothing has come that is not taken. Then it can be dropped, and made again.
    pub(super) fn is_silent(&self) -> bool {
        match self {
            Source::WebSocket(socket) => socket.is_silent(),
            Source::Apart(downstream) => downstream.is_silent(),
        }
    }

    /// Waits until something comes. Dropping the future loses nothing.
    pub(super) async fn come(&mut self) -> Result<(), Ending> {
        match self {
            Source::WebSocket(socket) => socket.come().await,
            Source::Apart(downstream) => downstream.come().await.map_err(|_| Ending::Gone),
        }
    }

    /// Returns when a frame that is so has come and is not taken, be there others before it, of a turn at most. Dropping the future loses
    /// nothing.
    pub(super) async fn has_come(&mut self, is_so: impl Fn(&Bytes) -> bool) {
        match self {
            Source::WebSocket(socket) => socket.has_come(is_so).await,
            Source::Apart(downstream) => downstream.has_come(is_so).await,
        }
    }

    /// Returns when the client has gone without having said anything more.
    pub(super) async fn gone(&mut self) -> Ending {
        match self {
            Source::WebSocket(socket) => socket.gone().await,
            Source::Apart(downstream) => {
                downstream.gone().await;
                Ending::Gone
            }
        }
    }
}
