//! The servers of a run, and opening connections to them.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, anyhow, bail, ensure};
use clap::Args;
use naru_gateway::TokenKey;
use naru_ledger::User;

use super::{
    frame::{self, Frames, Sent},
    tongue::{Dialect, Encoding, Granted, Heard, Position, Tongue},
};
use crate::{
    bench::{frame::shown, process::Process, target},
    host,
};

/// How long a token is good for: no run takes longer.
const TOKEN_TIME: Duration = Duration::from_secs(24 * 60 * 60);

/// How long the server may take for one step of opening a connection.
const STEP_TIME_MAX: Duration = Duration::from_secs(10);

/// No server greets with more.
const GREETING_BYTES_MAX: usize = 64 << 10;

/// Of the handshake: any will do, since nobody stands between.
const HANDSHAKE_KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// Ids of what opens a connection: of connecting, and of the commands behind it.
pub(super) const CONNECT_ID: u32 = 1;
/// See [`CONNECT_ID`].
pub(super) const ENTRY_ID: u32 = 2;

/// The first id of what comes then.
pub(super) const FIRST_ID: u32 = 1_000_000;

#[derive(Args, Clone, Debug)]
pub(super) struct Servers {
    /// Where the server listens, as ws://host:port, with a path if it is not the dialect's usual one. With several,
    /// subscribers are dealt out to all but the last, and publishers are on that.
    #[arg(long = "server", default_value = "ws://127.0.0.1:8000", value_name = "URL")]
    urls: Vec<String>,
    /// What it speaks.
    #[arg(long, value_enum, default_value_t = Dialect::Centrifuge)]
    dialect: Dialect,
    /// How it is written, in the Centrifuge client protocol.
    #[arg(long, value_enum, default_value_t = Encoding::Json)]
    encoding: Encoding,
    /// What connection tokens are signed with [default: there are none].
    #[arg(long, env = "NARU_TOKEN_SECRET", hide_env_values = true, value_name = "SECRET")]
    token_secret: Option<String>,
    /// Process ids of the servers, if they run here: report their CPU time and memory, summed up.
    #[arg(long = "pid")]
    pids: Vec<u32>,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub(super) json: bool,
}

impl Servers {
    pub(super) fn tongue(&self) -> Tongue {
        Tongue::of(self.dialect, self.encoding)
    }

    pub(super) fn processes(&self) -> Vec<Process> {
        self.pids.iter().copied().map(Process).collect()
    }

    /// As reports have it.
    pub(super) fn names(&self) -> String {
        self.urls.join(", ")
    }

    /// What opens connections to them.
    pub(super) fn doors(&self) -> anyhow::Result<Doors> {
        let tongue = self.tongue();
        let servers: Vec<_> =
            self.urls.iter().map(|url| Server::parse(url, tongue)).collect::<Result<_, _>>()?;
        ensure!(!servers.is_empty(), "--server is missing");
        let key = self.token_secret.as_deref().map(TokenKey::secret).transpose().context("--token-secret")?;
        Ok(Doors { tongue, servers, key })
    }
}

#[derive(Clone)]
struct Server {
    address: SocketAddr,
    host: String,
    path: String,
}

impl Server {
    fn parse(url: &str, tongue: Tongue) -> anyhow::Result<Self> {
        let form = "--server is ws://host:port or ws://host:port/path";
        let rest = url.strip_prefix("ws://").with_context(|| format!("{form}, and not {url}"))?;
        let (host, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, tongue.path()),
        };
        let (name, port) = host::with_port(host).map_err(|fault| anyhow!("{form}, and of {url} {fault}"))?;
        let address = target::resolve(&name, port)?;
        Ok(Server { address, host: host.to_owned(), path: path.to_owned() })
    }
}

/// Opens connections, each of them ready when it is returned: the server has confirmed it.
#[derive(Clone)]
pub(super) struct Doors {
    pub(super) tongue: Tongue,
    servers: Vec<Server>,
    key: Option<TokenKey>,
}

