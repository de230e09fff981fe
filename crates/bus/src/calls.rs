//! The ledger's operations, as the broker's commands.

use naru_ledger::{Device, User};

use crate::bus::Bus;
use crate::entry::{History, NewMessage, Page, Position, Resumed, Sent};
use crate::error::BusError;
use crate::reply::{self, Fields};

impl Bus {
    /// Stores a message and passes it on. Answered after it is durable; sent twice, it is stored once.
    pub async fn send(&self, message: NewMessage) -> Result<Sent, BusError> {
        let NewMessage { from, to, id, body } = message;
        let mut command = redis::cmd("NARU.SEND");
        command.arg(from.as_str()).arg(to.as_str()).arg(id.as_str()).arg(body.get());
        let mut fields = Fields::of(self.call(&command).await?)?;
        Ok(Sent {
            conversation: fields.text()?,
            seq: fields.number()?,
            at: fields.number()?,
            duplicate: fields.flag()?,
        })
    }

    /// What the device has missed: after `position`, or after its cursor when there is none.
    pub async fn resume(
        &self,
        user: &User,
        device: &Device,
        position: Option<Position>,
        limit: u32,
    ) -> Result<Resumed, BusError> {
        let Position { epoch, offset } = position.unwrap_or(Position { epoch: String::new(), offset: 0 });
        let mut command = redis::cmd("NARU.RESUME");
        command.arg(user.as_str()).arg(device.as_str()).arg(epoch).arg(offset).arg(limit);
        let mut fields = Fields::of(self.call(&command).await?)?;
        Ok(Resumed {
            epoch: fields.text()?,
            cursor: fields.number()?,
            head: fields.number()?,
            start: fields.number()?,
            recovered: fields.flag()?,
            more: fields.flag()?,
            entries: fields.entries()?,
        })
    }

    /// The entries of a user's inbox after an offset.
    pub async fn entries(&self, user: &User, after: u64, limit: u32) -> Result<Page, BusError> {
        let mut command = redis::cmd("NARU.ENTRIES");
        command.arg(user.as_str()).arg(after).arg(limit);
        let mut fields = Fields::of(self.call(&command).await?)?;
        Ok(Page { head: fields.number()?, more: fields.flag()?, entries: fields.entries()? })
    }

    /// Acknowledges a device's inbox up to an offset; answers where the cursor stands.
    pub async fn ack(&self, user: &User, device: &Device, offset: u64) -> Result<u64, BusError> {
        let mut command = redis::cmd("NARU.ACK");
        command.arg(user.as_str()).arg(device.as_str()).arg(offset);
        reply::number(self.call(&command).await?)
    }

    /// A page of a conversation the user takes part in: the newest, or what is older than `before`.
    pub async fn history(
        &self,
        user: &User,
        conversation: &str,
        before: Option<u64>,
        limit: u32,
    ) -> Result<History, BusError> {
        let mut command = redis::cmd("NARU.HISTORY");
        command.arg(user.as_str()).arg(conversation).arg(before.unwrap_or(0)).arg(limit);
        let mut fields = Fields::of(self.call(&command).await?)?;
        Ok(History { more: fields.flag()?, entries: fields.entries()? })
    }
}
