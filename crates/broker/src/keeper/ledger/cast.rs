//! A small cast of people who do whatever they like, and everything that can be asked about them: for tests that compare what
//! was kept with the model.

use std::{collections::BTreeSet, time::Duration};

use naru_ledger::{
    Answer, ClientId, Conversation, Device, Direct, Epoch, Level, Limits, Millis, Model, Op, Role, Room, Seq,
    Server, Useq, User,
    answer::Standing,
    op::{
        Ack, Append, Change, Delete, Edit, From, History, Membership, Read, Recipient, Resume, Said, Sweep,
        What, Within,
    },
};
use proptest::prelude::*;

use crate::{keeper::store::Store, ledger::Undecided};

const USERS: [&str; 4] = ["alice", "bob", "carol", "dave"];
const DEVICES: [&str; 3] = ["phone", "desk", "tab"];
const ROOMS: [&str; 2] = ["room:one", "room:two"];

/// When everything begins.
pub(in crate::keeper) const START: Millis = Millis(1_700_000_000_000);

/// Bounds that a short history meets.
pub(in crate::keeper) fn tight() -> Limits {
    Limits {
        log_entries_max: 6,
        log_bytes_max: 4000,
        log_age_max: Duration::from_secs(60 * 60),
        dedupe_window: Duration::from_secs(5 * 60),
        ring_max: 4,
        conversations_max: 4,
        mentions_kept_max: 2,
        devices_max: 2,
        device_ttl: Duration::from_secs(60 * 60),
        seen_every: Duration::from_secs(60),
        members_max: 3,
        ..Limits::default()
    }
}

/// What someone does. `back` counts entries from the newest, or a user's numbers.
#[derive(Clone, Copy, Debug)]
pub(in crate::keeper) enum Deed {
    Say { at: usize, by: usize, id: u8, bytes: usize, mentions: u8, is_whole: bool },
    React { at: usize, by: usize, id: u8, back: usize },
    Edit { at: usize, by: usize, id: u8, back: usize, bytes: usize },
    Delete { at: usize, by: usize, id: u8, back: usize },
    Deliver { at: usize, back: usize, part: usize },
    Done { at: usize, back: usize },
    Member { room: usize, user: usize, change: u8 },
    Resume { user: usize, device: usize },
    Ack { user: usize, device: usize, back: u64, within: Option<(usize, usize)> },
    Read { user: usize, at: usize, back: usize },
    Mark { user: usize, at: usize, back: usize },
}

pub(in crate::keeper) fn deed() -> impl Strategy<Value = Deed> {
    let (at, user, device) = (|| 0..conversations().len(), || 0..USERS.len(), || 0..DEVICES.len());
    let (id, back) = (|| 0_u8..40, || 0_usize..5);
    prop_oneof![
        10 => (at(), user(), id(), 0_usize..300, any::<u8>(), any::<bool>()).prop_map(
            |(at, by, id, bytes, mentions, is_whole)| Deed::Say { at, by, id, bytes, mentions, is_whole }
        ),
        1 => (at(), user(), id(), back()).prop_map(|(at, by, id, back)| Deed::React { at, by, id, back }),
        2 => (at(), user(), id(), back(), 0_usize..300)
            .prop_map(|(at, by, id, back, bytes)| Deed::Edit { at, by, id, back, bytes }),
        2 => (at(), user(), id(), back()).prop_map(|(at, by, id, back)| Deed::Delete { at, by, id, back }),
        3 => (at(), back(), 0_usize..4).prop_map(|(at, back, part)| Deed::Deliver { at, back, part }),
        2 => (at(), back()).prop_map(|(at, back)| Deed::Done { at, back }),
        4 => (0..ROOMS.len(), user(), 0_u8..8)
            .prop_map(|(room, user, change)| Deed::Member { room, user, change }),
        2 => (user(), device()).prop_map(|(user, device)| Deed::Resume { user, device }),
        3 => (user(), device(), 0_u64..5, prop::option::of((at(), back())))
            .prop_map(|(user, device, back, within)| Deed::Ack { user, device, back, within }),
        2 => (user(), at(), back()).prop_map(|(user, at, back)| Deed::Read { user, at, back }),
        1 => (user(), at(), back()).prop_map(|(user, at, back)| Deed::Mark { user, at, back }),
    ]
}

