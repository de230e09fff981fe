//! How much a peer may announce or send before it is refused.

/// Arguments of one command before the peer has signed in (Redis: `authRequired` in `networking.c`).
pub(crate) const UNAUTHENTICATED_ARGUMENTS_MAX: usize = 10;
/// Bytes of one argument before the peer has signed in.
pub(crate) const UNAUTHENTICATED_BULK_BYTES_MAX: usize = 16 * 1024;

/// What a server accepts in one command. The total size of a command is bounded by whoever owns the
/// input buffer: when [`crate::RequestParser::next`] asks for more and the buffer is full, close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one argument.
    pub bulk_bytes_max: usize,
    /// Arguments of one command, its name included.
    pub arguments_max: usize,
    /// Bytes of an inline command, and of any line that announces a length.
    pub inline_bytes_max: usize,
    /// The peer has yet to sign in: at most 10 arguments of 16 KiB each on top of the limits above,
    /// with Redis's own error texts for it.
    pub unauthenticated: bool,
}

impl Limits {
    /// Redis's defaults, for a peer that has signed in or need not: 512 MiB an argument, 64 KiB a line,
    /// and 1 Mi arguments.
    pub const fn authenticated() -> Self {
        Self {
            bulk_bytes_max: 512 * 1024 * 1024,
            arguments_max: 1024 * 1024,
            inline_bytes_max: 64 * 1024,
            unauthenticated: false,
        }
    }

    /// For a peer that must sign in first.
    pub const fn unauthenticated() -> Self {
        Self { unauthenticated: true, ..Self::authenticated() }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::authenticated()
    }
}

/// What a client accepts in one reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyLimits {
    /// Bytes of one string.
    pub bulk_bytes_max: usize,
    /// Elements of one array, set or push; of a map, keys and values counted apart.
    pub elements_max: usize,
    /// Bytes of a simple string, an error, a number, or a line that announces a length.
    pub line_bytes_max: usize,
    /// Aggregates inside aggregates.
    pub depth_max: usize,
}

impl Default for ReplyLimits {
    fn default() -> Self {
        Self {
            bulk_bytes_max: 512 * 1024 * 1024,
            elements_max: 16 * 1024 * 1024,
            line_bytes_max: 64 * 1024,
            depth_max: 32,
        }
    }
}
