//! What happened in a live run, in the order in which the clients saw it: written down as it happens, and judged afterwards.
//!
//! A file of it has one JSON object a line. The first is the [`Run`], each further one an [`Event`].

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

/// A live run: who took part, and all that happened.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct History {
    pub(super) run: Run,
    /// In the order of their times.
    pub(super) events: Vec<Event>,
}

/// What a run is known by.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Run {
    pub(super) seed: u64,
    /// The command line that runs it again.
    pub(super) again: String,
    /// An event names one by its place here.
    pub(super) devices: Vec<Device>,
    pub(super) conversations: Vec<Members>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Device {
    pub(super) user: String,
    pub(super) device: String,
}

/// How many people there are with these devices.
pub(super) fn people(devices: &[Device]) -> usize {
    let users: BTreeSet<&str> = devices.iter().map(|device| device.user.as_str()).collect();
    users.len()
}

/// A conversation, and the users who take part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Members {
    pub(super) conversation: String,
    pub(super) users: Vec<String>,
    /// What it had before the run is nobody's business.
    #[serde(default)]
    pub(super) from: u64,
    /// A room of many, which is followed by its channel.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_broadcast: bool,
}

/// Which entries of a room's log are for a user who is in it at first, and perhaps leaves and comes back: also those that say
/// so.
pub(super) fn due<'a>(entries: impl Iterator<Item = &'a Entry>, user: &str) -> Vec<bool> {
    let mut is_in = true;
    let due = entries.map(|entry| {
        let is_own = entry.from == user;
        is_in |= is_own && entry.kind == "join";
        let is_due = is_in;
        is_in &= !(is_own && entry.kind == "leave");
        is_due
    });
    due.collect()
}

/// Something that happened, at a time in microseconds since the run began, by a clock that does not go back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Event {
    pub(super) at: u64,
    #[serde(flatten)]
    pub(super) what: What,
}

/// A connection of a device has a number that no other of the run has, and so has each call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum What {
    /// A device asks to be let in, and says where it stands if it remembers.
    Connect { device: usize, link: u64, server: String, position: Option<Position> },
    /// It is in: what it gets begins behind `start`.
    Connected { device: usize, link: u64, epoch: String, start: u64, recovered: bool },
    /// The connection is no more, or never was.
    Gone { device: usize, link: u64, why: String },
    /// Something came into its inbox.
    Pushed { device: usize, link: u64, offset: u64, entry: Entry },
    /// Something was said in the channel of a room of many; or how far that is, which has the kind `head`.
    Heard { device: usize, link: u64, entry: Entry },
    /// A call leaves.
    Invoke { device: usize, link: u64, call: u64, ask: Ask },
    /// It was answered.
    Ok { device: usize, call: u64, answer: Answer },
    /// It was refused, for good: nothing was done.
    Fail { device: usize, call: u64, why: String },
    /// Nobody knows whether it was done: no answer came, or one that says to try again.
    Unknown { device: usize, call: u64, why: String },
    /// Something was done to a server or the broker.
    Chaos { text: String },
    /// From here on nothing is sent anew, cut or killed.
    Calm,
    /// A conversation's log, read at the end: all of it behind `trimmed`. What was before that is gone, as it may be.
    Log {
        conversation: String,
        entries: Vec<Entry>,
        #[serde(default, skip_serializing_if = "is_zero")]
        trimmed: u64,
    },
    /// It was waited long enough for all that was still to come.
    End,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    pub(super) epoch: String,
    pub(super) offset: u64,
}

/// An entry of a conversation's log, as a client sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) conversation: String,
    pub(super) seq: u64,
    #[serde(default = "message", skip_serializing_if = "is_message")]
    pub(super) kind: String,
    pub(super) from: String,
    pub(super) id: String,
    /// The number before it in the log, where that is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) prev: Option<u64>,
    /// How many messages the conversation has had with it, where that is said; of what is no entry, how many it speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) count: Option<u64>,
    /// What it is about, if it is a reaction, an edit or a deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) target: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) mentions: Vec<String>,
    /// The edit or deletion by which it reads as it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) changed: Option<u64>,
    /// How it reads now, if not as was said by its own id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reads: Option<Reads>,
    /// Its body is not the one that belongs to its id, or to that of the edit by which it reads as it does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) altered: bool,
}

/// How something reads that was said otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reads {
    /// As the edit of this id says.
    As(String),
    /// It was deleted.
    Gone,
}

const MESSAGE: &str = "message";

fn message() -> String {
    MESSAGE.to_owned()
}

