use std::convert::Infallible;

use anyhow::{Context as _, bail};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{frame::shown, nats, protocol::Protocol};

/// Holds the connection with the patterns until it is dropped: none of them matches, so nothing may come.
pub(super) async fn hold(mut stream: TcpStream, protocol: Protocol) -> anyhow::Result<Infallible> {
    let lost = "the connection with the patterns was lost";
    let mut received = Vec::new();
    loop {
        if stream.read_buf(&mut received).await.context(lost)? == 0 {
            bail!("the server closed the connection with the patterns");
        }
        if protocol == Protocol::Nats && nats::PING.starts_with(&received) {
            if received == nats::PING {
                received.clear();
                stream.write_all(nats::PONG).await.context(lost)?;
            }
            continue;
        }
        bail!("the server sent the connection with the patterns: {}", shown(&received));
    }
}
