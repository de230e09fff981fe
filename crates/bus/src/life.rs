//! Where a link lives.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use std::thread;

use tokio::runtime::{self, Handle};
use tokio::sync::watch;

use crate::link::Link;

/// What a link does, to be run somewhere: it connects, and connects again after a loss, for ever, with growing pauses of
/// random length up to 5 s.
///
/// It ends with [`Bus::stop`](crate::Bus::stop), or when the last handle is dropped.
#[must_use = "a link that is not run has no broker"]
pub struct Life {
    link: Link,
    stopped: watch::Receiver<bool>,
    runtime: Arc<OnceLock<Handle>>,
    /// Dropped at the end.
    ends: mpsc::SyncSender<Infallible>,
}

impl Life {
    pub(crate) fn of(
        link: Link,
        stopped: watch::Receiver<bool>,
        runtime: Arc<OnceLock<Handle>>,
    ) -> (Life, Arc<End>) {
        let (ends, end) = mpsc::sync_channel(1);
        (Life { link, stopped, runtime, ends }, Arc::new(End(Mutex::new(end))))
    }

    /// Lives on the Tokio runtime that polls this, which has its timer and its input and output on. What a call begins there is
    /// taken to its end.
    pub async fn run(self) {
        let Life { link, stopped, runtime, ends } = self;
        runtime.get_or_init(Handle::current);
        link.run(stopped).await;
        drop(ends);
    }

    /// Lives on a thread of its own, `naru-bus`.
    ///
    /// # Panics
    ///
    /// When the operating system gives no thread or no event loop, as [`std::thread::spawn`] does.
    pub fn on_its_own_thread(self) {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("the operating system gives an event loop");
        thread::Builder::new()
            .name("naru-bus".to_owned())
            .spawn(move || {
                runtime.block_on(self.run());
                // Nobody waits for a name that is still looked up.
                runtime.shutdown_background();
            })
            .expect("the operating system gives a thread");
    }
}

/// The end of a life, for who waits for it.
pub(crate) struct End(Mutex<mpsc::Receiver<Infallible>>);

impl End {
    pub(crate) fn wait(&self) {
        // Nothing is ever said: it ends.
        let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).recv();
    }
}
