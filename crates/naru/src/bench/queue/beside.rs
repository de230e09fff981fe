use std::{thread, time::Duration};

use clap::Args;
use serde::Serialize;

use super::{
    Report,
    add::{Added, Load},
    options::{Adding, Server},
    probe::{Probe, Seen},
    streams::Streams,
};
use crate::bench::{live::Live, options::seconds, table::Table};

#[derive(Args, Clone, Debug)]
pub(super) struct Options {
    #[command(flatten)]
    pub(super) server: Server,
    #[command(flatten)]
    adding: Adding,
    /// Messages that are published a second, at even distances, to one subscriber.
    #[arg(long, default_value_t = 1000, value_name = "PER SECOND", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// How long they are measured before entries are added.
    #[arg(long, default_value = "2", value_name = "SECONDS", value_parser = seconds)]
    quiet: Duration,
}

/// What was measured. The names are those of the JSON output; units are in the names.
#[derive(Debug, Serialize)]
pub(super) struct Published {
    rate: u32,
    /// Before entries were added.
    publish_quiet: Seen,
    /// While they were.
    publish_beside: Seen,
    #[serde(flatten)]
    added: Added,
}

/// Publishes alone, then beside connections that add as fast as the server answers.
pub(super) fn measure(options: &Options) -> anyhow::Result<Published> {
    options.adding.check()?;
    let mut live = Live::new("entries");
    let channel = Streams::new(1)?.name(0);
    let probe = Probe::publish(&options.server.connector()?, &channel, options.rate)?;
    live.write("publishing alone");
    thread::sleep(options.quiet);
    let quiet = probe.take();
    let load = Load::start(&options.server, &options.adding)?;
    load.warm_up(&mut live)?;
    probe.take();
    let window = load.window(|run| run.watch_some(options.adding.seconds, &mut live))?;
    // While the load goes on, so that no message's wait is cut short.
    let (beside, _) = probe.finish()?;
    Ok(Published {
        rate: options.rate,
        publish_quiet: quiet,
        publish_beside: beside,
        added: load.finish(window, &mut live)?,
    })
}

impl Report for Published {
    fn table(&self) -> Table {
        let mut table = self.added.table();
        let title = format!("PUBLISH at {} /s", self.rate);
        table.row(&title, String::new());
        self.publish_quiet.show("  before", &mut table);
        self.publish_beside.show("  beside", &mut table);
        table
    }
}
