//! When what is appended counts.

/// When a record counts as durable, which is when its owner may acknowledge it: Redis's `appendfsync`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Level {
    /// Once it is on disk: it survives a power cut. One sync for all that came meanwhile.
    #[default]
    Always = 0,
    /// Once the operating system has it: it survives the death of the process, and is on disk about a second later.
    EverySecond = 1,
    /// Once the operating system has it, which writes it when it likes; only every 4 MiB, a checkpoint and closing make the
    /// log sync.
    No = 2,
}

impl Level {
    pub(crate) fn from_number(number: u8) -> Self {
        match number {
            1 => Self::EverySecond,
            2 => Self::No,
            _ => Self::Always,
        }
    }
}
