use std::time::Duration;

use naru_ledger::answer::Entry;
use naru_ledger::op::{Ack, Append, Delete, Deliver, Edit, Recipient, Resume, Said, Within};
use naru_ledger::testing::{Event, Step, epoch, events, step};
use naru_ledger::{ClientId, Device, Kind, Level, Limits, Mode, Op, Position, Seq, Useq, User};
use proptest::prelude::*;
use proptest::sample::Index;

use super::twins::Twins;

fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 60 * 60)
}

/// So small that all are met, but for what is counted otherwise than the model does.
fn limits() -> impl Strategy<Value = Limits> {
    let log = (1..30_usize, prop_oneof![Just(90 * 24), 0..200_u64]);
    let inbox = (0..10_usize, 1..6_usize, 0..4_usize);
    let devices = (1..4_usize, 0..700_u64, 0..24_u64);
    let rest = (0..6_usize, 1..30_usize, 1..200_usize);
    (log, inbox, devices, rest).prop_map(|(log, inbox, devices, rest)| Limits {
        log_entries_max: log.0,
        log_age_max: hours(log.1),
        log_bytes_max: u64::MAX,
        ring_max: inbox.0,
        conversations_max: inbox.1,
        mentions_kept_max: inbox.2,
        devices_max: devices.0,
        device_ttl: hours(devices.1),
        seen_every: hours(devices.2),
        members_max: rest.0,
        page_entries_max: rest.1,
        page_bytes_max: rest.2,
        ..Limits::default()
    })
}

/// What is done besides what happens: what honest servers and devices do not do, or seldom.
#[derive(Debug, Clone)]
enum Aside {
    Nothing,
    /// A part of a checkpoint is taken.
    Piece,
    Limit(Box<Limits>),
    /// Everything is looked at.
    Look,
    /// A device says that it has what came up to some number, and is so far in some conversation.
    Ack(Index, Index, u64, Option<(Index, u64)>),
    /// A device comes back and stands anywhere.
    Resume(Index, Index, u64),
    /// An entry is sent again, by who sent it.
    Again(Index, Index, bool),
    /// An entry is edited or deleted, by who sent it.
    Edit(Index, Index, u8, bool),
    /// An entry is delivered to someone, perhaps mentioned, and to someone else twice.
    Deliver(Index, Index, Index, bool),
}

const USERS: [&str; 5] = ["a", "a:a", "a%3Aa", "%", "나루 *"];
const DEVICES: [&str; 4] = ["default", "phone", "a:a", "%"];

fn aside() -> impl Strategy<Value = Aside> {
    let index = any::<Index>;
    // Where numbers have jumped, too.
    let useq =
        || (0..40_u64, prop_oneof![4 => Just(0_u64), 1 => Just(1 << 20)]).prop_map(|(low, jump)| low + jump);
    prop_oneof![
        30 => Just(Aside::Nothing),
        6 => Just(Aside::Piece),
        2 => limits().prop_map(|limits| Aside::Limit(Box::new(limits))),
        2 => Just(Aside::Look),
        2 => (index(), index(), useq(), prop::option::of((index(), 0..20_u64)))
            .prop_map(|(user, device, useq, within)| Aside::Ack(user, device, useq, within)),
        2 => (index(), index(), useq()).prop_map(|(user, device, useq)| Aside::Resume(user, device, useq)),
        2 => (index(), index(), any::<bool>()).prop_map(|(place, entry, sends)| Aside::Again(place, entry, sends)),
        2 => (index(), index(), 0..9_u8, any::<bool>())
            .prop_map(|(place, entry, id, deletes)| Aside::Edit(place, entry, id, deletes)),
        2 => (index(), index(), index(), any::<bool>())
            .prop_map(|(place, entry, user, mentioned)| Aside::Deliver(place, entry, user, mentioned)),
    ]
}

fn user(index: &Index) -> User {
    User::parse(USERS[index.index(USERS.len())]).unwrap()
}

fn device(index: &Index) -> Device {
    Device::parse(DEVICES[index.index(DEVICES.len())]).unwrap()
}

