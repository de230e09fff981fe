//! Whether a broker's answer is the model's.

use std::collections::{BTreeMap, BTreeSet};

use naru_bus::BusError;
use naru_ledger::answer::{Appended, Delivered, Present, Refused, Standing};
use naru_ledger::op::{Run, ServerIs};
use naru_ledger::{Answer, Level, Millis, Op, Server, User};

pub(super) type Expected = Result<Answer, Refused>;
pub(super) type Given = Result<Answer, BusError>;

/// What has been said of routes. A store that has not the servers' leases at hand may name servers whose run is not the
/// last: any that was routed and not unrouted; but in the answer to presence none whose lease is over, and only for who was routed
/// by its last run.
#[derive(Debug, Default)]
pub(super) struct Told {
    routed: BTreeSet<(User, Run)>,
    /// The last run of each server, and until when it may be believed.
    last: BTreeMap<Server, (Run, Millis)>,
    /// The store has a clock of its own, so what it noted of when a device was seen is not compared; and it may promise more of
    /// an append than was asked for, as Naru's broker does.
    own_clock: bool,
}

impl Told {
    pub(super) fn new(own_clock: bool) -> Told {
        Told { own_clock, ..Told::default() }
    }

    /// Notes what an operation says.
    pub(super) fn note(&mut self, op: &Op, now: Millis) {
        match op {
            Op::Route { run, users } => {
                self.routed.extend(users.iter().map(|user| (user.clone(), run.clone())))
            }
            Op::Unroute { run, users } => {
                self.routed.retain(|(user, routed)| routed != run || !users.contains(user))
            }
            Op::Server(ServerIs { run, lease: Some(lease) }) => {
                let lease = u64::try_from(lease.as_millis()).unwrap_or(u64::MAX);
                let until = Millis(now.0.saturating_add(lease));
                self.last.insert(run.server.clone(), (run.clone(), until));
            }
            _ => {}
        }
    }

    /// Whether a broker's answer is the expected one.
    pub(super) fn agree(&self, op: &Op, expected: &Expected, given: &Given, now: Millis) -> bool {
        match (expected, given) {
            (Ok(expected), Ok(given)) => self.same(op, expected, given, now),
            (Err(refused), Err(error)) => BusError::from(*refused) == *error,
            _ => false,
        }
    }

    fn same(&self, op: &Op, expected: &Answer, given: &Answer, now: Millis) -> bool {
        match (expected, given) {
            (Answer::Appended(expected), Answer::Appended(given)) => {
                // What was reached is up to the store.
                let reached = |appended: &Appended| Appended { level: Level::Memory, ..*appended };
                reached(expected) == reached(given) && (self.own_clock || given.level <= expected.level)
            }
            (Answer::Delivered(expected), Answer::Delivered(given)) => {
                let servers = expected
                    .iter()
                    .zip(given)
                    .all(|(expected, given)| self.may_hold(&given.user, &expected.servers, &given.servers));
                let bare = |all: &[Delivered]| -> Vec<Delivered> {
                    all.iter().map(|one| Delivered { servers: Vec::new(), ..one.clone() }).collect()
                };
                servers && bare(expected) == bare(given)
            }
            (Answer::Standing(expected), Answer::Standing(given)) => {
                let bare = |one: &Standing| {
                    let mut one = Standing { servers: Vec::new(), ..one.clone() };
                    if self.own_clock {
                        one.devices.iter_mut().for_each(|device| device.seen = Millis(0));
                    }
                    one
                };
                let servers = match op {
                    Op::Standing { user, .. } => self.may_hold(user, &expected.servers, &given.servers),
                    _ => false,
                };
                servers && bare(expected) == bare(given)
            }
            (Answer::Present(expected), Answer::Present(given)) => {
                let is_possible = |present: &Present| {
                    let holds = |server: &Server| {
                        self.last.get(server).is_some_and(|(run, until)| {
                            *until > now && self.routed.contains(&(present.user.clone(), run.clone()))
                        })
                    };
                    present.servers.is_sorted() && present.servers.iter().all(holds)
                };
                let is_there = |expected: &Present| {
                    let mut given = given.iter().filter(|given| given.user == expected.user);
                    given.any(|given| expected.servers.iter().all(|server| given.servers.contains(server)))
                };
                given.iter().all(is_possible) && expected.iter().all(is_there)
            }
            (expected, given) => expected == given,
        }
    }

    /// Whether a user may be said to be held by these servers, who is by those `at_least`.
    fn may_hold(&self, user: &User, at_least: &[Server], servers: &[Server]) -> bool {
        let routed =
            |server: &Server| self.routed.iter().any(|(routed, run)| routed == user && run.server == *server);
        servers.is_sorted()
            && servers.iter().all(routed)
            && at_least.iter().all(|server| servers.contains(server))
    }
}
