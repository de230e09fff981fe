use std::time::Duration;

use naru_ledger::op::{Run, ServerIs};
use naru_ledger::testing::{epoch, model};
use naru_ledger::{Epoch, Limits, Millis, Op, Server, User};
use proptest::prelude::*;

use super::super::{Head, IdKey, Ledger};
use super::bodies::Kept;
use super::world::{World, run_of, user};

/// A server and which of its runs, what it says, of whom and when.
type Step = (u8, u8, u8, u8, u64);

fn op((server, epoch, what, user, lease): Step) -> Op {
    let run = Run {
        server: Server::parse(["one", "two"][usize::from(server)]).unwrap(),
        epoch: Epoch::parse(["1", "2", "3"][usize::from(epoch)]).unwrap(),
    };
    let users = vec![User::parse(["a", "b", "c"][usize::from(user)]).unwrap()];
    match what {
        0 => Op::Server(ServerIs { run, lease: (lease < 9).then(|| Duration::from_millis(lease)) }),
        1 | 2 => Op::Route { run, users },
        _ => Op::Unroute { run, users },
    }
}

proptest! {
    #[test]
    fn routes_are_those_of_the_model(
        steps in prop::collection::vec(((0..2_u8, 0..3_u8, 0..4_u8, 0..3_u8, 0..12_u64), 0..3_u64), 0..60),
    ) {
        let limits = Limits::default();
        let mut model = model(limits.clone());
        let mut native = Ledger::new(Head::new(epoch(), IdKey::new([7; 16])));
        let mut now = Millis(0);
        for (step, wait) in steps {
            let users = ["a", "b", "c"].map(|name| User::parse(name).unwrap()).to_vec();
            now.0 += wait;
            for op in [op(step), Op::Presence { users }] {
                let given = native.decide(&op, now, &limits, &mut Kept::default()).unwrap().answer;
                prop_assert_eq!(given, model.run(&op, now).unwrap());
            }
        }
    }
}

#[test]
fn a_run_that_is_over_leaves_nothing() {
    let limits = Limits::default();
    let mut native = Ledger::new(Head::new(epoch(), IdKey::new([7; 16])));
    let ask = |native: &mut Ledger, op: Op| {
        native.decide(&op, Millis(0), &limits, &mut Kept::default()).unwrap().answer
    };
    for step in [(0, 0, 0, 0, 9), (0, 0, 1, 0, 0), (0, 0, 1, 1, 0)] {
        ask(&mut native, op(step));
    }
    let run = Run { server: Server::parse("one").unwrap(), epoch: Epoch::parse("1").unwrap() };
    native.run_over(&run);
    let users = ["a", "b"].map(|name| User::parse(name).unwrap()).to_vec();
    assert_eq!(ask(&mut native, Op::Presence { users }), naru_ledger::Answer::Present(Vec::new()));
    assert!(native.routes.is_empty());
}

#[test]
fn routes_that_nobody_speaks_of_any_more_are_dropped_after_a_while() {
    let mut world = World::new(Limits::default());
    world.hold("one", &["alice"]);
    let lost = Run { server: Server::parse("two").unwrap(), epoch: Epoch::parse("gone").unwrap() };
    let users = (0..1500).map(|n| user(&format!("u{n}"))).collect();
    world.run(&Op::Route { run: lost, users });
    let tidy = |world: &mut World, minutes: u64| {
        world.now.0 += minutes * 60_000;
        world.native.tidy_routes(world.now);
    };
    tidy(&mut world, 1);
    tidy(&mut world, 59);
    assert!(world.native.routes.knows(&user("u7")), "it may still tell of itself");
    for _ in 0..4 {
        tidy(&mut world, 1);
    }
    assert!(!(0..1500).any(|n| world.native.routes.knows(&user(&format!("u{n}")))));
    assert!(world.native.routes.knows(&user("alice")));
    world.native.run_over(&run_of("one"));
    assert!(world.native.routes.is_empty());
}
