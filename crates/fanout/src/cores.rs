use std::{
    convert::Infallible,
    io,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{runtime::Handle, sync::watch, task::LocalSet};

use crate::{Core, CoreId, Directory, Wire};

/// A running set of cores.
pub struct Cores<W: Wire> {
    directory: Arc<Directory<W>>,
    threads: Vec<Thread>,
    /// Dropped when the threads may end.
    needed: watch::Sender<()>,
}

struct Thread {
    handle: JoinHandle<()>,
    runtime: Handle,
    /// Closed when its core has ended.
    ended: mpsc::Receiver<Infallible>,
}

impl<W: Wire> Cores<W> {
    /// Starts `count` threads called `name-0`, `name-1`, … `grace` is how long peers get to finish when the set is
    /// stopped.
    pub fn start(count: usize, name: &str, shared: Arc<W::Shared>, grace: Duration) -> io::Result<Self> {
        Self::start_with(count, name, grace, |_| shared)
    }

    /// As [`Self::start`], for what is shared and needs the directory itself.
    pub fn start_with(
        count: usize,
        name: &str,
        grace: Duration,
        shared: impl FnOnce(&Arc<Directory<W>>) -> Arc<W::Shared>,
    ) -> io::Result<Self> {
        assert!(count > 0, "a set has at least one core");
        let directory = Arc::new(Directory::new(count));
        let shared = shared(&directory);
        let (needed, _) = watch::channel(());
        let threads = (0..count)
            .map(|index| {
                start_one(CoreId(index), name, directory.clone(), shared.clone(), grace, needed.subscribe())
            })
            .collect::<io::Result<_>>()?;
        Ok(Cores { directory, threads, needed })
    }

    /// The way to all cores.
    pub fn directory(&self) -> &Arc<Directory<W>> {
        &self.directory
    }

    /// The thread's runtime, if there is one core: for what works with nobody else. It goes on until [`Self::stop`].
    pub fn only(&self) -> Option<&Handle> {
        match &self.threads[..] {
            [thread] => Some(&thread.runtime),
            _ => None,
        }
    }

    /// Asks every peer to finish, and waits for them, at most the grace given at the start.
    pub fn finish(&mut self) {
        self.directory.stop();
        for thread in &self.threads {
            // Nothing is ever said: it ends. A core that panicked has said so on its own thread.
            let _ = thread.ended.recv();
        }
    }

    /// The same, unless that has happened, and joins the threads.
    pub fn stop(mut self) {
        self.finish();
        drop(self.needed);
        for thread in self.threads {
            // There is nothing left of one that panicked to stop.
            let _ = thread.handle.join();
        }
    }
}

fn start_one<W: Wire>(
    id: CoreId,
    name: &str,
    directory: Arc<Directory<W>>,
    shared: Arc<W::Shared>,
    grace: Duration,
    mut needed: watch::Receiver<()>,
) -> io::Result<Thread> {
    let (ready, started) = mpsc::sync_channel(1);
    let (ends, ended) = mpsc::sync_channel(1);
    let handle = thread::Builder::new().name(format!("{name}-{}", id.0)).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => return drop(ready.send(Err(error))),
        };
        let local = LocalSet::new();
        local.block_on(&runtime, async {
            let core = Core::new(id, directory, shared);
            // Whoever started us waits for this.
            let _ = ready.send(Ok(Handle::current()));
            core.run(grace).await;
        });
        // With its tasks, whose time is over.
        drop(local);
        drop(ends);
        runtime.block_on(async {
            // Nothing is ever said: it ends.
            let _ = needed.changed().await;
        });
    })?;
    let begun = started.recv().map_err(|_| io::Error::other("a core's thread ended before it began"))?;
    Ok(Thread { handle, runtime: begun?, ended })
}
