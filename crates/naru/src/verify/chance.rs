//! Histories made up at random, with what is rare in life as often as it takes to meet.

use naru_ledger::Role;

use super::cast::{CONVERSATION_COUNT, DEVICE_COUNT, ROOM_COUNT, RUN_COUNT, SERVER_COUNT, USER_COUNT};
use super::random::Random;
use super::step::{Asked, Change, Fault, Pages, Said, Stands, Step};

/// Makes up a history.
pub(super) fn history(random: &mut Random, steps: usize, can_restart: bool) -> Vec<Step> {
    let mut chance = Chance::new(random);
    // Without members there is little to see.
    let mut history: Vec<Step> = (0..4).map(|_| chance.join()).collect();
    history.extend((0..steps).map(|_| chance.step(can_restart)));
    history
}

/// What one history is mostly about: with everybody doing everything, hardly anything would meet.
struct Chance<'a> {
    random: &'a mut Random,
    /// Client ids so far.
    ids: usize,
    users: usize,
    devices: usize,
    /// The first conversation, and how many.
    conversations: (usize, usize),
    /// Which requests are made more often than others.
    favourites: [usize; 3],
}

impl Chance<'_> {
    fn new(random: &mut Random) -> Chance<'_> {
        Chance {
            ids: 0,
            users: 2 + random.below(USER_COUNT - 1),
            devices: 1 + random.below(DEVICE_COUNT),
            conversations: (random.below(CONVERSATION_COUNT), 1 + random.below(CONVERSATION_COUNT)),
            favourites: [(); 3].map(|()| random.below(100)),
            random,
        }
    }

    fn at(&mut self) -> usize {
        let (first, count) = self.conversations;
        (first + self.random.below(count)) % CONVERSATION_COUNT
    }

    fn room(&mut self) -> usize {
        match self.at() {
            at if at < ROOM_COUNT => at,
            at => at % ROOM_COUNT,
        }
    }

    fn user(&mut self) -> usize {
        self.random.below(self.users)
    }

    fn join(&mut self) -> Step {
        let (room, user) = (self.room(), self.user());
        Step::Ask(Asked::Member { room, user, change: Change::Join(Role::Member) }, Fault::None)
    }

    fn step(&mut self, can_restart: bool) -> Step {
        match self.random.below(100) {
            0..6 => Step::Together(self.asked(), self.asked()),
            6..10 => {
                let older_than = self.random.one_of(&[0, 0, 1000, 100_000]);
                let (server, dies) = (self.random.below(SERVER_COUNT), self.random.once_in(3));
                Step::Sweep { server, older_than, dies }
            }
            10..20 => Step::Wait { millis: wait(self.random) },
            20 => match self.random.below(4) {
                0 => Step::Raise,
                1 if self.random.once_in(3) => Step::Empty,
                2 if can_restart && self.random.once_in(3) => Step::Restart,
                _ => Step::Wait { millis: 1 },
            },
            _ => {
                let fault = match self.random.below(10) {
                    0 => Fault::Lost,
                    1 => Fault::Twice,
                    _ => Fault::None,
                };
                Step::Ask(self.asked(), fault)
            }
        }
    }

    fn asked(&mut self) -> Asked {
        let (at, user, device) = (self.at(), self.user(), self.random.below(self.devices));
        let back = back(self.random);
        let limit = self.random.one_of(&[1, 2, 3, 10, 100]);
        let which = if self.random.once_in(3) {
            self.random.one_of(&self.favourites)
        } else {
            self.random.below(100)
        };
        match which {
            0..24 => {
                let said = match self.random.below(8) {
                    0 => Said::Reaction { back },
                    1 => Said::System,
                    _ => Said::Message,
                };
                let mentions = if self.random.once_in(3) { self.random.below(1 << USER_COUNT) } else { 0 };
                let (id, size, whole) = (self.id(), size(self.random), self.random.once_in(2));
                Asked::Say { at, by: user, id, said, mentions, size, whole }
            }
            24..28 => Asked::Edit { at, by: user, id: self.id(), back, size: size(self.random) },
            28..31 => Asked::Delete { at, by: user, id: self.id(), back },
            31..43 => Asked::Deliver { job: self.random.below(8), part: self.random.below(4) },
            43..48 => Asked::Done { job: self.random.below(8) },
            48..54 => {
                let role = self.random.one_of(Role::ALL);
                let role = if self.random.once_in(2) { Role::Member } else { role };
                let change = match self.random.below(6) {
                    0 => Change::Leave,
                    1 => Change::Role(role),
                    2 => Change::Make,
                    _ => Change::Join(role),
                };
                Asked::Member { room: self.room(), user, change }
            }
            54..62 => {
                let from = match self.random.below(6) {
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
                let within = self.random.once_in(3).then(|| (self.at(), self.random.next() % 6));
                Asked::Ack { user, device, back, within }
            }
            75..80 => Asked::Read { user, at, back },
            80..82 => Asked::Mark { user, at, back },
            82..87 => {
                let from = match self.random.below(4) {
                    0 => Pages::Newest,
                    1 => Pages::Before(back),
                    2 => Pages::After(back),
                    _ => Pages::FromTheStart,
                };
                let reader = self.random.once_in(2).then_some(user);
                let bytes = self.random.once_in(3).then(|| self.random.below(200));
                Asked::History { at, reader, from, limit, bytes }
            }
            87..89 => Asked::Members {
                at,
                after: self.random.once_in(2).then_some(user),
                limit: self.random.one_of(&[1, 2, 10]),
            },
            89..91 => {
                let (server, run) = (self.random.below(SERVER_COUNT), self.random.below(RUN_COUNT));
                Asked::Server { server, run, lease: self.random.one_of(&[0, 15_000, 15_000, 3_600_000]) }
            }
            91..94 => {
                let (server, run) = (self.random.below(SERVER_COUNT), self.random.below(RUN_COUNT));
                Asked::Route { server, run, user, leaves: self.random.once_in(3) }
            }
            94 => Asked::Presence,
            95..98 => {
                let sent = self.random.once_in(2).then(|| (user, self.random.below(self.ids + 1)));
                Asked::Trace { at, back, sent }
            }
            _ => Asked::Standing { user, at },
        }
    }

    /// What the sender's client calls it: one time in four as something before.
    fn id(&mut self) -> usize {
        if self.random.once_in(4) {
            return self.random.below(self.ids + 1);
        }
        self.ids += 1;
        self.ids
    }
}

fn wait(random: &mut Random) -> i64 {
    const HOUR: i64 = 60 * 60 * 1000;
    match random.below(10) {
        0..5 => random.one_of(&[1, 10, 2000, 5000]),
        5 => random.one_of(&[HOUR, 5 * HOUR]),
        6 => random.one_of(&[24 * HOUR, 30 * HOUR, 48 * HOUR]),
        7 if random.once_in(4) => random.one_of(&[31 * 24 * HOUR, 100 * 24 * HOUR]),
        8 => random.one_of(&[-1, -5000, -HOUR]),
        _ => 1,
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

/// Of a body; sometimes one byte too many, which is said by 0.
fn size(random: &mut Random) -> usize {
    if random.once_in(30) { 0 } else { 8 + random.below(60) }
}
