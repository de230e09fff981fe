//! The connection of a session over plain HTTP, once it has begun: what comes on it means nothing, and that it ends does.

use std::{io, rc::Rc, time::Duration};

use bytes::Bytes;
use naru_fanout::{Core, Link};
use tokio::{select, time::timeout};

use super::Mailbox;
use crate::{limits::TURN_BYTES_MAX, wire::Gate};

/// Where a session's commands come from that has its connection for what it is sent only.
pub(crate) struct Downstream {
    core: Rc<Core<Gate>>,
    link: Rc<Link>,
    mailbox: Rc<Mailbox>,
}

/// The client has gone.
#[derive(Debug)]
pub(crate) struct Gone;

impl Downstream {
    pub(crate) fn new(core: Rc<Core<Gate>>, link: Rc<Link>, mailbox: Rc<Mailbox>) -> Downstream {
        Downstream { core, link, mailbox }
    }

    /// The next frame of commands, if it has come.
    pub(crate) fn take(&self) -> Option<Bytes> {
        self.mailbox.take()
    }

    /// Returns when a frame that is so has come and is not taken, be there others before it.
    pub(crate) async fn has_come(&self, is_so: impl Fn(&Bytes) -> bool) {
        self.mailbox.has(is_so).await;
    }

    /// Whether nothing has come that is not taken.
    pub(crate) fn is_silent(&self) -> bool {
        self.mailbox.is_empty()
    }

    /// Waits until something comes. Dropping the future loses nothing.
    pub(crate) async fn come(&self) -> Result<(), Gone> {
        select! {
            biased;
            () = self.mailbox.filled() => Ok(()),
            gone = self.gone() => Err(gone),
        }
    }

    /// Returns when the client has gone. Dropping the future loses nothing.
    pub(crate) async fn gone(&self) -> Gone {
        loop {
            if self.link.socket().readable().await.is_err() || self.is_at_end() {
                return Gone;
            }
        }
    }

    /// Reads what there is, to nobody's use.
    fn is_at_end(&self) -> bool {
        let mut buffer = self.core.read_buffer().borrow_mut();
        match self.link.socket().try_read(&mut buffer[..TURN_BYTES_MAX]) {
            Ok(count) => count == 0,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }

    /// Ends the connection when all that was written has got through; waits a little for that.
    pub(crate) async fn close(&self, patience: Duration) {
        let finished = async {
            self.link.flushed().await;
            // Whoever reads to the end finds it. Closing while the client still sends would reset the connection before.
            self.link.shutdown_write();
            self.gone().await
        };
        let _ = timeout(patience, finished).await;
        self.link.close();
    }
}
