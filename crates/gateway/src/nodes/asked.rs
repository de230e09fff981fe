//! A question that waits for its turn.

use naru_ledger::Server;

use super::Question;

/// What another gateway wants to know.
pub(super) struct Asked {
    /// What the answer has to be given with.
    pub(super) id: String,
    /// Who asks.
    pub(super) from: Server,
    pub(super) question: Question,
}
