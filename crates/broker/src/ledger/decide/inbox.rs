use std::collections::HashMap;

use naru_ledger::answer::{
    Delivered, DeviceStanding, Followed, How, Pointer, PointerKind, Refused, Resumed, Row, Rows, Standing,
    Unread,
};
use naru_ledger::op::{Ack, Read, Resume};
use naru_ledger::{Conversation as Name, Device, Seq, Useq, User};

use super::{Bodies, Deciding, Decision, LedgerChange, News, Person, page_of};
use crate::ledger::person::{Record, With};
use crate::numbered::Number;

impl<B: Bodies> Deciding<'_, B> {
    pub(super) fn resume(&mut self, resume: &Resume) -> Resumed {
        let Resume { user, device, from, limit } = resume;
        let limit = self.page(*limit);
        let mut seen = None;
        let known = self.person(user);
        let person = match known {
            Some((_, person)) if !person.is_news_of(device, self.now, self.limits) => person,
            known => {
                let mut person = known.map_or_else(|| Person::new(user), |(_, person)| person.clone());
                let number = known.map_or_else(|| self.know(user), |(number, _)| number);
                let forgotten = person.forgotten(device, self.now, self.limits);
                person.see(device, self.now, &forgotten, &mut Vec::new());
                let (device, at) = (device.clone(), self.now);
                self.changes.push(LedgerChange::Seen { person: number, device, at, forgotten });
                &*seen.insert(person)
            }
        };
        let (cursor, head, floor) = (person.device(device).cursor, person.head(), person.floor());
        let epoch = &self.ledger.head.epoch;

        let is_foreign = from.as_ref().is_some_and(|from| from.epoch != *epoch);
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
                let after = person.pointers().filter(|(useq, ..)| *useq > start);
                // Most conversations are there more than once.
                let mut ids = HashMap::new();
                let pointers = after.map(|(useq, conversation, span)| Pointer {
                    useq,
                    conversation: ids.entry(conversation).or_insert_with(|| self.id_of(conversation)).clone(),
                    after: span.after,
                    seq: span.seq,
                    kind: span.kind,
                });
                page_of(pointers, limit)
            }
            How::Index | How::Reset => (Vec::new(), false),
        };
        let followed = person.channels();
        let mut channels: Vec<Followed> = followed
            .map(|(conversation, read)| Followed { conversation: self.id_of(conversation), read })
            .collect();
        channels.sort_by(|one, other| one.conversation.cmp(&other.conversation));
        Resumed { epoch: epoch.clone(), cursor, head, start, how, more, pointers, channels }
    }

    pub(super) fn ack(&mut self, ack: &Ack) -> Useq {
        let Ack { user, device, useq, within } = ack;
        let Some((number, person)) = self.person(user) else { return Useq::ZERO };
        let cursor = person.device(device).cursor;
        let useq = (*useq).min(person.head());
        let mut acked = None;
        if useq > cursor {
            let forgotten = person.forgotten(device, self.now, self.limits);
            if within.is_some() {
                let after = acked.insert(person.clone());
                after.ack(device, useq, self.now, &forgotten, &mut Vec::new());
            }
            let (device, at) = (device.clone(), self.now);
            self.changes.push(LedgerChange::Acked { person: number, device, useq, at, forgotten });
        }
        if let Some(within) = within
            && let Some((conversation, _)) = self.conversation(&within.conversation)
        {
            let person = acked.as_ref().unwrap_or(person);
            if let Some(seq) = person.gets_within(device, conversation, within.seq) {
                let device = device.clone();
                self.changes.push(LedgerChange::Within { person: number, device, conversation, seq });
            }
        }
        useq.max(cursor)
    }

    pub(super) fn read(&mut self, read: &Read) -> Decision<Unread, B> {
        let Read { user, conversation: name, seq, count } = read;
        let (seq, count) = (*seq, *count);
        self.check_entry(name, user, seq, count)?;
        let Some((conversation, _)) = self.conversation(name) else {
            return Err(Refused::NoSuchMessage.into());
        };
        let Some((number, person)) = self.person(user) else { return Ok(Unread::default()) };
        if !person.would_read(conversation, seq, count) {
            return Ok(unread(person, conversation));
        }
        let generation = self.ledger.head.generation;
        let useq = person.next(generation);
        let mut after = person.clone();
        let with = &mut With { generation, bounds: self.bounds, scratch: &mut Vec::new() };
        after.read(conversation, seq, count, useq, with);
        self.changes.push(LedgerChange::Read { person: number, useq, conversation, seq, count });
        let servers = self.ledger.routes.servers(user, self.now);
        if !servers.is_empty() {
            let to = vec![Delivered { user: user.clone(), useq, after: seq, servers }];
            let kind = PointerKind::Read;
            self.news = Some(News { conversation: name.clone(), seq, kind, in_room: false, to, entry: None });
        }
        Ok(unread(&after, conversation))
    }

    pub(super) fn changed(&self, user: &User, device: &Device, after: Useq, limit: usize) -> Rows {
        let Some((_, person)) = self.person(user) else { return Rows::default() };
        let standing = person.device(device);
        let stands = person.stands(&standing);
        // The index has the newest first, and what is asked for begins with the oldest.
        let changed: Vec<(Number, Record)> =
            person.records().take_while(|(_, record)| record.useq > after).collect();
        let rows = changed.into_iter().rev().map(|(conversation, record)| {
            self.row(conversation, &record, stands.from(conversation, &record))
        });
        let (rows, more) = page_of(rows, self.page(limit));
        Rows { more, rows }
    }

    pub(super) fn conversations(&self, user: &User, before: Option<Useq>, limit: usize) -> Rows {
        let Some((_, person)) = self.person(user) else { return Rows::default() };
        let older = person.changed_before(before);
        let rows = older.map(|(conversation, record)| self.row(conversation, &record, Seq::ZERO));
        let (rows, more) = page_of(rows, self.page(limit));
        Rows { more, rows }
    }

    pub(super) fn standing(&self, user: &User, name: &Name) -> Standing {
        let servers = self.ledger.routes.servers(user, self.now);
        let epoch = self.ledger.head.epoch.clone();
        let Some((_, person)) = self.person(user) else {
            let (head, ring) = (Useq::ZERO, Useq::ZERO);
            return Standing { epoch, head, ring, row: None, devices: Vec::new(), servers };
        };
        let conversation = self.conversation(name).map(|(number, _)| number);
        let record = conversation.and_then(|number| Some((number, person.record(number)?)));
        let devices = person.devices().map(|(device, standing)| DeviceStanding {
            device: device.clone(),
            cursor: standing.cursor,
            seen: standing.seen,
            from: record
                .as_ref()
                .map_or(Seq::ZERO, |(number, record)| person.stands(standing).from(*number, record)),
        });
        Standing {
            epoch,
            head: person.head(),
            ring: person.floor(),
            devices: devices.collect(),
            row: record.map(|(number, record)| self.row(number, &record, Seq::ZERO)),
            servers,
        }
    }

    fn row(&self, conversation: Number, record: &Record, from: Seq) -> Row {
        Row {
            conversation: self.id_of(conversation),
            from,
            head: record.head,
            count: record.count,
            read: record.read,
            mentions: record.mentions.len() as u64,
            useq: record.useq,
            follow: record.follow,
        }
    }
}

fn unread(person: &Person, conversation: Number) -> Unread {
    person.record(conversation).map_or_else(Unread::default, |record| Unread {
        useq: record.useq,
        count: record.count,
        read: record.read,
        mentions: record.mentions.len() as u64,
        follow: record.follow,
    })
}
