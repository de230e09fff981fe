//! From an append to all inboxes it is for, in the three steps that stand in for one.

use std::collections::BTreeSet;

use naru_ledger::answer::{Appended, Content, Entry, Members, Open, Page, Traced};
use naru_ledger::op::{Append, Deliver, From, History, Recipient, Said, What};
use naru_ledger::{Answer, Conversation, Kind, Mode, Op, Seq, User};
use redis::aio::MultiplexedConnection;

use super::Scripts;
use super::library::PART;
use crate::error::BusError;
use crate::partition::Partition;
use crate::reply;
use crate::wire::Request;

/// What has to be known of an entry to bring it to inboxes.
struct News<'a> {
    conversation: &'a Conversation,
    seq: Seq,
    count: u64,
    sender: &'a User,
    kind: Kind,
    mode: Mode,
    mentions: BTreeSet<&'a User>,
}

/// Entries, or members, that are asked for at once.
const PAGE: usize = 1024;

impl Scripts {
    /// Appends, delivers, and says that it is done. What is cut off in between is finished by a repeat, or by a sweep.
    pub(super) async fn send(
        &self,
        connection: &mut MultiplexedConnection,
        append: &Append,
    ) -> Result<Answer, BusError> {
        let Append { conversation, sender, said, level, .. } = append;
        let Answer::Appended(appended) = self.one(connection, &Op::Append(append.clone())).await? else {
            return Err(other_answer());
        };
        let fan_out = async {
            if appended.repeat {
                return self.finish_repeat(connection, conversation, &appended).await;
            }
            let (kind, mentions) = match said {
                Said::Message { mentions, .. } => (Kind::Message, mentions.iter().collect()),
                Said::Reaction { .. } => (Kind::Reaction, BTreeSet::new()),
                Said::System { .. } => (Kind::System, BTreeSet::new()),
            };
            let (seq, count, mode) = (appended.seq, appended.count, appended.mode);
            self.fan_out(connection, News { conversation, seq, count, sender, kind, mode, mentions }).await
        };
        // Whoever is to hear of it need not wait until it is as safe as its sender wants.
        let (outcome, answer) = tokio::join!(fan_out, self.written(Answer::Appended(appended), *level));
        outcome?;
        answer
    }

    /// Nothing is left to do, or another server has died in the middle of it. What was said the first time counts.
    async fn finish_repeat(
        &self,
        connection: &mut MultiplexedConnection,
        conversation: &Conversation,
        appended: &Appended,
    ) -> Result<(), BusError> {
        let trace = Op::Trace { conversation: conversation.clone(), what: What::Seq(appended.seq) };
        match self.one(connection, &trace).await? {
            Answer::Traced(Traced { entry: Some(entry), done: false, .. }) => {
                self.fan_out(connection, news(&entry, appended.mode)).await
            }
            _ => Ok(()),
        }
    }

    /// Finishes what a sweep has found: brings everything in it to all inboxes it is for, in order.
    pub(crate) async fn finish(
        &self,
        connection: &mut MultiplexedConnection,
        open: &Open,
    ) -> Result<(), BusError> {
        let entries = self.entries(connection, open).await?;
        let members = self.members(connection, &open.conversation, None).await?;
        let switched = entries.iter().find(|entry| matches!(entry.content, Content::Broadcast));
        for entry in &entries {
            // Where it is not among them, a room that is in broadcast mode has been for all of them.
            let is_before = switched.is_some_and(|switched| entry.seq <= switched.seq);
            let mode = if is_before { Mode::FanOut } else { members.mode };
            self.fan_out(connection, news(entry, mode)).await?;
        }
        Ok(())
    }

