use std::{
    io,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::task::LocalSet;

use crate::{Core, CoreId, Directory, Wire};

/// A running set of cores.
pub struct Cores<W: Wire> {
    directory: Arc<Directory<W>>,
    threads: Vec<JoinHandle<()>>,
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
        let threads = (0..count)
            .map(|index| start_one(CoreId(index), name, directory.clone(), shared.clone(), grace))
            .collect::<io::Result<_>>()?;
        Ok(Cores { directory, threads })
    }

    /// The way to all cores.
    pub fn directory(&self) -> &Arc<Directory<W>> {
        &self.directory
    }

    /// Asks every peer to finish, waits for them (at most the grace given at the start) and joins the threads.
    pub fn stop(self) {
        self.directory.stop();
        for thread in self.threads {
            // A core that panicked has said so on its own thread; there is nothing left of it to stop.
            let _ = thread.join();
        }
    }
}

fn start_one<W: Wire>(
    id: CoreId,
    name: &str,
    directory: Arc<Directory<W>>,
    shared: Arc<W::Shared>,
    grace: Duration,
) -> io::Result<JoinHandle<()>> {
    let (ready, started) = mpsc::sync_channel(1);
    let thread = thread::Builder::new().name(format!("{name}-{}", id.0)).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => return drop(ready.send(Err(error))),
        };
        let local = LocalSet::new();
        local.block_on(&runtime, async {
            let core = Core::new(id, directory, shared);
            // Whoever started us waits for this.
            let _ = ready.send(Ok(()));
            core.run(grace).await;
        });
    })?;
    started.recv().map_err(|_| io::Error::other("a core's thread ended before it began"))??;
    Ok(thread)
}