/// An open connection, and what its server gave at the end of opening it.
pub(super) struct Opened {
    pub(super) stream: TcpStream,
    /// What has come of the next frame.
    pub(super) frames: Frames,
    pub(super) granted: Granted,
}

impl Doors {
    /// A connection of a subscriber, as `user` if tokens are signed; `entries` are the commands that make it one, the
    /// first with the id [`ENTRY_ID`] and so on.
    pub(super) fn subscriber(&self, number: u32, user: &str, entries: &[Vec<u8>]) -> anyhow::Result<Opened> {
        self.open(self.server_of(number), user, entries)
    }

    /// A connection of a publisher, as [`Self::subscriber`].
    pub(super) fn publisher(&self, user: &str, entries: &[Vec<u8>]) -> anyhow::Result<Opened> {
        self.open(self.servers.len() - 1, user, entries)
    }

    fn server_of(&self, number: u32) -> usize {
        number as usize % self.servers.len().saturating_sub(1).max(1)
    }

    fn open(&self, server: usize, user: &str, entries: &[Vec<u8>]) -> anyhow::Result<Opened> {
        let address = self.servers[server].address;
        let stream = TcpStream::connect_timeout(&address, STEP_TIME_MAX).with_context(|| {
            format!("cannot connect to {address}: is the server running, and does it allow so many?")
        })?;
        let mut opening = Opening { stream, tongue: self.tongue, frames: Frames::default() };
        let granted = opening
            .through(&self.handshake(server), &self.sign_in(user, None)?, entries)
            .with_context(|| format!("{address} did not take a connection"))?;
        opening.stream.set_nonblocking(true)?;
        Ok(Opened { stream: opening.stream, frames: opening.frames, granted })
    }

    /// Where a subscriber connects.
    pub(super) fn address_of(&self, number: u32) -> SocketAddr {
        self.servers[self.server_of(number)].address
    }

    /// The HTTP request that a subscriber's connection begins with.
    pub(super) fn handshake_of(&self, number: u32) -> Vec<u8> {
        self.handshake(self.server_of(number))
    }

    fn handshake(&self, server: usize) -> Vec<u8> {
        let Server { host, path, .. } = &self.servers[server];
        let subprotocol = self.tongue.subprotocol();
        let subprotocol =
            subprotocol.map_or_else(String::new, |it| format!("Sec-WebSocket-Protocol: {it}\r\n"));
        format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {HANDSHAKE_KEY}\r\nSec-WebSocket-Version: 13\r\n{subprotocol}\r\n"
        )
        .into_bytes()
    }

    /// The command that signs `user` in, as a message; it may be empty.
    pub(super) fn sign_in(&self, user: &str, at: Option<(&str, &Position)>) -> anyhow::Result<Vec<u8>> {
        let token = match &self.key {
            Some(key) => key.sign(&User::parse(user)?, TOKEN_TIME),
            None => String::new(),
        };
        let mut message = Vec::new();
        self.tongue.connect(CONNECT_ID, &token, at, &mut message);
        Ok(message)
    }
}

/// Where the answer to a handshake ends, once it is all there.
///
/// # Errors
///
/// The server does not speak WebSocket here.
pub(super) fn upgraded(answer: &[u8]) -> anyhow::Result<Option<usize>> {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        ensure!(answer.len() <= GREETING_BYTES_MAX, "an HTTP answer without an end: {}", shown(answer));
        return Ok(None);
    };
    ensure!(answer.starts_with(b"HTTP/1.1 101 "), "the handshake was answered with {}", shown(answer));
    Ok(Some(end + 4))
}

/// A connection that is being opened: one asks, and waits for the answer.
struct Opening {
    stream: TcpStream,
    tongue: Tongue,
    frames: Frames,
}

