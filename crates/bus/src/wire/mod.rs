//! The operations of the ledger and of channels and their answers on the wire: the same for a command of Naru's broker and for a
//! script.

mod answer;
mod channel;
mod entry;
mod request;

#[cfg(test)]
mod tests;

pub use answer::answer;
pub(crate) use answer::{delivered, sent};
pub use channel::{answer as channel_answer, request as channel_request};
pub use request::{Request, request};
pub(crate) use request::{delivery, sending};
