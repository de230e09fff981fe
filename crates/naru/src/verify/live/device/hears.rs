//! What a device hears: pushes, answers, refusals, and what it makes of them.

use std::time::Duration;

use anyhow::Result;
use serde_json::Value;
use tokio::time::Instant;

use super::super::client::{Heard, Refusal};
use super::super::history::{Answer, Entry, What};
use super::super::reading::{entries, entry, sent, unread};
use super::super::scene::Phase;
use super::{Asked, Device, Say, Session};

/// What a server answers that has no such method.
const METHOD_UNKNOWN: [u64; 2] = [104, 108];

/// How long to wait before that is tried again.
const MISSED_AGAIN: Duration = Duration::from_millis(200);

/// Messages of its own that a device may still edit or delete.
const OWN_MAX: usize = 12;

impl Device {
    pub(super) async fn hear(&mut self, session: &mut Session, heard: Heard) -> Result<()> {
        match heard {
            Heard::Ping => session.client.pong().await?,
            Heard::Push(push) => self.is_pushed(session, &push),
            Heard::Reply(id, reply) => {
                // An answer that comes after it was given up is no answer any more.
                let Some((call, _, asked)) = session.calls.remove(&id) else { return Ok(()) };
                match reply {
                    Ok(mut reply) => self.is_answered(call, asked, &reply["rpc"]["data"].take())?,
                    Err(refusal) if refusal.is_temporary => {
                        self.is_unknown(call, &asked, &format!("temporary: {refusal}"));
                    }
                    Err(refusal) => self.is_refused(call, &asked, &refusal),
                }
            }
        }
        Ok(())
    }

    fn is_pushed(&mut self, session: &mut Session, push: &Value) {
        let device = self.number;
        if let Some(room) = push["channel"].as_str().and_then(|channel| self.rooms.get_mut(channel)) {
            if push["pub"].is_object() {
                let entry = entry(&push["pub"]["data"]);
                if entry.is_logged() {
                    room.hears(entry.prev, entry.seq);
                    self.has(&entry.conversation, entry.seq);
                } else {
                    room.told = room.told.max(entry.seq);
                }
                self.scene.happens(What::Heard { device, link: session.link, entry });
            }
            return;
        }
        if push["channel"].as_str() != Some(&format!("inbox:{}", self.scene.cast.devices[device].user)) {
            return;
        }
        let offset = push["pub"]["offset"].as_u64().unwrap_or(0);
        let entry = entry(&push["pub"]["data"]);
        if entry.is_logged() {
            let newest = self.newest.entry(entry.conversation.clone()).or_default();
            *newest = entry.seq.max(*newest);
            self.pushed = Some((entry.conversation.clone(), *newest));
            if entry.is_message() {
                self.heard = Some((entry.conversation.clone(), entry.seq));
            }
            self.has(&entry.conversation, entry.seq);
        }
        self.scene.happens(What::Pushed { device, link: session.link, offset, entry });
        if let Some(position) = &mut self.position {
            position.offset = position.offset.max(offset);
        }
        if session.ack_at.is_none() {
            let is_lazy = self.is_lazy && self.phase() < Phase::Calm;
            let wait = if is_lazy { self.between(3000..9000) } else { self.between(20..900) };
            session.ack_at = Some(Instant::now() + wait);
        }
    }

    fn has(&self, conversation: &str, seq: u64) {
        self.scene.stand(self.number, |standing| {
            standing.had.entry(conversation.to_owned()).or_default().insert(seq);
        });
    }

    /// The room's part after which it had nothing was read.
    fn has_read(&mut self, conversation: &str, entries: &[Entry]) {
        entries.iter().for_each(|entry| self.has(conversation, entry.seq));
        if let Some(room) = self.rooms.get_mut(conversation) {
            room.is_asked = false;
            room.has = entries.last().map_or(room.has, |entry| entry.seq.max(room.has));
            // More of it may have come meanwhile, or what it was told of may not be there.
            room.ask_at = entries.is_empty().then(|| Instant::now() + MISSED_AGAIN);
        }
    }

    fn is_answered(&mut self, call: u64, asked: Asked, data: &Value) -> Result<()> {
        let device = self.number;
        let number = |name: &str| data[name].as_u64().unwrap_or(0);
        let answer = match asked {
            Asked::Send { id } => {
                self.is_stored(&id, number("seq"));
                sent(data)
            }
            Asked::Again => sent(data),
            Asked::Ack => {
                self.acked = self.acked.max(number("offset"));
                Answer::Acked { offset: number("offset") }
            }
            Asked::Read => Answer::Read,
            Asked::Page => Answer::Page { entries: entries(data) },
            Asked::Missed(conversation) => {
                let entries = entries(data);
                self.has_read(&conversation, &entries);
                Answer::Page { entries }
            }
            Asked::Member => Answer::Changed { seq: data["seq"].as_u64() },
            Asked::Unread => {
                self.scene.stand(device, |standing| standing.has_counted = true);
                // Of part of them nothing could be judged.
                let is_all = data["more"] != true;
                Answer::Unread { conversations: is_all.then(|| unread(data)) }
            }
        };
        self.scene.happens(What::Ok { device, call, answer });
        Ok(())
    }

    /// The message has been answered.
    fn is_stored(&mut self, id: &str, seq: u64) {
        if let Some(place) = self.unanswered.iter().position(|message| message.id == id)
            && let Some(message) = self.unanswered.remove(place)
        {
            if matches!(message.what, Say::Message { .. }) {
                self.own.push_back((message.conversation, seq));
                if self.own.len() > OWN_MAX {
                    self.own.pop_front();
                }
            }
            self.answered = Some(message);
            self.scene.acknowledged.set(self.scene.acknowledged.get() + 1);
            self.note_unanswered();
        }
    }

    pub(super) fn note_unanswered(&self) {
        self.scene.stand(self.number, |standing| standing.unanswered = self.unanswered.len());
    }

    /// Nobody knows whether a call was done: a message is sent again after a moment.
    pub(super) fn is_unknown(&mut self, call: u64, asked: &Asked, why: &str) {
        self.scene.happens(What::Unknown { device: self.number, call, why: why.to_owned() });
        if let Asked::Missed(conversation) = asked
            && let Some(room) = self.rooms.get_mut(conversation)
        {
            (room.is_asked, room.ask_at) = (false, Some(Instant::now() + MISSED_AGAIN));
        }
        if let Asked::Send { id } = asked {
            let due = Instant::now() + self.between(50..400);
            if let Some(message) = self.unanswered.iter_mut().find(|message| message.id == *id) {
                message.due = Some(due);
            }
        }
    }

    fn is_refused(&mut self, call: u64, asked: &Asked, refusal: &Refusal) {
        self.scene.happens(What::Fail { device: self.number, call, why: refusal.to_string() });
        match asked {
            Asked::Send { id } => {
                self.unanswered.retain(|message| message.id != *id);
                self.note_unanswered();
            }
            Asked::Read | Asked::Unread if METHOD_UNKNOWN.contains(&refusal.code) => {
                self.scene.counts_unread.set(false)
            }
            _ => {}
        }
    }
}
