//! Where a message is.

use super::Model;
use super::log::Log;
use crate::answer::{DeviceStanding, Standing, Traced};
use crate::names::User;
use crate::op::What;
use crate::position::{Millis, Seq, Useq, Version};
use crate::{Conversation, Mode};

impl Model {
    pub(super) fn trace(&self, conversation: &Conversation, what: &What, now: Millis) -> Traced {
        let log = self.logs.get(conversation);
        let seq = match what {
            What::Seq(seq) => Some(*seq),
            What::Sent { sender, client_id } => {
                log.and_then(|log| log.repeated(sender, client_id, now, &self.limits))
            }
        };
        let entry = seq.and_then(|seq| log?.entry(seq));
        Traced {
            head: log.map_or(Seq::ZERO, |log| log.head),
            fanned_out: log.map_or(Seq::ZERO, Log::fanned_out),
            trimmed: log.map_or(Seq::ZERO, |log| log.trimmed),
            version: log.map_or(Version::ZERO, |log| log.version),
            mode: log.map_or(Mode::FanOut, Log::mode),
            done: entry.as_ref().is_some_and(|entry| log.is_some_and(|log| !log.open.contains(&entry.seq))),
            entry,
        }
    }

    pub(super) fn standing(&self, user: &User, conversation: &Conversation, now: Millis) -> Standing {
        let servers = self.routes.servers(user, now);
        let epoch = self.epoch.clone();
        let Some(person) = self.people.get(user) else {
            let (head, ring) = (Useq::ZERO, Useq::ZERO);
            return Standing { epoch, head, ring, row: None, devices: Vec::new(), servers };
        };
        let record = person.index.get(conversation);
        let devices = person.devices.known.iter().map(|(device, standing)| DeviceStanding {
            device: device.clone(),
            cursor: standing.cursor,
            seen: standing.seen,
            from: record.map_or(Seq::ZERO, |record| person.from(standing, conversation, record)),
        });
        Standing {
            epoch,
            head: person.head,
            ring: person.floor,
            row: record.map(|record| record.row(conversation, Seq::ZERO)),
            devices: devices.collect(),
            servers,
        }
    }
}
