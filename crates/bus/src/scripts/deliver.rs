//! Bringing an entry into inboxes.

use futures_util::future::try_join_all;
use naru_ledger::answer::Delivered;
use naru_ledger::op::{Deliver, Recipient};
use redis::aio::MultiplexedConnection;

use super::spread::Piece;
use super::{Scripts, may_hear_of, spread};
use crate::error::BusError;
use crate::reply;
use crate::wire::{delivered, delivery};

/// Pieces that are on their way together. While the server works on some, the next are written and the last ones' answers read.
const PIECES_AT_ONCE: usize = 64;

impl Scripts {
    /// Brings an entry into inboxes, partition by partition.
    pub(crate) async fn deliver(
        &self,
        connection: &MultiplexedConnection,
        deliver: &Deliver,
    ) -> Result<Vec<Delivered>, BusError> {
        for recipient in &deliver.to {
            may_hear_of(&deliver.conversation, &recipient.user)?;
        }
        let pieces = spread::pieces(&deliver.to, |recipient: &Recipient| &recipient.user);
        let parts = pieces.chunks(PIECES_AT_ONCE);
        let parts = parts.map(|pieces| self.deliver_to(connection.clone(), deliver, pieces));
        let mut all: Vec<(usize, Delivered)> = try_join_all(parts).await?.into_iter().flatten().collect();
        all.sort_unstable_by_key(|(place, _)| *place);
        Ok(all.into_iter().map(|(_, delivered)| delivered).collect())
    }

    /// Those of some pieces, each with the place of its recipient.
    async fn deliver_to(
        &self,
        mut connection: MultiplexedConnection,
        deliver: &Deliver,
        pieces: &[Piece],
    ) -> Result<Vec<(usize, Delivered)>, BusError> {
        let call = |piece: &Piece| {
            let to = piece.places.iter().map(|place| &deliver.to[*place]);
            self.call(piece.partition, delivery(deliver, to))
        };
        let calls: Vec<_> = pieces.iter().map(call).collect();
        let mut all = Vec::new();
        for (piece, value) in pieces.iter().zip(self.run(&mut connection, &calls).await?) {
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
