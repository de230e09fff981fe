use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use anyhow::{Context as _, bail, ensure};
use naru_resp::{Value, encode_request};

use super::{
    body::Bodies,
    drive::{Client, Sort},
    streams::Id,
};

/// The group that all consumers belong to.
pub(super) const GROUP: &str = "workers";

/// Reads entries of one stream as a consumer of its group, and acknowledges them, in turn, until there are no more.
pub(super) struct Worker {
    stream: String,
    consumer: String,
    /// Entries of one read at most.
    count: String,
    bodies: Arc<Bodies>,
    delivered: Arc<Delivered>,
    next: Next,
    /// The last entry that this consumer got.
    last: Id,
}

enum Next {
    Read,
    /// What was read.
    Acknowledge(Vec<Vec<u8>>),
    /// An answer.
    Wait,
    /// There was nothing to read.
    End,
}

/// Which entries were delivered to anybody, by number.
pub(super) struct Delivered {
    bits: Vec<AtomicU64>,
    count: u64,
}

impl Delivered {
    /// None of `count` entries.
    pub(super) fn new(count: u64) -> Self {
        let words = count.div_ceil(64) as usize;
        Delivered { bits: (0..words).map(|_| AtomicU64::new(0)).collect(), count }
    }

    /// # Errors
    ///
    /// There is no such entry, or it was delivered before.
    fn deliver(&self, number: u64) -> anyhow::Result<()> {
        ensure!(number < self.count, "entry {number} was delivered, and {} are there", self.count);
        let bit = 1 << (number % 64);
        let before = self.bits[(number / 64) as usize].fetch_or(bit, Ordering::Relaxed);
        ensure!(before & bit == 0, "entry {number} was delivered twice");
        Ok(())
    }

    /// How many entries were delivered.
    pub(super) fn total(&self) -> u64 {
        self.bits.iter().map(|word| u64::from(word.load(Ordering::Relaxed).count_ones())).sum()
    }
}

impl Worker {
    pub(super) fn new(
        stream: String,
        number: u32,
        count: u32,
        bodies: Arc<Bodies>,
        delivered: Arc<Delivered>,
    ) -> Self {
        let (consumer, count) = (format!("worker-{number}"), count.to_string());
        Worker { stream, consumer, count, bodies, delivered, next: Next::Read, last: Id::ZERO }
    }

    /// Takes what was read; whether there was anything.
    fn take(&mut self, answer: &Value) -> anyhow::Result<Next> {
        if let Value::Null = answer {
            return Ok(Next::End);
        }
        let entries = entries(answer, &self.stream)
            .with_context(|| format!("XREADGROUP was answered with {}", shown(answer)))?;
        let mut ids = Vec::with_capacity(entries.len());
        for entry in entries {
            let (text, body) =
                entry_of(entry).with_context(|| format!("an entry came as {}", shown(entry)))?;
            let id = Id::parsed(text).with_context(|| format!("an entry came with the id {text:?}"))?;
            ensure!(id > self.last, "stream {}: {id:?} came behind {:?}", self.stream, self.last);
            self.last = id;
            self.delivered.deliver(self.bodies.number(body)?)?;
            ids.push(text.to_vec());
        }
        Ok(Next::Acknowledge(ids))
    }
}

impl Client for Worker {
    fn ask(&mut self, out: &mut Vec<u8>) -> Option<Sort> {
        match &self.next {
            Next::Read => {
                let words = ["XREADGROUP", "GROUP", GROUP, &self.consumer, "COUNT", &self.count];
                encode_request([&words[..], &["STREAMS", &self.stream, ">"]].concat(), out);
                self.next = Next::Wait;
                Some(Sort::Read)
            }
            Next::Acknowledge(ids) => {
                let mut words = vec![b"XACK".as_slice(), self.stream.as_bytes(), GROUP.as_bytes()];
                words.extend(ids.iter().map(Vec::as_slice));
                encode_request(words, out);
                Some(Sort::Acknowledge)
            }
            Next::Wait | Next::End => None,
        }
    }

    fn answered(&mut self, sort: Sort, answer: Value) -> anyhow::Result<u64> {
        let command = if sort == Sort::Read { "XREADGROUP" } else { "XACK" };
        if let Value::Error(text) = &answer {
            bail!("{command} was refused: {}", String::from_utf8_lossy(text));
        }
        match &self.next {
            Next::Acknowledge(ids) => {
                let count = ids.len() as u64;
                ensure!(
                    answer == Value::Integer(count as i64),
                    "XACK of {count} entries was answered with {answer:?}"
                );
                self.next = Next::Read;
                Ok(count)
            }
            Next::Read | Next::Wait | Next::End => {
                self.next = self.take(&answer)?;
                Ok(0)
            }
        }
    }
}

/// The entries of a reply of XREADGROUP, at least one, all of one stream.
fn entries<'a>(answer: &'a Value, stream: &str) -> Option<&'a [Value]> {
    let [of_stream] = answer.as_elements()? else { return None };
    let [name, entries] = of_stream.as_elements()? else { return None };
    let entries = entries.as_elements()?;
    (name.as_bytes() == Some(stream.as_bytes()) && !entries.is_empty()).then_some(entries)
}

/// Its id and its body.
fn entry_of(entry: &Value) -> Option<(&[u8], &[u8])> {
    let [id, fields] = entry.as_elements()? else { return None };
    let [field, body] = fields.as_elements()? else { return None };
    if field.as_bytes() != Some(super::adder::FIELD.as_bytes()) {
        return None;
    }
    Some((id.as_bytes()?, body.as_bytes()?))
}

/// The start of a strange answer.
fn shown(answer: &Value) -> String {
    format!("{answer:?}").chars().take(200).collect()
}
