use naru_ledger::answer::{Appended, Refused};
use naru_ledger::op::{Append, Delete, Edit, Said};
use naru_ledger::{
    Body, ClientId, Conversation as Name, Generation, Kind, Level, Millis, Mode, Seq, User, Version,
};

use super::{
    About, Bodies, Content, Deciding, Decision, LedgerChange, Reads, Undecided, entry, readable, role,
};
use crate::{
    keyspace,
    ledger::{Conversation, Id},
    numbered::Number,
};

/// What is to be written.
pub(super) enum Draft<'a> {
    Said(&'a Said),
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
    pub(super) bytes: u64,
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
        self.write_open(signed, &Draft::Said(said))
    }

    pub(super) fn edit(&mut self, edit: &Edit) -> Decision<Appended, B> {
        let Edit { conversation, sender, client_id, target, body, level } = edit;
        let signed = Signed { conversation, sender, client_id, level: *level };
        self.write_open(signed, &Draft::Edit { target: *target, body })
    }

    pub(super) fn delete(&mut self, delete: &Delete) -> Decision<Appended, B> {
        let Delete { conversation, sender, client_id, target, level } = delete;
        let signed = Signed { conversation, sender, client_id, level: *level };
        self.write_open(signed, &Draft::Delete { target: *target })
    }

    /// What is left to be delivered. Who follows the room by its channel is told at once.
    fn write_open(&mut self, signed: Signed<'_>, draft: &Draft<'_>) -> Decision<Appended, B> {
        let name = signed.conversation;
        let Outcome { appended, content, .. } = self.write(signed, draft, true)?;
        let edited = match draft {
            Draft::Edit { body, .. } => Some(Body::clone(body)),
            Draft::Said(_) | Draft::Delete { .. } => None,
        };
        if let Some(content) = content {
            let at = (appended.seq, appended.prev, appended.count);
            self.say_in_room(appended.mode, || entry(name, at, content, edited));
        }
        Ok(appended)
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
        let (about, body) = match draft {
            Draft::Said(Said::Message { body, mentions }) => {
                let mentions = mentions.iter().cloned().collect();
                (About::Message { reads: Reads::AsSaid, mentions }, Some(body))
            }
            Draft::Said(Said::Reaction { target, body }) => {
                self.said(conversation, *target, &[Kind::Message])?;
                (About::Reaction { target: *target, reads: Reads::AsSaid }, Some(body))
            }
            Draft::Said(Said::System { body }) => (About::System { reads: Reads::AsSaid }, Some(body)),
            Draft::Edit { target, .. } => {
                let content = self.said(conversation, *target, &[Kind::Message])?;
                if content.sender != *sender {
                    return Err(Refused::NotAllowed.into());
                }
                rewritten = Some((*target, content));
                (About::Edit { target: *target }, None)
            }
            Draft::Delete { target } => {
                let kinds = [Kind::Message, Kind::Reaction, Kind::System];
                let content = self.said(conversation, *target, &kinds)?;
                if content.sender != *sender && !role.may_moderate() {
                    return Err(Refused::NotAllowed.into());
                }
                rewritten = Some((*target, content));
                (About::Delete { target: *target }, None)
            }
        };
        let content = Content {
            at: Millis(0),
            sender: sender.clone(),
            client_id: Some(client_id.clone()),
            about,
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
            Draft::Said(Said::Message { body, .. } | Said::Reaction { body, .. } | Said::System { body }) => {
                body
            }
            Draft::Edit { body, .. } => body,
            Draft::Delete { .. } => return Ok(()),
        };
        let (bytes, bytes_max) = (body.as_bytes().len(), self.limits.body_bytes_max);
        if bytes > bytes_max {
            return Err(Refused::BodyTooLarge { bytes, bytes_max });
        }
        if let Draft::Said(Said::Message { mentions, .. }) = draft {
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
        let is_said = kinds.contains(&content.about.kind()) && content.body.is_some();
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
        let count = end.count + u64::from(content.about.kind().counts());
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
        if let Some(before) = content.about.reads_mut() {
            *before = reads;
        }
        content.body = body;
        let content = keyspace::Body::New(content.to_bytes());
        self.changes.push(LedgerChange::Rewritten { conversation, seq, content });
    }
}
