//! The ledger's operations and answers on the wire: the same for a command of Naru's broker and for a script.

pub(crate) mod answer;
mod entry;
pub(crate) mod request;

#[cfg(test)]
mod tests;
