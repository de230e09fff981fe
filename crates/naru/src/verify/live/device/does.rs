//! What a device does by itself: it says something, acknowledges, reads, comes and goes, asks for what it missed.

use anyhow::{Result, bail};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::super::body::body;
use super::super::cast::DOOR;
use super::super::history::{Ask, What};
use super::super::scene::Phase;
use super::{Asked, CALL_TIMEOUT, Device, Message, Say, Session};

/// Messages without an answer at the same time.
const UNANSWERED_MAX: usize = 12;

/// More than anybody takes part in here, unless there are very many people.
const CONVERSATIONS: u32 = 200;

/// Entries of a room of many that are asked for at once.
const MISSED: u32 = 100;

/// One acknowledgement in this many also says how far the device is in a conversation.
const WITHIN_ONE_IN: usize = 3;

/// One message in this many mentions somebody.
const MENTIONS_ONE_IN: usize = 8;

impl Device {
    pub(super) async fn do_what_is_due(&mut self, session: &mut Session, phase: Phase) -> Result<()> {
        let now = Instant::now();
        if phase == Phase::Load && session.cut_at.is_some_and(|at| at <= now) {
            bail!("cut here");
        }
        let late: Vec<u64> =
            session.calls.iter().filter(|(_, (_, until, _))| *until <= now).map(|(id, _)| *id).collect();
        for id in late {
            if let Some((call, _, asked)) = session.calls.remove(&id) {
                self.is_unknown(call, &asked, "nothing was answered in time");
            }
        }
        for place in 0..self.unanswered.len() {
            if self.unanswered[place].due.is_some_and(|due| due <= now) {
                self.unanswered[place].due = None;
                let message = self.unanswered[place].clone();
                let id = message.id.clone();
                self.send(session, &message, Asked::Send { id }).await?;
            }
        }
        self.catch_up(session).await?;
        if session.ack_at.is_some_and(|at| at <= now) {
            session.ack_at = None;
            self.ack(session).await?;
        }
        if self.is_busy(session, phase) && session.act_at <= now {
            session.act_at = now + self.pause();
            self.act(session, phase).await?;
        }
        if phase == Phase::Count {
            self.count(session).await?;
        }
        Ok(())
    }

    /// Reads what it has missed in rooms of many.
    async fn catch_up(&mut self, session: &mut Session) -> Result<()> {
        let now = Instant::now();
        let mut behind: Vec<(String, u64)> = Vec::new();
        for (name, room) in &mut self.rooms {
            if room.told > room.has && !room.is_asked && room.ask_at.is_none_or(|at| at <= now) {
                (room.is_asked, room.ask_at) = (true, None);
                behind.push((name.clone(), room.has));
            }
        }
        for (conversation, after) in behind {
            let request = json!({"conversation": conversation, "after": after, "limit": MISSED});
            let asked = Asked::Missed(conversation.clone());
            self.call(session, Ask::Missed { conversation, after }, asked, "history", request).await?;
        }
        Ok(())
    }

    /// Comes or goes, or, as the owner, changes somebody's role.
    async fn come_or_go(&mut self, session: &mut Session) -> Result<()> {
        let Some(door) = self.scene.cast.conversations.iter().find(|it| it.conversation == DOOR) else {
            return self.say(session).await;
        };
        let own = &self.scene.cast.devices[self.number].user;
        let conversation = door.conversation.clone();
        let (user, kind, request) = match door.users.iter().position(|user| user == own) {
            None => return self.say(session).await,
            Some(0) => {
                let user = door.users[1 + self.random.below(door.users.len() - 1)].clone();
                let role = self.random.one_of(&["member", "moderator"]);
                let request = json!({"conversation": conversation, "user": user, "role": role});
                (user, "role", request)
            }
            Some(_) => {
                let kind = self.random.one_of(&["join", "leave", "join"]);
                (own.clone(), kind, json!({"conversation": conversation}))
            }
        };
        let ask = Ask::Member { conversation, user, kind: kind.to_owned() };
        self.call(session, ask, Asked::Member, &format!("room.{kind}"), request).await
    }

    /// Does one of the things people do.
    async fn act(&mut self, session: &mut Session, phase: Phase) -> Result<()> {
        match self.random.below(40) {
            0 => {
                // Once more, though it was answered: the answer must be the first one.
                if let Some(message) = self.answered.clone() {
                    self.send(session, &message, Asked::Again).await?;
                }
            }
            1..3 => {
                let conversation = self.talk();
                let name = self.scene.cast.conversations[conversation].conversation.clone();
                let request = json!({"conversation": name, "limit": 20});
                let ask = Ask::Page { conversation: name };
                self.call(session, ask, Asked::Page, "history", request).await?;
            }
            3..6 => self.read(session).await?,
            6 => {
                for _ in 0..2 + self.random.below(4) {
                    self.say(session).await?;
                }
            }
            9..14 => self.come_or_go(session).await?,
            7..9 if phase == Phase::Load => {
                self.say(session).await?;
                // The answer may be on its way, or not.
                let pause = self.between(0..30);
                sleep(pause).await;
                bail!("cut here, before an answer");
            }
            _ => self.say(session).await?,
        }
        Ok(())
    }

    fn talk(&mut self) -> usize {
        self.random.one_of(&self.scene.cast.talks[self.number])
    }

