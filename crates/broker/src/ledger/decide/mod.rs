//! What an operation comes to: the answer, and the changes. One file for each thing that operations are about.

mod append;
mod fan_out;
mod inbox;
mod members;
mod reading;
mod retention;

use bytes::Bytes;
use naru_ledger::answer::{self, Answer, Delivered, Entry, PointerKind, Refused, Text};
use naru_ledger::{Conversation as Name, Limits, Millis, Op, Role, Seq, User};

use super::{About, Bounds, Content, Conversation, Ledger, LedgerChange, NUMBER_MAX, Person, Reads};
use crate::{keyspace::Place, numbered::Number};

/// Where what entries say is read.
pub(crate) trait Bodies {
    /// Why it cannot be.
    type Error;

    fn read(&mut self, place: Place) -> Result<Bytes, Self::Error>;
}

/// What an operation comes to.
#[derive(Debug)]
pub(crate) struct Decided {
    /// True once the changes are made, and to be given once they are durable.
    pub(crate) answer: Answer,
    /// To be recorded and made, all or none, before anything else is decided.
    pub(crate) changes: Vec<LedgerChange>,
    /// What servers are to be told once they are durable.
    pub(crate) news: Option<News>,
}

/// What servers are to be told: each of those of a recipient once, and who follows the room, on its channel.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct News {
    pub(crate) conversation: Name,
    pub(crate) seq: Seq,
    pub(crate) kind: PointerKind,
    /// Whether it is said on the room's channel. In broadcast mode that is with its writing and at no other time: so what is said
    /// there is in the order of the log.
    pub(crate) in_room: bool,
    /// Those for whom something has changed, with their servers.
    pub(crate) to: Vec<Delivered>,
    /// There unless it is about a read, no server is to be told, or it cannot be read.
    pub(crate) entry: Option<Entry>,
}

/// Why an operation was not decided on. Nothing has changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Undecided<E> {
    Refused(Refused),
    /// What an entry says cannot be read.
    Unread(E),
    /// What was read there is not what an entry says.
    Garbled(Place),
    /// It would be given a number that no history comes to, and that would not be taken back in: those before are made up.
    Exhausted,
}

impl<E> From<Refused> for Undecided<E> {
    fn from(refused: Refused) -> Self {
        Undecided::Refused(refused)
    }
}

impl Ledger {
    /// What an operation comes to at this moment. Only what is volatile (routes, and leases of servers and sweeps) is changed
    /// at once.
    pub(crate) fn decide<B: Bodies>(
        &mut self,
        op: &Op,
        now: Millis,
        limits: &Limits,
        bodies: &mut B,
    ) -> Result<Decided, Undecided<B::Error>> {
        match op {
            Op::Server(is) => {
                self.routes.server(is, now);
                return Ok(Decided::nothing(Answer::Ok));
            }
            Op::Route { run, users } => {
                users.iter().for_each(|user| self.routes.insert(user, run));
                return Ok(Decided::nothing(Answer::Ok));
            }
            Op::Unroute { run, users } => {
                users.iter().for_each(|user| self.routes.remove(user, run));
                return Ok(Decided::nothing(Answer::Ok));
            }
            Op::Sweep(sweep) => {
                let page = page(sweep.limit, limits);
                return Ok(Decided::nothing(Answer::Open(self.sweep(sweep, page, now))));
            }
            _ => {}
        }
        let bounds = Bounds::of(limits);
        let mut deciding =
            Deciding { ledger: self, now, limits, bounds, bodies, changes: Vec::new(), known: 0, news: None };
        let answer = deciding.run(op)?;
        let Deciding { mut changes, news, .. } = deciding;
        if changes.iter().any(|change| change.number() > NUMBER_MAX) {
            return Err(Undecided::Exhausted);
        }
        if !changes.is_empty() && bounds != self.head.bounds {
            changes.insert(0, LedgerChange::Bounded(bounds));
        }
        Ok(Decided { answer, changes, news })
    }
}

impl Decided {
    fn nothing(answer: Answer) -> Decided {
        Decided { answer, changes: Vec::new(), news: None }
    }
}

/// An operation that is being decided on.
struct Deciding<'a, B> {
    ledger: &'a Ledger,
    now: Millis,
    limits: &'a Limits,
    bounds: Bounds,
    bodies: &'a mut B,
    changes: Vec<LedgerChange>,
    /// How many users it makes known.
    known: usize,
    news: Option<News>,
}

type Decision<T, B> = Result<T, Undecided<<B as Bodies>::Error>>;

impl<'a, B: Bodies> Deciding<'a, B> {
    fn run(&mut self, op: &Op) -> Decision<Answer, B> {
        Ok(match op {
            Op::Append(append) => Answer::Appended(self.append(append)?),
            Op::Edit(edit) => Answer::Appended(self.edit(edit)?),
            Op::Delete(delete) => Answer::Appended(self.delete(delete)?),
            Op::Send(append) => Answer::Appended(self.send(append)?),
            Op::Deliver(deliver) => Answer::Delivered(self.deliver(deliver)?),
            Op::Done { conversation, seq } => Answer::Done(self.done(conversation, *seq)?),
            Op::Resume(resume) => Answer::Resumed(self.resume(resume)),
            Op::Ack(ack) => Answer::Acked(self.ack(ack)),
            Op::Read(read) => Answer::Unread(self.read(read)?),
            Op::Changed { user, device, after, limit } => {
                Answer::Rows(self.changed(user, device, *after, *limit))
            }
            Op::Conversations { user, before, limit } => {
                Answer::Rows(self.conversations(user, *before, *limit))
            }
            Op::Mark { conversation, user, seq } => Answer::Marked(self.mark(conversation, user, *seq)?),
            Op::History(history) => Answer::Page(self.history(history)?),
            Op::Membership(membership) => Answer::Changed(self.membership(membership)?),
            Op::Members { conversation, after, limit } => {
                Answer::Members(self.members(conversation, after.as_ref(), *limit))
            }
            Op::Presence { users } => Answer::Present(self.ledger.routes.present(users, self.now)),
            Op::Trace { conversation, what } => Answer::Traced(self.trace(conversation, what)?),
            Op::Standing { user, conversation } => Answer::Standing(self.standing(user, conversation)),
            Op::Sweep(_) | Op::Server(_) | Op::Route { .. } | Op::Unroute { .. } => {
                unreachable!("these change nothing that is kept, and are done before")
            }
        })
    }