/// The operation that this is; none if there is nothing to do it to.
fn op(twins: &mut Twins, aside: &Aside) -> Option<Op> {
    let level = Level::Memory;
    Some(match aside {
        Aside::Nothing | Aside::Piece | Aside::Limit(_) | Aside::Look => return None,
        Aside::Ack(by, on, useq, within) => {
            let within = within
                .as_ref()
                .and_then(|(place, seq)| Some(Within { conversation: twins.place(place)?, seq: Seq(*seq) }));
            Op::Ack(Ack { user: user(by), device: device(on), useq: Useq(*useq), within })
        }
        Aside::Resume(by, on, useq) => {
            let from = Some(Position { epoch: epoch(), useq: Useq(*useq) });
            Op::Resume(Resume { user: user(by), device: device(on), from, limit: 9 })
        }
        Aside::Again(place, which, sends) => {
            let Entry { conversation, sender, client_id: Some(client_id), .. } = twins.entry(place, which)?
            else {
                return None;
            };
            let said = Said::System { body: (&b"again"[..]).into() };
            let append = Append { conversation, sender, client_id, said, level };
            if *sends { Op::Send(append) } else { Op::Append(append) }
        }
        Aside::Edit(place, which, id, deletes) => {
            let Entry { conversation, sender, seq: target, .. } = twins.entry(place, which)?;
            let client_id = ClientId::parse(&format!("x{id}")).unwrap();
            match deletes {
                true => Op::Delete(Delete { conversation, sender, client_id, target, level }),
                false => {
                    let body = (&b"otherwise"[..]).into();
                    Op::Edit(Edit { conversation, sender, client_id, target, body, level })
                }
            }
        }
        Aside::Deliver(place, which, to, mentioned) => {
            let entry = twins.entry(place, which)?;
            let Entry { conversation, sender, seq, count, .. } = entry.clone();
            let (kind, mode) = (entry.kind(), Mode::FanOut);
            let mut to = vec![user(to), sender.clone(), user(to)];
            if kind == Kind::Leave {
                // Who has too many conversations forgets one that is left at once, and is reached again.
                to.truncate(1);
            }
            let to = to.into_iter().map(|user| Recipient { user, mentioned: *mentioned }).collect();
            Op::Deliver(Deliver { conversation, seq, count, sender, kind, mode, to })
        }
    })
}

fn check(limits: Limits, steps: &[Step], asides: &[Aside]) {
    let mut twins = Twins::new(limits);
    let look = |twins: &mut Twins| {
        twins.look(&USERS.map(|name| User::parse(name).unwrap()));
        twins.check_bodies();
    };
    for (event, aside) in events(steps).iter().zip(asides.iter().cycle()) {
        match aside {
            Aside::Piece => twins.take_piece(),
            Aside::Limit(limits) => twins.limit(Limits::clone(limits)),
            Aside::Look => look(&mut twins),
            aside => {
                if let Some(op) = op(&mut twins, aside) {
                    twins.ask_now(&op);
                }
            }
        }
        twins.happen(event);
    }
    look(&mut twins);
    twins.happen(&Event::Restarted);
    look(&mut twins);
}

/// Constant in a history: by another one the model forgets otherwise what it knows already.
fn dedupe_window() -> impl Strategy<Value = Duration> {
    prop_oneof![Just(24), 1..100_u64].prop_map(hours)
}

/// `NARU_LEDGER_HISTORIES` says how many, by hand.
fn cases() -> u32 {
    std::env::var("NARU_LEDGER_HISTORIES").ok().and_then(|count| count.parse().ok()).unwrap_or(150)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_native_ledger_answers_as_the_model_does(
        limits in limits(),
        dedupe_window in dedupe_window(),
        steps in prop::collection::vec(step(), 1..120),
        asides in prop::collection::vec(aside(), 1..120),
    ) {
        let mut asides = asides;
        for aside in &mut asides {
            if let Aside::Limit(limits) = aside {
                limits.dedupe_window = dedupe_window;
            }
        }
        check(Limits { dedupe_window, ..limits }, &steps, &asides);
    }
}
