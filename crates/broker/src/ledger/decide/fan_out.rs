use std::collections::{BTreeMap, BTreeSet};

use naru_ledger::answer::{Appended, Delivered, Entry, Open, PointerKind, Refused};
use naru_ledger::op::{Append, Deliver, Recipient, Sweep};
use naru_ledger::{Conversation as Name, Generation, Kind, Millis, Mode, Seq, Useq, User};

use super::append::Outcome;
use super::{Bodies, Conversation, Deciding, Decision, Ledger, LedgerChange, News, Person, entry, readable};
use crate::ledger::{
    Content, Part, Reached,
    person::{Arrival, Record, With},
};
use crate::numbered::Number;

/// An entry on its way into inboxes.
struct Fresh {
    number: Number,
    seq: Seq,
    count: u64,
    kind: Kind,
    mode: Mode,
}

/// Open entries by which users have come, gone or been given a role.
type Turns = BTreeMap<User, Vec<Fresh>>;

impl<B: Bodies> Deciding<'_, B> {
    pub(super) fn send(&mut self, append: &Append) -> Decision<Appended, B> {
        let name = &append.conversation;
        let Outcome { appended, content, number } = self.append_closed(append)?;
        let conversation = self.conversation(name).map(|(_, conversation)| conversation);
        let content = match content {
            Some(content) => content,
            None => {
                // What was begun is finished.
                let open = conversation.filter(|conversation| conversation.is_open(appended.seq));
                let Some(place) = open.and_then(|open| open.log().get(appended.seq)) else {
                    return Ok(appended);
                };
                // What cannot be read is left to who sweeps.
                let Some(content) = readable(self.content(place))? else { return Ok(appended) };
                content
            }
        };
        let (seq, count, kind, mode) = (appended.seq, appended.count, content.about.kind(), appended.mode);
        let fresh = Fresh { number, seq, count, kind, mode };
        let to = audience(name, conversation, seq, &content, mode);
        let turns = match conversation {
            Some(conversation) => self.turns(number, conversation, seq, to.iter().map(|(user, _)| *user))?,
            None => Turns::new(),
        };
        let to = self.reach(&fresh, &turns, to.into_iter());
        if appended.repeat {
            self.changes.push(LedgerChange::Done { conversation: number, seq });
        }
        // What is a repeat was said there when it was written.
        let in_room = mode == Mode::Broadcast && !appended.repeat;
        if in_room || is_to_be_told(&to) {
            let entry = entry(name, (seq, appended.prev, count), content, None);
            let (conversation, kind) = (name.clone(), PointerKind::Entry(kind));
            self.news = Some(News { conversation, seq, kind, in_room, to, entry: Some(entry) });
        }
        Ok(appended)
    }

    pub(super) fn deliver(&mut self, deliver: &Deliver) -> Decision<Vec<Delivered>, B> {
        let Deliver { conversation: name, seq, count, sender, kind, mode, to } = deliver;
        let (seq, count, kind, mode) = (*seq, *count, *kind, *mode);
        for recipient in to {
            check_part(name, &recipient.user)?;
        }
        let Some((number, conversation)) = self
            .conversation(name)
            .filter(|(_, conversation)| conversation.log().count_with(seq) == Some(count))
        else {
            return if to.is_empty() { Ok(Vec::new()) } else { Err(Refused::NoSuchMessage.into()) };
        };
        let room = conversation.parties().room();
        let part = |recipient: &Recipient| {
            let part = match recipient.mentioned {
                _ if recipient.user == *sender => Part::Sender,
                true => Part::Mentioned,
                false => Part::Recipient,
            };
            let joined = room.and_then(|room| room.members.get(&recipient.user));
            let joined = joined.filter(|joined| joined.since <= seq);
            part.since(joined.map_or(Seq::ZERO, |joined| joined.since))
        };
        let fresh = Fresh { number, seq, count, kind, mode };
        let turns = self.turns(number, conversation, seq, to.iter().map(|recipient| &recipient.user))?;
        let is_rising = to.is_sorted_by(|one, other| one.user < other.user);
        let mut once = BTreeSet::new();
        // Whoever is there twice is reached once: the second time nothing changes.
        let to = to.iter().filter(|recipient| is_rising || once.insert(&recipient.user));
        let delivered = self.reach(&fresh, &turns, to.map(|recipient| (&recipient.user, part(recipient))));
        if is_to_be_told(&delivered) {
            let entry = readable(self.entry(name, conversation, seq))?.flatten();
            let (conversation, kind) = (name.clone(), PointerKind::Entry(kind));
            let to = delivered.clone();
            self.news = Some(News { conversation, seq, kind, in_room: false, to, entry });
        }
        Ok(delivered)
    }

    /// Who follows a room of this mode by its channel is told of what is written there.
    pub(super) fn say_in_room(&mut self, mode: Mode, entry: impl FnOnce() -> Entry) {
        if mode == Mode::Broadcast {
            let entry = entry();
            let (conversation, kind) = (entry.conversation.clone(), PointerKind::Entry(entry.kind()));
            let (seq, to, entry) = (entry.seq, Vec::new(), Some(entry));
            self.news = Some(News { conversation, seq, kind, in_room: true, to, entry });
        }
    }

    /// Who of those an entry is for has come or gone before it, so that it is not in their inbox yet.
    fn turns<'u>(
        &mut self,
        number: Number,
        conversation: &Conversation,
        before: Seq,
        to: impl Iterator<Item = &'u User>,
    ) -> Decision<Turns, B> {
        let mut turns = Turns::new();
        if conversation.open_turns_before(before, |_| true).next().is_none() {
            return Ok(turns);
        }
        let to: BTreeSet<&User> = to.collect();
        // What makes room for the entry itself is gone with it.
        let gone = self.changes.iter().find_map(|change| match change {
            LedgerChange::Trimmed { through, .. } => Some(*through),
            _ => None,
        });
        let log = conversation.log();
        let open = conversation.open_turns_before(before, |user| to.contains(user));
        for seq in open.filter(|seq| Some(*seq) > gone) {
            let (Some(place), Some(count)) = (log.get(seq), log.count_with(seq)) else { continue };
            let Some(content) = readable(self.content(place))? else { continue };
            let (kind, mode) = (content.about.kind(), conversation.parties().mode_of(seq));
            if kind.is_turn() && to.contains(&content.sender) {
                let fresh = Fresh { number, seq, count, kind, mode };
                turns.entry(content.sender).or_default().push(fresh);
            }
        }
        Ok(turns)
    }

    /// Brings those of a user into their inbox, in order. The user as they are then, and the last change; none if there is none.
    fn take_turns(&mut self, user: &User, turns: &Turns) -> Option<(Number, Person, Useq, Seq)> {
        let generation = self.ledger.head.generation;
        let mut taken: Option<(Number, Person, Useq, Seq)> = None;
        for fresh in turns.get(user).into_iter().flatten() {
            let Fresh { number, seq, count, kind, mode } = *fresh;
            let arrival = Arrival { seq, count, kind, mode, part: Part::Sender };
            let now = taken.as_ref().map(|(number, person, ..)| (*number, person)).or(self.person(user));
            let span = match now {
                Some((_, person)) => person.arrival(number, &arrival, &self.bounds),
                None => Some((Record::after_none(&arrival), arrival.part)),
            };
            let Some((after, part)) = span else { continue };
            let (person, mut now) = match now {
                Some((person, now)) => (person, now.clone()),
                None => (self.know(user), Person::new(user)),
            };
            let useq = now.next(generation);
            let with = &mut With { generation, bounds: self.bounds, scratch: &mut Vec::new() };
            now.arrive(number, &arrival, useq, with);
            let to = vec![Reached { person, useq, part }];
            self.changes.push(LedgerChange::Delivered { conversation: number, seq, count, kind, mode, to });
            taken = Some((person, now, useq, after));
        }
        taken
    }

    /// Sees to it that an entry has come into inboxes, behind what is open of who has come and gone: what was said while a user was
    /// out is not theirs, and what was said before they went is. Nobody is there twice.
    fn reach<'u>(
        &mut self,
        fresh: &Fresh,
        turns: &Turns,
        to: impl Iterator<Item = (&'u User, Part)>,
    ) -> Vec<Delivered> {
        let Fresh { number, seq, count, kind, mode } = *fresh;
        let generation = self.ledger.head.generation;
        let most = to.size_hint().1.unwrap_or(0);
        let (mut delivered, mut reached) = (Vec::with_capacity(most), Vec::with_capacity(most));
        for (user, part) in to {
            let arrival = Arrival { seq, count, kind, mode, part };
            let taken = if turns.is_empty() { None } else { self.take_turns(user, turns) };
            let known = taken.as_ref().map(|(number, person, ..)| (*number, person)).or(self.person(user));
            let (person, useq, after, part) = match known {
                Some((person, known)) => match known.arrival(number, &arrival, &self.bounds) {
                    Some((after, part)) => (person, known.next(generation), after, part),
                    None => {
                        if let Some((_, _, useq, after)) = taken {
                            let servers = self.ledger.routes.servers(user, self.now);
                            delivered.push(Delivered { user: user.clone(), useq, after, servers });
                        }
                        continue;
                    }
                },
                None => {
                    let after = Record::after_none(&arrival);
                    let useq = Useq(generation.after(0, Generation::FIRST));
                    (self.know(user), useq, after, part)
                }
            };
            reached.push(Reached { person, useq, part });
            let servers = self.ledger.routes.servers(user, self.now);
            delivered.push(Delivered { user: user.clone(), useq, after, servers });
        }
        if !reached.is_empty() {
            let to = reached;
            self.changes.push(LedgerChange::Delivered { conversation: number, seq, count, kind, mode, to });
        }
        delivered
    }

    /// That a user's inbox may have a conversation at an entry, and the entry is what is said of it.
    pub(super) fn check_entry(&self, name: &Name, user: &User, seq: Seq, count: u64) -> Result<(), Refused> {
        check_part(name, user)?;
        let found = self.conversation(name);
        let is_there =
            found.is_some_and(|(_, conversation)| conversation.log().count_with(seq) == Some(count));
        if is_there { Ok(()) } else { Err(Refused::NoSuchMessage) }
    }

    pub(super) fn done(&mut self, name: &Name, seq: Seq) -> Decision<Seq, B> {
        let (number, conversation) = self.conversation(name).ok_or(Refused::NoSuchMessage)?;
        if seq > conversation.log().head() {
            return Err(Refused::NoSuchMessage.into());
        }
        if conversation.is_open(seq) {
            self.changes.push(LedgerChange::Done { conversation: number, seq });
        }
        Ok(conversation.fanned_out_without(seq))
    }
}

