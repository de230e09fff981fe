//! What the threads of a set share is built from these. In the model (`model.rs`) they are shuttle's, which decides
//! where one thread stops and another goes on.

#[cfg(not(feature = "model"))]
pub(crate) use self::real::*;
#[cfg(feature = "model")]
pub(crate) use self::scheduled::*;

#[cfg(not(feature = "model"))]
mod real {
    pub(crate) use std::sync::atomic::AtomicUsize;

    pub(crate) use parking_lot::{Mutex, MutexGuard, RwLock};
    pub(crate) use tokio::sync::Notify;
}

#[cfg(feature = "model")]
mod scheduled {
    pub(crate) use shuttle::sync::{MutexGuard, RwLockReadGuard, RwLockWriteGuard, atomic::AtomicUsize};
    use shuttle::{sync, thread};

    /// With the manners of `parking_lot`: a panic elsewhere has failed the model already.
    pub(crate) struct Mutex<T>(sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Mutex(sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().expect("no thread of the model panics")
        }
    }

    /// As [`Mutex`].
    pub(crate) struct RwLock<T>(sync::RwLock<T>);

    impl<T> RwLock<T> {
        pub(crate) fn new(value: T) -> Self {
            RwLock(sync::RwLock::new(value))
        }

        pub(crate) fn read(&self) -> RwLockReadGuard<'_, T> {
            self.0.read().expect("no thread of the model panics")
        }

        pub(crate) fn write(&self) -> RwLockWriteGuard<'_, T> {
            self.0.write().expect("no thread of the model panics")
        }
    }

    /// Tokio's own, before and behind which others may run.
    pub(crate) struct Notify(tokio::sync::Notify);

    impl Notify {
        pub(crate) fn new() -> Self {
            Notify(tokio::sync::Notify::new())
        }

        pub(crate) fn notified(&self) -> tokio::sync::futures::Notified<'_> {
            thread::yield_now();
            self.0.notified()
        }

        pub(crate) fn notify_waiters(&self) {
            thread::yield_now();
            self.0.notify_waiters();
        }
    }
}
