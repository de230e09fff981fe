use std::io::Write as _;

use anyhow::Context as _;
use serde::Serialize;

use super::report::{self, Latency};
use crate::printed::Printed;

/// What a run found out: one JSON object, or a table for people.
pub(super) trait Report: Serialize {
    fn table(&self) -> Table;
}

/// Prints a report.
pub(super) fn show(report: &impl Report, json: bool) -> anyhow::Result<()> {
    let printed =
        if json { report::print_json(report) } else { Printed.write_all(report.table().text().as_bytes()) };
    printed.context("the report cannot be printed")
}

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

    pub(super) fn text(&self) -> String {
        let rows = self.rows.iter().map(|(name, value)| format!("  {name:<30}{value:>14}\n"));
        format!("{}\n{}", self.title, rows.collect::<String>())
    }
}

pub(super) fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / 1_048_576.0)
}
