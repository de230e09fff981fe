//! Many sends in one system call, where the kernel has io_uring and lets us use it.

#![expect(unsafe_code, reason = "the ring takes addresses; `send_each` keeps what they point to alive")]

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
    slice,
};

use io_uring::{IoUring, opcode, types};

use crate::limits::RING_SENDS_MAX;

/// A submission queue of one thread.
pub(crate) struct Ring {
    ring: IoUring,
    results: Vec<i32>,
}

impl Ring {
    /// None where there is no io_uring of Linux 6.1 or later, or it may not be used. To be called on the thread that
    /// will use it.
    pub(crate) fn new() -> Option<Ring> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .dontfork()
            .build(RING_SENDS_MAX as u32)
            .inspect_err(|error| tracing::debug!(%error, "no io_uring: each peer is written to by itself"))
            .ok()?;
        Some(Ring { ring, results: Vec::new() })
    }

    /// Sends each of `sends`, at most [`RING_SENDS_MAX`], as `send` does that neither waits nor raises a signal; what came of
    /// each, in the same order.
    pub(crate) fn send_each<'a>(
        &mut self,
        sends: impl Iterator<Item = (BorrowedFd<'a>, &'a [u8])>,
    ) -> Outcomes<'_> {
        let mut count = 0;
        for (socket, bytes) in sends {
            let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            let send = opcode::Send::new(types::Fd(socket.as_raw_fd()), bytes.as_ptr(), length)
                .flags(libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
                .build()
                .user_data(count as u64);
            // SAFETY: `socket` and `bytes` are borrowed until this function returns, and it does not return or unwind before
            // the kernel has completed every entry (see `complete`), except by the panics below, before it has seen any.
            let pushed = unsafe { self.ring.submission().push(&send) };
            pushed.expect("the queue was empty and is as long as `sends` may be");
            count += 1;
        }
        self.complete(count);
        Outcomes(self.results.iter())
    }

    /// Submits what was pushed and waits until all `count` entries are completed, which with `MSG_DONTWAIT` is at once.
    fn complete(&mut self, count: usize) {
        self.results.clear();
        self.results.resize(count, 0);
        let mut completed = 0;
        while completed < count {
            use io::ErrorKind::{Interrupted, ResourceBusy, WouldBlock};
            // The kernel may have no room for a moment.
            if let Err(error) = self.ring.submit_and_wait(count - completed)
                && !matches!(error.kind(), Interrupted | ResourceBusy | WouldBlock)
            {
                // Entries may be under way whose bytes would be freed below us.
                tracing::error!(%error, "io_uring failed under way");
                std::process::abort();
            }
            for completion in self.ring.completion() {
                self.results[completion.user_data() as usize] = completion.result();
                completed += 1;
            }
        }
    }
}

/// What came of sends, in their order.
pub(crate) struct Outcomes<'r>(slice::Iter<'r, i32>);

impl Iterator for Outcomes<'_> {
    type Item = io::Result<usize>;

    fn next(&mut self) -> Option<Self::Item> {
        let result = *self.0.next()?;
        Some(usize::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result)))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Read,
        os::{fd::AsFd, unix::net::UnixStream},
    };

    use super::*;

    #[test]
    fn each_socket_gets_its_bytes_and_each_send_its_own_outcome() {
        let Some(mut ring) = Ring::new() else { return };
        for _ in 0..3 {
            let (near, mut far): (Vec<_>, Vec<_>) = (0..5).map(|_| UnixStream::pair().unwrap()).unzip();
            far.remove(2);
            let texts: Vec<Vec<u8>> = (0..5u8).map(|number| vec![number; 1 + number as usize]).collect();
            let sends = near.iter().map(AsFd::as_fd).zip(texts.iter().map(Vec::as_slice));
            let sent: Vec<_> = ring.send_each(sends).collect();
            for (index, sent) in sent.iter().enumerate() {
                match index {
                    2 => assert_eq!(sent.as_ref().unwrap_err().kind(), io::ErrorKind::BrokenPipe),
                    _ => assert_eq!(*sent.as_ref().unwrap(), texts[index].len()),
                }
            }
            for (mut far, text) in far.into_iter().zip([0, 1, 3, 4].map(|index| &texts[index])) {
                let mut read = vec![0; text.len()];
                far.read_exact(&mut read).unwrap();
                assert_eq!(read, *text);
            }
        }
    }

    #[test]
    fn a_send_that_would_wait_says_so() {
        let Some(mut ring) = Ring::new() else { return };
        let (near, _far) = UnixStream::pair().unwrap();
        let text = vec![7; 1 << 20];
        let mut sent = Ok(0);
        while sent.is_ok() {
            sent = ring.send_each([(near.as_fd(), text.as_slice())].into_iter()).next().unwrap();
        }
        assert_eq!(sent.unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}
