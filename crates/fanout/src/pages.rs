use std::{
    cell::{Cell, OnceCell},
    fs::File,
    io::{self, Write},
    ops::Range,
    os::fd::AsFd,
    rc::Rc,
    sync::atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use rustix::fs::{MemfdFlags, memfd_create, sendfile};

use crate::limits::{PAGED_BYTES_MIN, PAGED_TIMES_MIN, PAGES_MAX};

/// How many there are in this process: each has a file descriptor.
static THERE: AtomicUsize = AtomicUsize::new(0);

/// Bytes in a file of their own that has no name and is nowhere but in memory: the kernel sends its pages as they are,
/// to as many sockets as there are, where bytes of the process are copied for each.
#[derive(Debug)]
pub(crate) struct Pages {
    file: File,
    bytes: usize,
}

impl Pages {
    /// None where the kernel would not, or there are [`PAGES_MAX`].
    fn of(bytes: &[u8]) -> Option<Rc<Pages>> {
        let has_room = THERE.fetch_add(1, Ordering::Relaxed) < PAGES_MAX;
        let file = if has_room { written(bytes).ok() } else { None };
        if file.is_none() {
            THERE.fetch_sub(1, Ordering::Relaxed);
        }
        Some(Rc::new(Pages { file: file?, bytes: bytes.len() }))
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes
    }

    /// Sends some of the bytes, of which the socket takes what it will; how many it took. They may be read from the pages
    /// long after, so nothing ever writes to these again.
    pub(crate) fn send(&self, socket: impl AsFd, bytes: Range<usize>) -> io::Result<usize> {
        let mut offset = bytes.start as u64;
        Ok(sendfile(socket, &self.file, Some(&mut offset), bytes.len())?)
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        THERE.fetch_sub(1, Ordering::Relaxed);
    }
}

fn written(bytes: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create("naru-pages", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    Ok(file)
}

/// Bytes that go to many outboxes of a core as they are.
pub struct SharedBytes {
    bytes: Bytes,
    /// How many sockets that take pages have wanted them.
    times: Cell<usize>,
    pages: OnceCell<Option<Rc<Pages>>>,
}

impl SharedBytes {
    /// These bytes.
    pub fn new(bytes: Bytes) -> SharedBytes {
        SharedBytes { bytes, times: Cell::new(0), pages: OnceCell::new() }
    }

    /// What they are.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Pages of them for one more socket that takes such, if they are large and have been wanted often enough to be worth
    /// it.
    pub(crate) fn pages(&self) -> Option<Rc<Pages>> {
        let times = self.times.get() + 1;
        self.times.set(times);
        if self.bytes.len() < PAGED_BYTES_MIN || times < PAGED_TIMES_MIN {
            return None;
        }
        self.pages.get_or_init(|| Pages::of(&self.bytes)).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_never_more_than_have_file_descriptors_to_spare() {
        let large = vec![0; PAGED_BYTES_MIN];
        let mut there: Vec<_> = (0..PAGES_MAX).map(|_| Pages::of(&large).unwrap()).collect();
        assert!(Pages::of(&large).is_none());
        there.pop();
        assert!(Pages::of(&large).is_some());
    }
}
