//! The client protocol's messages in JSON (client-protocol.md, sections 2.2 and 3), as far as Naru speaks it.

pub(crate) mod command;
pub(crate) mod compact;
pub(crate) mod data;
pub(crate) mod frame;
pub(crate) mod reply;
