use std::{
    io::{IsTerminal as _, Write as _, stderr},
    time::{Duration, Instant},
};

/// How often the line changes.
pub(super) const LOOK: Duration = Duration::from_millis(250);

/// One line on standard error that tells how a run goes; nothing unless that is a terminal.
pub(super) struct Live {
    shown: bool,
    at: Instant,
    delivered: u64,
}

impl Live {
    pub(super) fn new() -> Self {
        Live { shown: stderr().is_terminal(), at: Instant::now(), delivered: 0 }
    }

    /// `delivered` counts from the start of the run.
    pub(super) fn show(&mut self, what: &str, left: Duration, delivered: u64) {
        let now = Instant::now();
        let rate = (delivered - self.delivered) as f64 / (now - self.at).as_secs_f64().max(1e-3);
        (self.at, self.delivered) = (now, delivered);
        self.write(&format!("{what}, {:.0} s to go: {rate:.0} deliveries/s", left.as_secs_f64()));
    }

    /// Something without a rate.
    pub(super) fn write(&self, line: &str) {
        if self.shown {
            // Nobody is told that the terminal has gone: it is what would be written to.
            let _ = write!(stderr(), "\r\x1b[K{line}");
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.write("");
    }
}
