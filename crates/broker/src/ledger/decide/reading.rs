use naru_ledger::answer::{Entry, Page, Refused, Traced};
use naru_ledger::op::{From, History, What};
use naru_ledger::{Conversation as Name, Mode, Seq, Version};

use super::{Bodies, Conversation, Deciding, Decision, readable, role};

impl<B: Bodies> Deciding<'_, B> {
    pub(super) fn history(&mut self, history: &History) -> Decision<Page, B> {
        let History { conversation: name, reader, from, limit, bytes } = history;
        let conversation = self.conversation(name).map(|(_, conversation)| conversation);
        if let Some(reader) = reader {
            role(name, conversation, reader).ok_or(Refused::NotAMember)?;
        }
        let Some(conversation) = conversation else { return Ok(Page::default()) };
        let log = conversation.log();
        let limit = self.page(*limit);
        let is_rising = matches!(from, From::After(_));
        let mut wanted: Box<dyn Iterator<Item = Seq> + '_> = match from {
            From::Newest => Box::new(log.down(log.head().next()).map(|(seq, _)| seq)),
            From::Before(before) => Box::new(log.down(*before).map(|(seq, _)| seq)),
            From::After(after) => Box::new(log.up(*after).map(|(seq, _)| seq)),
        };
        let bytes_max = bytes.unwrap_or(usize::MAX).min(self.limits.page_bytes_max);
        let mut entries: Vec<Entry> = Vec::new();
        let (mut size, mut more) = (0, false);
        for seq in wanted.by_ref() {
            if entries.len() == limit {
                more = true;
                break;
            }
            // What cannot be read is left out, as what is gone: whoever reads gets past it, since there is no page without
            // entries before the end.
            let Some(entry) = readable(self.entry(name, conversation, seq))?.flatten() else { continue };
            size += entry.bytes();
            if size > bytes_max && !entries.is_empty() {
                more = true;
                break;
            }
            entries.push(entry);
        }
        if !is_rising {
            entries.reverse();
        }
        Ok(Page { trimmed: log.trimmed(), head: log.head(), more, entries })
    }

    pub(super) fn trace(&mut self, name: &Name, what: &What) -> Decision<Traced, B> {
        let conversation = self.conversation(name).map(|(_, conversation)| conversation);
        let seq = match what {
            What::Seq(seq) => Some(*seq),
            What::Sent { sender, client_id } => conversation.and_then(|conversation| {
                let id = self.ledger.head.key.id(sender, client_id);
                conversation.repeated(id, self.now, self.bounds.dedupe_window_ms)
            }),
        };
        let entry = match (conversation, seq) {
            (Some(conversation), Some(seq)) => self.entry(name, conversation, seq)?,
            _ => None,
        };
        let log = conversation.map(Conversation::log);
        let parties = conversation.map(Conversation::parties);
        let is_open = |seq| conversation.is_some_and(|conversation| conversation.is_open(seq));
        Ok(Traced {
            head: log.map_or(Seq::ZERO, |log| log.head()),
            fanned_out: conversation.map_or(Seq::ZERO, Conversation::fanned_out),
            trimmed: log.map_or(Seq::ZERO, |log| log.trimmed()),
            version: parties.map_or(Version::ZERO, |parties| parties.version()),
            mode: parties.map_or(Mode::FanOut, |parties| parties.mode()),
            done: entry.as_ref().is_some_and(|entry| !is_open(entry.seq)),
            entry,
        })
    }
}
