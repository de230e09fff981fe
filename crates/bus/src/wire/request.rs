//! From an operation to a command's words.

use naru_ledger::op::{
    Ack, Append, Change, Delete, Deliver, Edit, From, History, Membership, Read, Recipient, Resume, Run,
    Said, ServerIs, Sweep, What,
};
use naru_ledger::{Kind, Level, Mode, Op, Seq, Useq, User};
use naru_resp::encode_request;

use crate::connection::Command;

/// Most commands need no more room for their words: a message has five or seven.
const WORDS_USUAL: usize = 8;
const WORDS_BYTES_USUAL: usize = 256;

/// A command: its name is also the script's, its arguments are the script's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The command's name.
    pub name: &'static str,
    /// The words that follow it, one behind the other: a delivery has thousands.
    words: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
}

impl Request {
    pub(crate) fn new(name: &'static str) -> Request {
        Request { name, words: Vec::with_capacity(WORDS_BYTES_USUAL), ends: Vec::with_capacity(WORDS_USUAL) }
    }

    /// What follows the command's name.
    pub fn arguments(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.words[start..*end])
    }

    /// The command's name, which is the first, or one of its arguments.
    fn word_at(&self, index: usize) -> &[u8] {
        let Some(argument) = index.checked_sub(1) else { return self.name.as_bytes() };
        let begin = argument.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.words[begin..self.ends[argument]]
    }

    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Request {
        self.words.extend_from_slice(bytes);
        self.ends.push(self.words.len());
        self
    }

    pub(crate) fn word(self, word: &str) -> Request {
        self.bytes(word.as_bytes())
    }

    pub(crate) fn number(self, number: impl TryInto<u64>) -> Request {
        // What does not fit is more than there can be of anything.
        self.word(&number.try_into().unwrap_or(u64::MAX).to_string())
    }

    fn users<'a>(self, users: impl Iterator<Item = &'a User>) -> Request {
        users.fold(self, |request, user| request.word(user.as_str()))
    }

    /// `word n user …`, if there are any.
    fn counted(self, word: &str, users: &[&User]) -> Request {
        match users {
            [] => self,
            users => self.word(word).number(users.len()).users(users.iter().copied()),
        }
    }

    fn level(self, level: Level) -> Request {
        if level == Level::default() { self } else { self.word("LEVEL").word(level.as_str()) }
    }

    pub(crate) fn run(self, run: &Run) -> Request {
        self.word(run.server.as_str()).word(run.epoch.as_str())
    }
}

impl Command for Request {
    fn write(&self, out: &mut Vec<u8>) {
        encode_request((0..self.ends.len() + 1).map(|index| self.word_at(index)), out);
    }
}

