use std::{
    io::{IsTerminal as _, Write as _, stderr},
    time::{Duration, Instant},
};

/// How often the line changes.
pub(super) const LOOK: Duration = Duration::from_millis(250);

/// One line on standard error that tells how a run goes; nothing unless that is a terminal.
pub(super) struct Live {
    shown: bool,
    /// What is counted, in the plural.
    counted: &'static str,
    at: Instant,
    count: u64,
}

impl Live {
    pub(super) fn new(counted: &'static str) -> Self {
        Live { shown: stderr().is_terminal(), counted, at: Instant::now(), count: 0 }
    }

    /// `count` is from the start of the run.
    pub(super) fn show(&mut self, what: &str, left: Duration, count: u64) {
        let rate = self.rate(count);
        self.write(&format!("{what}, {:.0} s to go: {rate:.0} {}/s", left.as_secs_f64(), self.counted));
    }

    /// Something that takes as long as it takes; `count` is from its start.
    pub(super) fn show_count(&mut self, what: &str, count: u64) {
        let rate = self.rate(count);
        self.write(&format!("{what}: {count} {}, {rate:.0} /s", self.counted));
    }

    fn rate(&mut self, count: u64) -> f64 {
        let now = Instant::now();
        let rate = count.saturating_sub(self.count) as f64 / (now - self.at).as_secs_f64().max(1e-3);
        (self.at, self.count) = (now, count);
        rate
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
