use std::{
    collections::{BTreeMap, VecDeque},
    time::{SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;

/// Samples kept of an event: Redis's `LATENCY_TS_LEN`.
const SAMPLES_MAX: usize = 160;

/// What took longer than `latency-monitor-threshold` (`LATENCY`), by event.
#[derive(Default)]
pub(crate) struct Latencies(Mutex<BTreeMap<&'static str, Samples>>);

/// Of one event, oldest first.
#[derive(Clone, Default)]
pub(crate) struct Samples {
    /// Second of Unix time, milliseconds.
    pub(crate) samples: VecDeque<(u64, u64)>,
    /// The longest ever.
    pub(crate) milliseconds_max: u64,
}

impl Latencies {
    pub(crate) fn add(&self, event: &'static str, milliseconds: u64) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.0.lock().entry(event).or_default().add(now, milliseconds);
    }

    pub(crate) fn all(&self) -> Vec<(&'static str, Samples)> {
        self.0.lock().iter().map(|(event, samples)| (*event, samples.clone())).collect()
    }

    pub(crate) fn of(&self, event: &[u8]) -> Samples {
        self.all()
            .into_iter()
            .find(|(name, _)| name.as_bytes() == event)
            .map(|found| found.1)
            .unwrap_or_default()
    }

    /// Forgets an event, or all; how many there were.
    pub(crate) fn reset(&self, event: Option<&[u8]>) -> usize {
        let mut events = self.0.lock();
        let before = events.len();
        events.retain(|name, _| event.is_some_and(|event| name.as_bytes() != event));
        before - events.len()
    }
}

impl Samples {
    /// Of the samples of one second the longest is kept.
    fn add(&mut self, second: u64, milliseconds: u64) {
        self.milliseconds_max = self.milliseconds_max.max(milliseconds);
        match self.samples.back_mut() {
            Some((last, longest)) if *last == second => *longest = milliseconds.max(*longest),
            _ => self.samples.push_back((second, milliseconds)),
        }
        if self.samples.len() > SAMPLES_MAX {
            self.samples.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_one_a_second_and_bounded() {
        let mut samples = Samples::default();
        for second in 0..200 {
            samples.add(second, 5);
            samples.add(second, 3);
        }
        assert_eq!(samples.samples.len(), SAMPLES_MAX);
        assert_eq!(samples.samples.back(), Some(&(199, 5)));
        assert_eq!(samples.milliseconds_max, 5);
    }

    #[test]
    fn a_reset_says_how_many_events_it_forgot() {
        let latencies = Latencies::default();
        latencies.add("command", 5);
        latencies.add("fast-command", 5);
        assert_eq!(latencies.reset(Some(b"nonsense")), 0);
        assert_eq!(latencies.reset(Some(b"command")), 1);
        assert_eq!(latencies.reset(None), 1);
    }
}