/// What to ask for an operation. What a command may leave out is left out.
pub fn request(op: &Op) -> Request {
    match op {
        Op::Append(append) => said("NARU.APPEND", append),
        Op::Send(append) => sending(append),
        Op::Edit(Edit { conversation, sender, client_id, target, body, level }) => {
            let request = Request::new("NARU.EDIT").word(conversation.as_str()).word(sender.as_str());
            request.word(client_id.as_str()).number(target.0).bytes(body.as_bytes()).level(*level)
        }
        Op::Delete(Delete { conversation, sender, client_id, target, level }) => {
            let request = Request::new("NARU.DELETE").word(conversation.as_str()).word(sender.as_str());
            request.word(client_id.as_str()).number(target.0).level(*level)
        }
        Op::Deliver(deliver) => delivery(deliver, deliver.to.iter()),
        Op::Done { conversation, seq } => Request::new("NARU.DONE").word(conversation.as_str()).number(seq.0),
        Op::Sweep(Sweep { server, older_than, limit, lease }) => {
            let request = Request::new("NARU.SWEEP").word(server.as_str()).number(older_than.as_millis());
            request.number(*limit).number(lease.as_millis())
        }
        Op::Resume(Resume { user, device, from, limit }) => {
            let (epoch, offset) = from.as_ref().map_or(("", 0), |from| (from.epoch.as_str(), from.useq.0));
            let request = Request::new("NARU.RESUME").word(user.as_str()).word(device.as_str());
            request.word(epoch).number(offset).number(*limit)
        }
        Op::Changed { user, device, after, limit } => {
            let request = Request::new("NARU.CHANGED").word(user.as_str()).word(device.as_str());
            request.number(after.0).number(*limit)
        }
        Op::Conversations { user, before, limit } => {
            let request = Request::new("NARU.CONVERSATIONS").word(user.as_str());
            request.number(before.unwrap_or(Useq::ZERO).0).number(*limit)
        }
        Op::Ack(Ack { user, device, useq, within }) => {
            let request = Request::new("NARU.ACK").word(user.as_str()).word(device.as_str()).number(useq.0);
            match within {
                Some(within) => {
                    request.word("WITHIN").word(within.conversation.as_str()).number(within.seq.0)
                }
                None => request,
            }
        }
        Op::Read(Read { user, conversation, seq, count }) => {
            let request = Request::new("NARU.READ").word(user.as_str()).word(conversation.as_str());
            request.number(seq.0).number(*count)
        }
        Op::Mark { conversation, user, seq } => {
            Request::new("NARU.MARK").word(conversation.as_str()).word(user.as_str()).number(seq.0)
        }
        Op::History(History { conversation, reader, from, limit, bytes }) => {
            let (direction, seq) = match from {
                From::Newest => ("BEFORE", Seq::ZERO),
                From::Before(seq) => ("BEFORE", *seq),
                From::After(seq) => ("AFTER", *seq),
            };
            let reader = reader.as_ref().map_or("", User::as_str);
            let request = Request::new("NARU.HISTORY").word(conversation.as_str()).word(reader);
            let request = request.word(direction).number(seq.0).number(*limit);
            bytes.iter().fold(request, |request, bytes| request.number(*bytes))
        }
        Op::Membership(Membership { room, user, change }) => {
            let (name, role) = match change {
                Change::Make => ("NARU.MAKE", None),
                Change::Join(role) => ("NARU.JOIN", Some(role)),
                Change::Leave => ("NARU.LEAVE", None),
                Change::Role(role) => ("NARU.ROLE", Some(role)),
            };
            let request = Request::new(name).word(room.as_str()).word(user.as_str());
            role.iter().fold(request, |request, role| request.word(role.as_str()))
        }
        Op::Members { conversation, after, limit } => {
            let after = after.as_ref().map_or("", User::as_str);
            Request::new("NARU.MEMBERS").word(conversation.as_str()).word(after).number(*limit)
        }
        Op::Server(ServerIs { run, lease }) => {
            let request = Request::new("NARU.SERVER").run(run);
            match lease {
                Some(lease) => request.number(lease.as_millis()),
                None => request.word(""),
            }
        }
        Op::Route { run, users } => Request::new("NARU.ROUTE").run(run).users(users.iter()),
        Op::Unroute { run, users } => Request::new("NARU.UNROUTE").run(run).users(users.iter()),
        Op::Presence { users } => Request::new("NARU.PRESENCE").users(users.iter()),
        Op::Trace { conversation, what } => {
            let request = Request::new("NARU.TRACE").word(conversation.as_str());
            match what {
                What::Seq(seq) => request.number(seq.0),
                What::Sent { sender, client_id } => request.word(sender.as_str()).word(client_id.as_str()),
            }
        }
        Op::Standing { user, conversation } => {
            Request::new("NARU.STANDING").word(user.as_str()).word(conversation.as_str())
        }
    }
}

/// What to ask to have a message sent.
pub(crate) fn sending(append: &Append) -> Request {
    said("NARU.SEND", append)
}

fn said(name: &'static str, append: &Append) -> Request {
    let Append { conversation, sender, client_id, said, level } = append;
    let (Said::Message { body, .. } | Said::Reaction { body, .. } | Said::System { body }) = said;
    let request = Request::new(name).word(conversation.as_str()).word(sender.as_str());
    let request = request.word(client_id.as_str()).bytes(body.as_bytes());
    let request = match said {
        Said::Message { mentions, .. } => request.counted("MENTION", &mentions.iter().collect::<Vec<_>>()),
        Said::Reaction { target, .. } => {
            request.word("KIND").word(Kind::Reaction.as_str()).word("TARGET").number(target.0)
        }
        Said::System { .. } => request.word("KIND").word(Kind::System.as_str()),
    };
    request.level(*level)
}

/// A delivery to these of its recipients.
pub(crate) fn delivery<'a>(
    deliver: &Deliver,
    to: impl Iterator<Item = &'a Recipient> + Clone + 'a,
) -> Request {
    let Deliver { conversation, seq, count, sender, kind, mode, to: _ } = deliver;
    let request = Request::new("NARU.DELIVER").word(conversation.as_str()).number(seq.0).number(*count);
    let mentioned = to.clone().filter(|recipient| recipient.mentioned);
    let mentioned: Vec<&User> = mentioned.map(|recipient| &recipient.user).collect();
    let request = request.word(sender.as_str()).word("USERS").number(to.clone().count());
    let mut request = request.users(to.map(|recipient| &recipient.user)).counted("MENTIONED", &mentioned);
    if *kind != Kind::Message {
        request = request.word("KIND").word(kind.as_str());
    }
    if *mode != Mode::FanOut {
        request = request.word("MODE").word(mode.as_str());
    }
    request
}
