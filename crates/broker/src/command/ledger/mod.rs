//! The ledger's commands: their words as [`naru_ledger::Op`] documents them, and its answers. The bus has the other end
//! of both.

mod answer;
mod inbox;
mod log;
mod saying;
mod servers;
mod words;

#[cfg(test)]
mod tests;