    async fn entries(
        &self,
        connection: &mut MultiplexedConnection,
        open: &Open,
    ) -> Result<Vec<Entry>, BusError> {
        let Open { conversation, from, to, .. } = open;
        let (mut all, mut after) = (Vec::new(), *from);
        loop {
            let (conversation, from) = (conversation.clone(), From::After(after));
            let history = History { conversation, reader: None, from, limit: PAGE, bytes: None };
            let Answer::Page(Page { more, entries, .. }) =
                self.one(connection, &Op::History(history)).await?
            else {
                return Err(other_answer());
            };
            all.extend(entries.into_iter().filter(|entry| entry.seq <= *to));
            match all.last() {
                Some(last) if more && last.seq < *to && last.seq > after => after = last.seq,
                _ => return Ok(all),
            }
        }
    }

    async fn fan_out(&self, connection: &mut MultiplexedConnection, news: News<'_>) -> Result<(), BusError> {
        let users = self.recipients(connection, &news).await?;
        let News { conversation, seq, count, sender, kind, mode, mentions } = news;
        let to = users.into_iter().map(|user| Recipient { mentioned: mentions.contains(&user), user });
        let deliver = Deliver {
            conversation: conversation.clone(),
            seq,
            count,
            sender: sender.clone(),
            kind,
            mode,
            to: to.collect(),
        };
        self.deliver(connection, &deliver).await?;
        self.one(connection, &Op::Done { conversation: conversation.clone(), seq }).await?;
        Ok(())
    }

    /// Whom an entry is for, by the members there are now.
    async fn recipients(
        &self,
        connection: &mut MultiplexedConnection,
        news: &News<'_>,
    ) -> Result<BTreeSet<User>, BusError> {
        let mut users: BTreeSet<User> = match (news.mode, news.conversation) {
            (Mode::Broadcast, _) => self.mentioned(connection, news).await?,
            (Mode::FanOut, Conversation::Direct(direct)) => direct.participants().iter().cloned().collect(),
            (Mode::FanOut, Conversation::Room(_)) => self.all_members(connection, news.conversation).await?,
        };
        users.insert(news.sender.clone());
        Ok(users)
    }

    /// Those of the mentioned who take part.
    async fn mentioned(
        &self,
        connection: &mut MultiplexedConnection,
        news: &News<'_>,
    ) -> Result<BTreeSet<User>, BusError> {
        let request = Request::new(PART).word(news.conversation.as_str());
        let request = news.mentions.iter().fold(request, |request, user| request.word(user.as_str()));
        let call = self.call(Partition::of(news.conversation.as_str()), request);
        let mut mentioned = BTreeSet::new();
        for parts in self.run(connection, &[call]).await? {
            for (user, part) in news.mentions.iter().zip(reply::list(parts)?) {
                if reply::number(part)? == 1 {
                    mentioned.insert((*user).clone());
                }
            }
        }
        Ok(mentioned)
    }

    /// All members. Where somebody joins or leaves in the middle, they are asked for again.
    async fn all_members(
        &self,
        connection: &mut MultiplexedConnection,
        conversation: &Conversation,
    ) -> Result<BTreeSet<User>, BusError> {
        let (mut all, mut version, mut after) = (BTreeSet::new(), None, None);
        loop {
            let page = self.members(connection, conversation, after.take()).await?;
            if version.replace(page.version).is_some_and(|version| version != page.version) {
                (all, version) = (BTreeSet::new(), None);
                continue;
            }
            all.extend(page.members.into_iter().map(|member| member.user));
            match all.last() {
                Some(last) if page.more => after = Some(last.clone()),
                _ => return Ok(all),
            }
        }
    }

    async fn members(
        &self,
        connection: &mut MultiplexedConnection,
        conversation: &Conversation,
        after: Option<User>,
    ) -> Result<Members, BusError> {
        let op = Op::Members { conversation: conversation.clone(), after, limit: PAGE };
        match self.one(connection, &op).await? {
            Answer::Members(members) => Ok(members),
            _ => Err(other_answer()),
        }
    }
}

fn news(entry: &Entry, mode: Mode) -> News<'_> {
    News {
        conversation: &entry.conversation,
        seq: entry.seq,
        count: entry.count,
        sender: &entry.sender,
        kind: entry.kind(),
        mode,
        mentions: entry.mentions().collect(),
    }
}

fn other_answer() -> BusError {
    reply::wrong("the answer to another operation")
}
