//! The stream to the broker, with or without TLS. One thread reads and another writes.

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    net::{Shutdown, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rustls::{ClientConfig, ClientConnection, pki_types::ServerName};

/// Ciphertext read at once.
const READ_BYTES: usize = 16 * 1024;

/// The writing half, and the one to close.
pub(super) struct WriteHalf {
    socket: TcpStream,
    tls: Option<Arc<Mutex<ClientConnection>>>,
}

/// The reading half.
pub(super) struct ReadHalf {
    socket: TcpStream,
    tls: Option<Arc<Mutex<ClientConnection>>>,
    /// Ciphertext that was read and has not been taken in yet.
    ciphertext: Vec<u8>,
}

/// Halves of a plain connection.
pub(super) fn plain(socket: TcpStream) -> io::Result<(WriteHalf, ReadHalf)> {
    halves(socket, None)
}

/// Shakes hands within `time`, and gives the halves of the encrypted connection.
pub(super) fn encrypted(
    mut socket: TcpStream,
    terms: Arc<ClientConfig>,
    name: ServerName<'static>,
    time: Duration,
) -> io::Result<(WriteHalf, ReadHalf)> {
    let mut tls = ClientConnection::new(terms, name).map_err(io::Error::other)?;
    socket.set_read_timeout(Some(time))?;
    while tls.is_handshaking() {
        tls.complete_io(&mut socket)?;
    }
    socket.set_read_timeout(None)?;
    halves(socket, Some(Arc::new(Mutex::new(tls))))
}

fn halves(socket: TcpStream, tls: Option<Arc<Mutex<ClientConnection>>>) -> io::Result<(WriteHalf, ReadHalf)> {
    let input = socket.try_clone()?;
    Ok((WriteHalf { socket, tls: tls.clone() }, ReadHalf { socket: input, tls, ciphertext: Vec::new() }))
}

impl WriteHalf {
    pub(super) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(tls) = &self.tls else { return self.socket.write_all(bytes) };
        // Not written while it is locked: the peer may have to be read before it reads on.
        let mut ciphertext = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let mut tls = lock(tls);
            rest = &rest[tls.writer().write(rest)?..];
            while tls.wants_write() {
                tls.write_tls(&mut ciphertext)?;
            }
        }
        self.socket.write_all(&ciphertext)
    }

    /// Ends both halves; a reader that waits is woken.
    pub(super) fn close(&self) {
        // It fails when the peer was faster, and then there is nothing left to do.
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

impl ReadHalf {
    /// Waits for something; 0 at the end.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = self.tls.clone() else { return self.socket.read(buffer) };
        loop {
            {
                let mut tls = lock(&tls);
                match tls.reader().read(buffer) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    done => return done,
                }
                if !self.ciphertext.is_empty() {
                    let taken = tls.read_tls(&mut self.ciphertext.as_slice())?;
                    self.ciphertext.drain(..taken);
                    tls.process_new_packets().map_err(io::Error::other)?;
                    continue;
                }
            }
            self.ciphertext.resize(READ_BYTES, 0);
            let read = self.socket.read(&mut self.ciphertext);
            self.ciphertext.truncate(*read.as_ref().unwrap_or(&0));
            if read? == 0 {
                // Whether it said so first makes no difference to who waits for a reply.
                return Ok(0);
            }
        }
    }
}

fn lock(tls: &Mutex<ClientConnection>) -> MutexGuard<'_, ClientConnection> {
    tls.lock().unwrap_or_else(PoisonError::into_inner)
}
