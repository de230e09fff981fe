//! What the application wants a client to be told instead of what it asked for.

use crate::protocol::message;

/// A refusal in the application's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Error(message::Error),
    /// The connection is closed with this code and reason.
    Disconnect(u16, Box<str>),
}