    /// Sends something new.
    async fn say(&mut self, session: &mut Session) -> Result<()> {
        // At last, who waits for a server sends nothing else: a flood when that goes on would show everybody what they missed.
        let most = if self.phase() == Phase::Last { 1 } else { UNANSWERED_MAX };
        if self.unanswered.len() >= most {
            return Ok(());
        }
        let (conversation, what) = self.think();
        self.sent += 1;
        let id = format!("d{}-{}{}", self.number, self.sent, self.scene.mark);
        let message = Message { conversation, id: id.clone(), what, due: None };
        self.unanswered.push_back(message.clone());
        self.note_unanswered();
        self.send(session, &message, Asked::Send { id }).await
    }

    /// What to say, and where.
    fn think(&mut self) -> (usize, Say) {
        let cast = &self.scene.cast;
        let about = match self.random.below(20) {
            kind @ 0..4 if !self.own.is_empty() => {
                let (conversation, seq) = self.own[self.random.below(self.own.len())];
                Some((conversation, if kind == 0 { Say::Delete(seq) } else { Say::Edit(seq) }))
            }
            4..6 => self.heard.as_ref().and_then(|(name, seq)| {
                let place = cast.conversations.iter().position(|it| it.conversation == *name)?;
                Some((place, Say::Reaction(*seq)))
            }),
            _ => None,
        };
        about.unwrap_or_else(|| {
            let conversation = self.random.one_of(&cast.talks[self.number]);
            let users = &cast.conversations[conversation].users;
            let mut mentions: Vec<String> = Vec::new();
            if self.random.once_in(MENTIONS_ONE_IN) {
                mentions = (0..2).map(|_| users[self.random.below(users.len())].clone()).collect();
                mentions.sort();
                mentions.dedup();
            }
            (conversation, Say::Message { mentions })
        })
    }

    async fn send(&mut self, session: &mut Session, message: &Message, asked: Asked) -> Result<()> {
        let Message { conversation, id, what, .. } = message;
        let cast = &self.scene.cast;
        let name = cast.conversations[*conversation].conversation.clone();
        let to = cast.address(self.number, *conversation);
        let (method, request) = match what {
            Say::Message { mentions } => {
                ("send", json!({"to": to, "id": id, "body": body(id), "mentions": mentions}))
            }
            Say::Reaction(target) => {
                ("send", json!({"to": to, "id": id, "body": body(id), "kind": "reaction", "target": target}))
            }
            Say::Edit(target) => {
                ("edit", json!({"conversation": name, "id": id, "target": target, "body": body(id)}))
            }
            Say::Delete(target) => ("delete", json!({"conversation": name, "id": id, "target": target})),
        };
        let (kind, target, mentions) = match what {
            Say::Message { mentions } => ("message", None, mentions.clone()),
            Say::Reaction(target) => ("reaction", Some(*target), Vec::new()),
            Say::Edit(target) => ("edit", Some(*target), Vec::new()),
            Say::Delete(target) => ("delete", Some(*target), Vec::new()),
        };
        let (id, kind) = (id.clone(), kind.to_owned());
        let ask = Ask::Send { conversation: name, id, kind, target, mentions };
        self.call(session, ask, asked, method, request).await
    }

    async fn ack(&mut self, session: &mut Session) -> Result<()> {
        let offset = self.position.as_ref().map_or(0, |position| position.offset);
        // While a replay pushes conversation by conversation, the offset stands still: so it says how far it is in this one.
        let mut within = self.pushed.take();
        if offset > self.acked {
            within = within.filter(|_| self.random.once_in(WITHIN_ONE_IN));
        } else if within.is_none() {
            return Ok(());
        }
        let mut request = json!({"offset": offset});
        if let Some((conversation, seq)) = &within {
            request["within"] = json!({"conversation": conversation, "seq": seq});
        }
        self.call(session, Ask::Ack { offset, within }, Asked::Ack, "ack", request).await
    }

    async fn read(&mut self, session: &mut Session) -> Result<()> {
        if !self.scene.counts_unread.get() {
            return Ok(());
        }
        let mut newest: Vec<_> = self.newest.iter().collect();
        newest.sort_unstable();
        let Some((conversation, seq)) =
            newest.get(self.random.below(newest.len())).map(|(name, seq)| ((*name).clone(), **seq))
        else {
            return Ok(());
        };
        let request = json!({"conversation": conversation, "seq": seq});
        self.call(session, Ask::Read { conversation, seq }, Asked::Read, "read", request).await
    }

    async fn count(&mut self, session: &mut Session) -> Result<()> {
        let is_under_way = session.calls.values().any(|(_, _, asked)| matches!(asked, Asked::Unread));
        let has_counted =
            self.scene.laggard(|device, standing| device != self.number || standing.has_counted).is_none();
        if is_under_way || has_counted {
            return Ok(());
        }
        self.call(session, Ask::Unread, Asked::Unread, "conversations", json!({"limit": CONVERSATIONS})).await
    }

    async fn call(
        &mut self,
        session: &mut Session,
        ask: Ask,
        asked: Asked,
        method: &str,
        data: Value,
    ) -> Result<()> {
        let (device, link, call) = (self.number, session.link, self.scene.number());
        self.scene.happens(What::Invoke { device, link, call, ask });
        match session.client.rpc(method, data).await {
            Ok(id) => {
                session.calls.insert(id, (call, Instant::now() + CALL_TIMEOUT, asked));
                Ok(())
            }
            Err(error) => {
                self.scene.happens(What::Unknown { device, call, why: format!("{error:#}") });
                Err(error)
            }
        }
    }
}
