//! What is counted for `INFO`. Each core counts in cells of its own, which nobody else writes, so that counting costs
//! no more than a load and a store; they are summed when somebody asks.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use naru_fanout::CoreId;
use parking_lot::Mutex;

use crate::command::{Called, called_count};

/// A number that one core adds to and all read.
#[derive(Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    /// To be called by the core that owns it only.
    pub(crate) fn add(&self, number: u64) {
        self.0.store(self.0.load(Ordering::Relaxed) + number, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What one core counts. A cache line of another core's is never written.
#[repr(align(128))]
pub(crate) struct CoreCounters {
    pub(crate) connections: Count,
    pub(crate) refused_connections: Count,
    pub(crate) evicted_clients: Count,
    pub(crate) reads: Count,
    pub(crate) input_bytes: Count,
    pub(crate) published: Count,
    /// By [`Called`].
    commands: Box<[CommandCounters]>,
}

/// Times are counted in so many classes, each twice as long as the one before.
const TIME_CLASSES: usize = 32;

/// The first class goes up to this many nanoseconds, as in Redis.
const TIME_CLASS_MIN: u64 = 1024;

#[derive(Default)]
struct CommandCounters {
    calls: Count,
    nanoseconds: Count,
    failed: Count,
    rejected: Count,
    times: [Count; TIME_CLASSES],
}

/// The class of a time; the last one has no end.
fn time_class(nanoseconds: u64) -> usize {
    let doublings = nanoseconds.div_ceil(TIME_CLASS_MIN).max(1).next_power_of_two().ilog2() as usize;
    doublings.min(TIME_CLASSES - 1)
}

impl CoreCounters {
    fn new() -> Self {
        CoreCounters {
            connections: Count::default(),
            refused_connections: Count::default(),
            evicted_clients: Count::default(),
            reads: Count::default(),
            input_bytes: Count::default(),
            published: Count::default(),
            commands: (0..called_count()).map(|_| CommandCounters::default()).collect(),
        }
    }

    /// A command was executed, or several of one kind that took `time` together.
    pub(crate) fn executed(&self, called: Called, count: u32, time: Duration) {
        let counters = &self.commands[called.number];
        let (nanoseconds, count) = (time.as_nanos() as u64, u64::from(count));
        counters.calls.add(count);
        counters.nanoseconds.add(nanoseconds);
        counters.times[time_class(nanoseconds / count.max(1))].add(count);
    }

    /// A command that was executed has failed.
    pub(crate) fn failed(&self, called: Called) {
        self.commands[called.number].failed.add(1);
    }

    /// A command was refused before it was executed.
    pub(crate) fn rejected(&self, called: Called) {
        self.commands[called.number].rejected.add(1);
    }
}

/// The sum over all cores.
#[derive(Clone, Default)]
pub(crate) struct Totals {
    pub(crate) connections: u64,
    pub(crate) refused_connections: u64,
    pub(crate) evicted_clients: u64,
    pub(crate) reads: u64,
    pub(crate) input_bytes: u64,
    pub(crate) output_bytes: u64,
    pub(crate) published: u64,
    /// By [`Called`].
    pub(crate) commands: Vec<CommandTotals>,
}

#[derive(Clone, Copy, Default)]
pub(crate) struct CommandTotals {
    pub(crate) calls: u64,
    pub(crate) nanoseconds: u64,
    pub(crate) failed: u64,
    pub(crate) rejected: u64,
    times: [u64; TIME_CLASSES],
}

impl CommandTotals {
    /// How many calls took at most so many microseconds, for the times that some took; as `LATENCY HISTOGRAM` has it.
    pub(crate) fn times(&self) -> Vec<(u64, u64)> {
        let mut calls = 0;
        let class = |(class, count): (usize, &u64)| {
            calls += count;
            let nanoseconds = TIME_CLASS_MIN << class;
            // Redis's histogram knows times to about a hundredth, and shows the longest it takes for the same.
            let longest = nanoseconds + nanoseconds / 128 - 1;
            (*count > 0).then_some((longest / 1000, calls))
        };
        self.times.iter().enumerate().filter_map(class).collect()
    }
}

impl CommandTotals {
    /// How many microseconds so many of a thousand calls took at most, up to a class.
    pub(crate) fn percentile(&self, thousandths: u64) -> f64 {
        let wanted = (self.times.iter().sum::<u64>() * thousandths).div_ceil(1000);
        let mut calls = 0;
        let class = self.times.iter().position(|count| {
            calls += count;
            calls >= wanted
        });
        (TIME_CLASS_MIN << class.unwrap_or(TIME_CLASSES - 1)) as f64 / 1000.0
    }
}

impl Totals {
    /// Commands executed.
    pub(crate) fn calls(&self) -> u64 {
        self.commands.iter().map(|command| command.calls).sum()
    }

    fn less(mut self, other: &Totals) -> Totals {
        self.connections -= other.connections;
        self.refused_connections -= other.refused_connections;
        self.evicted_clients -= other.evicted_clients;
        self.reads -= other.reads;
        self.input_bytes -= other.input_bytes;
        self.output_bytes -= other.output_bytes;
        self.published -= other.published;
        for (command, other) in self.commands.iter_mut().zip(&other.commands) {
            command.calls -= other.calls;
            command.nanoseconds -= other.nanoseconds;
            command.failed -= other.failed;
            command.rejected -= other.rejected;
            command.times.iter_mut().zip(other.times).for_each(|(time, other)| *time -= other);
        }
        self
    }
}

/// What flows in a second, on average since somebody last asked (at least a second ago).
#[derive(Clone, Copy, Default)]
pub(crate) struct Rates {
    pub(crate) commands: f64,
    pub(crate) input_bytes: f64,
    pub(crate) output_bytes: f64,
}

struct Sample {
    at: Instant,
    commands: u64,
    input_bytes: u64,
    output_bytes: u64,
    rates: Rates,
}

/// Everything that is counted.
pub(crate) struct Counters {
    cores: Box<[CoreCounters]>,
    /// Replies that are errors, by their first word. There are as many words as the code has.
    errors: Mutex<BTreeMap<String, u64>>,
    /// What is no longer counted, since `CONFIG RESETSTAT`.
    forgotten: Mutex<Totals>,
    sample: Mutex<Sample>,
}

impl Counters {
    pub(crate) fn new(cores: usize) -> Self {
        let sample = Sample {
            at: Instant::now(),
            commands: 0,
            input_bytes: 0,
            output_bytes: 0,
            rates: Rates::default(),
        };
        Counters {
            cores: (0..cores).map(|_| CoreCounters::new()).collect(),
            errors: Mutex::default(),
            forgotten: Mutex::default(),
            sample: Mutex::new(sample),
        }
    }

    /// A core's own; to be added to on that core only.
    pub(crate) fn of(&self, core: CoreId) -> &CoreCounters {
        &self.cores[core.0]
    }

    /// A reply was the error `text`.
    pub(crate) fn error(&self, text: &[u8]) {
        let word = text.split(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
        let word = String::from_utf8_lossy(word);
        let mut errors = self.errors.lock();
        match errors.get_mut(&*word) {
            Some(count) => *count += 1,
            None => drop(errors.insert(word.into_owned(), 1)),
        }
    }

    pub(crate) fn errors(&self) -> BTreeMap<String, u64> {
        self.errors.lock().clone()
    }

    /// Since the start or the last [`Self::reset`]; `output_bytes` are all since the start.
    pub(crate) fn totals(&self, output_bytes: u64) -> Totals {
        self.sum(output_bytes).less(&self.forgotten.lock())
    }

    fn sum(&self, output_bytes: u64) -> Totals {
        let mut totals = Totals {
            output_bytes,
            commands: vec![CommandTotals::default(); called_count()],
            ..Totals::default()
        };
        for core in &self.cores {
            totals.connections += core.connections.get();
            totals.refused_connections += core.refused_connections.get();
            totals.evicted_clients += core.evicted_clients.get();
            totals.reads += core.reads.get();
            totals.input_bytes += core.input_bytes.get();
            totals.published += core.published.get();
            for (total, counters) in totals.commands.iter_mut().zip(&core.commands) {
                total.calls += counters.calls.get();
                total.nanoseconds += counters.nanoseconds.get();
                total.failed += counters.failed.get();
                total.rejected += counters.rejected.get();
                total.times.iter_mut().zip(&counters.times).for_each(|(total, time)| *total += time.get());
            }
        }
        totals
    }

    /// Counts from 0 again.
    pub(crate) fn reset(&self, output_bytes: u64) {
        *self.forgotten.lock() = self.sum(output_bytes);
        self.errors.lock().clear();
    }

    pub(crate) fn rates(&self, output_bytes: u64) -> Rates {
        let totals = self.sum(output_bytes);
        let commands = totals.calls();
        let mut sample = self.sample.lock();
        let seconds = sample.at.elapsed().as_secs_f64();
        if seconds >= 1.0 {
            let rate = |now: u64, before: u64| (now - before) as f64 / seconds;
            let rates = Rates {
                commands: rate(commands, sample.commands),
                input_bytes: rate(totals.input_bytes, sample.input_bytes),
                output_bytes: rate(output_bytes, sample.output_bytes),
            };
            let input_bytes = totals.input_bytes;
            *sample = Sample { at: Instant::now(), commands, input_bytes, output_bytes, rates };
        }
        sample.rates
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_counted_by_the_doubling_as_redis_shows_them() {
        let counters = Counters::new(1);
        let called = Called { number: 0, name: "ping" };
        for nanoseconds in [0, 1, 1024, 1025, 33_000, 60_000, 131_072, u64::MAX >> 1] {
            counters.of(CoreId(0)).executed(called, 1, Duration::from_nanos(nanoseconds));
        }
        let times = counters.totals(0).commands[0].times();
        assert_eq!(times[..4], [(1, 3), (2, 4), (66, 6), (132, 7)]);
        assert_eq!(times[4].1, 8);
        counters.reset(0);
        assert!(counters.totals(0).commands[0].times().is_empty());
    }

    #[test]
    fn cores_are_summed_and_a_reset_forgets_what_was() {
        let counters = Counters::new(2);
        let called = Called { number: 0, name: "ping" };
        counters.of(CoreId(0)).executed(called, 1, Duration::from_micros(2));
        counters.of(CoreId(1)).executed(called, 1, Duration::from_micros(3));
        counters.of(CoreId(1)).failed(called);
        counters.of(CoreId(1)).rejected(called);
        counters.error(b"ERR that did not work");
        let totals = counters.totals(10);
        assert_eq!((totals.calls(), totals.output_bytes), (2, 10));
        let ping = totals.commands[0];
        assert_eq!((ping.nanoseconds, ping.failed, ping.rejected), (5000, 1, 1));
        assert_eq!(counters.errors(), BTreeMap::from([("ERR".into(), 1)]));

        counters.reset(10);
        counters.of(CoreId(0)).executed(called, 1, Duration::ZERO);
        let totals = counters.totals(12);
        assert_eq!((totals.calls(), totals.output_bytes), (1, 2));
        assert!(counters.errors().is_empty());
    }
}
