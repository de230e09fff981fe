//! A connection's task: requests first, then the session that one of them asks for.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use crate::session::Life;

/// What a connection is at. There is one task for both: what it takes is what the session needs, and requests have theirs apart.
pub(crate) enum Connection {
    /// Ends with the session, if the connection becomes one.
    Http(Pin<Box<dyn Future<Output = Option<Life>>>>),
    Session(Life),
}

impl Connection {
    /// Serves requests in a task of its own.
    pub(crate) fn begin(http: impl Future<Output = Option<Life>> + 'static) {
        tokio::task::spawn_local(Connection::Http(Box::pin(http)));
    }
}

impl Future for Connection {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        loop {
            match &mut *self {
                Connection::Http(http) => match ready!(http.as_mut().poll(context)) {
                    Some(life) => *self = Connection::Session(life),
                    None => return Poll::Ready(()),
                },
                Connection::Session(life) => return Pin::new(life).poll(context),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_connection_has_a_small_task() {
        // What tokio adds to a task of that size makes it 128 bytes, and to a larger one twice as many.
        assert!(size_of::<Connection>() <= 24, "{}", size_of::<Connection>());
    }
}
