//! The operations of the ledger and of channels and their answers on the wire: the same for a command of Naru's broker and for a
//! script.

mod answer;
mod channel;
mod entry;
mod request;

#[cfg(test)]
mod tests;

pub use answer::answer;
pub(crate) use answer::delivered;
pub(crate) use channel::present as channel_present;
pub use channel::{answer as channel_answer, request as channel_request};
pub(crate) use request::delivery;
pub use request::{Request, request};
