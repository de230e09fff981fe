//! The client protocol's messages in JSON, as far as Naru speaks it (docs/clients.md).

pub(crate) mod command;
pub(crate) mod compact;
pub(crate) mod data;
pub(crate) mod frame;
pub(crate) mod reply;
