use std::{collections::VecDeque, sync::Arc};

use anyhow::{Context as _, bail, ensure};
use naru_resp::{Value, encode_request};

use super::{
    body::{Bodies, mixed},
    drive::{Client, Sort},
    streams::{Id, Streams},
};

/// The field that an entry's body is the value of.
pub(super) const FIELD: &str = "body";

/// Appends entries to the streams of one connection.
pub(super) struct Adder {
    streams: Arc<Streams>,
    bodies: Arc<Bodies>,
    own: Vec<Own>,
    order: Order,
    connection: u64,
    connections: u64,
    /// Entries so far.
    turn: u64,
    /// Where in `own` each unanswered entry goes, oldest first.
    unanswered: VecDeque<usize>,
    name: String,
    body: Vec<u8>,
}

/// A stream that the connection appends to.
struct Own {
    number: u32,
    /// Of the connection's last entry.
    last: Id,
    answered: u64,
}

/// Which stream is next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    /// Any of them, for as long as the run goes on; trimmed to so many entries.
    Random { maxlen: Option<u64> },
    /// One after the other, up to this number of an entry. Entry n goes to stream n modulo their count, and no stream is
    /// shared by connections.
    InTurn { end: u64 },
}

impl Adder {
    /// As many as there are connections.
    pub(super) fn all(
        streams: &Arc<Streams>,
        bodies: &Arc<Bodies>,
        order: Order,
        connections: u32,
    ) -> Vec<Self> {
        let own = |connection| {
            let dealt = streams.dealt(connection, connections);
            dealt.map(|number| Own { number, last: Id::ZERO, answered: 0 }).collect()
        };
        (0..connections)
            .map(|connection| Adder {
                streams: streams.clone(),
                bodies: bodies.clone(),
                own: own(connection),
                order,
                connection: connection.into(),
                connections: connections.into(),
                turn: 0,
                unanswered: VecDeque::new(),
                name: String::new(),
                body: Vec::new(),
            })
            .collect()
    }

    /// How many entries were acknowledged in each of `count` streams.
    pub(super) fn lengths(adders: &[Adder], count: u32) -> Vec<u64> {
        let mut lengths = vec![0; count as usize];
        for own in adders.iter().flat_map(|adder| &adder.own) {
            lengths[own.number as usize] += own.answered;
        }
        lengths
    }

    /// Where in `own` the next entry goes, and its number, which is given to no other entry of the run.
    fn next(&self) -> Option<(usize, u64)> {
        let count = self.own.len() as u64;
        match self.order {
            Order::Random { .. } => {
                let number = self.connection + self.turn * self.connections;
                Some(((mixed(number) % count) as usize, number))
            }
            Order::InTurn { end } => {
                let at = (self.turn % count) as usize;
                let number =
                    u64::from(self.own[at].number) + self.turn / count * u64::from(self.streams.count());
                (number < end).then_some((at, number))
            }
        }
    }
}

impl Client for Adder {
    fn ask(&mut self, out: &mut Vec<u8>) -> Option<Sort> {
        let (at, number) = self.next()?;
        self.streams.write_name(self.own[at].number, &mut self.name);
        self.body.clear();
        self.bodies.write(number, &mut self.body);
        let (name, body) = (self.name.as_bytes(), self.body.as_slice());
        let entry = [b"*", FIELD.as_bytes(), body];
        match self.order {
            Order::Random { maxlen: Some(maxlen) } => {
                let maxlen = maxlen.to_string();
                let trimmed = [b"XADD", name, b"MAXLEN", b"=", maxlen.as_bytes()];
                encode_request([&trimmed[..], &entry].concat(), out);
            }
            _ => encode_request([&[b"XADD".as_slice(), name], &entry[..]].concat(), out),
        }
        self.turn += 1;
        self.unanswered.push_back(at);
        Some(Sort::Add)
    }

    fn answered(&mut self, _sort: Sort, answer: Value) -> anyhow::Result<u64> {
        let id = match &answer {
            Value::Bulk(text) => Id::parsed(text),
            Value::Error(text) => bail!("XADD was refused: {}", String::from_utf8_lossy(text)),
            _ => None,
        };
        let id = id.with_context(|| format!("XADD was answered with {answer:?}"))?;
        let at = self.unanswered.pop_front().context("more answers than entries")?;
        let own = &mut self.own[at];
        ensure!(id > own.last, "stream {}: {id:?} came behind {:?}", self.streams.name(own.number), own.last);
        own.last = id;
        own.answered += 1;
        Ok(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_turn_every_entry_is_added_once_and_streams_get_as_many() {
        for (count, connections, end) in [(10, 8, 95), (1, 1, 7), (8, 8, 3), (1000, 7, 1000)] {
            let streams = Arc::new(Streams::new(count).unwrap());
            let order = Order::InTurn { end };
            let adders = Adder::all(&streams, &Arc::new(Bodies::new(8)), order, connections);
            let mut lengths = vec![0; count as usize];
            let mut numbers = Vec::new();
            for mut adder in adders {
                while let Some((at, number)) = adder.next() {
                    assert_eq!(adder.ask(&mut Vec::new()), Some(Sort::Add));
                    lengths[adder.own[at].number as usize] += 1;
                    numbers.push(number);
                }
            }
            numbers.sort_unstable();
            assert_eq!(numbers, (0..end).collect::<Vec<_>>());
            let (least, most) = (lengths.iter().min().unwrap(), lengths.iter().max().unwrap());
            assert!(most - least <= 1, "{lengths:?}");
        }
    }
}
