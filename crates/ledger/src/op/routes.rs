//! Which server holds whom. Volatile: servers say it again after a restart of the store.

use std::time::Duration;

use crate::{Epoch, Server};

/// One run of a server: the routes of an earlier run do not count.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Run {
    /// Its name.
    pub server: Server,
    /// Made anew each time it starts or has lost the store.
    pub epoch: Epoch,
}

/// A server says that it runs. Another epoch than before ends the routes of the run before.
///
/// A route counts while its run is the last its server has told of, and the lease is not over. Where the server's lease is not at
/// hand (on Redis it is in another slot than the user) answers may still name a server whose lease is over or
/// whose run is not the last; telling it something is harmless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerIs {
    /// Which run of which server.
    pub run: Run,
    /// For how long it may be believed; 0 ends it at once. None, which is an empty text in the command, is for as long as the
    /// connection lasts on which it was said: Naru's broker only, and the model, where it is until something else is said.
    pub lease: Option<Duration>,
}
