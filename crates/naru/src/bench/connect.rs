use std::net::{SocketAddr, TcpStream};

use anyhow::Context as _;

use super::{dialog::Dialog, nats, protocol::Protocol, redis};

/// Opens connections to one server, each of them ready when it is returned: the server has confirmed it.
pub(super) struct Connector {
    pub(super) server: SocketAddr,
    pub(super) protocol: Protocol,
}

impl Connector {
    /// A connection that does nothing yet, of which the server knows.
    pub(super) fn idle(&self) -> anyhow::Result<TcpStream> {
        self.connect(|dialog| match self.protocol {
            Protocol::Resp => redis::greet(dialog),
            Protocol::Nats => nats::greet(dialog, 0),
        })
    }

    /// A connection that may publish `payload_bytes` at once.
    pub(super) fn publisher(&self, payload_bytes: usize) -> anyhow::Result<TcpStream> {
        self.connect(|dialog| match self.protocol {
            Protocol::Resp => Ok(()),
            Protocol::Nats => nats::greet(dialog, payload_bytes),
        })
    }

    /// A connection that has subscribed to `channel`.
    pub(super) fn subscriber(&self, channel: &str) -> anyhow::Result<TcpStream> {
        self.connect(|dialog| match self.protocol {
            Protocol::Resp => redis::subscribe(dialog, channel),
            Protocol::Nats => nats::subscribe(dialog, &[channel.to_owned()]),
        })
    }

    /// A connection that has subscribed to all of `patterns`.
    pub(super) fn patterns(&self, patterns: &[String]) -> anyhow::Result<TcpStream> {
        self.connect(|dialog| match self.protocol {
            Protocol::Resp => redis::subscribe_to_patterns(dialog, patterns),
            Protocol::Nats => nats::subscribe(dialog, patterns),
        })
    }

    fn connect(&self, greet: impl FnOnce(&mut Dialog) -> anyhow::Result<()>) -> anyhow::Result<TcpStream> {
        let mut dialog = Dialog::open(self.server)?;
        greet(&mut dialog).with_context(|| format!("{} did not take a connection", self.server))?;
        dialog.done()
    }
}