impl Ledger {
    pub(super) fn sweep(&mut self, sweep: &Sweep, page: usize, now: Millis) -> Vec<Open> {
        let Sweep { server, older_than, lease, .. } = sweep;
        self.leases.retain(|_, (_, until)| *until > now);
        let old = self.waiting.iter().take_while(|(since, _)| now.since(*since) >= *older_than);
        let free =
            old.filter(|(_, number)| self.leases.get(number).is_none_or(|(holder, _)| holder == server));
        let found: Vec<Number> = free.take(page).map(|(_, number)| *number).collect();
        let until = now.after(*lease);
        let open = found.into_iter().filter_map(|number| {
            let conversation = self.conversations.get(number)?;
            self.leases.insert(number, (server.clone(), until));
            Some(Open {
                conversation: conversation.id(),
                from: conversation.fanned_out(),
                to: conversation.log().head(),
                version: conversation.parties().version(),
            })
        });
        open.collect()
    }
}

fn check_part(name: &Name, user: &User) -> Result<(), Refused> {
    match name {
        Name::Direct(direct) if !direct.has(user) => Err(Refused::NotAMember),
        _ => Ok(()),
    }
}

/// Whether any server has to hear of it.
fn is_to_be_told(to: &[Delivered]) -> bool {
    to.iter().any(|delivered| !delivered.servers.is_empty())
}

