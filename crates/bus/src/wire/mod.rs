//! The ledger's operations and answers on the wire: the same for a command of Naru's broker and for a script.

mod answer;
mod entry;
mod request;

#[cfg(test)]
mod tests;

pub use answer::answer;
pub(crate) use answer::delivered;
pub(crate) use request::delivery;
pub use request::{Request, request};
