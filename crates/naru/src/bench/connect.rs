use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream, ToSocketAddrs as _},
    time::Duration,
};

use anyhow::{Context as _, bail};
use naru_resp::{ReplyLimits, ReplyParser, Value, encode_request};

/// How long the server may take for one step of opening a connection.
const STEP_TIME_MAX: Duration = Duration::from_secs(10);

/// Where the server is.
pub(super) fn resolve(host: &str, port: u16) -> anyhow::Result<SocketAddr> {
    let mut addresses =
        (host, port).to_socket_addrs().with_context(|| format!("{host} cannot be resolved"))?;
    addresses.next().with_context(|| format!("{host} has no address"))
}

/// A connection that publishes.
pub(super) fn publisher(server: SocketAddr) -> anyhow::Result<TcpStream> {
    let stream = open(server)?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}

/// A connection that has subscribed to `channel`, confirmed by the server.
pub(super) fn subscriber(server: SocketAddr, channel: &str) -> anyhow::Result<TcpStream> {
    let mut stream = open(server)?;
    let mut request = Vec::new();
    encode_request(["SUBSCRIBE", channel], &mut request);
    stream.write_all(&request)?;
    let confirmed = [Value::Bulk(b"subscribe".into()), Value::Bulk(channel.into()), Value::Integer(1)];
    match reply(&mut stream).with_context(|| format!("{server} did not confirm a subscription"))? {
        Value::Array(elements) if elements == confirmed => {}
        Value::Error(text) => bail!("{server} refused a subscription: {}", String::from_utf8_lossy(&text)),
        other => bail!("{server} answered SUBSCRIBE with {other:?}"),
    }
    stream.set_nonblocking(true)?;
    Ok(stream)
}

fn open(server: SocketAddr) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&server, STEP_TIME_MAX).with_context(|| {
        format!("cannot connect to {server}: is the server running, and does it allow so many?")
    })?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(STEP_TIME_MAX))?;
    Ok(stream)
}

/// The one reply that is due, and nothing behind it.
fn reply(stream: &mut TcpStream) -> anyhow::Result<Value> {
    let mut parser = ReplyParser::new(ReplyLimits::default());
    let mut received = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            bail!("the connection was closed");
        }
        received.extend_from_slice(&buffer[..count]);
        if let Some((value, taken)) = parser.next(&received)? {
            if taken < received.len() {
                bail!("more came than was asked for");
            }
            return Ok(value);
        }
    }
}
