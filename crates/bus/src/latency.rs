//! How long something takes, counted from any thread.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Bounds of the buckets, in seconds.
const BOUNDS: [f64; 13] =
    [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

/// A histogram of times.
#[derive(Debug, Default)]
pub struct Latency {
    nanos: AtomicU64,
    buckets: [AtomicU64; BOUNDS.len() + 1],
}

impl Latency {
    /// Counts one that took so long.
    pub fn add(&self, time: Duration) {
        let seconds = time.as_secs_f64();
        let bucket = BOUNDS.iter().position(|&bound| seconds <= bound).unwrap_or(BOUNDS.len());
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.nanos.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    /// The sum of all, in seconds, and for each bucket its upper bound and how many are in it alone; the last has no bound.
    pub fn read(&self) -> (f64, Vec<(f64, u64)>) {
        let bounds = BOUNDS.into_iter().chain([f64::MAX]);
        let buckets = bounds.zip(self.buckets.iter().map(|count| count.load(Relaxed))).collect();
        (Duration::from_nanos(self.nanos.load(Relaxed)).as_secs_f64(), buckets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_is_in_the_first_bucket_that_has_it() {
        let latency = Latency::default();
        for millis in [0, 1, 2, 3_000] {
            latency.add(Duration::from_millis(millis));
        }
        let (sum, buckets) = latency.read();
        assert!((sum - 3.003).abs() < 1e-9);
        let some: Vec<_> = buckets.into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(some, [(0.000_25, 1), (0.001, 1), (0.002_5, 1), (f64::MAX, 1)]);
    }
}
