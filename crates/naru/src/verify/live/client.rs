//! One connection of a client: the Centrifuge protocol in JSON over a WebSocket.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{ClientRequestBuilder, Message};

use crate::host;

/// How long a server may take to let a connection be opened.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);

const PATH: &str = "/connection/websocket";

/// Where a chat server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    host: String,
    port: u16,
    path: String,
}

impl Place {
    pub(super) fn local(port: u16) -> Place {
        Place { host: "127.0.0.1".to_owned(), port, path: PATH.to_owned() }
    }

    /// Reads `ws://host:port`, with a path or the usual one.
    pub(super) fn parse(url: &str) -> Result<Place> {
        let rest = match url.split_once("://") {
            Some(("ws" | "http", rest)) => rest,
            Some(("wss" | "https", _)) => {
                bail!(
                    "{url}: TLS is not spoken here; give the address behind what ends it, as ws://host:port"
                )
            }
            _ => bail!("{url} is no chat server's address; it has the form ws://host:port"),
        };
        let (address, path) = match rest.split_once('/') {
            Some((address, path)) if !path.is_empty() => (address, format!("/{path}")),
            Some((address, _)) => (address, PATH.to_owned()),
            None => (rest, PATH.to_owned()),
        };
        let (host, port) = host::with_port(address)
            .map_err(|fault| anyhow!("{url} is no chat server's address, as ws://host:port: {fault}"))?;
        Ok(Place { host, port, path })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

pub(super) struct Client {
    socket: WebSocketStream<TcpStream>,
    last_id: u64,
    /// Of a frame that had several, those not yet looked at.
    waiting: VecDeque<Value>,
}

/// What a server says.
pub(super) enum Heard {
    /// The answer to the command of that id, or why it was refused.
    Reply(u64, Result<Value, Refusal>),
    Push(Value),
    /// It wants to hear a [`Client::pong`].
    Ping,
}

/// Why a command was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: u64,
    pub(super) message: String,
    /// Trying again may help.
    pub(super) is_temporary: bool,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl Client {
    pub(super) async fn open(place: &Place) -> Result<Client> {
        let opened = async {
            let stream = TcpStream::connect((place.host.as_str(), place.port)).await?;
            stream.set_nodelay(true)?;
            let url = format!("ws://{place}{}", place.path).parse()?;
            let request = ClientRequestBuilder::new(url).with_sub_protocol("centrifuge-json");
            let (socket, _) = tokio_tungstenite::client_async(request, stream).await?;
            anyhow::Ok(Client { socket, last_id: 0, waiting: VecDeque::new() })
        };
        timeout(OPEN_TIMEOUT, opened).await.context("nothing was answered")?
    }

    /// Sends a command. Returns its id.
    pub(super) async fn command(&mut self, name: &str, request: Value) -> Result<u64> {
        self.last_id += 1;
        self.text(json!({"id": self.last_id, name: request}).to_string()).await?;
        Ok(self.last_id)
    }

    pub(super) async fn rpc(&mut self, method: &str, data: Value) -> Result<u64> {
        self.command("rpc", json!({"method": method, "data": data})).await
    }

    pub(super) async fn pong(&mut self) -> Result<()> {
        self.text("{}".to_owned()).await
    }

    async fn text(&mut self, text: String) -> Result<()> {
        timeout(OPEN_TIMEOUT, self.socket.send(Message::text(text))).await.context("it does not read")??;
        Ok(())
    }

    /// The next thing it says; an error says how the connection has ended. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Result<Heard> {
        loop {
            if let Some(message) = self.waiting.pop_front() {
                return heard(message);
            }
            match self.socket.next().await {
                None => bail!("it ended"),
                Some(Ok(Message::Text(text))) => {
                    for line in text.split('\n').filter(|line| !line.is_empty()) {
                        self.waiting
                            .push_back(serde_json::from_str(line).context("it said what is no JSON")?);
                    }
                }
                Some(Ok(Message::Close(Some(frame)))) => {
                    bail!("closed with {} {}", u16::from(frame.code), frame.reason)
                }
                Some(Ok(Message::Close(None))) => bail!("closed"),
                Some(Ok(_)) => {}
                Some(Err(error)) => bail!("{error}"),
            }
        }
    }

    /// Waits for the answer to a command; what else comes is passed over.
    pub(super) async fn answer(&mut self, id: u64) -> Result<Result<Value, Refusal>> {
        let answered = async {
            loop {
                match self.next().await? {
                    Heard::Reply(of, reply) if of == id => return Ok(reply),
                    Heard::Ping => self.pong().await?,
                    Heard::Reply(..) | Heard::Push(_) => {}
                }
            }
        };
        timeout(OPEN_TIMEOUT, answered).await.context("nothing was answered")?
    }
}

fn heard(mut message: Value) -> Result<Heard> {
    if let Some(push) = message.get_mut("push") {
        return Ok(Heard::Push(push.take()));
    }
    let Some(id) = message.get("id").and_then(Value::as_u64) else {
        return match message.as_object() {
            Some(members) if members.is_empty() => Ok(Heard::Ping),
            _ => bail!("it said what is no part of the protocol: {message}"),
        };
    };
    let Some(error) = message.get("error") else { return Ok(Heard::Reply(id, Ok(message))) };
    let refusal = Refusal {
        code: error["code"].as_u64().unwrap_or(0),
        message: error["message"].as_str().unwrap_or("without a reason").to_owned(),
        is_temporary: error["temporary"].as_bool().unwrap_or(false),
    };
    Ok(Heard::Reply(id, Err(refusal)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_address_has_a_host_and_a_port() {
        let place = |host: &str, port, path: &str| Place { host: host.into(), port, path: path.into() };
        assert_eq!(Place::parse("ws://chat.example:8000").unwrap(), place("chat.example", 8000, PATH));
        assert_eq!(Place::parse("http://127.0.0.1:1/").unwrap(), place("127.0.0.1", 1, PATH));
        assert_eq!(Place::parse("ws://[::1]:8000/a/b").unwrap(), place("::1", 8000, "/a/b"));
        assert_eq!(Place::parse("ws://[::1]:8000").unwrap().to_string(), "[::1]:8000");
        for (url, why) in [
            ("127.0.0.1:8000", "ws://host:port"),
            ("ws://127.0.0.1", "port is missing"),
            ("ws://a:port", "from 1 to 65535"),
            ("ws://::1:8000", "in brackets"),
            ("wss://a:1", "TLS"),
        ] {
            let said = Place::parse(url).unwrap_err().to_string();
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn a_reply_a_push_and_a_ping_are_told_apart() {
        let read = |text: &str| heard(serde_json::from_str(text).unwrap());
        assert!(matches!(read("{}"), Ok(Heard::Ping)));
        assert!(
            matches!(read(r#"{"push":{"channel":"a"}}"#), Ok(Heard::Push(push)) if push["channel"] == "a")
        );
        assert!(matches!(read(r#"{"id":7,"rpc":{}}"#), Ok(Heard::Reply(7, Ok(_)))));
        let refused = read(r#"{"id":7,"error":{"code":100,"message":"busy","temporary":true}}"#);
        assert!(
            matches!(refused, Ok(Heard::Reply(7, Err(refusal))) if refusal.is_temporary && refusal.code == 100)
        );
        assert!(read(r#"{"error":{}}"#).is_err());
    }
}
