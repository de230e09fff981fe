use std::time::Instant;

use anyhow::{bail, ensure};
use clap::Args;
use naru_bus::Line;
use naru_ledger::{Answer, Conversation, Kind, Level, Mode, Op, User, op::Deliver};
use serde::Serialize;
use tokio::task::JoinSet;

use super::{
    deliver::{join, to},
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

#[derive(Args, Clone, Debug)]
pub(super) struct Options {
    #[command(flatten)]
    pub(super) broker: Broker,
    /// Inboxes that each message comes into.
    #[arg(long, default_value_t = 10_000, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    users: u32,
    /// Users in one delivery; the deliveries of a message are all under way at the same time.
    #[arg(long, default_value_t = 128, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    batch: u32,
    /// Messages, one after the other, beside the first, which makes the inboxes and is not counted.
    #[arg(long, default_value_t = 50, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    messages: u32,
}

/// What was measured. The names are those of the JSON output; units are in the names.
#[derive(Debug, Serialize)]
pub(super) struct Inboxes {
    broker: String,
    dialect: &'static str,
    connections: u32,
    users: u32,
    batch: u32,
    messages: u32,
    /// From just before a message is appended to when the last delivery is answered, and it is done.
    message: Latency,
    #[serde(flatten)]
    used: Used,
}

/// Sends messages to many, and measures how long each takes.
pub(super) fn measure(options: &Options) -> anyhow::Result<Inboxes> {
    let meter = options.broker.meter()?;
    options.broker.at_work(|place| async move {
        let mut live = Live::new("messages");
        live.write("making the inboxes");
        let people: Vec<User> = (0..options.users as usize).map(|number| place.user("u", number)).collect();
        let room = place.room(0);
        join(&place, &room, &people[0]).await?;
        let messages = Messages::new(200, Level::Memory);
        let batches: Vec<&[User]> = people.chunks(options.batch as usize).collect();
        send(&place, &room, &messages, &batches, 0).await?;
        let (before, mut latency) = (meter.read()?, latencies());
        for number in 1..=u64::from(options.messages) {
            let begun = Instant::now();
            send(&place, &room, &messages, &batches, number).await?;
            latency.saturating_record(u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX));
            live.show_count("sending", number);
        }
        Ok(Inboxes {
            broker: place.broker.clone(),
            dialect: place.dialect(),
            connections: options.broker.connections,
            users: options.users,
            batch: options.batch,
            messages: options.messages,
            message: Latency::new(&latency),
            used: meter.since(&before, u64::from(options.messages) * u64::from(options.users))?,
        })
    })
}

/// Append, deliver to all, done.
async fn send(
    place: &Place,
    room: &Conversation,
    messages: &Messages,
    batches: &[&[User]],
    number: u64,
) -> anyhow::Result<()> {
    let sender = batches.first().and_then(|batch| batch.first()).expect("there is at least one user");
    let appended = appended(place.line(0).ask(&messages.append(room, sender, number)).await?)?;
    let mut under_way = JoinSet::new();
    for (line, people) in place.lines.iter().cycle().zip(batches) {
        let deliver = Deliver {
            conversation: room.clone(),
            seq: appended.seq,
            count: appended.count,
            sender: sender.clone(),
            kind: Kind::Message,
            mode: Mode::FanOut,
            to: to(people),
        };
        under_way.spawn(deliver_all(line.clone(), deliver));
    }
    while let Some(outcome) = under_way.join_next().await {
        outcome??;
    }
    place.line(0).ask(&Op::Done { conversation: room.clone(), seq: appended.seq }).await?;
    Ok(())
}

async fn deliver_all(line: Line, deliver: Deliver) -> anyhow::Result<()> {
    let asked = deliver.to.len();
    match line.ask(&Op::Deliver(deliver)).await? {
        Answer::Delivered(delivered) => {
            ensure!(delivered.len() == asked, "of {asked} inboxes {} have changed", delivered.len());
            Ok(())
        }
        other => bail!("a delivery was answered by {other:?}"),
    }
}

impl Report for Inboxes {
    fn table(&self) -> Table {
        let mut table = Table::new(format!(
            "{} ({}): connections {}, {} inboxes, {} a delivery, {} messages, {:.1} s",
            self.broker,
            self.dialect,
            self.connections,
            self.users,
            self.batch,
            self.messages,
            self.used.seconds
        ));
        table.latency("message", &self.message);
        self.used.show("inbox", &mut table);
        table
    }
}
