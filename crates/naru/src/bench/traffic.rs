use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::{
    report::Latency,
    server_use::{Done, ServerUse},
    table::Table,
};

/// What publishers and subscribers got through a server in the window that was measured, as a part of a report. The names are
/// those of the JSON output; units are in the names.
#[derive(Debug, Serialize)]
pub(super) struct Traffic {
    pub(super) seconds: f64,
    publishes_per_second: f64,
    deliveries: u64,
    deliveries_per_second: f64,
    latency: Latency,
    /// `None` without `--pid`.
    server_use: Option<ServerUse>,
    /// Of the load generator; near its number of threads, it is what limits the rate.
    generator_cores: f64,
}

impl Traffic {
    pub(super) fn new(
        length: Duration,
        done: &Done,
        latency: &Histogram<u64>,
        server_use: Option<ServerUse>,
        generator_cores: f64,
    ) -> Self {
        let seconds = length.as_secs_f64();
        Traffic {
            seconds,
            publishes_per_second: done.answered as f64 / seconds,
            deliveries: done.delivered,
            deliveries_per_second: done.delivered as f64 / seconds,
            latency: Latency::new(latency),
            server_use,
            generator_cores,
        }
    }

    /// `rate` is how many publishes a second were asked for, if any number was.
    pub(super) fn show(&self, rate: Option<u32>, table: &mut Table) {
        table.rates(self.publishes_per_second, rate, self.deliveries_per_second);
        table.latency("latency", &self.latency);
        if let Some(server_use) = &self.server_use {
            server_use.show(table);
        }
        table.row("load generator CPU", format!("{:.2} cores", self.generator_cores));
    }
}
