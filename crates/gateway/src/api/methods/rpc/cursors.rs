//! `cursors`: what a user's devices have, and how far the user is in a conversation.

use naru_ledger::{Answer, Op};
use serde::{Deserialize, Serialize};

use super::super::super::{Api, refusal::Refusal};
use crate::protocol::data::Counts;

#[derive(Deserialize)]
pub(super) struct Asked {
    user: String,
    conversation: String,
}

#[derive(Serialize)]
pub(super) struct Standing {
    /// The last number of the inbox.
    offset: u64,
    /// What the numbers are of.
    epoch: String,
    devices: Vec<Device>,
    /// Servers that hold a connection of the user.
    servers: Vec<String>,
    /// Nothing if the conversation is not in the inbox.
    counts: Option<Counts>,
}

#[derive(Serialize)]
struct Device {
    device: String,
    /// The number up to which it has acknowledged the inbox.
    offset: u64,
    /// When it was last there, in milliseconds since 1970.
    seen: u64,
    /// Up to which entry of the conversation it has acknowledged.
    seq: u64,
}

pub(super) async fn call(api: &Api, asked: Asked) -> Result<Standing, Refusal> {
    let user = super::user(&asked.user)?;
    let conversation = super::conversation(&asked.conversation)?;
    let Answer::Standing(standing) = api.bus.ask(&Op::Standing { user, conversation }).await? else {
        return Err(Refusal::internal());
    };
    let devices = standing.devices.into_iter().map(|one| Device {
        device: one.device.as_str().to_owned(),
        offset: one.cursor.0,
        seen: one.seen.0,
        seq: one.from.0,
    });
    Ok(Standing {
        offset: standing.head.0,
        epoch: standing.epoch.as_str().to_owned(),
        devices: devices.collect(),
        servers: standing.servers.iter().map(|server| server.as_str().to_owned()).collect(),
        counts: standing.row.as_ref().map(Counts::from),
    })
}
