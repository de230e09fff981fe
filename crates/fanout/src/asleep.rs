use std::task::Waker;

/// Cores that slept when something was put into their mailboxes, and are woken together: each would else handle what is there
/// by then and sleep again, once for every letter. Nobody else wakes them meanwhile; at the latest they are when this is
/// dropped.
#[derive(Default)]
pub struct Asleep(Vec<Waker>);

impl Asleep {
    pub(crate) fn add(&mut self, waker: Waker) {
        self.0.push(waker);
    }

    /// Wakes them.
    pub fn wake(&mut self) {
        self.0.drain(..).for_each(Waker::wake);
    }
}

impl Drop for Asleep {
    fn drop(&mut self) {
        self.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        task::Wake,
    };

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn who_slept_is_woken_once_and_at_the_latest_when_nobody_can_be_added_any_more() {
        let woken = Arc::new(Woken::default());
        let times = || woken.0.load(Ordering::Relaxed);
        let mut asleep = Asleep::default();
        asleep.add(woken.clone().into());
        assert_eq!(times(), 0);
        asleep.wake();
        asleep.wake();
        assert_eq!(times(), 1);
        asleep.add(woken.clone().into());
        drop(asleep);
        assert_eq!(times(), 2);
    }
}