impl Opening {
    fn through(&mut self, handshake: &[u8], sign_in: &[u8], entries: &[Vec<u8>]) -> anyhow::Result<Granted> {
        self.stream.set_nodelay(true)?;
        self.stream.set_read_timeout(Some(STEP_TIME_MAX))?;
        self.stream.write_all(handshake)?;
        let (mut received, mut buffer) = (Vec::new(), [0; 4096]);
        let end = loop {
            if let Some(end) = upgraded(&received)? {
                break end;
            }
            let count = self.receive(&mut buffer)?;
            received.extend_from_slice(&buffer[..count]);
        };
        let mut early = received.split_off(end);
        let mut granted = self.ask(CONNECT_ID, sign_in, &mut early)?;
        for (id, entry) in (ENTRY_ID..).zip(entries) {
            granted = self.ask(id, entry, &mut early)?;
        }
        Ok(granted)
    }

    /// Sends a command, unless it is empty, and waits for its answer. `early` has come already.
    fn ask(&mut self, id: u32, command: &[u8], early: &mut Vec<u8>) -> anyhow::Result<Granted> {
        if command.is_empty() {
            return Ok(Granted::default());
        }
        let mut request = Vec::new();
        frame::write(self.tongue.opcode(), command, &mut request);
        self.stream.write_all(&request)?;
        let mut buffer = [0; 4096];
        loop {
            let answer = self.answer_in(id, early)?;
            early.clear();
            if let Some(granted) = answer {
                return Ok(granted);
            }
            let count = self.receive(&mut buffer)?;
            early.extend_from_slice(&buffer[..count]);
        }
    }

    fn answer_in(&mut self, wanted: u32, input: &[u8]) -> anyhow::Result<Option<Granted>> {
        let tongue = self.tongue;
        let mut answer = None;
        self.frames.read(input, |sent| {
            let Sent::Message(message) = sent else { return Ok(()) };
            tongue.split(message, |part| {
                match tongue.read(part)? {
                    Heard::Answer { id, granted } if id == wanted => answer = Some(granted),
                    Heard::Answer { id, .. } => bail!("the server answers a command {id} that there was not"),
                    // A subscriber has a message before all are there only if a stranger sends it, or as a word that it
                    // has come into a room.
                    Heard::Message { .. } | Heard::Ping | Heard::Nothing => {}
                }
                Ok(())
            })
        })?;
        Ok(answer)
    }

    fn receive(&mut self, buffer: &mut [u8]) -> anyhow::Result<usize> {
        match self.stream.read(buffer).context("no answer came")? {
            0 => bail!("the server closed the connection (does it allow so many?)"),
            count => Ok(count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_a_port_and_perhaps_a_path() {
        let server = Server::parse("ws://127.0.0.1:7000", Tongue::Json).unwrap();
        assert_eq!((server.address.port(), &*server.path), (7000, "/connection/websocket"));
        let server = Server::parse("ws://127.0.0.1:7000/there?a=b", Tongue::Plain).unwrap();
        assert_eq!((&*server.host, &*server.path), ("127.0.0.1:7000", "/there?a=b"));
        let server = Server::parse("ws://[::1]:7000", Tongue::Json).unwrap();
        assert_eq!((server.address.to_string().as_str(), &*server.host), ("[::1]:7000", "[::1]:7000"));
        for (url, why) in [
            ("127.0.0.1:7000", "and not 127.0.0.1:7000"),
            ("wss://127.0.0.1:7000", "and not wss://127.0.0.1:7000"),
            ("ws://127.0.0.1", "of ws://127.0.0.1 the port is missing"),
            ("ws://127.0.0.1:x", "of ws://127.0.0.1:x the port is no number"),
            ("ws://127.0.0.1:70000", "the port is no number from 1 to 65535"),
        ] {
            let Err(error) = Server::parse(url, Tongue::Json) else { panic!("{url}") };
            assert!(error.to_string().contains(why), "{error}");
        }
    }

    #[test]
    fn an_answer_that_is_no_handshake_is_shown() {
        assert_eq!(upgraded(b"HTTP/1.1 101 Switching").unwrap(), None);
        assert_eq!(upgraded(b"HTTP/1.1 101 Switching\r\na: b\r\n\r\nrest").unwrap(), Some(32));
        assert!(format!("{:#}", upgraded(b"HTTP/1.1 403 Forbidden\r\n\r\n").unwrap_err()).contains("403"));
    }
}
