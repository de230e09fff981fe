use serde::{Deserialize, Serialize};

use super::EpochNumber;
use crate::keyspace::Body;

/// One change of a channel: an outcome. The order of the variants and of their fields is the format of the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum ChannelChange {
    /// An epoch begins behind this offset, and nothing is kept.
    Begun { epoch: EpochNumber, generation: u32, top: u64 },
    /// A publication is kept, and nothing before `first` any more.
    Published { offset: u64, body: Body, first: u64, kept_until: u64, remembered_until: u64 },
    /// Where it stands is remembered for longer.
    Used { remembered_until: u64 },
    /// What was published once is recognised.
    Noted { key: Box<str>, first: First },
    /// A payload stands elsewhere from now on.
    Moved { offset: u64, body: Body },
    /// Nothing up to this offset is kept any more.
    Cleared { through: u64 },
    /// It is this late: what was to last no longer than that is over.
    Passed { at: u64 },
    /// The last publication with a version has this one.
    Versioned { number: u64, epoch: Box<str> },
}

/// The first answer to what is published once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct First {
    pub(crate) until: u64,
    pub(crate) position: Option<(u64, EpochNumber)>,
}

impl First {
    /// When it is to be forgotten: together with what ends about then, lest each be looked for among all.
    pub(super) fn forgotten_at(self) -> u64 {
        const TOGETHER_MS: u64 = 1000;
        self.until.div_ceil(TOGETHER_MS).saturating_mul(TOGETHER_MS)
    }
}

impl ChannelChange {
    /// Visits the body that it brings along.
    pub(crate) fn each_body(&mut self, visit: &mut dyn FnMut(&mut Body)) {
        match self {
            ChannelChange::Published { body, .. } | ChannelChange::Moved { body, .. } => visit(body),
            ChannelChange::Begun { .. }
            | ChannelChange::Used { .. }
            | ChannelChange::Noted { .. }
            | ChannelChange::Cleared { .. }
            | ChannelChange::Passed { .. }
            | ChannelChange::Versioned { .. } => {}
        }
    }
}
