//! From the log into the inboxes, and what was left half-done.

use std::collections::BTreeSet;

use super::Model;
use super::log::Log;
use super::person::Part;
use crate::answer::{Appended, Delivered, Entry, Open, Refused};
use crate::names::User;
use crate::op::{Append, Deliver, Recipient, Sweep};
use crate::position::{Millis, Seq};
use crate::{Conversation, Mode};

impl Model {
    /// The operation that brings an entry to all it is for: of a room's, those of its members who had joined by then. None where
    /// there is no entry.
    pub fn fan_out(&self, conversation: &Conversation, seq: Seq) -> Option<Deliver> {
        let log = self.logs.get(conversation)?;
        let entry = &log.entries.get(&seq)?.entry;
        let had_joined = |user: &User| log.members.get(user).is_some_and(|member| member.since <= seq);
        let mode = log.mode_of(seq);
        let mut users: BTreeSet<&User> = match (mode, conversation) {
            (Mode::Broadcast, _) => entry.mentions().filter(|user| had_joined(user)).collect(),
            (Mode::FanOut, Conversation::Direct(direct)) => direct.participants().iter().collect(),
            (Mode::FanOut, Conversation::Room(_)) => {
                log.members.keys().filter(|user| had_joined(user)).collect()
            }
        };
        users.insert(&entry.sender);
        let mentioned: BTreeSet<&User> = entry.mentions().collect();
        let to = users
            .into_iter()
            .map(|user| Recipient { user: user.clone(), mentioned: mentioned.contains(user) });
        Some(Deliver {
            conversation: conversation.clone(),
            seq,
            count: entry.count,
            sender: entry.sender.clone(),
            kind: entry.kind(),
            mode,
            to: to.collect(),
        })
    }

    /// The open entries before this one by which a user has come, gone or been given a role. They come first.
    pub fn turns(&self, conversation: &Conversation, user: &User, before: Seq) -> Vec<Deliver> {
        let Some(log) = self.logs.get(conversation) else { return Vec::new() };
        let open = log.open.range(..before).filter_map(|seq| log.entries.get(seq));
        let own = open.map(|logged| &logged.entry).filter(|entry| entry.sender == *user);
        let turns = own.filter(|entry| entry.kind().is_turn());
        let turn = |entry: &Entry| Deliver {
            conversation: conversation.clone(),
            seq: entry.seq,
            count: entry.count,
            sender: user.clone(),
            kind: entry.kind(),
            mode: log.mode_of(entry.seq),
            to: Vec::new(),
        };
        turns.map(turn).collect()
    }

    pub(super) fn send(&mut self, append: &Append, now: Millis) -> Result<Appended, Refused> {
        let appended = self.append(append, now)?;
        let is_open = self.logs.get(&append.conversation).is_some_and(|log| log.open.contains(&appended.seq));
        if is_open && let Some(deliver) = self.fan_out(&append.conversation, appended.seq) {
            self.deliver(&deliver, now)?;
            self.done(&append.conversation, appended.seq)?;
        }
        Ok(appended)
    }

    pub(super) fn deliver(&mut self, deliver: &Deliver, now: Millis) -> Result<Vec<Delivered>, Refused> {
        let Deliver { conversation, seq, count, .. } = deliver;
        for recipient in &deliver.to {
            self.check_entry(conversation, &recipient.user, *seq, *count)?;
        }
        let mut delivered = Vec::new();
        for Recipient { user, mentioned } in &deliver.to {
            let mut person = self.people.get(user).cloned().unwrap_or_default();
            let member = self.logs.get(conversation).and_then(|log| log.members.get(user));
            let member = member.filter(|member| member.since <= *seq);
            let part = Part {
                is_own: user == &deliver.sender,
                is_mentioned: *mentioned,
                since: member.map_or(Seq::ZERO, |member| member.since),
            };
            let mut reached = None;
            for turn in self.turns(conversation, user, *seq) {
                let part = Part { is_own: true, is_mentioned: false, since: Seq::ZERO };
                reached = person.reach(&turn, part, self.generation, &self.limits).or(reached);
            }
            reached = person.reach(deliver, part, self.generation, &self.limits).or(reached);
            if let Some((useq, after)) = reached {
                self.people.insert(user.clone(), person);
                let servers = self.routes.servers(user, now);
                delivered.push(Delivered { user: user.clone(), useq, after, servers });
            }
        }
        Ok(delivered)
    }

    /// That a user's inbox may have a conversation at an entry, and the entry is what is said of it.
    pub(super) fn check_entry(
        &self,
        conversation: &Conversation,
        user: &User,
        seq: Seq,
        count: u64,
    ) -> Result<(), Refused> {
        if let Conversation::Direct(direct) = conversation
            && !direct.has(user)
        {
            return Err(Refused::NotAMember);
        }
        let is_there = self.logs.get(conversation).is_some_and(|log| log.has(seq, count));
        if is_there { Ok(()) } else { Err(Refused::NoSuchMessage) }
    }

    pub(super) fn done(&mut self, conversation: &Conversation, seq: Seq) -> Result<Seq, Refused> {
        let log = self.logs.get_mut(conversation).ok_or(Refused::NoSuchMessage)?;
        if seq > log.head {
            return Err(Refused::NoSuchMessage);
        }
        log.open.remove(&seq);
        if log.open.is_empty() {
            self.leases.remove(conversation);
        }
        Ok(log.fanned_out())
    }

    pub(super) fn sweep(&mut self, sweep: &Sweep, now: Millis) -> Vec<Open> {
        let Sweep { server, older_than, limit, lease } = sweep;
        self.leases.retain(|_, (_, until)| *until > now);
        let mut waiting: Vec<(Millis, &Log)> = Vec::new();
        for log in self.logs.values() {
            let Some(since) = log.open.first().and_then(|first| Some(log.entries.get(first)?.entry.at))
            else {
                continue;
            };
            let is_free = self.leases.get(&log.conversation).is_none_or(|(holder, _)| holder == server);
            if now.since(since) >= *older_than && is_free {
                waiting.push((since, log));
            }
        }
        waiting.sort_by_key(|(since, _)| *since);
        waiting.truncate(self.page(*limit));
        let open = waiting.into_iter().map(|(_, log)| Open {
            conversation: log.conversation.clone(),
            from: log.fanned_out(),
            to: log.head,
            version: log.version,
        });
        let open: Vec<Open> = open.collect();
        let until = now.after(*lease);
        for Open { conversation, .. } in &open {
            self.leases.insert(conversation.clone(), (server.clone(), until));
        }
        open
    }
}
