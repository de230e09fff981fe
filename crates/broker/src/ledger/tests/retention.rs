use std::time::Duration;

use naru_ledger::op::Sweep;
use naru_ledger::{Answer, Limits, Op, Server};

use super::world::World;

const DM: &str = "dm:alice:bob";

/// What is stored of an entry is its body and a little more; that is what counts.
#[test]
fn the_oldest_make_room_by_the_bytes_that_are_stored() {
    let mut world = World::new(Limits { log_bytes_max: 1000, ..Limits::default() });
    for n in 0..50 {
        world.send(DM, "alice", &n.to_string(), 180);
    }
    assert_eq!(world.log(DM), [46, 47, 48, 49, 50]);
    assert_eq!(world.kept.places().len(), 5);
    world.send(DM, "alice", "large", 3000);
    assert_eq!(world.log(DM), [51], "the newest stays");
    world.send(DM, "alice", "small", 10);
    assert_eq!(world.log(DM), [52]);
}

/// Over many chunks, of which some are wholly too old and one in part.
#[test]
fn the_oldest_make_room_when_they_are_too_old() {
    let mut world = World::new(Limits { log_age_max: Duration::from_millis(1000), ..Limits::default() });
    for n in 1..=500_u64 {
        world.now.0 += 1;
        assert_eq!(world.send(DM, "alice", &n.to_string(), 1).0, n);
    }
    world.now.0 += 800;
    world.send(DM, "alice", "a", 1);
    assert_eq!(world.log(DM), (300..=501).collect::<Vec<_>>());
    world.now.0 += 1;
    world.send(DM, "alice", "b", 1);
    assert_eq!(world.log(DM), (301..=502).collect::<Vec<_>>());
    world.now.0 += 10_000;
    world.send(DM, "alice", "c", 1);
    assert_eq!(world.log(DM), [503]);
}

#[test]
fn who_has_waited_longest_is_swept_first() {
    let mut world = World::new(Limits::default());
    for id in ["dm:a:c", "dm:a:b", "dm:a:d"] {
        world.now.0 += 1000;
        world.append(id, "a", "1");
    }
    let mut swept = |server: &str, older_than, limit| {
        let server = Server::parse(server).unwrap();
        let (older_than, lease) = (Duration::from_millis(older_than), Duration::from_millis(5000));
        let sweep = Op::Sweep(Sweep { server, older_than, limit, lease });
        let Answer::Open(open) = world.run(&sweep).answer else { panic!() };
        world.now.0 += 1000;
        open.iter().map(|open| open.conversation.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(swept("one", 1000, 1), ["dm:a:c"]);
    assert_eq!(swept("two", 2000, 5), ["dm:a:b"], "the other is leased, and the third younger");
    assert_eq!(swept("two", 2000, 5), ["dm:a:b", "dm:a:d"]);
    assert_eq!(swept("one", 0, 1), ["dm:a:c"]);
}
