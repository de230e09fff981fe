//! Durable appends a second, and how long a commit takes, by records in a batch.
//!
//! ```text
//! cargo run --release -p naru-store --example appends -- FOLDER [SECONDS] [RECORD_BYTES] [always|everysec|no]
//! ```
//!
//! One batch is in flight at a time: append, submit, wait until it is durable.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use naru_store::{Address, Level, Load, Log, Lsn, Options, RealFs};

/// The folder is empty.
struct Nothing;

impl Load for Nothing {
    fn piece(&mut self, _: &[u8]) {}

    fn record(&mut self, _: Lsn, _: Address, _: &[u8]) {}
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("give an empty folder on the disk to be measured")?);
    let seconds: u64 = arguments.next().map_or(Ok(3), |text| text.parse())?;
    let record = vec![0x5a; arguments.next().map_or(Ok(256), |text| text.parse())?];
    let level = match arguments.next().as_deref() {
        None | Some("always") => Level::Always,
        Some("everysec") => Level::EverySecond,
        Some("no") => Level::No,
        Some(_) => return Err("a level is always, everysec or no".into()),
    };

    println!("records a batch   appends/s   commit p50 µs   p99 µs   max µs");
    for batch in [1, 8, 64, 512] {
        let data = folder.join(format!("batch-{batch}"));
        let mut commits = measure(data, batch, &record, level, Duration::from_secs(seconds))?;
        let total: Duration = commits.iter().sum();
        commits.sort_unstable();
        let at = |share: f64| commits[((commits.len() - 1) as f64 * share) as usize].as_micros();
        let rate = (commits.len() * batch) as f64 / total.as_secs_f64();
        println!("{batch:15}   {rate:9.0}   {:13}   {:6}   {:6}", at(0.5), at(0.99), at(1.0));
    }
    Ok(())
}

fn measure(
    data: PathBuf,
    batch: usize,
    record: &[u8],
    level: Level,
    duration: Duration,
) -> Result<Vec<Duration>, Box<dyn Error>> {
    let (told, durable) = sync_channel(8);
    let wake = Box::new(move |outcome| {
        // Nobody listens any more once the measuring is over.
        let _ = told.send(outcome);
    });
    let (mut log, _) =
        Log::open(Arc::new(RealFs), &data, Options { level, ..Options::default() }, wake, &mut Nothing)?;
    let mut commits = Vec::new();
    let end = Instant::now() + duration;
    while Instant::now() < end {
        let start = Instant::now();
        for _ in 0..batch {
            log.append(record)?;
        }
        log.submit()?;
        durable.recv()??;
        commits.push(start.elapsed());
    }
    drop(durable);
    log.close()?;
    Ok(commits)
}
