use anyhow::{bail, ensure};
use clap::Args;
use naru_ledger::{
    Answer, Conversation, Kind, Level, Mode, Op, Role, Room, User,
    op::{Change, Deliver, Membership, Recipient},
};
use serde::Serialize;

use super::{
    crew::{Crew, Worker},
    meter::Used,
    options::Broker,
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
    /// Rooms, each with people of its own. No more are delivered to at the same time.
    #[arg(long, default_value_t = 16, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rooms: u32,
    /// People in a room.
    #[arg(long, default_value_t = 128, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    users: u32,
    /// Messages in each room.
    #[arg(long, default_value_t = 500, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    messages: u32,
}

/// What was measured. The names are those of the JSON output; units are in the names.
#[derive(Debug, Serialize)]
pub(super) struct Deliveries {
    broker: String,
    dialect: &'static str,
    connections: u32,
    rooms: u32,
    users: u32,
    messages: u32,
    deliveries: u64,
    deliveries_per_second: f64,
    recipients_per_second: f64,
    /// Of a delivery to all in a room.
    latency: Latency,
    #[serde(flatten)]
    used: Used,
}

/// Appends messages, and then measures how they come into inboxes.
pub(super) fn measure(options: &Options) -> anyhow::Result<Deliveries> {
    let meter = options.broker.meter()?;
    options.broker.at_work(|place| async move {
        let mut live = Live::new("recipients");
        live.write("filling the rooms");
        let mut couriers = Vec::new();
        for number in 0..options.rooms as usize {
            couriers.push(courier(&place, options, number).await?);
        }
        let before = meter.read()?;
        let crew = Crew::start(couriers, &place.lines);
        crew.measure();
        let (couriers, latency) = crew.finish("delivering", &mut live).await?;
        let deliveries = couriers.iter().map(|courier| courier.delivered).sum();
        let used = meter.since(&before, deliveries * u64::from(options.users))?;
        let expected = u64::from(options.rooms) * u64::from(options.messages);
        ensure!(deliveries == expected, "of {expected} deliveries {deliveries} were answered");
        let deliveries_per_second = deliveries as f64 / used.seconds;
        Ok(Deliveries {
            broker: place.broker.clone(),
            dialect: place.dialect(),
            connections: options.broker.connections,
            rooms: options.rooms,
            users: options.users,
            messages: options.messages,
            deliveries,
            deliveries_per_second,
            recipients_per_second: deliveries_per_second * f64::from(options.users),
            latency: Latency::new(&latency),
            used,
        })
    })
}

/// One who brings the messages of a room to its people.
struct Courier {
    /// Those still to be brought, the next one last.
    left: Vec<Deliver>,
    delivered: u64,
}

/// A room, and the messages that wait there.
async fn courier(place: &Place, options: &Options, number: usize) -> anyhow::Result<Courier> {
    let room = place.room(number);
    let users = options.users as usize;
    let people: Vec<User> = (number * users..(number + 1) * users).map(|n| place.user("u", n)).collect();
    join(place, &room, &people[0]).await?;
    let messages = Messages::new(200, Level::Memory);
    let mut left = Vec::new();
    for message in 0..options.messages {
        let op = messages.append(&room, &people[0], message.into());
        let appended = appended(place.line(number).ask(&op).await?)?;
        left.push(Deliver {
            conversation: room.clone(),
            seq: appended.seq,
            count: appended.count,
            sender: people[0].clone(),
            kind: Kind::Message,
            mode: Mode::FanOut,
            to: to(&people),
        });
    }
    left.reverse();
    Ok(Courier { left, delivered: 0 })
}

pub(super) async fn join(place: &Place, room: &Conversation, user: &User) -> anyhow::Result<()> {
    let change = Change::Join(Role::Owner);
    let join = Membership { room: Room::parse(room.as_str())?, user: user.clone(), change };
    place.line(0).ask(&Op::Membership(join)).await?;
    Ok(())
}

/// All of these, none of them mentioned.
pub(super) fn to(people: &[User]) -> Vec<Recipient> {
    people.iter().map(|user| Recipient { user: user.clone(), mentioned: false }).collect()
}

impl Worker for Courier {
    fn ask(&mut self) -> Option<Op> {
        self.left.last().cloned().map(Op::Deliver)
    }

    fn answered(&mut self, answer: Answer) -> anyhow::Result<u64> {
        let Answer::Delivered(delivered) = answer else { bail!("a delivery was answered by {answer:?}") };
        let asked = self.left.pop().map_or(0, |deliver| deliver.to.len());
        ensure!(delivered.len() == asked, "of {asked} inboxes {} have changed", delivered.len());
        self.delivered += 1;
        Ok(asked as u64)
    }
}

impl Report for Deliveries {
    fn table(&self) -> Table {
        let mut table = Table::new(format!(
            "{} ({}): connections {}, rooms {} of {} people, {} messages in each, {:.1} s",
            self.broker,
            self.dialect,
            self.connections,
            self.rooms,
            self.users,
            self.messages,
            self.used.seconds
        ));
        table.row("deliveries a second", format!("{:.0}", self.deliveries_per_second));
        table.row("recipients a second", format!("{:.0}", self.recipients_per_second));
        table.latency("delivery", &self.latency);
        self.used.show("recipient", &mut table);
        table
    }
}
