//! What is true after a history, kept beside the model from its answers alone and never forgotten: what was said, what has
//! come to whom, what they have read.

use std::collections::{BTreeMap, BTreeSet};

use super::membership::Rooms;
use super::words::*;
use super::world::*;
use crate::Kind;

/// One that is written. `counts` is whether it is a message.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) seq: Seq,
    pub(crate) at: Millis,
    pub(crate) prev: Seq,
    pub(crate) counts: bool,
    pub(crate) sender: User,
    pub(crate) client_id: Option<ClientId>,
}

#[derive(Debug, Default, Clone)]
pub(crate) struct Truth {
    pub(crate) logs: BTreeMap<Conversation, Vec<Told>>,
    pub(crate) rooms: Rooms,
    /// What has come into a user's inbox, with the change's number.
    pub(crate) due: BTreeMap<User, BTreeMap<(Conversation, Seq), Useq>>,
    /// How far a conversation has come to a user, and how far it is read.
    inboxes: BTreeMap<(User, Conversation), Inbox>,
}

#[derive(Debug, Default, Clone)]
struct Inbox {
    head: Seq,
    mark: Seq,
    mentions: BTreeSet<Seq>,
}

/// Every number that was ever given, whatever was lost since.
#[derive(Debug, Default)]
pub(crate) struct Given {
    seqs: BTreeMap<Conversation, Seq>,
    useqs: BTreeMap<User, Useq>,
}

impl Given {
    /// I6: numbers rise, also over a loss.
    fn seq(&mut self, conversation: &Conversation, seq: Seq) {
        let last = self.seqs.insert(conversation.clone(), seq).unwrap_or_default();
        assert!(seq > last, "{conversation} {seq} after {last}");
    }

    fn useq(&mut self, user: &User, useq: Useq) {
        let last = self.useqs.insert(user.clone(), useq).unwrap_or_default();
        assert!(useq > last, "{user} {useq} after {last}");
    }
}

impl Truth {
    /// I2, I3: one entry a client id, after the one before it in number, count and time.
    pub(crate) fn appended(&mut self, given: &mut Given, now: Millis, append: &Append, appended: Appended) {
        let Append { conversation, sender, client_id, said, .. } = append;
        let counts = matches!(said, Said::Message { .. });
        self.written(given, now, (conversation, sender, Some(client_id), counts), appended);
    }

    pub(crate) fn written(
        &mut self,
        given: &mut Given,
        now: Millis,
        (conversation, sender, client_id, counts): (&Conversation, &User, Option<&ClientId>, bool),
        appended: Appended,
    ) {
        let Appended { seq, at, prev, count, repeat, .. } = appended;
        let log = self.logs.entry(conversation.clone()).or_default();
        let is_same = |told: &Told| told.sender == *sender && told.client_id.as_ref() == client_id;
        let first = log.iter().rfind(|told| client_id.is_some() && is_same(told)).cloned();
        let log_now = now.max(log.last().map_or(Millis(0), |last| last.at));
        let age = first.as_ref().map(|first| log_now.0 - first.at.0);
        if repeat {
            let first = first.expect("a repeat of something");
            assert!(age < Some(2 * DAY), "an id is forgotten after two windows");
            assert_eq!(seq, first.seq);
            assert!(at == first.at && prev == first.prev || at == Millis(0) && count == 0);
            return;
        }
        assert!(age.is_none_or(|age| age > DAY), "an id is known for a window");
        given.seq(conversation, seq);
        assert_eq!(prev, log.last().map_or(Seq::ZERO, |last| last.seq));
        assert_eq!(at, log_now);
        log.push(Told { seq, at, prev, counts, sender: sender.clone(), client_id: client_id.cloned() });
        assert_eq!(count, self.count(conversation, seq));
    }

    /// How many messages there are up to here.
    pub(crate) fn count(&self, conversation: &Conversation, upto: Seq) -> u64 {
        let log = self.logs.get(conversation).into_iter().flatten();
        log.filter(|told| told.counts && told.seq <= upto).count() as u64
    }

    pub(crate) fn head(&self, conversation: &Conversation) -> Seq {
        self.logs.get(conversation).and_then(|log| log.last()).map_or(Seq::ZERO, |last| last.seq)
    }

