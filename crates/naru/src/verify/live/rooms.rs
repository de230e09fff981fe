//! Rooms for a live run, made at the broker: whom servers let make rooms is their own affair.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use naru_bus::{Bus, Keeping, Target, Terms};
use naru_ledger::{
    Conversation, Limits, Mode, Role, Server, User,
    op::{Change, From, History, Membership},
};
use tokio::time::{Instant, sleep};

use super::history::Members;

/// How long the broker may take to be reached, and the rooms to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(60);

/// Has everybody join the rooms that are to be theirs. What is said after that, they all get.
pub(super) async fn make(url: &str, members_max: usize, conversations: &mut [Members]) -> Result<()> {
    let limits = Limits { members_max, ..Limits::default() };
    let keeping = Keeping { limits, ..Keeping::default() };
    let terms = Terms { sweeps: false, keeping };
    let server = Server::parse("verify-live")?;
    let bus =
        Bus::start_on(terms, Target::Url(url.to_owned()), server, |_| {}).with_context(|| url.to_owned())?;
    let end = Instant::now() + CONNECT_TIMEOUT;
    while !bus.is_up() {
        if Instant::now() > end {
            bail!("the broker {url} cannot be reached");
        }
        sleep(Duration::from_millis(10)).await;
    }
    for members in conversations {
        let Conversation::Room(room) = Conversation::parse(&members.conversation)? else { continue };
        for (number, user) in members.users.iter().enumerate() {
            let role = if number == 0 { Role::Owner } else { Role::Member };
            let (room, user) = (room.clone(), User::parse(user)?);
            let join = Membership { room, user, change: Change::Join(role) };
            let changed = loop {
                match bus.membership(&join).await {
                    Ok(changed) => break changed,
                    Err(error) if Instant::now() > end => return Err(error.into()),
                    // On a machine that does much else the broker may be slow to answer.
                    Err(_) => sleep(Duration::from_millis(100)).await,
                }
            };
            members.is_broadcast = changed.mode == Mode::Broadcast;
        }
        let (conversation, from) = (room.into(), From::Newest);
        let newest = History { conversation, reader: None, from, limit: 1, bytes: None };
        members.from = bus.history(newest).await?.head.0;
    }
    bus.stop();
    Ok(())
}
