use std::net::{SocketAddr, ToSocketAddrs as _};

use anyhow::Context as _;
use clap::Args;

use super::protocol::Protocol;
use crate::host;

/// The server to load.
#[derive(Args, Clone, Debug)]
pub(super) struct Target {
    /// Server to load.
    #[arg(long, default_value = "127.0.0.1", value_parser = host::alone)]
    pub(super) host: String,
    /// Its port for clients [default: 6379, with --protocol nats 4222].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// What it speaks.
    #[arg(long, value_enum, default_value_t = Protocol::Resp)]
    pub(super) protocol: Protocol,
}

impl Target {
    pub(super) fn port(&self) -> u16 {
        self.port.unwrap_or(self.protocol.default_port())
    }

    pub(super) fn resolve(&self) -> anyhow::Result<SocketAddr> {
        resolve(&self.host, self.port())
    }
}

pub(super) fn resolve(host: &str, port: u16) -> anyhow::Result<SocketAddr> {
    let mut addresses =
        (host, port).to_socket_addrs().with_context(|| format!("{host} cannot be resolved"))?;
    addresses.next().with_context(|| format!("{host} has no address"))
}
