//! Reading a log.

use super::Model;
use crate::answer::{Entry, Page, Refused};
use crate::op::{From, History};
use crate::position::Seq;

impl Model {
    pub(super) fn history(&self, history: &History) -> Result<Page, Refused> {
        let History { conversation, reader, from, limit, bytes } = history;
        if let Some(reader) = reader {
            self.role(conversation, reader).ok_or(Refused::NotAMember)?;
        }
        let Some(log) = self.logs.get(conversation) else { return Ok(Page::default()) };
        let all: Vec<Seq> = log.entries.keys().copied().collect();
        let wanted: Vec<Seq> = match from {
            From::Newest => all.into_iter().rev().collect(),
            From::Before(before) => all.into_iter().filter(|seq| seq < before).rev().collect(),
            From::After(after) => all.into_iter().filter(|seq| seq > after).collect(),
        };
        let bytes_max = bytes.unwrap_or(usize::MAX).min(self.limits.page_bytes_max);
        let mut entries: Vec<Entry> = Vec::new();
        let mut size = 0;
        for entry in wanted.iter().take(self.page(*limit)).filter_map(|seq| log.entry(*seq)) {
            size += entry.bytes();
            if size > bytes_max && !entries.is_empty() {
                break;
            }
            entries.push(entry);
        }
        let more = entries.len() < wanted.len();
        if !matches!(from, From::After(_)) {
            entries.reverse();
        }
        Ok(Page { trimmed: log.trimmed, head: log.head, more, entries })
    }
}
