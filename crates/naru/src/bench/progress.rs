//! What all connections of a run share: counters, the phase, and the limit on what is on its way.
//!
//! Closed loop, with two limits at once. Each publisher keeps up to `in_flight` publishes sent and not yet
//! answered, as redis-benchmark does with a pipeline. And since a server may answer before it has delivered, all
//! publishers pause while too many deliveries are on their way: otherwise the faster answer would be measured as a
//! longer queue, and subscribers that the load generator is slow to read for would be cut off. With a lag of one
//! message, the next is sent when every subscriber has the one before.

use std::{
    sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering},
    time::Instant,
};

use tokio::sync::Notify;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    WarmUp,
    Measure,
    /// Nothing new is published.
    Drain,
}

pub(super) struct Progress {
    start: Instant,
    phase: AtomicU8,
    /// Deliveries on their way: never more than `lag_max`.
    undelivered: AtomicU64,
    delivered: AtomicU64,
    answered: AtomicU64,
    /// Publishers that have not got all their answers.
    publishing: AtomicUsize,
    /// Publishers that wait for `room`.
    waiting: AtomicUsize,
    room: Notify,
    /// In deliveries.
    lag_max: u64,
    /// A pause ends when so few deliveries are on their way: half, so that publishing goes on with a batch and not
    /// with one message for every one delivered, and few enough for one more.
    resume_at: u64,
}

impl Progress {
    /// `lag_max` in messages, `fan_out_max` the subscribers of the channel that has most.
    pub(super) fn new(lag_max: u32, fan_out_max: u32, publishers: u32) -> Self {
        let fan_out = u64::from(fan_out_max);
        let lag = u64::from(lag_max) * fan_out;
        Progress {
            start: Instant::now(),
            phase: AtomicU8::new(Phase::WarmUp as u8),
            undelivered: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            publishing: AtomicUsize::new(publishers as usize),
            waiting: AtomicUsize::new(0),
            room: Notify::new(),
            lag_max: lag,
            resume_at: (lag / 2).min(lag - fan_out),
        }
    }

    /// The run's clock, in nanoseconds.
    pub(super) fn now_ns(&self) -> u64 {
        // 584 years fit.
        self.start.elapsed().as_nanos() as u64
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::SeqCst);
    }

    pub(super) fn is(&self, phase: Phase) -> bool {
        self.phase.load(Ordering::SeqCst) == phase as u8
    }

    /// Counts the deliveries of one more message, unless they would be too many.
    pub(super) fn try_publish(&self, fan_out: u32) -> bool {
        let more =
            |undelivered: u64| Some(undelivered + u64::from(fan_out)).filter(|&sum| sum <= self.lag_max);
        self.undelivered.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).is_ok()
    }

    /// Waits until publishing may go on after [`Self::try_publish`] refused.
    pub(super) async fn room(&self) {
        let room = self.room.notified();
        tokio::pin!(room);
        // From here on no notification is missed, so whoever delivers the last either notifies or was counted.
        room.as_mut().enable();
        let _waiting = Waiting::new(&self.waiting);
        if self.undelivered() > self.resume_at {
            room.await;
        }
    }

    /// A subscriber received `count` messages.
    pub(super) fn deliver(&self, count: u64) {
        self.delivered.fetch_add(count, Ordering::Relaxed);
        let undelivered = self.undelivered.fetch_sub(count, Ordering::SeqCst) - count;
        if undelivered <= self.resume_at && self.waiting.load(Ordering::SeqCst) > 0 {
            self.room.notify_waiters();
        }
    }

    pub(super) fn answer(&self, count: u64) {
        self.answered.fetch_add(count, Ordering::Relaxed);
    }

    /// A publisher got all its answers and will publish no more.
    pub(super) fn publisher_done(&self) {
        self.publishing.fetch_sub(1, Ordering::SeqCst);
    }

    pub(super) fn undelivered(&self) -> u64 {
        self.undelivered.load(Ordering::SeqCst)
    }

    pub(super) fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    pub(super) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// While draining: everything was answered and delivered.
    pub(super) fn is_complete(&self) -> bool {
        self.publishing.load(Ordering::SeqCst) == 0 && self.undelivered() == 0
    }
}

/// Counts one who waits for as long as it does, also if the wait is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Waiting(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn is_ready(future: std::pin::Pin<&mut impl Future>) -> bool {
        matches!(future.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(_))
    }

    #[test]
    fn with_a_lag_of_one_the_next_waits_for_the_last_delivery() {
        let progress = Progress::new(1, 3, 1);
        assert!(progress.try_publish(3));
        assert!(!progress.try_publish(3));
        let mut room = pin!(progress.room());
        assert!(!is_ready(room.as_mut()));
        progress.deliver(2);
        assert!(!is_ready(room.as_mut()));
        assert!(!progress.try_publish(3));
        progress.deliver(1);
        assert!(is_ready(room.as_mut()));
        assert!(progress.try_publish(3));
    }

    #[test]
    fn a_pause_ends_at_half_the_lag() {
        let progress = Progress::new(4, 10, 1);
        for _ in 0..4 {
            assert!(progress.try_publish(10));
        }
        assert!(!progress.try_publish(10));
        let mut room = pin!(progress.room());
        progress.deliver(19);
        assert!(!is_ready(room.as_mut()));
        progress.deliver(1);
        assert!(is_ready(room.as_mut()));
    }

    #[test]
    fn a_dropped_wait_is_forgotten() {
        let progress = Progress::new(1, 1, 1);
        assert!(progress.try_publish(1));
        {
            let mut room = pin!(progress.room());
            assert!(!is_ready(room.as_mut()));
            assert_eq!(progress.waiting.load(Ordering::SeqCst), 1);
        }
        assert_eq!(progress.waiting.load(Ordering::SeqCst), 0);
    }
}
