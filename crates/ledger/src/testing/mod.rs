//! The model: what each operation does, and what is true after any history of them. And for the tests of those that keep a
//! ledger otherwise, random histories to be compared with it: [`step`]s make [`Event`]s.
#![allow(clippy::unwrap_used, reason = "tests, their helpers included")]
#![cfg_attr(not(test), allow(dead_code, reason = "the tests of the model use all of it"))]

#[cfg(test)]
mod appending;
pub mod channels;
mod client;
#[cfg(test)]
mod fan_out;
#[cfg(test)]
mod histories;
mod history;
#[cfg(test)]
mod inboxes;
mod membership;
#[cfg(test)]
mod rooms;
#[cfg(test)]
mod routes;
mod steps;
mod truth;
mod words;
mod world;

pub use steps::{Step, step};
pub use world::Event;

use crate::{Limits, Model};

/// What happens to a ledger of this epoch when these steps are taken: several servers write, fan out and die in between,
/// devices come back and are cut off, the store loses its newest records, the clock goes wherever it likes. Each operation is
/// asked twice.
pub fn events(steps: &[Step]) -> Vec<Event> {
    let limits =
        Limits { log_entries_max: 1000, page_entries_max: 1000, page_bytes_max: 1 << 20, ..world::tight() };
    let mut history = history::History::new(limits);
    history.world.events = Some(Vec::new());
    steps.iter().for_each(|step| history.take(step));
    history.world.events.unwrap_or_default()
}

/// The epoch that what devices say in histories is of.
pub fn epoch() -> crate::Epoch {
    world::epoch()
}

/// A model for histories.
pub fn model(limits: Limits) -> Model {
    Model::new(epoch(), limits)
}
