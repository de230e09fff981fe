//! A socket to the broker: commands out, replies in.

use std::fmt;
use std::io;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{anyhow, bail};
use naru_resp::{ReplyParser, Value, encode_request};
use rustls::{ClientConfig, pki_types::ServerName};

use super::socket::{ReadHalf, WriteHalf, encrypted, plain};
use crate::tls_client;

/// For one address; a host may have several.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const READ_BYTES: usize = 16 * 1024;

/// Where the broker is and how to greet it.
#[derive(Clone)]
pub(super) struct Endpoint {
    pub(super) host: String,
    pub(super) port: u16,
    /// Whom to sign in as; without a name the default user.
    pub(super) user: Option<Vec<u8>>,
    pub(super) password: Option<Vec<u8>>,
    pub(super) resp3: bool,
    pub(super) tls: Option<Tls>,
}

/// What the connection is encrypted with, and whose certificate is asked for.
#[derive(Clone)]
pub(super) struct Tls {
    pub(super) terms: Arc<ClientConfig>,
    pub(super) name: ServerName<'static>,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// The writing half, and the one to close.
pub(super) struct Sender(WriteHalf);

/// The reading half.
pub(super) struct Receiver {
    socket: ReadHalf,
    parser: ReplyParser,
    input: Vec<u8>,
    /// Bytes at the front of `input` that are read and not yet removed.
    consumed: usize,
}

/// Connects, signs in and chooses the protocol. A refused sign-in is said and not fatal: what needs it
/// is refused in turn.
pub(super) fn connect(endpoint: &Endpoint) -> anyhow::Result<(Sender, Receiver)> {
    let socket = open(endpoint).map_err(|error| explain(endpoint, &error))?;
    let halves = match &endpoint.tls {
        None => plain(socket),
        Some(tls) => encrypted(socket, tls.terms.clone(), tls.name.clone(), CONNECT_TIMEOUT),
    };
    let (output, input) = halves.map_err(|error| explain(endpoint, &error))?;
    let mut sender = Sender(output);
    let mut receiver =
        Receiver { socket: input, parser: ReplyParser::default(), input: Vec::new(), consumed: 0 };
    if let Some(password) = &endpoint.password {
        let words: Vec<&[u8]> = endpoint.user.as_deref().into_iter().chain([&**password]).collect();
        greet(&mut sender, &mut receiver, "AUTH", &words)?;
    }
    if endpoint.resp3 {
        greet(&mut sender, &mut receiver, "HELLO", &[b"3"])?;
    }
    Ok((sender, receiver))
}

impl Sender {
    pub(super) fn send(&mut self, command: &[Vec<u8>]) -> io::Result<()> {
        let mut bytes = Vec::new();
        encode_request(command, &mut bytes);
        self.0.write_all(&bytes)
    }

    /// Ends both halves; a receiver that waits is woken.
    pub(super) fn close(&self) {
        self.0.close();
    }
}

impl Receiver {
    /// Waits for the next reply or message.
    pub(super) fn receive(&mut self) -> anyhow::Result<Value> {
        loop {
            if let Some((value, length)) = self.parser.next(&self.input[self.consumed..])? {
                self.consumed += length;
                return Ok(value);
            }
            self.input.drain(..self.consumed);
            self.consumed = 0;
            self.fill()?;
        }
    }

    fn fill(&mut self) -> anyhow::Result<()> {
        let filled = self.input.len();
        self.input.resize(filled + READ_BYTES, 0);
        let read = loop {
            match self.socket.read(&mut self.input[filled..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => break done,
            }
        };
        self.input.truncate(filled + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => bail!("Server closed the connection"),
            Err(error) => bail!("Connection lost: {}", without_code(&error)),
            Ok(_) => Ok(()),
        }
    }
}

fn open(endpoint: &Endpoint) -> io::Result<TcpStream> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in (endpoint.host.as_str(), endpoint.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
            Ok(socket) => {
                socket.set_nodelay(true)?;
                return Ok(socket);
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn greet(
    sender: &mut Sender,
    receiver: &mut Receiver,
    command: &str,
    arguments: &[&[u8]],
) -> anyhow::Result<()> {
    let words = std::iter::once(command.as_bytes()).chain(arguments.iter().copied());
    sender.send(&words.map(<[u8]>::to_vec).collect::<Vec<_>>())?;
    if let Value::Error(text) = receiver.receive()? {
        eprintln!("{command} failed: {}", String::from_utf8_lossy(&text));
    }
    Ok(())
}

fn explain(endpoint: &Endpoint, error: &io::Error) -> anyhow::Error {
    if endpoint.tls.is_some() && matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) {
        return anyhow!(
            "Could not connect to {endpoint} by TLS: no answer in time. Perhaps it does not speak TLS on that port."
        );
    }
    if let Some(error) = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>()) {
        return anyhow!("Could not connect to {endpoint} by TLS: {}.", tls_client::explained(error));
    }
    let hint = match (error.kind(), endpoint.port) {
        (io::ErrorKind::UnexpectedEof, _) if endpoint.tls.is_some() => {
            " Perhaps it does not speak TLS on that port.".to_owned()
        }
        (io::ErrorKind::ConnectionRefused, 6379) => {
            " Is a broker running there? Start one with: naru broker".to_owned()
        }
        (io::ErrorKind::ConnectionRefused, port) => {
            format!(" Is a broker running there? Start one with: naru broker --port {port}")
        }
        _ => String::new(),
    };
    anyhow!("Could not connect to {endpoint}: {}.{hint}", without_code(error))
}

/// The system's text without its ` (os error 111)`.
fn without_code(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error ").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    fn endpoint(host: &str, port: u16) -> Endpoint {
        Endpoint { host: host.to_owned(), port, user: None, password: None, resp3: false, tls: None }
    }

    #[test]
    fn an_address_looks_as_redis_cli_shows_it() {
        assert_eq!(endpoint("localhost", 6379).to_string(), "localhost:6379");
        assert_eq!(endpoint("::1", 6379).to_string(), "[::1]:6379");
    }

    #[test]
    fn nobody_listening_is_explained() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let error = connect(&endpoint("127.0.0.1", port)).err().unwrap();
        assert_eq!(
            error.to_string(),
            format!(
                "Could not connect to 127.0.0.1:{port}: Connection refused. Is a broker running there? \
                 Start one with: naru broker --port {port}"
            )
        );
    }

    #[test]
    fn replies_that_arrive_together_or_in_pieces_come_out_one_by_one() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (mut sender, mut receiver) = connect(&endpoint("127.0.0.1", port)).unwrap();
        let (mut peer, _) = listener.accept().unwrap();

        sender.send(&[b"PING".to_vec(), b"a\r\nb".to_vec()]).unwrap();
        let mut seen = [0; 24];
        peer.read_exact(&mut seen).unwrap();
        assert_eq!(&seen, b"*2\r\n$4\r\nPING\r\n$4\r\na\r\nb\r\n".get(..24).unwrap());

        let large = vec![b'x'; 3 * READ_BYTES];
        peer.write_all(b"+OK\r\n:1\r\n$49152\r\n").unwrap();
        assert_eq!(receiver.receive().unwrap(), Value::Simple(b"OK".to_vec()));
        assert_eq!(receiver.receive().unwrap(), Value::Integer(1));
        peer.write_all(&large).unwrap();
        peer.write_all(b"\r\n+he").unwrap();
        assert_eq!(receiver.receive().unwrap(), Value::Bulk(large));
        drop(peer);
        assert!(receiver.receive().is_err());
    }
}
