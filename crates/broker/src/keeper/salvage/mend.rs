//! Inboxes are made right again where changes of them are lost: what the logs of conversations say is delivered to all who take
//! part and have not got so far. It is in a new life of the ledger, so that clients compare what they have.

use std::time::Duration;

use naru_ledger::{
    Conversation as Name, Epoch, Limits, Millis, Mode, Op, Seq, User,
    op::{Deliver, Recipient},
};
use naru_store::Salvage;

use super::body::{Left, read};
use crate::{
    ledger::{Content, Conversation, Ledger, LedgerChange},
    numbered::Number,
};

/// Makes the inboxes right; how many conversations had to be forgotten by how many inboxes, since their names are lost.
pub(super) fn mend(ledger: &mut Ledger, from: &Salvage, epoch: Epoch, now: Millis) -> u64 {
    ledger.begin_again(epoch);
    // That of the ledger may be lost, or be older than what is there.
    let known = ledger.generations().max().unwrap_or_default();
    make(ledger, LedgerChange::Raised(known.next(now)));
    // What was not synced is lost with the rest.
    make(ledger, LedgerChange::Rested);
    let forgotten = ledger.forget_lost();
    for number in (0..ledger.conversations().numbers()).filter_map(Number::of) {
        deliver_log(ledger, from, number);
    }
    forgotten
}

fn make(ledger: &mut Ledger, change: LedgerChange) {
    ledger.apply(change, 0, &mut |_| {}).expect("what was decided on this ledger fits it");
}

/// Delivers a conversation's log to those who take part and have not got as far as it has.
fn deliver_log(ledger: &mut Ledger, from: &Salvage, number: Number) {
    let Some(conversation) = ledger.conversations().get(number) else { return };
    let (name, head) = (conversation.id(), conversation.log().head());
    let heads = parties(&name, conversation).into_iter().map(|user| (reached(ledger, number, &user), user));
    let behind: Vec<(Seq, User)> = heads.filter(|(reached, _)| *reached < head).collect();
    let Some(first) = behind.iter().map(|(reached, _)| *reached).min() else { return };
    let entries: Vec<_> = conversation.references(first).collect();
    let limits = limits(ledger);
    for (seq, place) in entries {
        let Some(content) = read(from, place).and_then(|bytes| Content::from_bytes(&bytes)) else { continue };
        let to = behind.iter().filter(|(reached, _)| *reached < seq).map(|(_, user)| user);
        let Some(deliver) = delivery(ledger, number, &name, seq, &content, to) else { continue };
        if let Ok(decided) = ledger.decide(&Op::Deliver(deliver), Millis(0), &limits, &mut Left(from)) {
            decided.changes.into_iter().for_each(|change| make(ledger, change));
        }
    }
}

/// Who takes part.
fn parties(name: &Name, conversation: &Conversation) -> Vec<User> {
    match name {
        Name::Direct(direct) => direct.participants().to_vec(),
        Name::Room(_) => {
            conversation.parties().room().map_or_else(Vec::new, |room| room.members.keys().cloned().collect())
        }
    }
}

/// How far a conversation has come into a user's inbox.
fn reached(ledger: &Ledger, conversation: Number, user: &User) -> Seq {
    let person =
        ledger.people().find(user.as_str().as_bytes()).and_then(|number| ledger.people().get(number));
    person.and_then(|person| person.record(conversation)).map_or(Seq::ZERO, |record| record.head)
}

/// What brings an entry to these users. None: it is for none of them.
fn delivery<'a>(
    ledger: &Ledger,
    number: Number,
    name: &Name,
    seq: Seq,
    content: &Content,
    to: impl Iterator<Item = &'a User>,
) -> Option<Deliver> {
    let conversation = ledger.conversations().get(number)?;
    let mode = conversation.parties().mode_of(seq);
    let is_mentioned = |user: &User| content.about.mentions().contains(user);
    let room = conversation.parties().room();
    let had_joined =
        |user: &User| room.and_then(|room| room.members.get(user)).is_none_or(|joined| joined.since <= seq);
    let is_for = |user: &&User| {
        **user == content.sender || had_joined(user) && (mode == Mode::FanOut || is_mentioned(user))
    };
    let to = to.filter(is_for).map(|user| Recipient { user: user.clone(), mentioned: is_mentioned(user) });
    let to: Vec<Recipient> = to.collect();
    (!to.is_empty()).then_some(Deliver {
        conversation: name.clone(),
        seq,
        count: conversation.log().count_with(seq)?,
        sender: content.sender.clone(),
        kind: content.about.kind(),
        mode,
        to,
    })
}

/// The limits that it was made with, so that it goes on with them.
fn limits(ledger: &Ledger) -> Limits {
    let bounds = ledger.head().bounds;
    Limits {
        ring_max: bounds.ring_max,
        conversations_max: bounds.conversations_max,
        mentions_kept_max: bounds.mentions_kept_max,
        dedupe_window: Duration::from_millis(bounds.dedupe_window_ms.get()),
        ..Limits::default()
    }
}
