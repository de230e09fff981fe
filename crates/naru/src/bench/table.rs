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

/// Of a rate asked for, how much counts as all of it: a window begins and ends somewhere between two messages.
const RATE_KEPT: f64 = 0.99;

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

    /// How many were published a second, beside how many were asked for if any number was, and how many of them came.
    pub(super) fn rates(&mut self, publishes: f64, asked: Option<u32>, deliveries: f64) {
        self.row("publishes", format!("{publishes:.0} /s"));
        if let Some(rate) = asked {
            let kept = publishes >= f64::from(rate) * RATE_KEPT;
            self.row("  asked for", format!("{rate} /s{}", if kept { "" } else { ": not reached" }));
        }
        self.row("deliveries", format!("{deliveries:.0} /s"));
    }

    /// What connections that do nothing cost a server: its memory before them and with them, for each, and its CPU meanwhile.
    pub(super) fn held(&mut self, [before, with_them]: [u64; 2], each_bytes: f64, idle_cores: f64) {
        self.row("server memory, at first", mebibytes(before));
        self.row("server memory, with them", mebibytes(with_them));
        self.row("memory per connection", format!("{each_bytes:.0} bytes"));
        self.row("server CPU, idle", format!("{idle_cores:.3} cores"));
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
