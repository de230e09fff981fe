use std::{
    rc::Rc,
    sync::atomic::{AtomicUsize, Ordering},
};

use naru_fanout::{Core, CoreId};

use crate::{client::Client, wire::Resp};

/// How many clients watch what is executed (`MONITOR`), by core.
pub(crate) struct Monitors {
    all: AtomicUsize,
    cores: Box<[AtomicUsize]>,
}

impl Monitors {
    pub(crate) fn new(cores: usize) -> Self {
        Monitors { all: AtomicUsize::new(0), cores: (0..cores).map(|_| AtomicUsize::new(0)).collect() }
    }

    /// Whether there is any; looked at after every command.
    pub(crate) fn any(&self) -> bool {
        self.all.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn are_on(&self, core: CoreId) -> bool {
        self.cores[core.0].load(Ordering::Relaxed) > 0
    }

    pub(crate) fn added(&self, core: CoreId) {
        self.cores[core.0].fetch_add(1, Ordering::Relaxed);
        self.all.fetch_add(1, Ordering::Relaxed);
    }

    fn removed(&self, core: CoreId) {
        self.cores[core.0].fetch_sub(1, Ordering::Relaxed);
        self.all.fetch_sub(1, Ordering::Relaxed);
    }

    /// Ends a client's watching, if it does.
    pub(crate) fn forget(core: &Rc<Core<Resp>>, client: &Client) {
        if client.profile().set_monitor(false) {
            core.local().monitors.borrow_mut().retain(|id| *id != client.profile().id);
            core.shared().monitors.removed(core.id());
            client.limit_output();
        }
    }
}
