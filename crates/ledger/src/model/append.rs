//! Writing into a log.

use super::Model;
use super::log::Log;
use crate::answer::{Appended, Content, Refused, Text};
use crate::body::Body;
use crate::names::{ClientId, User};
use crate::op::{Append, Delete, Edit, Said};
use crate::position::{Millis, Seq};
use crate::{Conversation, Kind, Level, Role};

/// What is to be written.
enum Draft<'a> {
    Said(&'a Said),
    Edit { target: Seq, body: &'a Body },
    Delete { target: Seq },
}

/// By whom and under which name.
struct Signed<'a> {
    conversation: &'a Conversation,
    sender: &'a User,
    client_id: &'a ClientId,
    level: Level,
}

impl Model {
    pub(super) fn append(&mut self, append: &Append, now: Millis) -> Result<Appended, Refused> {
        let Append { conversation, sender, client_id, said, level } = append;
        self.write(Signed { conversation, sender, client_id, level: *level }, Draft::Said(said), now)
    }

    pub(super) fn edit(&mut self, edit: &Edit, now: Millis) -> Result<Appended, Refused> {
        let Edit { conversation, sender, client_id, target, body, level } = edit;
        let draft = Draft::Edit { target: *target, body };
        self.write(Signed { conversation, sender, client_id, level: *level }, draft, now)
    }

    pub(super) fn delete(&mut self, delete: &Delete, now: Millis) -> Result<Appended, Refused> {
        let Delete { conversation, sender, client_id, target, level } = delete;
        let draft = Draft::Delete { target: *target };
        self.write(Signed { conversation, sender, client_id, level: *level }, draft, now)
    }

    /// A user's role in a conversation; none if they take no part.
    pub(super) fn role(&self, conversation: &Conversation, user: &User) -> Option<Role> {
        match conversation {
            Conversation::Direct(direct) => direct.has(user).then_some(Role::Member),
            Conversation::Room(_) => self.logs.get(conversation)?.members.get(user).map(|member| member.role),
        }
    }

    fn write(&mut self, signed: Signed<'_>, draft: Draft<'_>, now: Millis) -> Result<Appended, Refused> {
        let Signed { conversation, sender, client_id, level } = signed;
        self.check_size(&draft)?;
        if let Some(log) = self.logs.get(conversation)
            && let Some(seq) = log.repeated(sender, client_id, now, &self.limits)
        {
            return Ok(first_answer(log, seq, level));
        }
        let role = self.role(conversation, sender).ok_or(Refused::NotAMember)?;
        if !role.may_write() {
            return Err(Refused::NotAllowed);
        }

        let mut log = self.logs.get(conversation).cloned().unwrap_or_else(|| Log::new(conversation.clone()));
        let (content, bytes) = match &draft {
            Draft::Said(Said::Message { body, mentions }) => {
                let text = Text::AsSaid(body.clone());
                (Content::Message { text, mentions: mentions.clone() }, body.as_bytes().len())
            }
            Draft::Said(Said::Reaction { target, body }) => {
                log.said(*target, &[Kind::Message]).ok_or(Refused::NoSuchMessage)?;
                let text = Text::AsSaid(body.clone());
                (Content::Reaction { target: *target, text }, body.as_bytes().len())
            }
            Draft::Said(Said::System { body }) => {
                (Content::System { text: Text::AsSaid(body.clone()) }, body.as_bytes().len())
            }
            Draft::Edit { target, body } => {
                let (by, _) = log.said(*target, &[Kind::Message]).ok_or(Refused::NoSuchMessage)?;
                if by != sender {
                    return Err(Refused::NotAllowed);
                }
                (Content::Edit { target: *target, body: None }, body.as_bytes().len())
            }
            Draft::Delete { target } => {
                let kinds = [Kind::Message, Kind::Reaction, Kind::System];
                let (by, _) = log.said(*target, &kinds).ok_or(Refused::NoSuchMessage)?;
                if by != sender && !role.may_moderate() {
                    return Err(Refused::NotAllowed);
                }
                (Content::Delete { target: *target }, 0)
            }
        };
        let given = (now, self.generation, &self.limits);
        let written = log.push(sender, Some(client_id), content, bytes, given);
        let by = written.seq;
        match draft {
            Draft::Said(_) => {}
            Draft::Edit { target, body } => {
                rewrite(&mut log, target, Text::Edited { body: body.clone(), by })
            }
            Draft::Delete { target } => rewrite(&mut log, target, Text::Deleted { by }),
        }
        let appended = Appended {
            seq: written.seq,
            at: written.at,
            prev: written.prev,
            count: written.count,
            repeat: false,
            version: log.version,
            mode: log.mode(),
            level,
        };
        self.logs.insert(conversation.clone(), log);
        Ok(appended)
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
}

/// The target may be gone by now: the entry that changes it can be the one too many.
fn rewrite(log: &mut Log, target: Seq, reads: Text) {
    if let Some((_, text)) = log.said(target, Kind::ALL) {
        *text = reads;
    }
}

fn first_answer(log: &Log, seq: Seq, level: Level) -> Appended {
    let entry = log.entries.get(&seq).map(|logged| &logged.entry);
    Appended {
        seq,
        at: entry.map_or(Millis(0), |entry| entry.at),
        prev: entry.map_or(Seq::ZERO, |entry| entry.prev),
        count: entry.map_or(0, |entry| entry.count),
        repeat: true,
        version: log.version,
        mode: log.mode_of(seq),
        level,
    }
}
