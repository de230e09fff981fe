//! Whether what happened in a live run is what was promised. Pure, and linear in the length of the history.
//!
//! What is judged by: a log gives each entry of a conversation one place, so nothing has to be guessed. The logs, read at the
//! end, are held against each other part of the history:
//!
//! - `logs`: numbers rise, an id is there once, and nothing that nobody has said.
//! - `sends`: what was acknowledged is there, at the number that was answered; what was answered before something else was sent
//!   stands before it; a repeat gets the first answer.
//! - `deliveries`: each device gets the entries of each conversation in the log's order, without a hole, all of them. A device
//!   may get an entry again after it has connected again; its client library drops it by conversation and number, so it is
//!   judged after that, and what came twice is counted. See there for which repeats are none that the design allows.
//! - `members`: who comes and goes is in the log once, as it was answered; what is said while they are away is not for them.
//! - `texts`: what was edited or deleted reads so, in the logs and at every device.
//! - `cursors`: they never go back, and are never ahead of what was acknowledged.
//! - `unread`: what servers say is unread is what the log has after what was read, and so are mentions.
//!
//! A send that was not answered may be there, once, or not.

mod cursors;
mod deliveries;
pub(super) mod evidence;
mod fault;
mod log;
mod logs;
mod members;
mod sends;
#[cfg(test)]
mod tests;
mod texts;
mod unread;

use super::history::{History, What};
pub(super) use deliveries::Repeats;
pub(super) use fault::{About, Fault, Verdict};
use log::Logs;

/// What became of a history.
pub(super) struct Judgement {
    /// What is wrong, in the order of the verdicts: what explains others comes first.
    pub(super) faults: Vec<Fault>,
    pub(super) repeats: Repeats,
    /// Whether unread counts were among what could be judged.
    pub(super) has_unread: bool,
}

pub(super) fn check(history: &History) -> Judgement {
    let logs = Logs::of(history);
    let mut faults = Vec::new();
    if !history.events.iter().any(|event| event.what == What::End) {
        let text =
            "the history ends before the run did, so what is missing in it may have come later".to_owned();
        faults.push(Fault { verdict: Verdict::Unfinished, text, about: About::default() });
    }
    logs::check(history, &logs, &mut faults);
    sends::check(history, &logs, &mut faults);
    let repeats = deliveries::check(history, &logs, &mut faults);
    members::check(history, &logs, &mut faults);
    texts::check(history, &logs, &mut faults);
    cursors::check(history, &mut faults);
    let has_unread = unread::check(history, &logs, &mut faults);
    faults.sort_by_key(|fault| fault.verdict);
    Judgement { faults, repeats, has_unread }
}
