use std::{future::Future, time::Duration};

use anyhow::ensure;
use clap::{Args, ValueEnum};
use naru_bus::{Keeping, Line, Target};
use naru_ledger::Level;

use super::{meter::Meter, place::Place};
use crate::bench::process::Process;

/// The broker to load, and how to report.
#[derive(Args, Clone, Debug)]
pub(super) struct Broker {
    /// Naru's broker, a Redis or a Valkey.
    #[arg(long, default_value = "redis://127.0.0.1:6379", value_name = "URL")]
    broker: String,
    /// Process id of the broker, if it runs here: report its CPU time and its memory.
    #[arg(long)]
    pid: Option<u32>,
    /// Connections to it.
    #[arg(long, default_value_t = 4, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(super) connections: u32,
    /// Threads of the load generator.
    #[arg(long, default_value_t = 1, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub(super) json: bool,
}

impl Broker {
    /// # Errors
    ///
    /// The process is not there.
    pub(super) fn meter(&self) -> anyhow::Result<Meter> {
        Meter::new(self.pid.map(Process))
    }

    /// Connects, has something done there, and removes what that has left on Redis or Valkey.
    pub(super) fn at_work<T, F: Future<Output = anyhow::Result<T>>>(
        &self,
        work: impl FnOnce(Place) -> F,
    ) -> anyhow::Result<T> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(self.threads.into())
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let random = getrandom::u64().map_err(|error| anyhow::anyhow!("no random name: {error}"))?;
            let keeping = Keeping { prefix: format!("bench:{random:x}"), ..Keeping::default() };
            let mut lines = Vec::new();
            for _ in 0..self.connections {
                lines.push(Line::connect(Target::Url(self.broker.clone()), &keeping).await?);
            }
            let place = Place::new(self.broker.clone(), lines, random);
            let outcome = work(place.clone()).await;
            place.leave().await?;
            outcome
        })
    }
}

/// A level, as `--level` takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Wanted {
    Memory,
    Fsync,
    Replica,
}

impl From<Wanted> for Level {
    fn from(wanted: Wanted) -> Level {
        match wanted {
            Wanted::Memory => Level::Memory,
            Wanted::Fsync => Level::Fsync,
            Wanted::Replica => Level::Replica,
        }
    }
}

/// Operations that are under way at the same time, and for how long that is measured.
#[derive(Args, Clone, Debug)]
pub(super) struct Pace {
    /// Operations under way at the same time on each connection.
    #[arg(long, default_value_t = 32, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) in_flight: u32,
    /// How long to measure; longer, by 10 s at most, while nothing at all comes.
    #[arg(long, default_value = "5", value_name = "SECONDS", value_parser = crate::bench::options::seconds)]
    pub(super) seconds: Duration,
    /// How long to go on before that.
    #[arg(long, default_value = "1", value_name = "SECONDS", value_parser = crate::bench::options::seconds)]
    pub(super) warm_up: Duration,
}

impl Pace {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        ensure!(!self.seconds.is_zero(), "--seconds must be more than 0");
        Ok(())
    }
}