fn user(number: usize) -> User {
    User::parse(USERS[number % USERS.len()]).unwrap()
}

fn device(number: usize) -> Device {
    Device::parse(DEVICES[number % DEVICES.len()]).unwrap()
}

fn room(number: usize) -> Room {
    Room::parse(ROOMS[number % ROOMS.len()]).unwrap()
}

/// Everywhere something can be said.
fn conversations() -> Vec<Conversation> {
    let pairs = [(0, 1), (0, 2), (1, 2), (3, 3)];
    let direct = pairs.map(|(one, other)| Conversation::from(Direct::between(&user(one), &user(other))));
    direct.into_iter().chain((0..ROOMS.len()).map(|number| Conversation::Room(room(number)))).collect()
}

/// The entries of a log, as the model has them: number and count.
fn log(model: &mut Model, conversation: &Conversation) -> Vec<(Seq, u64)> {
    let history = History {
        conversation: conversation.clone(),
        reader: None,
        from: From::After(Seq::ZERO),
        limit: usize::MAX,
        bytes: None,
    };
    match model.run(&Op::History(history), START) {
        Ok(Answer::Page(page)) => page.entries.iter().map(|entry| (entry.seq, entry.count)).collect(),
        other => panic!("{other:?}"),
    }
}

fn standing(model: &mut Model, user: &User, conversation: &Conversation) -> Standing {
    let op = Op::Standing { user: user.clone(), conversation: conversation.clone() };
    match model.run(&op, START) {
        Ok(Answer::Standing(standing)) => standing,
        other => panic!("{other:?}"),
    }
}

impl Deed {
    /// The operation that it is, as things are. None where it is about nothing.
    pub(in crate::keeper) fn op(&self, model: &mut Model) -> Option<Op> {
        let place = |at: usize| conversations()[at].clone();
        let client_id = |letter: char, id: u8| ClientId::parse(&format!("{letter}{id}")).unwrap();
        let body = |bytes: usize| format!("\"{}\"", "b".repeat(bytes)).as_bytes().into();
        let level = Level::Fsync;
        let mut nth_last = |conversation: &Conversation, back: usize| {
            log(model, conversation).iter().rev().nth(back).copied()
        };
        Some(match *self {
            Deed::Say { at, by, id, bytes, mentions, is_whole } => {
                let named = (0..USERS.len()).filter(|user| mentions >> user & 0x11 == 0x11).map(user);
                let said = Said::Message { body: body(bytes), mentions: named.collect::<BTreeSet<_>>() };
                let (conversation, sender, client_id) = (place(at), user(by), client_id('m', id));
                let append = Append { conversation, sender, client_id, said, level };
                if is_whole { Op::Send(append) } else { Op::Append(append) }
            }
            Deed::React { at, by, id, back } => {
                let (target, _) = nth_last(&place(at), back)?;
                let said = Said::Reaction { target, body: body(3) };
                let (conversation, sender, client_id) = (place(at), user(by), client_id('r', id));
                Op::Append(Append { conversation, sender, client_id, said, level })
            }
            Deed::Edit { at, by, id, back, bytes } => {
                let (target, _) = nth_last(&place(at), back)?;
                let (conversation, sender, client_id) = (place(at), user(by), client_id('e', id));
                Op::Edit(Edit { conversation, sender, client_id, target, body: body(bytes), level })
            }
            Deed::Delete { at, by, id, back } => {
                let (target, _) = nth_last(&place(at), back)?;
                let (conversation, sender, client_id) = (place(at), user(by), client_id('d', id));
                Op::Delete(Delete { conversation, sender, client_id, target, level })
            }
            Deed::Deliver { at, back, part } => {
                let (seq, _) = nth_last(&place(at), back)?;
                let mut deliver = model.fan_out(&place(at), seq)?;
                let whole: Vec<Recipient> = std::mem::take(&mut deliver.to);
                deliver.to = whole.into_iter().skip(part / 2).collect();
                Op::Deliver(deliver)
            }
            Deed::Done { at, back } => {
                let (seq, _) = nth_last(&place(at), back)?;
                Op::Done { conversation: place(at), seq }
            }
            Deed::Member { room: at, user: who, change } => {
                let change = match change {
                    0 | 1 => Change::Leave,
                    2 => Change::Role(Role::Moderator),
                    3 => Change::Join(Role::Reader),
                    4 => Change::Make,
                    5 => Change::Role(Role::Owner),
                    _ => Change::Join(Role::Member),
                };
                Op::Membership(Membership { room: room(at), user: user(who), change })
            }
            Deed::Resume { user: who, device: on } => {
                Op::Resume(Resume { user: user(who), device: device(on), from: None, limit: 100 })
            }
            Deed::Ack { user: who, device: on, back, within } => {
                let within = within.and_then(|(at, back)| {
                    let (seq, _) = nth_last(&place(at), back)?;
                    Some(Within { conversation: place(at), seq })
                });
                let head = standing(model, &user(who), &place(0)).head;
                let useq = Useq(head.0.saturating_sub(back));
                Op::Ack(Ack { user: user(who), device: device(on), useq, within })
            }
            Deed::Read { user: who, at, back } => {
                let (seq, count) = nth_last(&place(at), back)?;
                Op::Read(Read { user: user(who), conversation: place(at), seq, count })
            }
            Deed::Mark { user: who, at, back } => {
                let (seq, _) = nth_last(&place(at), back)?;
                Op::Mark { conversation: place(at), user: user(who), seq }
            }
        })
    }
}

