//! What is counted of what the application is asked.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use naru_bus::Latency;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Connect,
    Refresh,
    Subscribe,
    Publish,
    SubRefresh,
    Rpc,
}

const KINDS: [&str; 6] = ["connect", "refresh", "subscribe", "publish", "sub_refresh", "rpc"];

/// What has come of it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome {
    Result,
    Error,
    Disconnect,
    /// A status that stands for no answer.
    Status,
    /// None of the answers there are.
    Malformed,
    /// None at all.
    Unreachable,
    Timeout,
    /// It was not even asked, since too much was under way.
    Busy,
}

const OUTCOMES: [&str; 8] =
    ["result", "error", "disconnect", "status", "malformed", "unreachable", "timeout", "busy"];

/// By what was asked. An exchange by HTTP costs so much more that all cores may count in one place.
#[derive(Default)]
pub(crate) struct Counted([OfKind; KINDS.len()]);

#[derive(Default)]
struct OfKind {
    outcomes: [AtomicU64; OUTCOMES.len()],
    times: Latency,
}

impl Counted {
    pub(super) fn add(&self, kind: Kind, outcome: Outcome, took: Duration) {
        let of = &self.0[kind as usize];
        of.outcomes[outcome as usize].fetch_add(1, Relaxed);
        of.times.add(took);
    }

    /// How many of each kind had each outcome.
    pub(crate) fn calls(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> + '_ {
        KINDS.iter().zip(&self.0).flat_map(|(kind, of)| {
            let outcomes = OUTCOMES.iter().zip(&of.outcomes);
            outcomes.map(|(outcome, count)| (*kind, *outcome, count.load(Relaxed)))
        })
    }

    /// How long each kind took.
    pub(crate) fn times(&self) -> impl Iterator<Item = (&'static str, &Latency)> + '_ {
        KINDS.iter().zip(&self.0).map(|(kind, of)| (*kind, &of.times))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_and_outcome_has_its_own_name() {
        let counted = Counted::default();
        counted.add(Kind::Connect, Outcome::Result, Duration::ZERO);
        for outcome in [Outcome::Busy, Outcome::Timeout, Outcome::Unreachable, Outcome::Malformed] {
            counted.add(Kind::Rpc, outcome, Duration::ZERO);
        }
        counted.add(Kind::SubRefresh, Outcome::Disconnect, Duration::from_secs(1));
        let some: Vec<_> = counted.calls().filter(|(.., count)| *count > 0).collect();
        assert_eq!(
            some,
            [
                ("connect", "result", 1),
                ("sub_refresh", "disconnect", 1),
                ("rpc", "malformed", 1),
                ("rpc", "unreachable", 1),
                ("rpc", "timeout", 1),
                ("rpc", "busy", 1),
            ]
        );
        let sums: Vec<_> = counted.times().map(|(kind, times)| (kind, times.read().0)).collect();
        assert_eq!(sums[4], ("sub_refresh", 1.0));
    }
}