    /// Entries have come to the recipients of `deliver`, of whom `delivered` were told.
    /// Each has had first what was open of their coming and going, which is `turns`.
    pub(crate) fn delivered(
        &mut self,
        given: &mut Given,
        deliver: &Deliver,
        delivered: &[Delivered],
        turns: impl Fn(&User) -> Vec<Deliver>,
    ) {
        let Deliver { conversation, seq, sender, .. } = deliver;
        for Recipient { user, .. } in &deliver.to {
            let useq = delivered.iter().find(|one| one.user == *user).map_or(0, |one| one.useq.0);
            // Each is a change of its own, of which the answer has the last: the entry's.
            let turns = turns(user);
            for (turn, behind) in turns.iter().zip((1..=turns.len() as u64).rev()) {
                self.has_turned(user, turn, Useq(useq.saturating_sub(behind)));
            }
        }
        for Delivered { user, useq, after, .. } in delivered {
            given.useq(user, *useq);
            let log = self.logs.get(conversation).into_iter().flatten();
            let news = log.map(|told| told.seq).filter(|told| after < told && told <= seq);
            let due = self.due.entry(user.clone()).or_default();
            due.extend(news.map(|seq| ((conversation.clone(), seq), *useq)));
        }
        for Recipient { user, mentioned } in &deliver.to {
            let inbox = self.inboxes.entry((user.clone(), conversation.clone())).or_default();
            inbox.head = inbox.head.max(*seq);
            if user == sender {
                inbox.mark = inbox.mark.max(*seq);
            } else if *mentioned {
                inbox.mentions.insert(*seq);
            }
        }
    }

    fn has_turned(&mut self, user: &User, turn: &Deliver, useq: Useq) {
        let Deliver { conversation, seq, kind, mode, .. } = turn;
        let inbox = self.inboxes.entry((user.clone(), conversation.clone())).or_default();
        let is_alone = *kind == Kind::Join || *mode == Mode::Broadcast;
        let after = if is_alone { inbox.head.max(Seq(seq.0 - 1)) } else { inbox.head };
        inbox.head = inbox.head.max(*seq);
        inbox.mark = inbox.mark.max(*seq);
        let log = self.logs.get(conversation).into_iter().flatten();
        let news = log.map(|told| told.seq).filter(|told| after < *told && told <= seq);
        let due = self.due.entry(user.clone()).or_default();
        due.extend(news.map(|seq| ((conversation.clone(), seq), useq)));
    }

    pub(crate) fn read(&mut self, given: &mut Given, read: &Read, before: Option<&Row>, unread: Unread) {
        let Some(inbox) = self.inboxes.get_mut(&(read.user.clone(), read.conversation.clone())) else {
            assert_eq!(unread, Unread::default());
            return;
        };
        inbox.mark = inbox.mark.max(read.seq);
        if before.is_some_and(|before| before.useq != unread.useq) {
            given.useq(&read.user, unread.useq);
        }
    }

    /// Unread is what was said after what was read, and mentions are those among it.
    pub(crate) fn check_row(&self, user: &User, row: &Row, mentions_kept_max: usize) {
        let conversation = &row.conversation;
        let inbox = &self.inboxes[&(user.clone(), conversation.clone())];
        assert_eq!(row.head, inbox.head, "{user} {conversation}");
        assert_eq!(row.count, self.count(conversation, inbox.head), "{user} {conversation}");
        assert_eq!(row.read, self.count(conversation, inbox.mark), "{user} {conversation}");
        let log = self.logs.get(conversation).into_iter().flatten();
        let unread =
            log.filter(|told| told.counts && inbox.mark < told.seq && told.seq <= inbox.head).count();
        assert_eq!(row.count.saturating_sub(row.read), unread as u64, "{user} {conversation}");
        let mentions = inbox.mentions.iter().filter(|seq| **seq > inbox.mark).count();
        assert_eq!(row.mentions, mentions.min(mentions_kept_max) as u64, "{user} {conversation}");
    }

    /// How many conversations a user has.
    pub(crate) fn conversations(&self, user: &User) -> usize {
        self.inboxes.keys().filter(|(one, _)| one == user).count()
    }

    /// I1, I4, I5: a log reads as it was written, but for what retention has removed from its front.
    pub(crate) fn check_log(&self, conversation: &Conversation, page: &Page) {
        let told = self.logs.get(conversation).into_iter().flatten().filter(|told| told.seq > page.trimmed);
        let mut entries = page.entries.iter();
        for told in told {
            let entry = entries.next().expect("every entry that was not trimmed is there");
            assert_eq!((entry.seq, entry.at, entry.prev), (told.seq, told.at, told.prev));
            assert_eq!((&entry.sender, &entry.client_id), (&told.sender, &told.client_id));
            assert_eq!(entry.count, self.count(conversation, told.seq));
            if let (Some(Text::AsSaid(body)), Some(id)) = (entry.text(), &entry.client_id) {
                assert_eq!(body.as_bytes(), id.as_str().as_bytes(), "it says what was said");
            }
        }
        assert_eq!(entries.next(), None, "nothing that nobody said");
        assert_eq!(page.head, self.head(conversation));
    }
}
