use naru_ledger::answer::{Appended, Refused};
use naru_ledger::op::{Append, Delete, Edit, Said as Sayable};
use naru_ledger::{
    Body, ClientId, Conversation as Name, Generation, Kind, Level, Millis, Mode, Seq, User, Version,
};

use super::{Bodies, Content, Deciding, Decision, LedgerChange, Reads, Said, Undecided, readable, role};
use crate::{
    keyspace::{self, Place},
    ledger::{Conversation, Id},
    numbered::Number,
};

/// What is to be written.
pub(super) enum Draft<'a> {
    Said(&'a Sayable),
    Edit { target: Seq, body: &'a Body },
    Delete { target: Seq },
}

/// By whom and under which name.
#[derive(Clone, Copy)]
pub(super) struct Signed<'a> {
    conversation: &'a Name,
    sender: &'a User,
    client_id: &'a ClientId,
    level: Level,
}

/// Where a log ends: what one more entry follows from.
pub(super) struct End {
    pub(super) number: Number,
    pub(super) head: Seq,
    pub(super) at: Millis,
    pub(super) count: u64,
    generation: Generation,
}

/// An entry that is to be appended.
pub(super) struct Next {
    pub(super) seq: Seq,
    pub(super) prev: Seq,
    pub(super) at: Millis,
    pub(super) count: u64,
    /// Of its content.
    bytes: u64,
}

/// What was written, or had been before.
pub(super) struct Outcome {
    pub(super) appended: Appended,
    /// None for a repeat.
    pub(super) content: Option<Content>,
    pub(super) number: Number,
}

