//! Channels that keep their last publications, and who is present in them: asked on whatever line there is.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use naru_ledger::channel::{
    Answer, Channel, History, Keep, Most, Once, Op, Page, Present, Publish, Published, Refused, Stats,
    Version,
};
use naru_ledger::{ClientId, NameError, User};

use crate::bus::Bus;
use crate::error::BusError;
use crate::reply::other_answer;

/// What to read of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    /// What was published after this offset; in reverse, before it. None: all there is.
    pub since: Option<u64>,
    /// As many at most. None: all. 0: the position alone.
    pub limit: Option<u32>,
    /// As many bytes of payloads at most, of which the first may have more. None: whatever they have.
    pub bytes: Option<u64>,
    /// The newest first.
    pub reverse: bool,
    /// For how long after this offset and epoch are remembered.
    pub meta_ttl: Duration,
}

/// What an answer has to be.
macro_rules! expect {
    ($answer:expr, $variant:ident) => {
        match $answer {
            Answer::$variant(answer) => Ok(answer),
            _ => Err(other_answer()),
        }
    };
}

impl Bus {
    /// Publishes on a live channel and has it kept there, in one step: whoever hears it with a position can read it. What was
    /// published before on this bus is before it.
    ///
    /// With `once` it is safe to repeat, and is repeated where the link is lost under it. Without, after
    /// [`BusError::Unreachable`] it may have been heard, and kept.
    pub async fn publish_kept(
        &self,
        channel: &str,
        payload: Bytes,
        keep: Keep,
        once: Option<Once>,
    ) -> Result<Published, BusError> {
        self.publish_version(channel, payload, keep, once, None).await
    }

    /// The same, unless something of this version or a newer one was published before.
    pub async fn publish_version(
        &self,
        channel: &str,
        payload: Bytes,
        keep: Keep,
        once: Option<Once>,
        version: Option<Version>,
    ) -> Result<Published, BusError> {
        let is_safe = once.is_some();
        let op = checked(Op::Publish(Publish { channel: named(channel)?, payload, keep, once, version }))?;
        if is_safe {
            return expect!(self.ask_channel_safely(op).await?, Published);
        }
        let line = self.current_line().ok_or(BusError::Unreachable)?;
        expect!(line.ask_channel(&op).await?, Published)
    }

    /// What a channel keeps, and where it stands.
    pub async fn stream(&self, channel: &str, read: Read) -> Result<Page, BusError> {
        let Read { since, limit, bytes, reverse, meta_ttl } = read;
        let history = History { channel: named(channel)?, meta_ttl, since, limit, bytes, reverse };
        let op = checked(Op::History(history))?;
        expect!(self.ask_channel_safely(op).await?, Page)
    }

    /// Forgets what a channel keeps. It stands where it stood.
    pub async fn remove_stream(&self, channel: &str) -> Result<(), BusError> {
        self.ask_channel_safely(Op::Remove { channel: named(channel)? }).await.map(drop)
    }

    /// Says that a client of this server is present in a channel, and what is to be said of it: `user` may be empty. As with a
    /// subscription that holds over losses of the link, until it [leaves](Bus::leave); and it ends with this server.
    pub async fn enter(&self, channel: &str, client: &str, user: &str, info: Bytes) -> Result<(), BusError> {
        let (channel, client) = (named(channel)?, ClientId::parse(client).map_err(invalid)?);
        let user = (!user.is_empty()).then(|| User::parse(user)).transpose().map_err(invalid)?;
        self.wants_present(channel, client, user, info).await
    }

    /// Says that it is not present any more. That is wanted whatever the answer is.
    pub async fn leave(&self, channel: &str, client: &str) -> Result<(), BusError> {
        let (channel, client) = (named(channel)?, ClientId::parse(client).map_err(invalid)?);
        self.wants_absent(channel, client).await
    }

    /// Who is present in a channel, on all servers; refused with `TOOMANY` if more are.
    pub async fn present(&self, channel: &str, most: Most) -> Result<Vec<Present>, BusError> {
        expect!(self.ask_channel_safely(Op::Presence { channel: named(channel)?, most }).await?, Present)
    }

    /// How many are, and how many users they are of.
    pub async fn present_stats(&self, channel: &str) -> Result<Stats, BusError> {
        expect!(self.ask_channel_safely(Op::Stats { channel: named(channel)? }).await?, Stats)
    }

    async fn ask_channel_safely(&self, op: Op) -> Result<Answer, BusError> {
        let op = Arc::new(op);
        let ask = |line: Arc<crate::Line>| {
            let op = Arc::clone(&op);
            async move { line.ask_channel(&op).await }
        };
        self.call_safely(ask).await
    }
}

fn named(channel: &str) -> Result<Channel, BusError> {
    Channel::parse(channel).map_err(invalid)
}

fn invalid(error: NameError) -> BusError {
    BusError::Refused { code: "INVALID".to_owned(), message: error.to_string() }
}

/// What is out of bounds is refused here, where Redis and Valkey would not.
fn checked(op: Op) -> Result<Op, BusError> {
    op.check()?;
    Ok(op)
}

impl From<Refused> for BusError {
    /// As a broker says it.
    fn from(refused: Refused) -> BusError {
        BusError::Refused { code: refused.code().to_owned(), message: refused.to_string() }
    }
}
