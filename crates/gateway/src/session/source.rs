use bytes::Bytes;

use super::Ending;
use crate::{streams::Downstream, websocket::WebSocket};

/// Where a session's commands come from, and how its connection is seen to end.
#[allow(
    clippy::large_enum_variant,
    reason = "nearly all are WebSockets, and an allocation less each is something"
)]
pub(super) enum Source {
    WebSocket(WebSocket),
    /// They come apart from the connection.
    Apart(Downstream),
}

impl Source {
    /// The next frame of commands. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Result<Bytes, Ending> {
        match self {
            Source::WebSocket(socket) => socket.next().await,
            // Apart: they are few, and all would keep room for it.
            Source::Apart(downstream) => Box::pin(downstream.next()).await.map_err(|_| Ending::Gone),
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
