//! What is answered when something has been written into a log.

use naru_ledger::{Conversation, answer::Appended};
use serde::Serialize;

use crate::protocol::reply::Outcome;

/// Where it is, and whether it was there already: then the rest is the first answer's, and `prev` and `count` are left out if it
/// has been trimmed since.
#[derive(Serialize)]
struct Stored<'a> {
    conversation: &'a str,
    seq: u64,
    at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    prev: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    duplicate: bool,
    level: &'static str,
}

pub(super) fn result(conversation: &Conversation, appended: &Appended) -> Outcome {
    let is_there = appended.at.0 > 0;
    super::result(&Stored {
        conversation: conversation.as_str(),
        seq: appended.seq.0,
        at: appended.at.0,
        prev: is_there.then_some(appended.prev.0),
        count: is_there.then_some(appended.count),
        duplicate: appended.repeat,
        level: appended.level.as_str(),
    })
}
