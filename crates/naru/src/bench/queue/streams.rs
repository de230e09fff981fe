use std::fmt::Write as _;

use anyhow::{bail, ensure};
use naru_resp::{Value, encode_request};

use crate::bench::dialog::Dialog;

/// Streams that are asked for their length in one write.
const ASKED_AT_ONCE: usize = 1000;

/// The streams of one run.
#[derive(Clone, Debug)]
pub(super) struct Streams {
    /// The run's own: what an earlier run left on the same server is not in the way.
    prefix: String,
    count: u32,
}

impl Streams {
    pub(super) fn new(count: u32) -> anyhow::Result<Self> {
        let mut run = [0; 4];
        getrandom::fill(&mut run).map_err(|error| anyhow::anyhow!("no random numbers: {error}"))?;
        Ok(Streams { prefix: format!("q.{:08x}.", u32::from_le_bytes(run)), count })
    }

    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// In front of the numbers that are their names.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) fn name(&self, number: u32) -> String {
        let mut name = String::new();
        self.write_name(number, &mut name);
        name
    }

    /// The same into `name`, for those who need many.
    pub(super) fn write_name(&self, number: u32, name: &mut String) {
        name.clear();
        name.push_str(&self.prefix);
        // A string takes whatever is written to it.
        let _ = write!(name, "{number}");
    }

    /// The streams of one connection: its own, or one that it shares if there are fewer streams than connections.
    pub(super) fn dealt(&self, connection: u32, connections: u32) -> impl Iterator<Item = u32> + use<> {
        let first = connection % self.count;
        (first..self.count).step_by(connections as usize)
    }

    /// Compares how long each stream is with how long it should be.
    ///
    /// # Errors
    ///
    /// One of them is not.
    pub(super) fn check_lengths(&self, dialog: &mut Dialog, expected: &[u64]) -> anyhow::Result<()> {
        let mut request = Vec::new();
        let numbers: Vec<_> = (0..self.count).collect();
        for numbers in numbers.chunks(ASKED_AT_ONCE) {
            request.clear();
            for &number in numbers {
                encode_request(["XLEN", &self.name(number)], &mut request);
            }
            dialog.say(&request)?;
            for &number in numbers {
                let expected = expected[number as usize];
                match dialog.reply()? {
                    Value::Integer(length) => ensure!(
                        u64::try_from(length) == Ok(expected),
                        "stream {} holds {length} entries, and {expected} were acknowledged",
                        self.name(number)
                    ),
                    other => bail!("XLEN was answered with {other:?}"),
                }
            }
        }
        Ok(())
    }
}

/// The id of an entry: milliseconds, and a number within them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id(u64, u64);

impl Id {
    pub(super) const ZERO: Id = Id(0, 0);

    pub(super) fn parsed(text: &[u8]) -> Option<Id> {
        let (milliseconds, number) = std::str::from_utf8(text).ok()?.split_once('-')?;
        Some(Id(milliseconds.parse().ok()?, number.parse().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stream_is_dealt_and_every_connection_has_one() {
        for (streams, connections) in [(1, 1), (1, 50), (7, 3), (3, 7), (50, 50), (1000, 7)] {
            let dealer = Streams::new(streams).unwrap();
            let mut dealt: Vec<u32> = Vec::new();
            for connection in 0..connections {
                let own: Vec<_> = dealer.dealt(connection, connections).collect();
                assert!(!own.is_empty() && (own.len() == 1 || streams > connections), "{own:?}");
                dealt.extend(own);
            }
            assert_eq!(dealt.len() as u32, streams.max(connections));
            dealt.sort_unstable();
            dealt.dedup();
            assert_eq!(dealt, (0..streams).collect::<Vec<_>>());
        }
    }

    #[test]
    fn ids_are_compared_as_numbers() {
        let id = |text: &str| Id::parsed(text.as_bytes());
        assert!(id("9-10") > id("9-9") && id("10-0") > id("9-10") && id("0-1") > Some(Id::ZERO));
        assert_eq!([id("9"), id("9-"), id("-9"), id("a-1"), id("1-1-1")], [None; 5]);
    }
}
