use std::io::{self, Write as _, stdout};

use crate::bench::report::Latency;

/// A report for people.
pub(super) struct Table {
    title: String,
    rows: Vec<(String, String)>,
}

impl Table {
    pub(super) fn new(title: String) -> Self {
        Table { title, rows: Vec::new() }
    }

    pub(super) fn row(&mut self, name: &str, value: String) {
        self.rows.push((name.to_owned(), value));
    }

    /// The latencies of one sort.
    pub(super) fn latency(&mut self, of: &str, latency: &Latency) {
        for (name, latency_us) in latency.named() {
            self.row(&format!("{of} {name}"), format!("{latency_us:.0} µs"));
        }
    }

    pub(super) fn print(&self) -> io::Result<()> {
        let mut out = stdout().lock();
        writeln!(out, "{}", self.title)?;
        self.rows.iter().try_for_each(|(name, value)| writeln!(out, "  {name:<30}{value:>14}"))
    }
}

pub(super) fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / 1_048_576.0)
}
