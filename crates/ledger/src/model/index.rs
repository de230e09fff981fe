//! What a user's index says.

use super::person::{Person, Record};
use super::{Model, page_of};
use crate::Conversation;
use crate::answer::{Refused, Row, Rows, Unread};
use crate::names::{Device, User};
use crate::op::Read;
use crate::position::{Seq, Useq};

impl Record {
    pub(super) fn row(&self, conversation: &Conversation, from: Seq) -> Row {
        Row {
            conversation: conversation.clone(),
            from,
            head: self.head,
            count: self.count,
            read: self.read,
            mentions: self.mentions.len() as u64,
            useq: self.useq,
            follow: self.follow,
        }
    }
}

impl Person {
    /// The index in the order of the last change.
    fn by_change(&self) -> Vec<(&Conversation, &Record)> {
        let mut records: Vec<_> = self.index.iter().collect();
        records.sort_by_key(|(_, record)| record.useq);
        records
    }
}

impl Model {
    pub(super) fn changed(&self, user: &User, device: &Device, after: Useq, limit: usize) -> Rows {
        let Some(person) = self.people.get(user) else { return Rows::default() };
        let standing = person.device(device);
        let changed = person.by_change().into_iter().filter(|(_, record)| record.useq > after);
        let rows = changed.map(|(conversation, record)| {
            record.row(conversation, person.from(&standing, conversation, record))
        });
        let (rows, more) = page_of(rows, self.page(limit));
        Rows { more, rows }
    }

    pub(super) fn conversations(&self, user: &User, before: Option<Useq>, limit: usize) -> Rows {
        let Some(person) = self.people.get(user) else { return Rows::default() };
        let older = person.by_change().into_iter().rev();
        let older = older.filter(|(_, record)| before.is_none_or(|before| record.useq < before));
        let rows = older.map(|(conversation, record)| record.row(conversation, Seq::ZERO));
        let (rows, more) = page_of(rows, self.page(limit));
        Rows { more, rows }
    }

    pub(super) fn read(&mut self, read: &Read) -> Result<Unread, Refused> {
        let Read { user, conversation, seq, count } = read;
        self.check_entry(conversation, user, *seq, *count)?;
        let Some(person) = self.people.get_mut(user) else { return Ok(Unread::default()) };
        person.read(read, self.generation, &self.limits);
        Ok(person.index.get(conversation).map_or_else(Unread::default, |record| Unread {
            useq: record.useq,
            count: record.count,
            read: record.read,
            mentions: record.mentions.len() as u64,
            follow: record.follow,
        }))
    }
}
