use anyhow::{bail, ensure};
use clap::Args;
use naru_ledger::{Answer, Conversation, Op, Seq, User, answer::Traced, op::What};
use serde::Serialize;

use super::{
    crew::{Crew, Worker},
    meter::Used,
    options::{Broker, Pace, Wanted},
    place::{Messages, Place, appended},
};
use crate::bench::{
    live::Live,
    report::Latency,
    table::{Report, Table},
};

#[derive(Args, Clone, Debug)]
pub(super) struct Options {
    #[command(flatten)]
    pub(super) broker: Broker,
    #[command(flatten)]
    pace: Pace,
    /// Conversations that messages are spread over.
    #[arg(long, default_value_t = 10_000, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    conversations: u32,
    /// Bytes of a message's body.
    #[arg(long, default_value_t = 200, value_name = "BYTES")]
    body: usize,
    /// What a message is to survive before it is answered.
    #[arg(long, value_enum, default_value = "fsync", value_name = "LEVEL")]
    level: Wanted,
}

/// What was measured. The names are those of the JSON output; units are in the names.
#[derive(Debug, Serialize)]
pub(super) struct Appends {
    broker: String,
    dialect: &'static str,
    connections: u32,
    in_flight: u32,
    conversations: u32,
    body_bytes: usize,
    level: &'static str,
    /// The least that was reached.
    reached: &'static str,
    appends: u64,
    appends_per_second: f64,
    latency: Latency,
    #[serde(flatten)]
    used: Used,
}

/// Appends as fast as the broker answers; checks in the end that all of it is there.
pub(super) fn measure(options: &Options) -> anyhow::Result<Appends> {
    options.pace.check()?;
    let meter = options.broker.meter()?;
    options.broker.at_work(|place| async move {
        let mut live = Live::new("appends");
        let messages = Messages::new(options.body, options.level.into());
        let body_bytes = messages.bytes();
        let workers = writers(&place, options, &messages);
        let mut crew = Crew::start(workers, &place.lines);
        crew.watch("warming up", options.pace.warm_up, &mut live).await?;
        let (before, done_before) = (meter.read()?, crew.done());
        crew.measure();
        crew.watch_some(options.pace.seconds, &mut live).await?;
        let appends = crew.done() - done_before;
        let used = meter.since(&before, appends)?;
        crew.stop();
        let (writers, latency) = crew.finish("waiting for the last answers", &mut live).await?;
        ensure!(appends > 0, "nothing was answered within {:.1} s", used.seconds);
        live.write("comparing the conversations with what was answered");
        check(&place, &writers).await?;
        let reached = writers.iter().filter_map(|writer| writer.reached).min();
        Ok(Appends {
            broker: place.broker.clone(),
            dialect: place.dialect(),
            connections: options.broker.connections,
            in_flight: options.pace.in_flight,
            conversations: options.conversations,
            body_bytes,
            level: naru_ledger::Level::from(options.level).as_str(),
            reached: reached.map_or("none", naru_ledger::Level::as_str),
            appends,
            appends_per_second: appends as f64 / used.seconds,
            latency: Latency::new(&latency),
            used,
        })
    })
}

/// One who writes into conversations of their own, one after the other.
struct Writer {
    messages: Messages,
    conversations: Vec<Written>,
    next: usize,
    /// The least level.
    reached: Option<naru_ledger::Level>,
}

struct Written {
    conversation: Conversation,
    sender: User,
    count: u64,
}

/// No more of them than there are conversations, so that each has one.
fn writers(place: &Place, options: &Options, messages: &Messages) -> Vec<Writer> {
    let count = options.broker.connections.saturating_mul(options.pace.in_flight).min(options.conversations);
    let new = || Writer { messages: messages.clone(), conversations: Vec::new(), next: 0, reached: None };
    let mut writers: Vec<Writer> = (0..count).map(|_| new()).collect();
    for number in 0..options.conversations as usize {
        let (one, other) = (place.user("a", number), place.user("b", number));
        let conversation = place.direct(&one, &other);
        let index = number % writers.len();
        writers[index].conversations.push(Written { conversation, sender: one, count: 0 });
    }
    writers
}

impl Worker for Writer {
    fn ask(&mut self) -> Option<Op> {
        self.next = (self.next + 1) % self.conversations.len();
        let to = &self.conversations[self.next];
        Some(self.messages.append(&to.conversation, &to.sender, to.count))
    }

    fn answered(&mut self, answer: Answer) -> anyhow::Result<u64> {
        let appended = appended(answer)?;
        let to = &mut self.conversations[self.next];
        to.count += 1;
        ensure!(appended.count == to.count, "message {} was counted as {}", to.count, appended.count);
        self.reached = Some(self.reached.map_or(appended.level, |reached| reached.min(appended.level)));
        Ok(1)
    }
}

/// Every conversation has as many messages as were answered.
async fn check(place: &Place, writers: &[Writer]) -> anyhow::Result<()> {
    for to in writers.iter().flat_map(|writer| &writer.conversations).filter(|to| to.count > 0) {
        let (conversation, client_id) = (to.conversation.clone(), (to.count - 1).to_string());
        let what =
            What::Sent { sender: to.sender.clone(), client_id: naru_ledger::ClientId::parse(&client_id)? };
        match place.line(0).ask(&Op::Trace { conversation, what }).await? {
            Answer::Traced(Traced { head, entry: Some(entry), .. })
                if entry.count == to.count && entry.seq == head && head > Seq::ZERO => {}
            other => {
                bail!("{} messages were answered in {}, and there is {other:?}", to.count, to.conversation)
            }
        }
    }
    Ok(())
}

impl Report for Appends {
    fn table(&self) -> Table {
        let mut table = Table::new(format!(
            "{} ({}): connections {} x {} under way, conversations {}, body {} bytes, level {} ({} reached), {:.1} s",
            self.broker,
            self.dialect,
            self.connections,
            self.in_flight,
            self.conversations,
            self.body_bytes,
            self.level,
            self.reached,
            self.used.seconds
        ));
        table.row("appends a second", format!("{:.0}", self.appends_per_second));
        table.latency("append", &self.latency);
        self.used.show("append", &mut table);
        table
    }
}
