//! The broker that histories are run on: one that is there, or one that is started here and can be killed.

use std::time::Duration;

use anyhow::{Context, Result};
use naru_broker::Parameters;
use naru_bus::{Dialect, Keeping, Line, Target};
use naru_ledger::Limits;
use tokio::time::{Instant, sleep};

use super::own::Own;

/// Servers, each with a connection of its own.
const LINES: usize = 3;

/// How long a broker may take to start.
const START_TIMEOUT: Duration = Duration::from_secs(60);

pub(super) struct Stage {
    url: String,
    own: Option<Own>,
    /// Of whatever is written while this runs; others may run the same at the same time.
    prefix: String,
    /// Connections for each of the limits.
    lines: Vec<Vec<Line>>,
}

/// The limits histories are run with: tight, so that each is met; tighter ones for retention and the index; and those there are
/// if nobody says otherwise.
fn limits() -> [Limits; 3] {
    let tight = Limits {
        body_bytes_max: 100,
        mentions_max: 3,
        log_entries_max: 20,
        ring_max: 6,
        mentions_kept_max: 2,
        devices_max: 3,
        members_max: 3,
        page_entries_max: 50,
        page_bytes_max: 1000,
        ..Limits::default()
    };
    let tighter = Limits {
        log_entries_max: 6,
        log_bytes_max: 200,
        conversations_max: 3,
        ring_max: 3,
        devices_max: 2,
        page_entries_max: 5,
        page_bytes_max: 150,
        log_age_max: Duration::from_secs(24 * 60 * 60),
        ..tight.clone()
    };
    [tight, tighter, Limits::default()]
}

/// Limits as parameters of Naru's broker, but for the bytes of a log: a store may count what it stores.
fn parameters(limits: &Limits) -> Vec<(&'static str, String)> {
    vec![
        ("ledger-body-bytes-max", limits.body_bytes_max.to_string()),
        ("ledger-mentions-max", limits.mentions_max.to_string()),
        ("ledger-mentions-kept-max", limits.mentions_kept_max.to_string()),
        ("ledger-log-entries-max", limits.log_entries_max.to_string()),
        ("ledger-log-age-max", limits.log_age_max.as_secs().to_string()),
        ("ledger-dedupe-window", limits.dedupe_window.as_secs().to_string()),
        ("ledger-ring-max", limits.ring_max.to_string()),
        ("ledger-conversations-max", limits.conversations_max.to_string()),
        ("ledger-devices-max", limits.devices_max.to_string()),
        ("ledger-device-ttl", limits.device_ttl.as_secs().to_string()),
        ("ledger-members-max", limits.members_max.to_string()),
    ]
}

impl Stage {
    pub(super) fn new(url: String, own: Option<Own>) -> Stage {
        Stage { url, own, prefix: format!("verify:{}", std::process::id()), lines: Vec::new() }
    }

    pub(super) fn can_restart(&self) -> bool {
        self.own.is_some()
    }

    /// Connects, for each of the limits. Says what the broker is like.
    pub(super) async fn connect(&mut self) -> Result<String> {
        let mut all = Vec::new();
        for limits in limits() {
            let keeping = Keeping { prefix: self.prefix.clone(), limits };
            let mut lines = Vec::new();
            for _ in 0..LINES {
                lines.push(self.line(&keeping).await?);
            }
            all.push(lines);
        }
        let first = all.first().and_then(|lines| lines.first()).context("there are limits and lines")?;
        let found = first.inspection().map_or_else(|| "Naru".to_owned(), ToString::to_string);
        self.lines = all;
        Ok(found)
    }

    async fn line(&mut self, keeping: &Keeping) -> Result<Line> {
        let end = Instant::now() + START_TIMEOUT;
        loop {
            match Line::connect(Target::Url(self.url.clone()), keeping).await {
                Ok(line) => return Ok(line),
                Err(error) if self.own.is_none() || Instant::now() > end => return Err(error.into()),
                Err(_) => {
                    self.own.as_mut().map_or(Ok(()), Own::check)?;
                    sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }

    /// Connections for a history of this name, which has keys of its own, and the limits they have.
    pub(super) async fn lines(&mut self, set: usize, name: &str) -> Result<(Vec<Line>, Limits)> {
        if self.lines.is_empty() {
            self.connect().await?;
        }
        let limits = limits();
        let set = set % limits.len();
        let lines: Vec<Line> =
            self.lines[set].iter().map(|line| line.under(&format!("{}:{name}", self.prefix))).collect();
        match lines.first() {
            Some(line) if line.dialect() == Dialect::Native => {
                let limits = self.bounds(line, &limits[set]).await?;
                Ok((lines, limits))
            }
            _ => Ok((lines, limits[set].clone())),
        }
    }

    /// The limits of Naru's broker: these, as far as they can be set, if it is ours, and else what it has.
    async fn bounds(&self, line: &Line, wanted: &Limits) -> Result<Limits> {
        if self.own.is_some() {
            line.set_bounds(&parameters(wanted)).await?;
        }
        let mut parameters = Parameters::default();
        for (name, value) in line.bounds().await? {
            parameters.set(&name, &value).with_context(|| name.clone())?;
        }
        Ok(parameters.ledger_limits())
    }

    /// Removes what connecting has left.
    pub(super) async fn clear(&self) -> Result<()> {
        match self.lines.first().and_then(|lines| lines.first()) {
            Some(line) if line.dialect() == Dialect::Scripts => Ok(line.clear().await?),
            _ => Ok(()),
        }
    }

    /// Kills the broker and starts it again. What is connected to it is of no use any more.
    pub(super) async fn restart(&mut self) -> Result<()> {
        if let Some(own) = &mut self.own {
            own.restart()?;
            self.lines.clear();
            self.connect().await?;
        }
        Ok(())
    }
}
