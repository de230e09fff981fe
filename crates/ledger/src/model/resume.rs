//! A device comes back, and says what it has.

use super::{Model, page_of};
use crate::Follow;
use crate::answer::{Followed, How, Resumed};
use crate::op::{Ack, Resume};
use crate::position::{Millis, Useq};

impl Model {
    pub(super) fn resume(&mut self, resume: &Resume, now: Millis) -> Resumed {
        let Resume { user, device, from, limit } = resume;
        let limit = self.page(*limit);
        let person = self.people.entry(user.clone()).or_default();
        person.see(device, now, &self.limits);
        let (cursor, head, floor) = (person.device(device).cursor, person.head, person.floor);

        let is_foreign = from.as_ref().is_some_and(|from| from.epoch != self.epoch);
        let position = from.as_ref().map(|from| from.useq).filter(|useq| *useq <= head && !is_foreign);
        // Of what has left the ring it does not get again what it has acknowledged.
        let start = position.map_or(cursor, |position| position.max(cursor.min(floor)));
        let how = match start >= floor {
            _ if is_foreign => How::Reset,
            true => How::Ring,
            false => How::Index,
        };
        let (pointers, more) = match how {
            How::Ring => {
                page_of(person.ring.range(Useq(start.0 + 1)..).map(|(_, pointer)| pointer.clone()), limit)
            }
            How::Index | How::Reset => (Vec::new(), false),
        };
        let followed = person.index.iter().filter(|(_, record)| record.follow == Follow::Channel);
        let channels = followed
            .map(|(conversation, record)| Followed { conversation: conversation.clone(), read: record.read });
        let channels = channels.collect();
        Resumed { epoch: self.epoch.clone(), cursor, head, start, how, more, pointers, channels }
    }

    pub(super) fn ack(&mut self, ack: &Ack, now: Millis) -> Useq {
        let Ack { user, device, useq, within } = ack;
        let Some(person) = self.people.get_mut(user) else { return Useq::ZERO };
        let cursor = person.ack(device, *useq, now, &self.limits);
        if let Some(within) = within {
            person.within(device, &within.conversation, within.seq);
        }
        cursor
    }
}
