//! What can be asked.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::limits::{INFO_BYTES_MAX, ONCE_WINDOW_MAX, PAYLOAD_BYTES_MAX, SIZE_MAX, TTL_MAX};
use super::{Channel, Refused};
use crate::limits::NAME_BYTES_MAX;
use crate::op::Run;
use crate::{ClientId, User};

/// One operation on a channel: one atomic step. As a command its words are as documented at each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// `NARU.CHANNEL.PUBLISH channel payload SIZE n TTL ms META ms [ONCE key ms] [VERSION n epoch]`
    Publish(Publish),
    /// `NARU.CHANNEL.HISTORY channel META ms [SINCE offset] [LIMIT n] [BYTES n] [REVERSE]`
    History(History),
    /// `NARU.CHANNEL.REMOVE channel`: nothing that was published is kept any more. Offset and epoch stay.
    Remove {
        /// Of which channel.
        channel: Channel,
    },
    /// `NARU.CHANNEL.ENTER server epoch channel client user info`
    Enter(Enter),
    /// `NARU.CHANNEL.LEAVE server epoch channel client`
    Leave(Leave),
    /// `NARU.CHANNEL.PRESENCE channel [CLIENTS n] [BYTES n]`: who is present, if no more are.
    Presence {
        /// Where.
        channel: Channel,
        /// How many may be told.
        most: Most,
    },
    /// `NARU.CHANNEL.STATS channel`: how many are.
    Stats {
        /// Where.
        channel: Channel,
    },
}

/// Publishes, and keeps what is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// Where.
    pub channel: Channel,
    /// What: any bytes.
    pub payload: Bytes,
    /// What the channel keeps.
    pub keep: Keep,
    /// How a repeat is recognised.
    pub once: Option<Once>,
    /// How it is recognised that something newer was there before. Says nothing of what is not kept.
    pub version: Option<Version>,
}

/// What a channel keeps, as of the publication that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// As many publications. 0: this one is not kept, and has no position.
    pub size: u32,
    /// For so long after the last one.
    pub ttl: Duration,
    /// For how long after the last use offset and epoch are remembered, and with them what is kept.
    pub meta_ttl: Duration,
}

/// The same key on the same channel within the window is a repeat: nothing is published, and the first position answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once {
    /// The key: 1 to 128 bytes of UTF-8 without control characters.
    pub key: String,
    /// For how long it is recognised.
    pub window: Duration,
}

/// Of publications with a version only those count that are newer than the last one: of another nothing is published, and the
/// position of the top is answered. What has none is as new as it comes. It is remembered as long as offset and epoch are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The newer, the higher.
    pub number: u64,
    /// Only numbers of the same one are compared; empty: with whatever the last one is of. Up to 128 bytes of UTF-8 without control
    /// characters.
    pub epoch: String,
}

impl Version {
    /// Whether a publication of this one is left out where this was the last.
    pub fn is_behind(&self, last: &Version) -> bool {
        (self.epoch.is_empty() || self.epoch == last.epoch) && self.number <= last.number
    }
}

/// Reads what is kept. A channel that has no epoch gets one, at offset 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// Of which channel.
    pub channel: Channel,
    /// As for a publication.
    pub meta_ttl: Duration,
    /// What has been published after this offset; in reverse, before it. None: all.
    pub since: Option<u64>,
    /// As many at most. None: all. 0: the position alone.
    pub limit: Option<u32>,
    /// As many bytes of payloads at most, of which the first may have more. None: whatever they have.
    pub bytes: Option<u64>,
    /// The newest first.
    pub reverse: bool,
}

/// A client is present in a channel, as long as the run of its server may be believed. Again: as it is said now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enter {
    /// Which run of which server says so.
    pub run: Run,
    /// Where.
    pub channel: Channel,
    /// Which client.
    pub client: ClientId,
    /// Whose it is; none is nobody's, an empty text in the command.
    pub user: Option<User>,
    /// What else is said of it.
    pub info: Bytes,
}

/// It is not, unless another run has said that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leave {
    /// Which run of which server says so.
    pub run: Run,
    /// Where.
    pub channel: Channel,
    /// Which client.
    pub client: ClientId,
}

/// How much may be told of who is present; none: whatever there is. Of more nothing is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Most {
    /// Clients.
    pub clients: Option<u64>,
    /// Bytes of what is said of them.
    pub bytes: Option<u64>,
}

impl Most {
    /// Counts another one, of whom so many bytes are said.
    pub fn take(&mut self, info_bytes: usize) -> Result<(), Refused> {
        let less = |left: &mut Option<u64>, by: u64| match left {
            Some(room) => room.checked_sub(by).map(|rest| *room = rest),
            None => Some(()),
        };
        let fits = less(&mut self.clients, 1).and_then(|()| less(&mut self.bytes, info_bytes as u64));
        fits.ok_or(Refused::TooMany)
    }
}

impl Op {
    /// The channel it is about.
    pub fn channel(&self) -> &Channel {
        match self {
            Op::Publish(Publish { channel, .. })
            | Op::History(History { channel, .. })
            | Op::Remove { channel }
            | Op::Enter(Enter { channel, .. })
            | Op::Leave(Leave { channel, .. })
            | Op::Presence { channel, .. }
            | Op::Stats { channel } => channel,
        }
    }

    /// Whether what it says is within bounds.
    pub fn check(&self) -> Result<(), Refused> {
        match self {
            Op::Publish(publish) => publish.check(),
            Op::History(history) => check_time("META", history.meta_ttl, TTL_MAX),
            Op::Enter(enter) => check_info(&enter.info),
            Op::Remove { .. } | Op::Leave(_) | Op::Presence { .. } | Op::Stats { .. } => Ok(()),
        }
    }
}

impl Publish {
    fn check(&self) -> Result<(), Refused> {
        check_bytes("a payload", self.payload.len(), PAYLOAD_BYTES_MAX)?;
        if self.keep.size > SIZE_MAX {
            return Err(Refused::Size { size_max: SIZE_MAX });
        }
        if self.keep.size > 0 {
            check_time("TTL", self.keep.ttl, TTL_MAX)?;
            check_time("META", self.keep.meta_ttl, TTL_MAX)?;
        }
        if let Some(Once { key, window }) = &self.once {
            crate::names::check("a key of ONCE", NAME_BYTES_MAX, key).map_err(Refused::Key)?;
            check_time("ONCE", *window, ONCE_WINDOW_MAX)?;
        }
        if let Some(Version { epoch, .. }) = self.version.as_ref().filter(|version| !version.epoch.is_empty())
        {
            crate::names::check("an epoch of VERSION", NAME_BYTES_MAX, epoch).map_err(Refused::Key)?;
        }
        Ok(())
    }
}

/// Whether what is said of a client is within bounds.
pub fn check_info(info: &[u8]) -> Result<(), Refused> {
    check_bytes("what is said of a client", info.len(), INFO_BYTES_MAX)
}

fn check_bytes(what: &'static str, bytes: usize, bytes_max: usize) -> Result<(), Refused> {
    if bytes > bytes_max { Err(Refused::TooLarge { what, bytes, bytes_max }) } else { Ok(()) }
}

fn check_time(what: &'static str, time: Duration, time_max: Duration) -> Result<(), Refused> {
    let range = Duration::from_millis(1)..=time_max;
    if range.contains(&time) { Ok(()) } else { Err(Refused::Time { what, ms_max: time_max.as_millis() }) }
}
