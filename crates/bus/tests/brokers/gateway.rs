//! A chat server's bus, what it says, and a runtime to ask on.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, sync_channel};

use bytes::Bytes;
use naru_bus::{Bus, BusError, Delivery, Event, Target, Terms};
use naru_ledger::answer::{Appended, Resumed};
use naru_ledger::op::{Append, Resume, Said};
use naru_ledger::{Body, ClientId, Conversation, Device, Direct, Level, Position, Server, User};

use crate::server::SOON;

pub(crate) struct Gateway {
    pub(crate) bus: Bus,
    pub(crate) events: Receiver<Event>,
    runtime: tokio::runtime::Runtime,
}

impl Gateway {
    pub(crate) fn start(name: &str, target: Target) -> Gateway {
        Gateway::start_on(Terms::default(), name, target)
    }

    pub(crate) fn start_on(terms: Terms, name: &str, target: Target) -> Gateway {
        let (happened, events) = sync_channel(4096);
        let server = Server::parse(name).unwrap();
        let bus = Bus::start_on(terms, target, server, move |event| drop(happened.send(event))).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        Gateway { bus, events, runtime }
    }

    /// Once the broker is there.
    pub(crate) fn up(name: &str, target: Target) -> Gateway {
        let gateway = Gateway::start(name, target);
        gateway.comes_up();
        gateway
    }

    /// Waits until the link is up; answers whether it was down before.
    pub(crate) fn comes_up(&self) -> bool {
        loop {
            match self.event() {
                Event::Up { again } => return again,
                Event::Down { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    pub(crate) fn goes_down(&self) -> String {
        match self.event() {
            Event::Down { reason } => reason,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn event(&self) -> Event {
        self.events.recv_timeout(SOON).unwrap()
    }

    pub(crate) fn ask<T>(&self, call: impl AsyncFnOnce(&Bus) -> T) -> T {
        self.runtime.block_on(call(&self.bus))
    }

    pub(crate) fn publish(&self, channel: &str, payload: &'static str) -> u64 {
        self.ask(async |bus| bus.publish(channel, Bytes::from_static(payload.as_bytes())).await.unwrap())
    }

    pub(crate) fn send(&self, from: &str, to: &str, id: &str) -> Result<Appended, BusError> {
        let append = message(direct(from, to), from, id);
        self.ask(async |bus| bus.send(&append).await)
    }

    pub(crate) fn heard(&self) -> (String, Bytes) {
        match self.event() {
            Event::Published { channel, payload, .. } => (channel, payload),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn delivered(&self) -> Delivery {
        match self.event() {
            Event::Delivered(delivery) => delivery,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn resume(&self, name: &str, from: Option<Position>, limit: usize) -> Resumed {
        let resume = Resume { user: user(name), device: Device::default(), from, limit };
        self.ask(async |bus| bus.resume(resume).await.unwrap())
    }
}

pub(crate) fn user(name: &str) -> User {
    User::parse(name).unwrap()
}

pub(crate) fn direct(one: &str, other: &str) -> Conversation {
    Direct::between(&user(one), &user(other)).into()
}

/// A message that says its own name.
pub(crate) fn message(conversation: Conversation, from: &str, id: &str) -> Append {
    Append {
        conversation,
        sender: user(from),
        client_id: ClientId::parse(id).unwrap(),
        said: Said::Message {
            body: Body::from(format!(r#"{{"text": "{id}"}}"#).as_bytes()),
            mentions: BTreeSet::new(),
        },
        level: Level::Fsync,
    }
}

/// The name of the message that a delivery brings.
pub(crate) fn id(delivery: &Delivery) -> &str {
    delivery.entry.as_ref().unwrap().client_id.as_ref().unwrap().as_str()
}

/// To whom, with which number, after which entry.
pub(crate) fn to(delivery: &Delivery) -> Vec<(&str, u64, u64)> {
    delivery.to.iter().map(|told| (told.user.as_str(), told.useq.0, told.after.0)).collect()
}
