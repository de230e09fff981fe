//! What the kernel holds for a peer: the only sign that a slow one still takes something. Linux held 2.8 to 3.9 MB of a socket that was
//! not read, and called it writable again when a third of that was gone: at 25 KB a second, after half a minute.

#![expect(unsafe_code, reason = "no safe wrapper of this ioctl is among what we depend on")]

use std::os::fd::{AsRawFd, BorrowedFd};

/// Bytes that the kernel was handed and the peer's has not taken: tcp(7), unix(7), `SIOCOUTQ`. None where it does not say.
pub(crate) fn unsent(socket: BorrowedFd<'_>) -> Option<usize> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the descriptor is borrowed, and this request writes one `c_int`, which is there for the call.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if done == 0 { usize::try_from(bytes).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::File,
        io::{Read, Write},
        net::{TcpListener, TcpStream},
        os::fd::AsFd,
        os::unix::net::UnixStream,
    };

    use super::*;

    #[test]
    fn what_the_other_end_has_not_taken_is_told() {
        let (mut near, mut far) = UnixStream::pair().unwrap();
        assert_eq!(unsent(near.as_fd()), Some(0));
        near.write_all(&[0; 100]).unwrap();
        assert!(unsent(near.as_fd()) > Some(0));
        far.read_exact(&mut [0; 100]).unwrap();
        assert_eq!(unsent(near.as_fd()), Some(0));
        assert_eq!(unsent(File::open("/dev/null").unwrap().as_fd()), None);
    }

    #[test]
    fn of_tcp_what_its_kernel_has_taken_does_not_count() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut far, _) = listener.accept().unwrap();
        near.set_nonblocking(true).unwrap();
        let mut written = 0;
        while let Ok(count) = near.write(&[0; 1 << 16]) {
            written += count;
        }
        // The far end's kernel may be behind for a moment.
        let mut looks = (0..1000).map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(1));
            unsent(near.as_fd()).unwrap()
        });
        let unsent_before = looks.find(|now| *now < written).unwrap();
        assert!(0 < unsent_before);
        far.read_exact(&mut vec![0; written - unsent_before]).unwrap();
        while unsent(near.as_fd()).unwrap() == unsent_before {
            std::thread::yield_now();
        }
    }
}