/// All whom an entry is for, in byte order: of a room's, those of its members who had joined by then.
fn audience<'a>(
    name: &'a Name,
    conversation: Option<&'a Conversation>,
    seq: Seq,
    content: &'a Content,
    mode: Mode,
) -> Vec<(&'a User, Part)> {
    let mentions = content.about.mentions();
    let sender = &content.sender;
    let part = |user: &User| match mentions.binary_search(user) {
        _ if user == sender => Part::Sender,
        Ok(_) => Part::Mentioned,
        Err(_) => Part::Recipient,
    };
    let room = conversation.and_then(|conversation| conversation.parties().room());
    let joined = |user: &User| room.and_then(|room| room.members.get(user)).map(|joined| joined.since);
    let mut to: Vec<(&User, Part)> = match (mode, name) {
        (Mode::FanOut, Name::Direct(direct)) => {
            direct.participants().iter().map(|user| (user, part(user))).collect()
        }
        (Mode::FanOut, Name::Room(_)) => {
            let members = room.into_iter().flat_map(|room| &room.members);
            let had_joined = members.filter(|(_, joined)| joined.since <= seq);
            had_joined.map(|(user, joined)| (user, part(user).since(joined.since))).collect()
        }
        // Each gets the entry alone, whenever they joined.
        (Mode::Broadcast, _) => {
            let had_joined = |user: &&User| joined(user).is_some_and(|since| since <= seq);
            mentions.iter().filter(had_joined).map(|user| (user, part(user))).collect()
        }
    };
    if let Err(at) = to.binary_search_by_key(&sender, |(user, _)| user) {
        let joined = joined(sender).filter(|since| *since <= seq);
        to.insert(at, (sender, Part::Sender.since(joined.unwrap_or(Seq::ZERO))));
    }
    to.dedup_by_key(|(user, _)| *user);
    to
}
