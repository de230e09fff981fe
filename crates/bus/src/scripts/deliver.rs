//! Bringing an entry into inboxes.

use std::collections::BTreeSet;

use futures_util::future::try_join_all;
use naru_ledger::answer::Delivered;
use naru_ledger::op::{Deliver, Recipient};
use naru_ledger::{Conversation, Seq, User};

use super::spread::Piece;
use super::{Scripts, Since, Turn, may_hear_of, spread};
use crate::connection::Connection;
use crate::error::BusError;
use crate::partition::Partition;
use crate::reply;
use crate::wire::{Request, delivered, delivery};

/// Pieces that are on their way together. While the server works on some, the next are written and the last ones' answers read.
const PIECES_AT_ONCE: usize = 64;

/// What a delivery has done.
pub(crate) struct Deliveries {
    pub(crate) delivered: Vec<Delivered>,
    /// Whether their servers have been told.
    pub(crate) are_told: bool,
}

/// How its recipients have come to take part in what is delivered.
#[derive(Clone, Copy)]
pub(crate) struct Comings<'a> {
    /// Since when.
    pub(crate) since: &'a Since,
    /// What of it is not in all inboxes yet.
    pub(crate) turns: &'a [Turn],
}

/// What scripts are given of a delivery beside the operation.
#[derive(Clone, Copy)]
struct Known<'a> {
    comings: Comings<'a>,
    tell: Option<&'a [u8]>,
}

impl Scripts {
    /// Brings an entry into inboxes, some of them at a time. `tell` is the entry's JSON, or empty, for their servers. In a direct
    /// conversation they are told by the scripts, so in the order of a user's changes, and sooner; of a room's, which may have many, it
    /// is left to the caller to tell each server once.
    pub(crate) async fn deliver(
        &self,
        connection: &Connection,
        deliver: &Deliver,
        comings: Comings<'_>,
        tell: Option<&[u8]>,
    ) -> Result<Deliveries, BusError> {
        for recipient in &deliver.to {
            may_hear_of(&deliver.conversation, &recipient.user)?;
        }
        let pieces = spread::pieces(&deliver.to, self.reach, |recipient: &Recipient| &recipient.user);
        let tell = tell.filter(|_| matches!(deliver.conversation, Conversation::Direct(_)));
        let known = Known { comings, tell };
        let parts = pieces.chunks(PIECES_AT_ONCE);
        let parts = parts.map(|pieces| self.deliver_to(connection.clone(), deliver, known, pieces));
        let mut all: Vec<(usize, Delivered)> = try_join_all(parts).await?.into_iter().flatten().collect();
        all.sort_unstable_by_key(|(place, _)| *place);
        let delivered = all.into_iter().map(|(_, delivered)| delivered).collect();
        Ok(Deliveries { delivered, are_told: tell.is_some() })
    }

    /// Since when its recipients take part in what is delivered.
    pub(crate) async fn since(&self, connection: &Connection, deliver: &Deliver) -> Result<Since, BusError> {
        if matches!(deliver.conversation, Conversation::Direct(_)) || deliver.to.is_empty() {
            return Ok(Since::new());
        }
        let users: Vec<User> = deliver.to.iter().map(|recipient| recipient.user.clone()).collect();
        self.part(connection, &deliver.conversation, &users).await
    }

    /// Those of some pieces, each with the place of its recipient.
    async fn deliver_to(
        &self,
        connection: Connection,
        deliver: &Deliver,
        known: Known<'_>,
        pieces: &[Piece],
    ) -> Result<Vec<(usize, Delivered)>, BusError> {
        let call = |piece: &Piece| {
            let to = piece.places.iter().map(|place| &deliver.to[*place]);
            let mut request = came(delivery(deliver, to.clone()), (deliver.seq, to), known.comings);
            if let Some(entry) = known.tell {
                request = request.word("TELL").bytes(entry);
            }
            let partitions: Vec<Partition> = piece.parts.iter().map(|(partition, _)| *partition).collect();
            if partitions.len() > 1 {
                request = piece
                    .parts
                    .iter()
                    .fold(request.word("PARTS"), |request, (_, users)| request.number(*users));
            }
            self.call_in(&partitions, request)
        };
        let calls: Vec<_> = pieces.iter().map(call).collect();
        let mut all = Vec::new();
        for (piece, value) in pieces.iter().zip(self.run(&connection, &calls).await?) {
            // The answers are in the order of the recipients; who has it already is not among them.
            let mut places = piece.places.iter().copied();
            for delivered in reply::each(value, delivered)? {
                let place = places.find(|place| deliver.to[*place].user == delivered.user);
                let place = place.ok_or_else(|| reply::wrong("a delivery to somebody else"))?;
                all.push((place, delivered));
            }
        }
        Ok(all)
    }
}

/// A delivery of an entry to some with what is known of their coming and going before it.
fn came<'a>(
    request: Request,
    (seq, to): (Seq, impl Iterator<Item = &'a Recipient> + Clone),
    Comings { since, turns }: Comings<'_>,
) -> Request {
    let of = |user: &User| since.get(user).copied().filter(|since| (2..=seq.0).contains(&since.0));
    let joined: Vec<(&User, Seq)> =
        to.clone().filter_map(|recipient| Some((&recipient.user, of(&recipient.user)?))).collect();
    let turns: Vec<&Turn> = match turns {
        [] => Vec::new(),
        turns => {
            let to: BTreeSet<&User> = to.map(|recipient| &recipient.user).collect();
            turns.iter().filter(|turn| to.contains(&turn.user)).collect()
        }
    };
    let mut request = request;
    if !joined.is_empty() {
        request = request.word("SINCE").number(joined.len());
        request = joined
            .into_iter()
            .fold(request, |request, (user, since)| request.word(user.as_str()).number(since.0));
    }
    if !turns.is_empty() {
        request = request.word("TURNS").number(turns.len());
        request = turns.into_iter().fold(request, |request, Turn { user, seq, count, kind, mode }| {
            let request = request.word(user.as_str()).number(seq.0).number(*count);
            request.word(kind.as_str()).word(mode.as_str())
        });
    }
    request
}
