//! Writing into a log, and bringing what is there to inboxes.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use naru_ledger::op::{Append, Delete, Deliver, Edit, Recipient, Said, Sweep};
use naru_ledger::{ClientId, Kind, Mode, Op, Seq, Server, User};
use naru_resp::Command;

use super::words::{Words, invalid, once};
use crate::command::Refusal;

pub(super) fn append(command: &Command<'_>) -> Result<Op, Refusal> {
    Ok(Op::Append(said(command)?))
}

pub(super) fn send(command: &Command<'_>) -> Result<Op, Refusal> {
    Ok(Op::Send(said(command)?))
}

fn said(command: &Command<'_>) -> Result<Append, Refusal> {
    let mut words = Words::of(command);
    let conversation = words.conversation()?;
    let sender = words.parsed("a user name", |name| conversation.user(name))?;
    let client_id = client_id(&mut words)?;
    let body = words.body()?;
    let (mut kind, mut target, mut mentions, mut level) = (None, None, None, None);
    while words.left() > 0 {
        if words.takes("KIND") {
            once("KIND", &mut kind, words.parsed("the kind", Kind::parse)?)?;
        } else if words.takes("TARGET") {
            once("TARGET", &mut target, Seq(words.number("the target's number")?))?;
        } else if words.takes("MENTION") {
            let users: BTreeSet<User> = words.counted_users("MENTION")?.into_iter().collect();
            once("MENTION", &mut mentions, users)?;
        } else if !words.takes_level(&mut level)? {
            return Err(words.unknown("KIND, TARGET, MENTION or LEVEL"));
        }
    }
    let kind = kind.unwrap_or(Kind::Message);
    if target.is_some() && kind != Kind::Reaction {
        return Err(invalid("TARGET is what a reaction answers: say KIND reaction, too"));
    }
    if mentions.is_some() && kind != Kind::Message {
        return Err(invalid("MENTION belongs to a message: nothing else mentions"));
    }
    let said = match (kind, target) {
        (Kind::Message, _) => Said::Message { body, mentions: mentions.unwrap_or_default() },
        (Kind::Reaction, Some(target)) => Said::Reaction { target, body },
        (Kind::Reaction, None) => return Err(invalid("a reaction needs TARGET and the number of a message")),
        (Kind::System, _) => Said::System { body },
        (other, _) => {
            return Err(invalid(format_args!(
                "what is appended is of KIND message, reaction or system; {other} comes of a command of its own"
            )));
        }
    };
    Ok(Append { conversation, sender, client_id, said, level: level.unwrap_or_default() })
}

pub(super) fn edit(command: &Command<'_>) -> Result<Op, Refusal> {
    let mut words = Words::of(command);
    Ok(Op::Edit(Edit {
        conversation: words.conversation()?,
        sender: words.user()?,
        client_id: client_id(&mut words)?,
        target: Seq(words.number("the target's number")?),
        body: words.body()?,
        level: words.only_level()?,
    }))
}

pub(super) fn delete(command: &Command<'_>) -> Result<Op, Refusal> {
    let mut words = Words::of(command);
    Ok(Op::Delete(Delete {
        conversation: words.conversation()?,
        sender: words.user()?,
        client_id: client_id(&mut words)?,
        target: Seq(words.number("the target's number")?),
        level: words.only_level()?,
    }))
}

pub(super) fn deliver(command: &Command<'_>) -> Result<Op, Refusal> {
    let mut words = Words::of(command);
    let conversation = words.conversation()?;
    let (seq, count) = (Seq(words.number("the entry's number")?), words.number("the entry's count")?);
    let sender = words.user()?;
    if !words.takes("USERS") {
        return Err(words.unknown("USERS, their number, and their names"));
    }
    let users = words.counted_users("USERS")?;
    let (mut mentioned, mut kind, mut mode) = (None, None, None);
    while words.left() > 0 {
        if words.takes("MENTIONED") {
            let users: HashSet<User> = words.counted_users("MENTIONED")?.into_iter().collect();
            once("MENTIONED", &mut mentioned, users)?;
        } else if words.takes("KIND") {
            once("KIND", &mut kind, words.parsed("the kind", Kind::parse)?)?;
        } else if words.takes("MODE") {
            once("MODE", &mut mode, words.parsed("the mode", Mode::parse)?)?;
        } else {
            return Err(words.unknown("MENTIONED, KIND or MODE"));
        }
    }
    let mut mentioned = mentioned.unwrap_or_default();
    let is_mentioned: Vec<bool> = users.iter().map(|user| mentioned.contains(user)).collect();
    users.iter().for_each(|user| {
        mentioned.remove(user);
    });
    if let Some(user) = mentioned.iter().next() {
        return Err(invalid(format_args!("'{user}' is in MENTIONED, and so must be in USERS, too")));
    }
    let to = users.into_iter().zip(is_mentioned).map(|(user, mentioned)| Recipient { user, mentioned });
    Ok(Op::Deliver(Deliver {
        conversation,
        seq,
        count,
        sender,
        kind: kind.unwrap_or(Kind::Message),
        mode: mode.unwrap_or(Mode::FanOut),
        to: to.collect(),
    }))
}

pub(super) fn done(command: &Command<'_>) -> Result<Op, Refusal> {
    let mut words = Words::of(command);
    Ok(Op::Done { conversation: words.conversation()?, seq: Seq(words.number("the entry's number")?) })
}

pub(super) fn sweep(command: &Command<'_>) -> Result<Op, Refusal> {
    let mut words = Words::of(command);
    Ok(Op::Sweep(Sweep {
        server: words.parsed("a server name", Server::parse)?,
        older_than: Duration::from_millis(words.number("older-than-ms")?),
        limit: words.limit("the limit")?,
        lease: Duration::from_millis(words.number("lease-ms")?),
    }))
}

fn client_id(words: &mut Words<'_, '_>) -> Result<ClientId, Refusal> {
    words.parsed("a client message id", ClientId::parse)
}
