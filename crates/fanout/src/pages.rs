use std::{
    cell::{Cell, OnceCell},
    fs::File,
    io::{self, Write},
    ops::Range,
    os::fd::AsFd,
    rc::Rc,
};

use bytes::Bytes;
use rustix::fs::{MemfdFlags, memfd_create, sendfile};

use crate::limits::{PAGED_BYTES_MIN, PAGED_TIMES_MIN};

/// Bytes in a file of their own that has no name and is nowhere but in memory: the kernel sends its pages as they are,
/// to as many sockets as there are, where bytes of the process are copied for each.
#[derive(Debug)]
pub(crate) struct Pages(File);

impl Pages {
    fn of(bytes: &[u8]) -> io::Result<Pages> {
        let mut file = File::from(memfd_create("naru-pages", MemfdFlags::CLOEXEC)?);
        file.write_all(bytes)?;
        Ok(Pages(file))
    }

    /// Sends bytes of them, of which the socket takes what it will; how many it took. They may be read from the pages
    /// long after, so nothing ever writes to these again.
    pub(crate) fn send(&self, socket: impl AsFd, bytes: Range<usize>) -> io::Result<usize> {
        let mut offset = bytes.start as u64;
        Ok(sendfile(socket, &self.0, Some(&mut offset), bytes.len())?)
    }
}

/// Bytes that go to many outboxes of a core as they are.
pub struct Shared {
    bytes: Bytes,
    times: Cell<usize>,
    /// None where the kernel would not.
    pages: OnceCell<Option<Rc<Pages>>>,
}

impl Shared {
    /// These bytes.
    pub fn new(bytes: Bytes) -> Shared {
        Shared { bytes, times: Cell::new(0), pages: OnceCell::new() }
    }

    /// What they are.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Pages of them for one more outbox, if they are large and have been wanted often enough to be worth it.
    pub(crate) fn pages(&self) -> Option<Rc<Pages>> {
        let times = self.times.get() + 1;
        self.times.set(times);
        if self.bytes.len() < PAGED_BYTES_MIN || times < PAGED_TIMES_MIN {
            return None;
        }
        self.pages.get_or_init(|| Pages::of(&self.bytes).ok().map(Rc::new)).clone()
    }
}
