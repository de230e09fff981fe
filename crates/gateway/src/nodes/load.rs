//! What this process takes of its machine.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::metrics::Process;

/// The least time over which use of the processor is said: less is mostly of the question itself.
const SPAN: Duration = Duration::from_secs(1);

/// Memory and use of the processor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Load {
    /// Thousandths of one processor.
    pub(crate) cpu: u64,
    /// Bytes of memory that are resident.
    pub(crate) rss: u64,
}

/// Use of the processor since it was asked for before, or since the start.
pub(super) struct Meter(Mutex<State>);

struct State {
    at: Instant,
    cpu_seconds: f64,
    said: u64,
}

impl Meter {
    pub(super) fn new() -> Meter {
        Meter(Mutex::new(State { at: Instant::now(), cpu_seconds: Process::read().cpu_seconds, said: 0 }))
    }

    pub(super) fn read(&self) -> Load {
        let Process { cpu_seconds, resident_bytes, .. } = Process::read();
        Load { cpu: self.0.lock().read(Instant::now(), cpu_seconds), rss: resident_bytes }
    }
}

impl State {
    fn read(&mut self, now: Instant, cpu_seconds: f64) -> u64 {
        let span = now.saturating_duration_since(self.at);
        if span >= SPAN {
            self.said = (1000.0 * (cpu_seconds - self.cpu_seconds) / span.as_secs_f64()).round() as u64;
            (self.at, self.cpu_seconds) = (now, cpu_seconds);
        }
        self.said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn use_of_the_processor_is_of_the_time_since_it_was_said() {
        let begun = Instant::now();
        let mut state = State { at: begun, cpu_seconds: 5.0, said: 0 };
        assert_eq!(state.read(begun + SPAN / 2, 9.0), 0);
        assert_eq!(state.read(begun + SPAN * 2, 6.0), 500);
        assert_eq!(state.read(begun + SPAN * 2, 9.0), 500);
        assert_eq!(state.read(begun + SPAN * 4, 6.0), 0);
        assert_eq!(state.read(begun + SPAN * 5, 8.5), 2500);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn memory_is_said_at_once() {
        assert!(Meter::new().read().rss > 1 << 20);
    }
}