impl<B: Bodies> Deciding<'_, B> {
    pub(super) fn append(&mut self, append: &Append) -> Decision<Appended, B> {
        let Append { conversation, sender, client_id, said, level } = append;
        let signed = Signed { conversation, sender, client_id, level: *level };
        Ok(self.write(signed, &Draft::Said(said), true)?.appended)
    }

    pub(super) fn edit(&mut self, edit: &Edit) -> Decision<Appended, B> {
        let Edit { conversation, sender, client_id, target, body, level } = edit;
        let signed = Signed { conversation, sender, client_id, level: *level };
        Ok(self.write(signed, &Draft::Edit { target: *target, body }, true)?.appended)
    }

    pub(super) fn delete(&mut self, delete: &Delete) -> Decision<Appended, B> {
        let Delete { conversation, sender, client_id, target, level } = delete;
        let signed = Signed { conversation, sender, client_id, level: *level };
        Ok(self.write(signed, &Draft::Delete { target: *target }, true)?.appended)
    }

    /// A send's part of it: what is new is delivered with it, and not left open.
    pub(super) fn append_closed(&mut self, append: &Append) -> Decision<Outcome, B> {
        let Append { conversation, sender, client_id, said, level } = append;
        let signed = Signed { conversation, sender, client_id, level: *level };
        self.write(signed, &Draft::Said(said), false)
    }

    fn write(&mut self, signed: Signed<'_>, draft: &Draft<'_>, is_open: bool) -> Decision<Outcome, B> {
        let Signed { conversation: name, sender, client_id, level } = signed;
        self.check_size(draft)?;
        let id = self.ledger.head.key.id(sender, client_id);
        let found = self.conversation(name);
        if let Some((number, conversation)) = found
            && let Some(seq) = conversation.repeated(id, self.now, self.bounds.dedupe_window_ms)
        {
            let appended = self.first_answer(conversation, seq, level)?;
            return Ok(Outcome { appended, content: None, number });
        }
        let conversation = found.map(|(_, conversation)| conversation);
        let role = role(name, conversation, sender).ok_or(Refused::NotAMember)?;
        if !role.may_write() {
            return Err(Refused::NotAllowed.into());
        }

        let mut rewritten = None;
        let (said, body) = match draft {
            Draft::Said(Sayable::Message { body, mentions }) => {
                let mentions = mentions.iter().cloned().collect();
                (Said::Message { reads: Reads::AsSaid, mentions }, Some(body))
            }
            Draft::Said(Sayable::Reaction { target, body }) => {
                self.said(conversation, *target, &[Kind::Message])?;
                (Said::Reaction { target: *target, reads: Reads::AsSaid }, Some(body))
            }
            Draft::Said(Sayable::System { body }) => (Said::System { reads: Reads::AsSaid }, Some(body)),
            Draft::Edit { target, .. } => {
                let content = self.said(conversation, *target, &[Kind::Message])?;
                if content.sender != *sender {
                    return Err(Refused::NotAllowed.into());
                }
                rewritten = Some((*target, content));
                (Said::Edit { target: *target }, None)
            }
            Draft::Delete { target } => {
                let kinds = [Kind::Message, Kind::Reaction, Kind::System];
                let content = self.said(conversation, *target, &kinds)?;
                if content.sender != *sender && !role.may_moderate() {
                    return Err(Refused::NotAllowed.into());
                }
                rewritten = Some((*target, content));
                (Said::Delete { target: *target }, None)
            }
        };
        let content = Content {
            at: Millis(0),
            sender: sender.clone(),
            client_id: Some(client_id.clone()),
            said,
            body: body.cloned(),
        };
        let mut end = self.end(name);
        let number = end.number;
        let (next, content) = self.push(name, &mut end, content, Some(id), is_open);
        let through = self.trim(number, conversation, &[&next])?;
        if let Some((target, content)) = rewritten
            && through.is_none_or(|through| through < target)
        {
            self.rewrite(number, target, content, draft, next.seq);
        }
        let parties = conversation.map(Conversation::parties);
        let appended = Appended {
            seq: next.seq,
            at: next.at,
            prev: next.prev,
            count: next.count,
            repeat: false,
            version: parties.map_or(Version::ZERO, |parties| parties.version()),
            mode: parties.map_or(Mode::FanOut, |parties| parties.mode()),
            level,
        };
        Ok(Outcome { appended, content: Some(content), number })
    }

    fn check_size(&self, draft: &Draft<'_>) -> Result<(), Refused> {
        let body = match draft {
            Draft::Said(
                Sayable::Message { body, .. } | Sayable::Reaction { body, .. } | Sayable::System { body },
            ) => body,
            Draft::Edit { body, .. } => body,
            Draft::Delete { .. } => return Ok(()),
        };
        let (bytes, bytes_max) = (body.as_bytes().len(), self.limits.body_bytes_max);
        if bytes > bytes_max {
            return Err(Refused::BodyTooLarge { bytes, bytes_max });
        }
        if let Draft::Said(Sayable::Message { mentions, .. }) = draft {
            let (mentions, mentions_max) = (mentions.len(), self.limits.mentions_max);
            if mentions > mentions_max {
                return Err(Refused::TooManyMentions { mentions, mentions_max });
            }
        }
        Ok(())
    }

    fn first_answer(&mut self, conversation: &Conversation, seq: Seq, level: Level) -> Decision<Appended, B> {
        let log = conversation.log();
        let (at, prev, count) = match log.get(seq) {
            Some(place) => {
                // What cannot be read any more was stored all the same.
                let at = readable(self.content(place))?.map_or(Millis(0), |content| content.at);
                (at, log.before(seq), log.count_with(seq).unwrap_or(0))
            }
            None => (Millis(0), Seq::ZERO, 0),
        };
        let (version, mode) = (conversation.parties().version(), conversation.parties().mode_of(seq));
        Ok(Appended { seq, at, prev, count, repeat: true, version, mode, level })
    }

    /// What was said in an entry that is there, of one of these kinds, and not deleted; else refused.
    fn said(
        &mut self,
        conversation: Option<&Conversation>,
        seq: Seq,
        kinds: &[Kind],
    ) -> Decision<Content, B> {
        let place = conversation.and_then(|conversation| conversation.log().get(seq));
        let content = self.content(place.ok_or(Refused::NoSuchMessage)?)?;
        let is_said = kinds.contains(&content.said.kind()) && content.body.is_some();
        if is_said { Ok(content) } else { Err(Undecided::Refused(Refused::NoSuchMessage)) }
    }

    /// Where a log ends, though it may not have begun.
    pub(super) fn end(&self, name: &Name) -> End {
        match self.conversation(name) {
            Some((number, conversation)) => {
                let log = conversation.log();
                End {
                    number,
                    head: log.head(),
                    at: log.next_at(Millis(0)),
                    count: log.count(),
                    generation: log.generation(),
                }
            }
            None => End {
                number: self.ledger.conversations.next_number(),
                head: Seq::ZERO,
                at: Millis(0),
                count: 0,
                generation: Generation::FIRST,
            },
        }
    }

    /// Appends an entry, which says this.
    pub(super) fn push(
        &mut self,
        name: &Name,
        end: &mut End,
        content: Content,
        id: Option<Id>,
        is_open: bool,
    ) -> (Next, Content) {
        let generation = self.ledger.head.generation;
        let (prev, at) = (end.head, self.now.max(end.at));
        let seq = Seq(generation.after(prev.0, end.generation));
        let content = Content { at, ..content };
        let count = end.count + u64::from(content.said.kind().counts());
        *end = End { number: end.number, head: seq, at, count, generation: end.generation.max(generation) };
        let bytes = content.to_bytes();
        let next = Next { seq, prev, at, count, bytes: bytes.len() as u64 };
        self.changes.push(LedgerChange::Appended {
            conversation: end.number,
            name: name.clone(),
            seq,
            at,
            count,
            id,
            is_open,
            content: keyspace::Body::New(bytes),
        });
        (next, content)
    }

    /// What its target says by this edit or deletion.
    fn rewrite(&mut self, conversation: Number, seq: Seq, content: Content, draft: &Draft<'_>, by: Seq) {
        let mut content = content;
        let (reads, body) = match draft {
            Draft::Edit { body, .. } => (Reads::Edited(by), Some(Body::clone(body))),
            Draft::Said(_) | Draft::Delete { .. } => (Reads::Deleted(by), None),
        };
        if let Some(before) = content.said.reads_mut() {
            *before = reads;
        }
        content.body = body;
        let content = keyspace::Body::New(content.to_bytes());
        self.changes.push(LedgerChange::Rewritten { conversation, seq, content });
    }

    /// Has the oldest entries removed while there are too many with the new ones, they are too large or too old; never the
    /// newest. Up to which, if any are.
    pub(super) fn trim(
        &mut self,
        number: Number,
        conversation: Option<&Conversation>,
        new: &[&Next],
    ) -> Decision<Option<Seq>, B> {
        let Some(newest) = new.last() else { return Ok(None) };
        let log = conversation.map(Conversation::log);
        let (old, old_bytes) = log.map_or((0, 0), |log| (log.len(), log.bytes()));
        let len = old + new.len();
        let mut surplus = len.saturating_sub(self.limits.log_entries_max);

        let mut bytes = old_bytes + new.iter().map(|next| next.bytes).sum::<u64>();
        if bytes > self.limits.log_bytes_max {
            let old = log.into_iter().flat_map(|log| log.up(log.trimmed()));
            let sizes = old.map(|(_, place)| u64::from(place.bytes)).chain(new.iter().map(|next| next.bytes));
            let mut too_large = 0;
            for size in sizes {
                if bytes <= self.limits.log_bytes_max {
                    break;
                }
                bytes -= size;
                too_large += 1;
            }
            surplus = surplus.max(too_large);
        }

        let mut first_at = None;
        if let Some(log) = log {
            let age_max = self.limits.log_age_max;
            let is_too_old = |at: Millis| newest.at.since(at) > age_max;
            if let Some((before, within)) = log.aged(is_too_old) {
                let (too_old, at) =
                    self.too_old(|n| log.nth(before + n).map(|(_, place)| place), within, is_too_old)?;
                surplus = surplus.max(before + too_old);
                first_at = at;
            }
        }

        let surplus = surplus.min(len - 1);
        let through = match (surplus.checked_sub(1), log) {
            (None, _) => None,
            (Some(last), Some(log)) if last < old => log.nth(last).map(|(seq, _)| seq),
            (Some(last), _) => new.get(last - old).map(|next| next.seq),
        };
        if through.is_some() || first_at.is_some() {
            let trimmed = log.map_or(Seq::ZERO, |log| log.trimmed());
            let through = through.unwrap_or(trimmed);
            self.changes.push(LedgerChange::Trimmed { conversation: number, through, first_at });
        }
        Ok(through)
    }

    /// How many of the entries that a chunk has are too old, and when the first was stored that is not. What cannot be read
    /// is as old as the next that can: retention fails for none of them, or nothing could be written any more.
    fn too_old(
        &mut self,
        place: impl Fn(usize) -> Option<Place>,
        len: usize,
        is_too_old: impl Fn(Millis) -> bool,
    ) -> Decision<(usize, Option<Millis>), B> {
        let (mut low, mut high, mut first_at) = (0, len, None);
        while low < high {
            let middle = low + (high - low) / 2;
            let mut next = None;
            for (n, place) in (middle..high).filter_map(|n| Some((n, place(n)?))) {
                next = readable(self.content(place))?.map(|content| (n, content.at));
                if next.is_some() {
                    break;
                }
            }
            match next {
                Some((n, at)) if is_too_old(at) => low = n + 1,
                Some((_, at)) => (high, first_at) = (middle, Some(at)),
                None => high = middle,
            }
        }
        Ok((low, first_at))
    }
}
