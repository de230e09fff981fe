use clap::ValueEnum;

/// What the server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Protocol {
    /// Redis's, as Naru's broker, Redis and Valkey do.
    Resp,
    /// NATS's client protocol.
    Nats,
}

impl Protocol {
    /// Where servers of this protocol listen unless told otherwise.
    pub(super) fn default_port(self) -> u16 {
        match self {
            Protocol::Resp => 6379,
            Protocol::Nats => 4222,
        }
    }

    /// As the command line has it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Protocol::Resp => "resp",
            Protocol::Nats => "nats",
        }
    }
}
