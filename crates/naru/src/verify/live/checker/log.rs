//! The logs as they were read at the end, to be looked up in.

use std::collections::{HashMap, HashSet};

use super::super::history::{Entry, History, What, due};

pub(super) struct Logs<'a> {
    logs: HashMap<&'a str, Log<'a>>,
    members: HashMap<&'a str, HashSet<&'a str>>,
    broadcast: HashSet<&'a str>,
    from: HashMap<&'a str, u64>,
    trimmed: HashMap<&'a str, u64>,
}

/// One conversation's log, without what was there before the run, and what retention has removed.
pub(super) struct Log<'a> {
    pub(super) entries: Vec<&'a Entry>,
    /// The place of each number.
    places: HashMap<u64, usize>,
    /// The numbers of each message, by its sender and id.
    sent: HashMap<(&'a str, &'a str), Vec<u64>>,
}

impl<'a> Logs<'a> {
    pub(super) fn of(history: &'a History) -> Logs<'a> {
        let conversations = &history.run.conversations;
        let mut from: HashMap<&str, u64> =
            conversations.iter().map(|it| (it.conversation.as_str(), it.from)).collect();
        let members = conversations
            .iter()
            .map(|it| (it.conversation.as_str(), it.users.iter().map(String::as_str).collect()))
            .collect();
        let broadcast = conversations.iter().filter(|it| it.is_broadcast);
        let broadcast = broadcast.map(|it| it.conversation.as_str()).collect();
        let (mut logs, mut gone) = (HashMap::new(), HashMap::new());
        for event in &history.events {
            if let What::Log { conversation, entries, trimmed } = &event.what {
                let from = from.entry(conversation).or_default();
                *from = (*from).max(*trimmed);
                gone.insert(conversation.as_str(), *trimmed);
                logs.insert(conversation.as_str(), Log::of(entries.iter().filter(|entry| entry.seq > *from)));
            }
        }
        Logs { logs, members, broadcast, from, trimmed: gone }
    }

    pub(super) fn get(&self, conversation: &str) -> Option<&Log<'a>> {
        self.logs.get(conversation)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&'a str, &Log<'a>)> {
        self.logs.iter().map(|(conversation, log)| (*conversation, log))
    }

    /// Whether a number is from before the run, or gone by retention: of that the log does not say what was there.
    pub(super) fn is_old(&self, conversation: &str, seq: u64) -> bool {
        self.from.get(conversation).is_some_and(|from| seq <= *from)
    }

    /// Whether it is followed by its channel: of inboxes only those have an entry who have written it or are mentioned.
    pub(super) fn is_broadcast(&self, conversation: &str) -> bool {
        self.broadcast.contains(conversation)
    }

    /// Whether retention has removed it.
    pub(super) fn is_trimmed(&self, conversation: &str, seq: u64) -> bool {
        self.trimmed.get(conversation).is_some_and(|trimmed| seq <= *trimmed)
    }

    /// Whether a user takes part; nothing is known of conversations that the run does not name.
    pub(super) fn takes_part(&self, conversation: &str, user: &str) -> bool {
        self.members.get(conversation).is_none_or(|users| users.contains(user))
    }

    /// The logs of a user's conversations.
    pub(super) fn of_user(&self, user: &str) -> impl Iterator<Item = (&'a str, &Log<'a>)> {
        self.all().filter(move |(conversation, _)| self.takes_part(conversation, user))
    }
}

impl<'a> Log<'a> {
    fn of(entries: impl Iterator<Item = &'a Entry>) -> Log<'a> {
        let entries: Vec<&Entry> = entries.collect();
        let places = entries.iter().enumerate().map(|(place, entry)| (entry.seq, place)).collect();
        let mut sent: HashMap<_, Vec<u64>> = HashMap::new();
        for entry in entries.iter().filter(|entry| entry.is_signed()) {
            sent.entry((entry.from.as_str(), entry.id.as_str())).or_default().push(entry.seq);
        }
        Log { entries, places, sent }
    }

    /// The places of what is for a user's inbox, where that is not all.
    pub(super) fn due(&self, user: &str, is_broadcast: bool) -> Option<Vec<usize>> {
        let is_due: Vec<bool> = match is_broadcast {
            true => {
                let is_for =
                    |entry: &&Entry| entry.from == user || entry.mentions.iter().any(|it| it == user);
                self.entries.iter().map(is_for).collect()
            }
            false if self.entries.iter().any(|entry| entry.kind == "leave") => {
                due(self.entries.iter().copied(), user)
            }
            false => return None,
        };
        Some(is_due.iter().enumerate().filter(|(_, is_due)| **is_due).map(|(place, _)| place).collect())
    }

    /// Whether a user has left it in the end.
    pub(super) fn is_left(&self, user: &str) -> bool {
        let last = self
            .entries
            .iter()
            .rev()
            .find(|entry| entry.from == user && ["join", "leave"].contains(&&*entry.kind));
        last.is_some_and(|entry| entry.kind == "leave")
    }

    pub(super) fn place(&self, seq: u64) -> Option<usize> {
        self.places.get(&seq).copied()
    }

    pub(super) fn at(&self, seq: u64) -> Option<&'a Entry> {
        self.place(seq).map(|place| self.entries[place])
    }

    /// The numbers of a message: one, if all is well.
    pub(super) fn seqs(&self, sender: &'a str, id: &'a str) -> &[u64] {
        self.sent.get(&(sender, id)).map_or(&[], Vec::as_slice)
    }

    pub(super) fn sent(&self) -> impl Iterator<Item = (&'a str, &'a str, &[u64])> {
        self.sent.iter().map(|((sender, id), seqs)| (*sender, *id, seqs.as_slice()))
    }
}
