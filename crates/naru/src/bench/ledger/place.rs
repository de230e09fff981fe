//! Where a run takes place: connections, and names that nobody else has.

use std::collections::BTreeSet;

use anyhow::bail;
use naru_bus::{Dialect, Line};
use naru_ledger::{
    Answer, Body, ClientId, Conversation, Direct, Level, Op, User,
    answer::Appended,
    op::{Append, Said},
};

#[derive(Clone)]
pub(super) struct Place {
    pub(super) broker: String,
    pub(super) lines: Vec<Line>,
    /// What all names of the run have in them.
    run: String,
}

impl Place {
    pub(super) fn new(broker: String, lines: Vec<Line>, random: u64) -> Place {
        Place { broker, lines, run: format!("{random:x}") }
    }

    /// As reports call what the broker speaks.
    pub(super) fn dialect(&self) -> &'static str {
        match self.line(0).dialect() {
            Dialect::Native => "native",
            Dialect::Scripts => "scripts",
        }
    }

    /// One of the connections, whatever the number.
    pub(super) fn line(&self, number: usize) -> &Line {
        &self.lines[number % self.lines.len()]
    }

    pub(super) fn user(&self, name: &str, number: usize) -> User {
        User::parse(&format!("{name}{number}-{}", self.run)).expect("a short text is a name")
    }

    /// What these two have said to each other.
    pub(super) fn direct(&self, one: &User, other: &User) -> Conversation {
        Direct::between(one, other).into()
    }

    pub(super) fn room(&self, number: usize) -> Conversation {
        Conversation::parse(&format!("room:r{number}-{}", self.run)).expect("a short text is a name")
    }

    /// Nothing of the run stays on Redis or Valkey.
    pub(super) async fn leave(&self) -> anyhow::Result<()> {
        match self.line(0).dialect() {
            Dialect::Native => Ok(()),
            Dialect::Scripts => Ok(self.line(0).clear().await?),
        }
    }
}

/// The messages of a run: one body, and client ids that are numbers.
#[derive(Clone)]
pub(super) struct Messages {
    body: Body,
    level: Level,
}

impl Messages {
    /// Bodies of about so many bytes.
    pub(super) fn new(bytes: usize, level: Level) -> Messages {
        let text = "x".repeat(bytes.saturating_sub(br#"{"text":""}"#.len()));
        Messages { body: Body::from(format!(r#"{{"text":"{text}"}}"#).as_bytes()), level }
    }

    pub(super) fn bytes(&self) -> usize {
        self.body.as_bytes().len()
    }

    pub(super) fn append(&self, conversation: &Conversation, sender: &User, number: u64) -> Op {
        Op::Append(Append {
            conversation: conversation.clone(),
            sender: sender.clone(),
            client_id: ClientId::parse(&number.to_string()).expect("a number is a name"),
            said: Said::Message { body: self.body.clone(), mentions: BTreeSet::new() },
            level: self.level,
        })
    }
}

/// The answer to an append, which is the first of that message.
pub(super) fn appended(answer: Answer) -> anyhow::Result<Appended> {
    match answer {
        Answer::Appended(appended) if !appended.repeat => Ok(appended),
        other => bail!("an append was answered by {other:?}"),
    }
}