/// All that can be asked, and what is answered: two ledgers in which that is the same are the same to everybody. What `run`
/// is asked is not to last.
pub(in crate::keeper) fn all_of(run: &mut dyn FnMut(&Op, Millis) -> Result<Answer, String>) -> Vec<String> {
    let (mut all, mut said) = (Vec::new(), Vec::new());
    let mut ask = |op: Op| {
        let answer = run(&op, START);
        all.push(format!("{op:?}: {answer:?}"));
        answer
    };
    for conversation in conversations() {
        let page = History {
            conversation: conversation.clone(),
            reader: None,
            from: From::After(Seq::ZERO),
            limit: usize::MAX,
            bytes: None,
        };
        let page = ask(Op::History(page));
        let entries = if let Ok(Answer::Page(page)) = &page { &page.entries[..] } else { &[] };
        for entry in entries {
            let mut json = Vec::new();
            entry.write_json(&mut json);
            said.push(String::from_utf8(json).unwrap());
            // Also who was told, and what an id is known for.
            let what = match &entry.client_id {
                Some(client_id) => What::Sent { sender: entry.sender.clone(), client_id: client_id.clone() },
                None => What::Seq(entry.seq),
            };
            let _ = ask(Op::Trace { conversation: conversation.clone(), what });
        }
        let _ = ask(Op::Members { conversation: conversation.clone(), after: None, limit: usize::MAX });
        for number in 0..USERS.len() {
            let _ = ask(Op::Standing { user: user(number), conversation: conversation.clone() });
        }
    }
    for number in 0..USERS.len() {
        let _ = ask(Op::Conversations { user: user(number), before: None, limit: usize::MAX });
        for on in 0..DEVICES.len() {
            let (user, device) = (user(number), device(on));
            let (of, by) = (user.clone(), device.clone());
            let _ = ask(Op::Changed { user: of, device: by, after: Useq::ZERO, limit: usize::MAX });
            let _ = ask(Op::Resume(Resume { user, device, from: None, limit: usize::MAX }));
        }
    }
    all.append(&mut said);
    let server = Server::parse("sweeper").unwrap();
    let (older_than, lease) = (Duration::ZERO, Duration::ZERO);
    if let Ok(Answer::Open(mut open)) =
        run(&Op::Sweep(Sweep { server, older_than, limit: usize::MAX, lease }), START)
    {
        // Of those that began to wait in the same millisecond any comes first.
        open.sort_by(|one, other| one.conversation.cmp(&other.conversation));
        all.push(format!("{open:?}"));
    }
    all
}

