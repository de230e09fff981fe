//! The channels gateways talk on, and those their clients follow.

use std::collections::BTreeMap;

use naru_fanout::Directory;
use naru_ledger::Server;

use crate::{channels::is_reserved, wire::Gate};

/// Heard by all gateways.
pub(super) const ALL: &str = "naru:control";

/// Kept for all gateways: the tokens that are called back.
pub(super) const REVOKED: &str = "naru:revoked";

/// Where it is remembered that a token was used, which this is the hash of. A channel has a share of all of them: a store bounds how many
/// one has, and a cluster of stores has them in several places.
pub(super) fn of_used(hash: &str) -> String {
    format!("naru:used:{}", &hash[..2])
}

/// Heard by one gateway.
pub(super) fn of(server: &Server) -> String {
    format!("naru:node:{}", server.as_str())
}

/// Channels that clients of these cores follow, and how many do. Inboxes and rooms are nobody's to list.
pub(super) fn followed(cores: &Directory<Gate>, pattern: Option<&str>) -> BTreeMap<String, u64> {
    let followed = cores.channels(pattern.map(str::as_bytes));
    followed
        .into_iter()
        .filter_map(|channel| {
            let name = str::from_utf8(&channel).ok().filter(|name| !is_reserved(name))?;
            let clients = cores.subscribers(&channel) as u64;
            (clients > 0).then(|| (name.to_owned(), clients))
        })
        .collect()
}

/// How many channels clients of these cores follow, and how many do in all. The same channels as [`followed`] names.
#[derive(Default)]
pub(super) struct Count {
    pub(super) channels: u64,
    pub(super) subscriptions: u64,
}

pub(super) fn count(cores: &Directory<Gate>) -> Count {
    let mut count = Count::default();
    cores.each_channel(|name, clients| {
        if clients > 0 && str::from_utf8(name).is_ok_and(|name| !is_reserved(name)) {
            count.channels += 1;
            count.subscriptions += clients as u64;
        }
    });
    count
}