fn is_message(kind: &str) -> bool {
    kind == MESSAGE
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Ask {
    /// A message.
    #[cfg(test)]
    pub(super) fn message(conversation: &str, id: &str) -> Ask {
        let (conversation, id) = (conversation.to_owned(), id.to_owned());
        Ask::Send { conversation, id, kind: message(), target: None, mentions: Vec::new() }
    }
}

impl Entry {
    /// Whether it is something that somebody said, with an id of theirs.
    pub(super) fn is_message(&self) -> bool {
        is_message(&self.kind)
    }

    /// Whether a client has written it, with an id of its own.
    pub(super) fn is_signed(&self) -> bool {
        ["message", "reaction", "edit", "delete"].contains(&self.kind.as_str())
    }

    /// Whether it changes how another one reads.
    pub(super) fn changes(&self) -> bool {
        ["edit", "delete"].contains(&self.kind.as_str())
    }

    /// Whether it is in a log: what only says how an inbox stands is not.
    pub(super) fn is_logged(&self) -> bool {
        !["read", "mention", "trimmed", "head"].contains(&self.kind.as_str())
    }

    /// Whether it ends a conversation's part of a replay, by conversations, to a device that is far behind.
    pub(super) fn ends_replay(&self) -> bool {
        self.kind == "read" && self.seq == 0
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub(super) enum Ask {
    /// Something is to be written into a log: a message, or what is about one.
    Send {
        conversation: String,
        id: String,
        #[serde(default = "message", skip_serializing_if = "is_message")]
        kind: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        target: Option<u64>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        mentions: Vec<String>,
    },
    Ack {
        offset: u64,
        /// How far it is in one conversation, of which it has more than of the others.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        within: Option<(String, u64)>,
    },
    Read {
        conversation: String,
        seq: u64,
    },
    /// The newest page of a conversation.
    Page {
        conversation: String,
    },
    /// What a room of many has had after a number.
    Missed {
        conversation: String,
        after: u64,
    },
    /// The user joins a room or leaves it, or somebody's role in it is to be another.
    Member {
        conversation: String,
        user: String,
        kind: String,
    },
    /// What is unread everywhere.
    Unread,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub(super) enum Answer {
    Sent {
        conversation: String,
        seq: u64,
        at: u64,
        duplicate: bool,
    },
    Acked {
        offset: u64,
    },
    Read,
    Page {
        entries: Vec<Entry>,
    },
    /// The entry that says so; none if it was so already.
    Changed {
        seq: Option<u64>,
    },
    /// None if there are more than fit.
    Unread {
        conversations: Option<Vec<Unread>>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Unread {
    pub(super) conversation: String,
    pub(super) unread: u64,
    /// How many of them mention the user, where that is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) mentions: Option<u64>,
}

impl History {
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let written = || -> Result<()> {
            let mut file = BufWriter::new(File::create(path)?);
            serde_json::to_writer(&mut file, &self.run)?;
            for event in &self.events {
                file.write_all(b"\n")?;
                serde_json::to_writer(&mut file, event)?;
            }
            file.write_all(b"\n")?;
            Ok(file.flush()?)
        };
        written().with_context(|| format!("--history {}", path.display()))
    }

    pub(super) fn read(path: &Path) -> Result<History> {
        let read = || -> Result<History> {
            let mut lines = BufReader::new(File::open(path)?).lines();
            let Some(first) = lines.next() else {
                bail!("it is empty; `naru verify --live --history FILE` writes one");
            };
            let run = serde_json::from_str(&first?)
                .context("its first line is no run; `naru verify --live --history FILE` writes one")?;
            let mut events: Vec<Event> = Vec::new();
            for (number, line) in (2..).zip(lines) {
                let event: Event = serde_json::from_str(&line?).with_context(|| format!("line {number}"))?;
                if events.last().is_some_and(|last| last.at > event.at) {
                    bail!(
                        "line {number} happened before the one above it; times do not go back in a history"
                    );
                }
                events.push(event);
            }
            Ok(History { run, events })
        };
        read().with_context(|| format!("--check {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        let (conversation, from, id) = ("dm:alice:bob".into(), "alice".into(), "c1".into());
        Entry { conversation, seq: 7, kind: message(), from, id, ..Entry::default() }
    }

    fn history() -> History {
        let devices = vec![Device { user: "alice".into(), device: "phone".into() }];
        let users = vec!["alice".into(), "bob".into()];
        let conversations =
            vec![Members { conversation: "dm:alice:bob".into(), users, from: 0, is_broadcast: false }];
        let what = [
            What::Connect { device: 0, link: 1, server: "s".into(), position: None },
            What::Invoke { device: 0, link: 1, call: 1, ask: Ask::Unread },
            What::Ok { device: 0, call: 1, answer: Answer::Unread { conversations: Some(Vec::new()) } },
            What::Pushed { device: 0, link: 1, offset: 3, entry: entry() },
            What::Pushed { device: 0, link: 1, offset: 4, entry: Entry { kind: "read".into(), ..entry() } },
            What::Calm,
            What::Log { conversation: "dm:alice:bob".into(), entries: vec![entry()], trimmed: 0 },
            What::End,
        ];
        let events = what.into_iter().zip(1..).map(|(what, at)| Event { at, what }).collect();
        History { run: Run { seed: 7, again: "naru".into(), devices, conversations }, events }
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("history");
        history().write(&file).unwrap();
        assert_eq!(History::read(&file).unwrap(), history());
    }

    #[test]
    fn what_is_no_history_is_told_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("history");
        let said = |text: &str| {
            std::fs::write(&file, text).unwrap();
            format!("{:#}", History::read(&file).unwrap_err())
        };
        assert!(said("").contains("it is empty"));
        assert!(said("{}\n").contains("no run"));
        let run = serde_json::to_string(&Run::default()).unwrap();
        assert!(said(&format!("{run}\n{{\"at\":1,\"event\":\"end\"}}\nx")).contains("line 3"));
        let back = "{\"at\":2,\"event\":\"calm\"}\n{\"at\":1,\"event\":\"end\"}";
        assert!(said(&format!("{run}\n{back}")).contains("line 3 happened before"));
    }
}