/// All of a model.
pub(in crate::keeper) fn all_of_model(model: &Model) -> Vec<String> {
    all_of(&mut |op, now| model.clone().run(op, now).map_err(|refused| refused.to_string()))
}

/// All of what a store has.
pub(in crate::keeper) fn all_of_store(store: &mut Store) -> Vec<String> {
    let before = std::mem::replace(&mut store.now, START.0);
    let all = all_of(&mut |op, now| {
        store.now = now.0;
        store.decide(op).map(|decided| decided.answer).map_err(|undecided| match undecided {
            Undecided::Refused(refused) => refused.to_string(),
            Undecided::Unread(error) => error.to_string(),
            Undecided::Garbled(_) | Undecided::Exhausted => panic!("what was decided here has bounds"),
        })
    });
    store.now = before;
    all
}

/// Has the model and a store do the same; what both say. None: the store cannot any more, and the model has not.
pub(in crate::keeper) fn act(deed: Deed, now: Millis, model: &mut Model, store: &mut Store) -> Option<()> {
    let Some(op) = deed.op(model) else { return Some(()) };
    store.now = now.0;
    let said = match store.decide(&op) {
        Ok(decided) => {
            store.change_ledger(decided.changes).ok()?;
            Ok(decided.answer)
        }
        Err(Undecided::Refused(refused)) => Err(refused),
        Err(Undecided::Unread(_)) => return None,
        Err(Undecided::Garbled(_) | Undecided::Exhausted) => panic!("what was decided here has bounds"),
    };
    assert_eq!(said, model.run(&op, now), "{op:?}");
    Some(())
}

/// A few operations that follow from each other, of every sort that changes something.
pub(in crate::keeper) fn deeds() -> Vec<Op> {
    let mut model = Model::new(Epoch::parse("e").unwrap(), Limits::default());
    let say = |at, by, id, mentions, is_whole| Deed::Say { at, by, id, bytes: 9, mentions, is_whole };
    let deeds = [
        say(0, 0, 1, 0, true),
        say(0, 1, 2, 0, false),
        Deed::Member { room: 0, user: 0, change: 7 },
        Deed::Member { room: 0, user: 1, change: 7 },
        Deed::Member { room: 0, user: 2, change: 3 },
        Deed::Member { room: 0, user: 1, change: 2 },
        say(4, 0, 3, 0xff, true),
        Deed::Deliver { at: 0, back: 0, part: 0 },
        Deed::Done { at: 0, back: 0 },
        Deed::React { at: 0, by: 0, id: 4, back: 0 },
        Deed::Edit { at: 0, by: 0, id: 5, back: 2, bytes: 20 },
        Deed::Delete { at: 0, by: 1, id: 6, back: 2 },
        Deed::Resume { user: 1, device: 0 },
        Deed::Ack { user: 1, device: 0, back: 1, within: Some((0, 0)) },
        Deed::Read { user: 1, at: 0, back: 3 },
        Deed::Mark { user: 1, at: 0, back: 3 },
        Deed::Member { room: 0, user: 2, change: 0 },
        say(4, 1, 7, 0, true),
        Deed::Ack { user: 1, device: 1, back: 0, within: None },
    ];
    let made = deeds.into_iter().filter_map(|deed| {
        let op = deed.op(&mut model)?;
        model.run(&op, START).unwrap();
        Some(op)
    });
    made.collect()
}
