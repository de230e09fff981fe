//! A fixed rate: when each message is due, and waking its publisher at that time.
//!
//! A message's latency counts from when it was *due*, whatever kept it from being sent then. So a server that stalls is
//! charged with every message that would have come meanwhile, and not with the one that hit the stall (there is
//! no coordinated omission).

use std::{
    sync::{Arc, Weak},
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::sync::Notify;

use super::progress::{Phase, Progress};

const NANOSECONDS: u128 = 1_000_000_000;

/// One sleep takes at most so long, so that the end of a run is noticed.
const SLEEP_MAX: Duration = Duration::from_millis(50);

/// Tells publishers when their messages are due: in turn, at even distances.
pub(super) struct Metronome {
    /// Of all publishers, in messages a second.
    rate: u32,
    /// In nanoseconds of the run's clock.
    start_ns: u64,
    /// One for each publisher.
    beats: Box<[Notify]>,
}

impl Metronome {
    /// Starts a thread that ends with the run, since it sleeps to the microsecond: the runtime's own timers know
    /// milliseconds, which would be taken for the server's latency.
    pub(super) fn start(
        rate: u32,
        publishers: u32,
        progress: &Arc<Progress>,
    ) -> anyhow::Result<(Arc<Self>, JoinHandle<()>)> {
        let metronome = Arc::new(Metronome::new(rate, publishers, progress.now_ns()));
        let (beating, run) = (metronome.clone(), Arc::downgrade(progress));
        let thread = thread::Builder::new().name("metronome".to_owned()).spawn(move || beating.beat(&run))?;
        Ok((metronome, thread))
    }

    fn new(rate: u32, publishers: u32, start_ns: u64) -> Self {
        Metronome { rate, start_ns, beats: (0..publishers).map(|_| Notify::new()).collect() }
    }

    /// When a publisher's message `number` is due; both count from 0.
    pub(super) fn due_ns(&self, publisher: u32, number: u64) -> u64 {
        let turn = u128::from(number) * self.beats.len() as u128 + u128::from(publisher);
        self.turn_ns(turn)
    }

    /// Waits until another message of the publisher is due, or the run ends. It may wake once too often.
    pub(super) async fn beat_of(&self, publisher: u32) {
        self.beats[publisher as usize].notified().await;
    }

    fn turn_ns(&self, turn: u128) -> u64 {
        // At one message a second, 584 years fit.
        self.start_ns + (turn * NANOSECONDS / u128::from(self.rate)) as u64
    }

    /// Until the run drains or is given up.
    fn beat(&self, run: &Weak<Progress>) {
        let mut turn: u128 = 0;
        while let Some(progress) = run.upgrade().filter(|it| !it.is(Phase::Drain)) {
            let now_ns = progress.now_ns();
            let first = turn;
            while self.turn_ns(turn) <= now_ns {
                turn += 1;
            }
            // A publisher sends all that is due, so one beat for several messages will do.
            for turn in first..turn.min(first + self.beats.len() as u128) {
                self.beats[(turn % self.beats.len() as u128) as usize].notify_one();
            }
            drop(progress);
            thread::sleep(Duration::from_nanos(self.turn_ns(turn).saturating_sub(now_ns)).min(SLEEP_MAX));
        }
        self.beats.iter().for_each(Notify::notify_one);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publishers_take_turns_at_even_distances() {
        let metronome = Metronome::new(3000, 3, 7);
        let due: Vec<_> = (0..9).map(|turn| metronome.due_ns(turn % 3, u64::from(turn / 3))).collect();
        let expected: Vec<_> = (0..9).map(|turn| 7 + turn * 1_000_000_000 / 3000).collect();
        assert_eq!(due, expected);
    }

    #[test]
    fn a_rate_that_divides_nothing_does_not_drift() {
        let metronome = Metronome::new(7, 1, 0);
        assert_eq!(metronome.due_ns(0, 7 * 1_000_000_000), 1_000_000_000 * 1_000_000_000);
    }

    #[test]
    fn every_publisher_is_woken_when_it_is_due_and_at_the_end() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let progress = Arc::new(Progress::new(1, 1, 2));
        let (metronome, thread) = Metronome::start(100, 2, &progress).unwrap();
        for publisher in [0, 1] {
            runtime.block_on(metronome.beat_of(publisher));
            assert!(progress.now_ns() >= metronome.due_ns(publisher, 0));
        }
        progress.enter(Phase::Drain);
        thread.join().unwrap();
        for publisher in [0, 1] {
            runtime.block_on(metronome.beat_of(publisher));
        }
    }

    #[test]
    fn a_run_that_is_given_up_ends_the_thread() {
        let progress = Arc::new(Progress::new(1, 1, 1));
        let (_, thread) = Metronome::start(1, 1, &progress).unwrap();
        drop(progress);
        thread.join().unwrap();
    }
}
