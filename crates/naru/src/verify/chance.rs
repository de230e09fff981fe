//! Histories made up at random, with what is rare in life as often as it takes to meet.

use naru_ledger::Role;

use super::cast::{CONVERSATION_COUNT, DEVICE_COUNT, ROOM_COUNT, RUN_COUNT, SERVER_COUNT, USER_COUNT};
use super::random::Random;
use super::step::{Asked, Change, Fault, Pages, Said, Stands, Step};

/// Makes up a history.
pub(super) fn history(random: &mut Random, steps: usize, can_restart: bool) -> Vec<Step> {
    let mut ids = 0;
    // Without members there is little to see.
    let joins = (0..4).map(|_| {
        let (room, user) = (random.below(ROOM_COUNT), random.below(USER_COUNT));
        Step::Ask(Asked::Member { room, user, change: Change::Join(Role::Member) }, Fault::None)
    });
    let mut history: Vec<Step> = joins.collect();
    history.extend((0..steps).map(|_| step(random, &mut ids, can_restart)));
    history
}

fn step(random: &mut Random, ids: &mut usize, can_restart: bool) -> Step {
    match random.below(100) {
        0..6 => Step::Together(asked(random, ids), asked(random, ids)),
        6..10 => {
            let (server, older_than) = (random.below(SERVER_COUNT), random.one_of(&[0, 0, 1000, 100_000]));
            Step::Sweep { server, older_than, dies: random.once_in(3) }
        }
        10..20 => Step::Wait { millis: wait(random) },
        20 => match random.below(4) {
            0 => Step::Raise,
            1 if random.once_in(3) => Step::Empty,
            2 if can_restart && random.once_in(3) => Step::Restart,
            _ => Step::Wait { millis: 1 },
        },
        _ => {
            let fault = match random.below(10) {
                0 => Fault::Lost,
                1 => Fault::Twice,
                _ => Fault::None,
            };
            Step::Ask(asked(random, ids), fault)
        }
    }
}

fn wait(random: &mut Random) -> i64 {
    const HOUR: i64 = 60 * 60 * 1000;
    match random.below(10) {
        0..5 => random.one_of(&[1, 10, 2000]),
        5 => random.one_of(&[HOUR, 5 * HOUR]),
        6 => random.one_of(&[24 * HOUR, 30 * HOUR, 48 * HOUR]),
        7 if random.once_in(4) => random.one_of(&[31 * 24 * HOUR, 100 * 24 * HOUR]),
        8 => random.one_of(&[-1, -5000, -HOUR]),
        _ => 1,
    }
}

fn asked(random: &mut Random, ids: &mut usize) -> Asked {
    let (at, user, device) =
        (random.below(CONVERSATION_COUNT), random.below(USER_COUNT), random.below(DEVICE_COUNT));
    let back = back(random);
    let limit = random.one_of(&[1, 2, 3, 10, 100]);
    match random.below(100) {
        0..24 => {
            let said = match random.below(8) {
                0 => Said::Reaction { back },
                1 => Said::System,
                _ => Said::Message,
            };
            let mentions = if random.once_in(3) { random.below(1 << USER_COUNT) } else { 0 };
            let (id, size, whole) = (id(random, ids), size(random), random.once_in(2));
            Asked::Say { at, by: user, id, said, mentions, size, whole }
        }
        24..28 => Asked::Edit { at, by: user, id: id(random, ids), back, size: size(random) },
        28..31 => Asked::Delete { at, by: user, id: id(random, ids), back },
        31..43 => Asked::Deliver { job: random.below(8), part: random.below(4) },
        43..48 => Asked::Done { job: random.below(8) },
        48..54 => {
            let role = random.one_of(Role::ALL);
            let role = if random.once_in(2) { Role::Member } else { role };
            let change = match random.below(5) {
                0 => Change::Leave,
                1 => Change::Role(role),
                _ => Change::Join(role),
            };
            Asked::Member { room: random.below(ROOM_COUNT), user, change }
        }
        54..62 => {
            let from = match random.below(6) {
                0 | 1 => Stands::Nowhere,
                2 | 3 => Stands::Back(back),
                4 => Stands::Beyond,
                _ => Stands::InAnotherStore,
            };
            Asked::Resume { user, device, from, limit }
        }
        62..65 => Asked::Changed { user, device, back: back * 2, limit },
        65..67 => Asked::Conversations { user, back, limit },
        67..75 => {
            let within = random.once_in(3).then(|| (random.below(CONVERSATION_COUNT), random.next() % 6));
            Asked::Ack { user, device, back, within }
        }
        75..80 => Asked::Read { user, at, back },
        80..82 => Asked::Mark { user, at, back },
        82..87 => {
            let from = match random.below(4) {
                0 => Pages::Newest,
                1 => Pages::Before(back),
                2 => Pages::After(back),
                _ => Pages::FromTheStart,
            };
            let reader = random.once_in(2).then_some(user);
            let bytes = random.once_in(3).then(|| random.below(200));
            Asked::History { at, reader, from, limit, bytes }
        }
        87..89 => {
            Asked::Members { at, after: random.once_in(2).then_some(user), limit: random.one_of(&[1, 2, 10]) }
        }
        89..91 => {
            let (server, run) = (random.below(SERVER_COUNT), random.below(RUN_COUNT));
            Asked::Server { server, run, lease: random.one_of(&[0, 15_000, 15_000, 3_600_000]) }
        }
        91..94 => {
            let (server, run) = (random.below(SERVER_COUNT), random.below(RUN_COUNT));
            Asked::Route { server, run, user, leaves: random.once_in(3) }
        }
        94 => Asked::Presence,
        95..98 => {
            let sent = random.once_in(2).then(|| (user, random.below(*ids + 1)));
            Asked::Trace { at, back, sent }
        }
        _ => Asked::Standing { user, at },
    }
}

/// How far back something is: mostly near the newest.
fn back(random: &mut Random) -> u64 {
    match random.below(4) {
        0 => 0,
        1 => random.next() % 3,
        2 => random.next() % 8,
        _ => random.next() % 30,
    }
}

/// What the sender's client calls it: one time in four as something before.
fn id(random: &mut Random, ids: &mut usize) -> usize {
    if random.once_in(4) {
        return random.below(*ids + 1);
    }
    *ids += 1;
    *ids
}

/// Of a body; sometimes one byte too many, which is said by 0.
fn size(random: &mut Random) -> usize {
    if random.once_in(30) { 0 } else { 8 + random.below(60) }
}