    fn conversation(&self, name: &Name) -> Option<(Number, &'a Conversation)> {
        let number = self.ledger.conversations.find(name.as_str().as_bytes())?;
        Some((number, self.ledger.conversations.get(number)?))
    }

    fn person(&self, user: &User) -> Option<(Number, &'a Person)> {
        let number = self.ledger.people.find(user.as_str().as_bytes())?;
        Some((number, self.ledger.people.get(number)?))
    }

    /// The number of a user who is not known before.
    fn know(&mut self, user: &User) -> Number {
        let number = Number::of(self.ledger.people.numbers() + self.known);
        let person = number.expect("memory ends before four billion users");
        self.known += 1;
        self.changes.push(LedgerChange::Known { person, user: user.clone() });
        person
    }

    /// The id of a conversation that an inbox knows of.
    fn id_of(&self, number: Number) -> Name {
        let conversation = self.ledger.conversations.get(number);
        conversation.expect("what has come into an inbox is of a conversation, and those stay").id()
    }

    /// What an asked for number of entries, pointers or rows is taken as.
    fn page(&self, limit: usize) -> usize {
        page(limit, self.limits)
    }

    /// What an entry says.
    fn content(&mut self, place: Place) -> Decision<Content, B> {
        let bytes = self.bodies.read(place).map_err(Undecided::Unread)?;
        Content::from_bytes(&bytes).ok_or(Undecided::Garbled(place))
    }

    /// An entry as it reads now.
    fn entry(&mut self, name: &Name, conversation: &Conversation, seq: Seq) -> Decision<Option<Entry>, B> {
        let Some(place) = conversation.log().get(seq) else { return Ok(None) };
        let content = self.content(place)?;
        let target = match &content.about {
            About::Edit { target } => conversation.log().get(*target),
            _ => None,
        };
        let target = target.map(|place| readable(self.content(place))).transpose()?.flatten();
        let edited = target.and_then(|target| target.body);
        let (prev, count) = (conversation.log().before(seq), conversation.log().count_with(seq));
        let count = count.expect("it is there");
        Ok(Some(entry(name, (seq, prev, count), content, edited)))
    }
}

/// None for what cannot be read: the rest goes on without it.
fn readable<T, E>(read: Result<T, Undecided<E>>) -> Result<Option<T>, Undecided<E>> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(Undecided::Unread(_) | Undecided::Garbled(_)) => Ok(None),
        Err(other @ (Undecided::Refused(_) | Undecided::Exhausted)) => Err(other),
    }
}

fn page(limit: usize, limits: &Limits) -> usize {
    limit.clamp(1, limits.page_entries_max.max(1))
}

/// The first `limit` of what there is, and whether there is more.
fn page_of<T>(mut all: impl Iterator<Item = T>, limit: usize) -> (Vec<T>, bool) {
    let page: Vec<T> = all.by_ref().take(limit).collect();
    let more = all.next().is_some();
    (page, more)
}

/// A user's role in a conversation; none if they take no part.
fn role(name: &Name, conversation: Option<&Conversation>, user: &User) -> Option<Role> {
    match name {
        Name::Direct(direct) => direct.has(user).then_some(Role::Member),
        Name::Room(_) => Some(conversation?.parties().room()?.members.get(user)?.role),
    }
}

/// An entry of what is known of it, and, if it is an edit, how its target reads.
fn entry(
    name: &Name,
    (seq, prev, count): (Seq, Seq, u64),
    content: Content,
    edited: Option<naru_ledger::Body>,
) -> Entry {
    let Content { at, sender, client_id, about, body } = content;
    let text = |reads| match (reads, body) {
        (Reads::AsSaid, Some(body)) => Text::AsSaid(body),
        (Reads::Edited(by), Some(body)) => Text::Edited { body, by },
        (Reads::Deleted(by), _) | (Reads::Edited(by), None) => Text::Deleted { by },
        (Reads::AsSaid, None) => Text::AsSaid((&[][..]).into()),
    };
    let content = match about {
        About::Message { reads, mentions } => {
            answer::Content::Message { text: text(reads), mentions: mentions.into_iter().collect() }
        }
        About::Reaction { target, reads } => answer::Content::Reaction { target, text: text(reads) },
        About::System { reads } => answer::Content::System { text: text(reads) },
        About::Edit { target } => answer::Content::Edit { target, body: edited },
        About::Delete { target } => answer::Content::Delete { target },
        About::Join { role } => answer::Content::Join { role },
        About::Leave => answer::Content::Leave,
        About::Role { role } => answer::Content::Role { role },
        About::Broadcast => answer::Content::Broadcast,
    };
    Entry { conversation: name.clone(), seq, prev, count, at, sender, client_id, content }
}
