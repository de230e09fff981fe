//! From an entry to all inboxes it is for. The steps are deliver, tell the servers, done, in this order: what is cut off in between
//! is open, and found by a sweep.

use std::collections::BTreeSet;
use std::iter;

use futures_util::future::try_join;
use naru_ledger::answer::{Content, Delivered, Entry, Members, Open, Page};
use naru_ledger::op::{Deliver, From, History, Recipient};
use naru_ledger::{Answer, Body, Conversation, Mode, Op, Seq, User};

use crate::error::BusError;
use crate::line::Line;
use crate::reply::other_answer;
use crate::scripts::{Comings, Deliveries, Since, Turn};
use crate::tell::json_of;

/// Entries, or members, that are asked for at once.
const PAGE: usize = 1024;

impl Line {
    /// Finishes what a sweep has found: brings everything in it to all inboxes it is for, in order. What cannot be brought there does
    /// not keep back what comes after it.
    pub async fn finish(&self, open: &Open) -> Result<(), BusError> {
        let mode = self.members(&open.conversation, None).await?.mode;
        let switched = match mode {
            Mode::FanOut => None,
            Mode::Broadcast => self.switched(open).await?,
        };
        let (mut after, mut failed) = (open.from, None);
        while let Some(page) = self.some_of(open, after).await? {
            after = page.next;
            for entry in &page.entries {
                // Where it is not among them, a room that is in broadcast mode has been for all of them.
                let is_before = switched.is_some_and(|switched| entry.seq <= switched);
                let mode = if is_before { Mode::FanOut } else { mode };
                match self.fan_out(entry, mode, Before::Perhaps).await {
                    Ok(()) => {}
                    Err(BusError::Unreachable) => return Err(BusError::Unreachable),
                    Err(error) => drop(failed.get_or_insert(error)),
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// The entry since which a room is in broadcast mode, if it is among those that are open.
    async fn switched(&self, open: &Open) -> Result<Option<Seq>, BusError> {
        let mut after = open.from;
        while let Some(page) = self.some_of(open, after).await? {
            let mut entries = page.entries.iter();
            if let Some(entry) = entries.find(|entry| matches!(entry.content, Content::Broadcast)) {
                return Ok(Some(entry.seq));
            }
            after = page.next;
        }
        Ok(None)
    }

    /// A page of what is open; none behind the last.
    async fn some_of(&self, open: &Open, after: Seq) -> Result<Option<Piece>, BusError> {
        if after >= open.to {
            return Ok(None);
        }
        let (conversation, from) = (open.conversation.clone(), From::After(after));
        let history = History { conversation, reader: None, from, limit: PAGE, bytes: None };
        let Answer::Page(Page { more, mut entries, .. }) = self.step(&Op::History(history)).await? else {
            return Err(other_answer());
        };
        let next = match entries.last() {
            Some(last) if more => last.seq,
            _ => open.to,
        };
        entries.retain(|entry| entry.seq <= open.to);
        Ok(Some(Piece { entries, next }))
    }

    pub(crate) async fn fan_out(&self, entry: &Entry, mode: Mode, before: Before) -> Result<(), BusError> {
        let mentioned: BTreeSet<&User> = entry.mentions().collect();
        let (since, turns) = try_join(self.recipients(entry, mode), self.turns(entry, mode)).await?;
        let to =
            since.keys().map(|user| Recipient { mentioned: mentioned.contains(user), user: user.clone() });
        let deliver = Deliver {
            conversation: entry.conversation.clone(),
            seq: entry.seq,
            count: entry.count,
            sender: entry.sender.clone(),
            kind: entry.kind(),
            mode,
            to: to.collect(),
        };
        match self.steps(&deliver, Comings { since: &since, turns: &turns }, entry, before).await {
            // Retention has removed it meanwhile: nobody can be told of it any more.
            Err(BusError::Refused { code, .. }) if code == "NOTFOUND" => Ok(()),
            outcome => outcome,
        }
    }

    async fn steps(
        &self,
        deliver: &Deliver,
        comings: Comings<'_>,
        entry: &Entry,
        before: Before,
    ) -> Result<(), BusError> {
        let done = Op::Done { conversation: deliver.conversation.clone(), seq: deliver.seq };
        let Some(scripts) = self.scripts() else {
            self.step(&Op::Deliver(deliver.clone())).await?;
            return self.step(&done).await.map(drop);
        };
        let entry = json_of(entry);
        let told = entry.as_ref().map_or(&[][..], Body::as_bytes);
        let done_so_far = scripts.deliver(&self.connection(), deliver, comings, Some(told)).await?;
        let Deliveries { mut delivered, are_told } = done_so_far;
        if are_told {
            delivered.clear();
        } else if before == Before::Perhaps {
            delivered.extend(self.told_again(deliver, &delivered).await?);
        }
        // What is done has been told.
        self.tell(deliver, entry.as_ref(), &delivered).await?;
        self.step(&done).await.map(drop)
    }

    /// Delivers, and tells the servers.
    pub(crate) async fn deliver(&self, deliver: &Deliver) -> Result<Vec<Delivered>, BusError> {
        match self.scripts() {
            None => match self.step(&Op::Deliver(deliver.clone())).await? {
                Answer::Delivered(delivered) => Ok(delivered),
                _ => Err(other_answer()),
            },
            Some(scripts) => {
                let connection = self.connection();
                let since = scripts.since(&connection, deliver).await?;
                let turns = scripts.turns_of(&connection, deliver).await?;
                let comings = Comings { since: &since, turns: &turns };
                let done = scripts.deliver(&connection, deliver, comings, Some(&[])).await?;
                let untold = if done.are_told { &[] } else { &done.delivered[..] };
                self.tell(deliver, None, untold).await?;
                Ok(done.delivered)
            }
        }
    }

    /// Whom an entry is for, and since when they take part: of a room's, those of its members who had joined by then.
    async fn recipients(&self, entry: &Entry, mode: Mode) -> Result<Since, BusError> {
        let mut users: Since = match (mode, &entry.conversation) {
            (Mode::Broadcast, _) => self.mentioned(entry).await?,
            (Mode::FanOut, Conversation::Direct(direct)) => {
                direct.participants().iter().map(|user| (user.clone(), Seq::ZERO)).collect()
            }
            (Mode::FanOut, Conversation::Room(_)) => self.all_members(&entry.conversation).await?,
        };
        let sender = users.remove(&entry.sender);
        users.retain(|_, since| *since <= entry.seq);
        users.insert(entry.sender.clone(), sender.unwrap_or(Seq::ZERO));
        Ok(users)
    }

    /// Who has come or gone before an entry, and not yet into all inboxes, where the broker does not look for itself.
    async fn turns(&self, entry: &Entry, mode: Mode) -> Result<Vec<Turn>, BusError> {
        let Some(scripts) = self.scripts() else { return Ok(Vec::new()) };
        let named = || iter::once(&entry.sender).chain(entry.mentions());
        let of = (mode == Mode::Broadcast).then(named);
        scripts.turns(&self.connection(), (&entry.conversation, entry.seq), of).await
    }

    /// Those of the mentioned who take part.
    async fn mentioned(&self, entry: &Entry) -> Result<Since, BusError> {
        let mentioned: Vec<User> = entry.mentions().cloned().collect();
        if mentioned.is_empty() {
            return Ok(Since::new());
        }
        match self.scripts() {
            Some(scripts) => scripts.part(&self.connection(), &entry.conversation, &mentioned).await,
            None => {
                let mut members = self.all_members(&entry.conversation).await?;
                members.retain(|user, _| mentioned.contains(user));
                Ok(members)
            }
        }
    }

    /// All members. Where somebody joins or leaves in the middle, they are asked for again.
    async fn all_members(&self, conversation: &Conversation) -> Result<Since, BusError> {
        let (mut all, mut version, mut after) = (Since::new(), None, None);
        loop {
            let page = self.members(conversation, after.take()).await?;
            if version.replace(page.version).is_some_and(|version| version != page.version) {
                (all, version) = (Since::new(), None);
                continue;
            }
            all.extend(page.members.into_iter().map(|member| (member.user, member.since)));
            match all.last_key_value() {
                Some((last, _)) if page.more => after = Some(last.clone()),
                _ => return Ok(all),
            }
        }
    }

    async fn members(&self, conversation: &Conversation, after: Option<User>) -> Result<Members, BusError> {
        let op = Op::Members { conversation: conversation.clone(), after, limit: PAGE };
        match self.step(&op).await? {
            Answer::Members(members) => Ok(members),
            _ => Err(other_answer()),
        }
    }
}

/// Some of what is open.
struct Piece {
    entries: Vec<Entry>,
    /// After which the next begins.
    next: Seq,
}

/// Whether another one may have begun to bring an entry to its inboxes, so that it is there and its server was not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    Nobody,
    Perhaps,
}
