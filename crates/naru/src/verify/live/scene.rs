//! What all who take part in a live run share: what is written down, how far everybody is, and what is due.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::cast::Cast;
use super::client::Place;
use super::history::{Event, What};

/// How far the run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Everybody connects.
    Gather,
    /// They send, and lose connections and answers.
    Load,
    /// Those send who are not at the server that is to stand still, and lose nothing by themselves.
    Last,
    /// Nothing new is sent, and nothing is cut. What was not answered is tried again.
    Calm,
    /// What is unread is asked for.
    Count,
    /// Everybody goes.
    Over,
}

/// How far a device is.
#[derive(Debug, Clone, Default)]
pub(super) struct Standing {
    pub(super) is_connected: bool,
    /// The server it is at, or was last.
    pub(super) server: usize,
    /// Messages without an answer.
    pub(super) unanswered: usize,
    /// What it has, of each conversation.
    pub(super) had: HashMap<String, HashSet<u64>>,
    /// Whether it was told what is unread, or is not going to ask.
    pub(super) has_counted: bool,
    /// Why it is not connected.
    pub(super) why: String,
}

pub(super) struct Scene {
    pub(super) cast: Cast,
    /// Chat servers by name.
    pub(super) servers: Vec<(String, Place)>,
    /// Ends every name that is made up, so that another run on the same store has others.
    pub(super) mark: String,
    /// The time between two sends of a device, on average.
    pub(super) pace: Duration,
    pub(super) seed: u64,
    pub(super) phase: watch::Sender<Phase>,
    /// Whether servers say what is unread.
    pub(super) counts_unread: Cell<bool>,
    /// The server that is to stand still at last, and does.
    pub(super) still: Cell<Option<usize>>,
    /// Messages that were answered so far.
    pub(super) acknowledged: Cell<u64>,
    standings: RefCell<Vec<Standing>>,
    events: RefCell<Vec<Event>>,
    begun: Instant,
    numbers: Cell<u64>,
}

impl Scene {
    pub(super) fn new(
        cast: Cast,
        servers: Vec<(String, Place)>,
        mark: String,
        rate: u32,
        seed: u64,
    ) -> Scene {
        let devices = cast.devices.len();
        Scene {
            pace: Duration::from_secs(1).mul_f64(devices as f64 / f64::from(rate)),
            servers,
            mark,
            seed,
            phase: watch::Sender::new(Phase::Gather),
            counts_unread: Cell::new(false),
            still: Cell::new(None),
            acknowledged: Cell::new(0),
            standings: RefCell::new(vec![Standing::default(); devices]),
            events: RefCell::new(Vec::new()),
            begun: Instant::now(),
            numbers: Cell::new(0),
            cast,
        }
    }

    /// Writes down what happens now.
    pub(super) fn happens(&self, what: What) {
        let at = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.events.borrow_mut().push(Event { at, what });
    }

    /// A number for a connection or a call.
    pub(super) fn number(&self) -> u64 {
        self.numbers.set(self.numbers.get() + 1);
        self.numbers.get()
    }

    pub(super) fn stand(&self, device: usize, change: impl FnOnce(&mut Standing)) {
        change(&mut self.standings.borrow_mut()[device]);
    }

    /// The first device that is not so far, as told by `far`.
    pub(super) fn laggard(&self, far: impl Fn(usize, &Standing) -> bool) -> Option<(usize, Standing)> {
        let standings = self.standings.borrow();
        let mut all = standings.iter().enumerate();
        all.find(|(device, standing)| !far(*device, standing))
            .map(|(device, standing)| (device, standing.clone()))
    }

    pub(super) fn take_events(&self) -> Vec<Event> {
        self.events.take()
    }
}
