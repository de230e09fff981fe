//! Who is connected here, over all cores.

use std::{collections::HashSet, sync::Arc, time::Duration};

use naru_fanout::{CoreId, Directory};
use tokio::{sync::mpsc, time::timeout};

use crate::wire::{Gate, Mail};

/// How long a core has for its answer: a turn or two.
const PATIENCE: Duration = Duration::from_secs(1);

/// Who is connected, on one core or on several.
#[derive(Debug, Default)]
pub(crate) struct Census {
    pub(crate) clients: u64,
    /// A keyed hash of each: the same user may be on several cores.
    pub(crate) users: HashSet<u64>,
}

/// Asks all cores. One that is too busy to answer is left out.
pub(super) async fn take(cores: &Arc<Directory<Gate>>) -> Census {
    let (sender, mut counted) = mpsc::channel(cores.cores());
    for core in 0..cores.cores() {
        cores.send(CoreId(core), Mail::Count(sender.clone()));
    }
    drop(sender);
    let mut all = Census::default();
    let gathered = timeout(PATIENCE, async {
        while let Some(census) = counted.recv().await {
            all.clients += census.clients;
            all.users.extend(census.users);
        }
    });
    if gathered.await.is_err() {
        tracing::debug!("a core was too busy to be counted");
    }
    all
}
