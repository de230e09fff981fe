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

    pub(super) fn text(&self) -> String {
        let rows = self.rows.iter().map(|(name, value)| format!("  {name:<30}{value:>14}\n"));
        format!("{}\n{}", self.title, rows.collect::<String>())
    }
}

pub(super) fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / 1_048_576.0)
}
