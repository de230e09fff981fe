//! The bounds of channels, as parameters.

use std::sync::atomic::{AtomicI64, Ordering};

/// What there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Channels of which anything is remembered. More are refused.
    pub(crate) channels_max: u64,
    /// Bytes of payloads that one channel keeps. The oldest make room; the newest always stays.
    pub(crate) bytes_max: u64,
    /// Keys of ONCE that one channel recognises. More are refused.
    pub(crate) once_max: u64,
    /// Clients that are present, in all channels together. More are refused.
    pub(crate) present_max: u64,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { channels_max: 1_000_000, bytes_max: 16 << 20, once_max: 100_000, present_max: 1_000_000 }
    }
}

/// The same, as it is set now.
pub(crate) struct ChannelBounds {
    pub(crate) channels_max: AtomicI64,
    pub(crate) bytes_max: AtomicI64,
    pub(crate) once_max: AtomicI64,
    pub(crate) present_max: AtomicI64,
}

impl Default for ChannelBounds {
    fn default() -> ChannelBounds {
        let Bounds { channels_max, bytes_max, once_max, present_max } = Bounds::default();
        let cell = |number: u64| AtomicI64::new(i64::try_from(number).unwrap_or(i64::MAX));
        ChannelBounds {
            channels_max: cell(channels_max),
            bytes_max: cell(bytes_max),
            once_max: cell(once_max),
            present_max: cell(present_max),
        }
    }
}

impl ChannelBounds {
    pub(crate) fn bounds(&self) -> Bounds {
        let number = |cell: &AtomicI64| u64::try_from(cell.load(Ordering::Relaxed)).unwrap_or(0);
        Bounds {
            channels_max: number(&self.channels_max),
            bytes_max: number(&self.bytes_max),
            once_max: number(&self.once_max),
            present_max: number(&self.present_max),
        }
    }
}
