use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use anyhow::{bail, ensure};
use clap::Args;
use hdrhistogram::Histogram;
use naru_ledger::{
    Answer, Conversation, Device, Kind, Level, Mode, Op, Seq, Useq, User,
    answer::{How, Page, Row},
    op::{Deliver, From, History, Resume},
};
use serde::Serialize;

use super::{
    deliver::to,
    meter::Used,
    options::Broker,
    place::{Messages, Place, appended},
};
use crate::bench::{
    live::Live,
    report::Latency,
    table::{Report, Table},
    worker::latencies,
};

/// Entries of one page, as a chat server asks for them.
const PAGE: usize = 256;
const PAGE_BYTES: usize = 64 << 10;

#[derive(Args, Clone, Debug)]
pub(super) struct Options {
    #[command(flatten)]
    pub(super) broker: Broker,
    /// Messages that the device has not seen, in all.
    #[arg(long, default_value_t = 10_000, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    messages: u32,
    /// Conversations they are spread over.
    #[arg(long, default_value_t = 50, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=2_000))]
    conversations: u32,
    /// Bytes of a message's body.
    #[arg(long, default_value_t = 200, value_name = "BYTES")]
    body: usize,
    /// How often the device comes back.
    #[arg(long, default_value_t = 20, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    times: u32,
}

/// What was measured. The names are those of the JSON output; units are in the names.
#[derive(Debug, Serialize)]
pub(super) struct Resumes {
    broker: String,
    dialect: &'static str,
    messages: u32,
    conversations: u32,
    body_bytes: usize,
    times: u32,
    /// Whether the device was served from the ring or the index.
    how: &'static str,
    /// From just before the device says where it stands to its first messages.
    first: Latency,
    /// To the last.
    all: Latency,
    #[serde(flatten)]
    used: Used,
}

/// Fills an inbox, and has a device read all of it several times; checks that each message comes once.
pub(super) fn measure(options: &Options) -> anyhow::Result<Resumes> {
    let meter = options.broker.meter()?;
    options.broker.at_work(|place| async move {
        let mut live = Live::new("messages");
        live.write("filling the inbox");
        let reader = Reader { user: place.user("reader", 0), device: Device::default() };
        let messages = Messages::new(options.body, Level::Memory);
        fill(&place, options, &messages, &reader.user).await?;
        let (before, mut first, mut all) = (meter.read()?, latencies(), latencies());
        let mut how = How::Ring;
        for time in 1..=options.times {
            let read = reader.read_all(&place, options).await?;
            record(&mut first, read.first);
            record(&mut all, read.all);
            how = read.how;
            live.show_count("reading", u64::from(time) * u64::from(options.messages));
        }
        Ok(Resumes {
            broker: place.broker.clone(),
            dialect: place.dialect(),
            messages: options.messages,
            conversations: options.conversations,
            body_bytes: messages.bytes(),
            times: options.times,
            how: how.as_str(),
            first: Latency::new(&first),
            all: Latency::new(&all),
            used: meter.since(&before, u64::from(options.times) * u64::from(options.messages))?,
        })
    })
}

fn record(latencies: &mut Histogram<u64>, took: Duration) {
    latencies.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
}

/// Messages to the reader, from one conversation after the other.
async fn fill(place: &Place, options: &Options, messages: &Messages, reader: &User) -> anyhow::Result<()> {
    for number in 0..options.messages as usize {
        let sender = place.user("sender", number % options.conversations as usize);
        let conversation = place.direct(&sender, reader);
        let op = messages.append(&conversation, &sender, number as u64);
        let appended = appended(place.line(0).ask(&op).await?)?;
        let deliver = Deliver {
            conversation: conversation.clone(),
            seq: appended.seq,
            count: appended.count,
            sender: sender.clone(),
            kind: Kind::Message,
            mode: Mode::FanOut,
            to: to(&[sender, reader.clone()]),
        };
        place.line(0).ask(&Op::Deliver(deliver)).await?;
        place.line(0).ask(&Op::Done { conversation, seq: appended.seq }).await?;
    }
    Ok(())
}

struct Reader {
    user: User,
    device: Device,
}

/// How a device has come back.
struct Read {
    how: How,
    first: Duration,
    all: Duration,
}

impl Reader {
    /// As a chat server reads for a device: what has changed, and each of those conversations from where the device stands.
    async fn read_all(&self, place: &Place, options: &Options) -> anyhow::Result<Read> {
        let line = place.line(0);
        let begun = Instant::now();
        let resume = Resume { user: self.user.clone(), device: self.device.clone(), from: None, limit: PAGE };
        let Answer::Resumed(resumed) = line.ask(&Op::Resume(resume)).await? else { bail!("no resume") };
        // By the index, also where the ring would do: it is what is measured.
        let (mut first, mut seen, mut after) = (None, HashSet::new(), resumed.cursor);
        loop {
            let (user, device) = (self.user.clone(), self.device.clone());
            let op = Op::Changed { user, device, after, limit: PAGE };
            let Answer::Rows(rows) = line.ask(&op).await? else { bail!("no rows") };
            for row in &rows.rows {
                self.read(place, row, &mut seen, |at| {
                    first.get_or_insert(at);
                })
                .await?;
            }
            after = rows.rows.last().map_or(after, |row: &Row| row.useq);
            if !rows.more {
                break;
            }
        }
        let all = begun.elapsed();
        ensure!(
            seen.len() == options.messages as usize,
            "of {} messages {} came",
            options.messages,
            seen.len()
        );
        ensure!(
            after == resumed.head && after > Useq::ZERO,
            "the inbox ends at {}, and {after} was read",
            resumed.head
        );
        Ok(Read { how: resumed.how, first: first.map_or(all, |at| at - begun), all })
    }

    /// Reads one conversation from where the device stands in it, and tells of each page when it has come.
    async fn read(
        &self,
        place: &Place,
        row: &Row,
        seen: &mut HashSet<(Conversation, Seq)>,
        mut has_come: impl FnMut(Instant),
    ) -> anyhow::Result<()> {
        let mut after = row.from;
        loop {
            let history = History {
                conversation: row.conversation.clone(),
                reader: None,
                from: From::After(after),
                limit: PAGE,
                bytes: Some(PAGE_BYTES),
            };
            let Answer::Page(Page { entries, more, .. }) = place.line(0).ask(&Op::History(history)).await?
            else {
                bail!("no page");
            };
            has_come(Instant::now());
            for entry in entries {
                after = entry.seq;
                let (conversation, seq) = (entry.conversation, entry.seq);
                ensure!(seen.insert((conversation, seq)), "message {seq} of {} came twice", row.conversation);
            }
            if !more {
                return Ok(());
            }
        }
    }
}

impl Report for Resumes {
    fn table(&self) -> Table {
        let mut table = Table::new(format!(
            "{} ({}): {} messages in {} conversations, body {} bytes, {} times, by the {}, {:.1} s",
            self.broker,
            self.dialect,
            self.messages,
            self.conversations,
            self.body_bytes,
            self.times,
            self.how,
            self.used.seconds
        ));
        table.latency("first message", &self.first);
        table.latency("all messages", &self.all);
        self.used.show("message", &mut table);
        table
    }
}
