//! What a client has said since MULTI, and what becomes of it at EXEC.

use std::time::Duration;

use naru_fanout::Space;
use naru_resp::{Command, OwnedCommand, ReplyWriter, Version};

use crate::{
    channels::Publication,
    command::Entry,
    keeper::Op,
    limits::{TRANSACTION_BYTES_MAX, TRANSACTION_COMMANDS_MAX},
    message::Message,
};

/// The commands between MULTI and EXEC.
#[derive(Default)]
pub(crate) struct Transaction {
    commands: Vec<Queued>,
    bytes: usize,
    /// A command was refused: nothing will be executed, and nothing is kept any more.
    aborted: bool,
}

/// A command that waits for EXEC.
pub(crate) struct Queued {
    pub(crate) entry: &'static Entry,
    pub(crate) command: OwnedCommand,
}

/// A command finds no room in its transaction.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "ERR a transaction has room for {TRANSACTION_COMMANDS_MAX} commands of {TRANSACTION_BYTES_MAX} bytes together"
)]
pub(crate) struct NoRoom;

impl Transaction {
    /// Takes a command up, unless the transaction is lost already.
    pub(crate) fn queue(&mut self, entry: &'static Entry, command: &Command<'_>) -> Result<(), NoRoom> {
        if self.aborted {
            return Ok(());
        }
        let arguments: usize = command.iter().map(<[u8]>::len).sum();
        if self.commands.len() >= TRANSACTION_COMMANDS_MAX || self.bytes + arguments > TRANSACTION_BYTES_MAX {
            return Err(NoRoom);
        }
        let command = command.to_owned();
        self.bytes += command.memory_bytes();
        self.commands.push(Queued { entry, command });
        Ok(())
    }

    /// The memory that what it holds takes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many commands it holds.
    pub(crate) fn len(&self) -> usize {
        self.commands.len()
    }

    /// Whether something in it changes anything or is heard by others.
    pub(crate) fn writes(&self) -> bool {
        self.commands.iter().any(|queued| queued.entry.is_write())
    }

    /// Nothing of it will be executed.
    pub(crate) fn abort(&mut self) {
        *self = Transaction { aborted: true, ..Transaction::default() };
    }

    /// What is to be executed; none if a command was refused.
    pub(crate) fn into_commands(self) -> Option<Vec<Queued>> {
        (!self.aborted).then_some(self.commands)
    }
}

/// A transaction at EXEC, on its way: the keeper answers the operations in one go, then, once they are durable, sends
/// the publications out; what is left is the core's.
pub(crate) struct Execution {
    /// EXEC itself.
    pub(crate) exec: OwnedCommand,
    /// Of the protocol when it came.
    pub(crate) version: Version,
    /// None if nothing of it is executed, since a watched key has changed.
    pub(crate) steps: Option<Vec<Step>>,
}

/// One command of it.
pub(crate) struct Step {
    pub(crate) queued: Queued,
    /// How long it took to find out what the keeper is to do.
    pub(crate) planning: Duration,
    pub(crate) part: Part,
}

/// What is to be done for a command of a transaction. Each ends as `Answered`.
pub(crate) enum Part {
    /// For the keeper, which answers in this version of the protocol.
    Keep(Op, Version),
    /// To be published by the keeper, so that publications of transactions come in the order of what they changed.
    Publish { space: Space, message: Message },
    /// The same of what the keeper has kept; it is answered in this version of the protocol.
    PublishKept(Box<Publication>, Version),
    /// For the client's core.
    Run,
    /// Its reply.
    Answered(Vec<u8>),
}

impl Execution {
    /// Whether nothing is left to do but to tell of it.
    pub(crate) fn is_done(&self) -> bool {
        self.steps.iter().flatten().all(|step| matches!(step.part, Part::Answered(_)))
    }
}

/// The reply to EXEC, of those to its commands.
pub(crate) fn reply(replies: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    // The same in both protocols.
    ReplyWriter::new(&mut out, Version::Resp2).array(replies.len());
    replies.iter().for_each(|reply| out.extend_from_slice(reply));
    out
}

#[cfg(test)]
mod tests {
    use naru_resp::{Limits, RequestParser};

    use super::*;
    use crate::command::find;

    fn queue(transaction: &mut Transaction, line: &str) -> Result<(), NoRoom> {
        let mut parser = RequestParser::new(Limits::authenticated());
        let line = format!("{line}\r\n");
        let (command, _) = parser.next(line.as_bytes()).unwrap().unwrap();
        transaction.queue(find(command.name()).unwrap(), &command)
    }

    #[test]
    fn commands_come_out_as_they_went_in() {
        let mut transaction = Transaction::default();
        queue(&mut transaction, "ECHO 'two words'").unwrap();
        queue(&mut transaction, "PUBLISH c \"\"").unwrap();
        let commands = transaction.into_commands().unwrap();
        let words: Vec<Vec<&[u8]>> =
            commands.iter().map(|queued| queued.command.as_command().iter().collect()).collect();
        assert_eq!(words, [vec![&b"ECHO"[..], b"two words"], vec![b"PUBLISH", b"c", b""]]);
    }

    #[test]
    fn an_aborted_transaction_keeps_nothing() {
        let mut transaction = Transaction::default();
        queue(&mut transaction, "PING").unwrap();
        transaction.abort();
        queue(&mut transaction, "PING").unwrap();
        assert_eq!((transaction.len(), transaction.bytes), (0, 0));
        assert!(transaction.into_commands().is_none());
    }

    #[test]
    fn a_transaction_has_room_for_so_many_commands() {
        let mut transaction = Transaction::default();
        for _ in 0..TRANSACTION_COMMANDS_MAX {
            queue(&mut transaction, "PING").unwrap();
        }
        assert_eq!(queue(&mut transaction, "PING"), Err(NoRoom));
    }

    #[test]
    fn a_transaction_has_room_for_so_many_bytes() {
        let mut transaction = Transaction { bytes: TRANSACTION_BYTES_MAX - 200, ..Transaction::default() };
        queue(&mut transaction, "PING").unwrap();
        assert_eq!(queue(&mut transaction, &format!("ECHO {}", "x".repeat(200))), Err(NoRoom));
    }

    #[test]
    fn the_reply_is_an_array_of_the_commands_replies() {
        assert_eq!(reply(&[]), b"*0\r\n");
        assert_eq!(reply(&[b":1\r\n".to_vec(), b"+OK\r\n".to_vec()]), b"*2\r\n:1\r\n+OK\r\n");
    }
}
