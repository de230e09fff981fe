//! The ledger's operations and answers on the wire: the same for a command of Naru's broker and for a script.

pub(crate) mod answer;
pub(crate) mod delivery;
pub(crate) mod entry;
pub(crate) mod request;

#[cfg(test)]
mod tests;
