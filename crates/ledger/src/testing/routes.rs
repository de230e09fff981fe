//! Servers, whom they hold, and where a message is.

use std::time::Duration;

use proptest::prelude::*;

use super::words::*;
use super::world::*;

const DM: &str = "dm:alice:bob";

fn is(run: &Run, lease: Option<u64>) -> Op {
    Op::Server(ServerIs { run: run.clone(), lease: lease.map(Duration::from_millis) })
}

fn route(run: &Run, name: &str) -> Op {
    Op::Route { run: run.clone(), users: vec![user(name)] }
}

fn present(world: &mut World) -> Vec<(String, Vec<String>)> {
    let users = ["bob", "alice", "carol"].map(user).to_vec();
    let Answer::Present(present) = world.run(Op::Presence { users }).unwrap() else { panic!() };
    let names = |servers: Vec<Server>| servers.iter().map(Server::to_string).collect();
    present.into_iter().map(|one| (one.user.to_string(), names(one.servers))).collect()
}

#[test]
fn a_route_counts_while_its_run_is_the_last_and_its_lease_is_not_over() {
    let mut world = World::new(tight());
    let (one, two, one_again) = (run_of("one", "1"), run_of("two", "1"), run_of("one", "2"));
    for op in
        [is(&one, Some(1000)), is(&two, None), route(&one, "alice"), route(&two, "alice"), route(&two, "bob")]
    {
        world.run(op).unwrap();
    }
    let names = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
    let both = ("alice".to_string(), names(&["one", "two"]));
    let bob = ("bob".to_string(), names(&["two"]));
    assert_eq!(present(&mut world), [bob.clone(), both.clone()]);
    let sent = world.say(DM, "alice", "1");
    assert_eq!(world.deliver(DM, sent.seq)[0].servers, [server("one"), server("two")]);

    world.wait(1000);
    assert_eq!(present(&mut world)[1].1, names(&["two"]));
    world.run(is(&one, Some(1000))).unwrap();
    assert_eq!(present(&mut world)[1], both);

    world.run(is(&one_again, Some(1000))).unwrap();
    assert_eq!(present(&mut world)[1].1, names(&["two"]));
    world.run(route(&one_again, "alice")).unwrap();
    world.run(Op::Unroute { run: one, users: vec![user("alice")] }).unwrap();
    assert_eq!(present(&mut world)[1], both, "another run's route stays");
    world.run(Op::Unroute { run: one_again.clone(), users: vec![user("alice")] }).unwrap();
    world.run(is(&two, Some(0))).unwrap();
    assert_eq!(present(&mut world), []);
    world.run(is(&two, None)).unwrap();
    assert_eq!(present(&mut world).len(), 2);
    world.model.restart();
    assert_eq!(present(&mut world), []);
}

#[test]
fn a_message_is_traced_from_its_log_to_each_device() {
    let mut world = World::new(tight());
    world.send(message(DM, "alice", "1", &[]));
    world.say(DM, "alice", "2");
    world.resume("bob", "phone", None);
    world.resume("bob", "desk", None);
    world.ack("bob", "desk", 1);
    let trace = |what| Op::Trace { conversation: conversation(DM), what };
    let Answer::Traced(traced) = world.run(trace(What::Seq(Seq(1)))).unwrap() else { panic!() };
    assert_eq!((traced.head, traced.fanned_out, traced.done), (Seq(2), Seq(1), true));
    let sent = What::Sent { sender: user("alice"), client_id: ClientId::parse("2").unwrap() };
    let Answer::Traced(traced) = world.run(trace(sent)).unwrap() else { panic!() };
    assert_eq!((traced.entry.unwrap().seq, traced.done), (Seq(2), false));
    let Answer::Traced(none) = world.run(trace(What::Seq(Seq(3)))).unwrap() else { panic!() };
    assert_eq!((none.entry, none.done), (None, false));

    let standing = Op::Standing { user: user("bob"), conversation: conversation(DM) };
    let Answer::Standing(standing) = world.run(standing).unwrap() else { panic!() };
    let devices: Vec<_> = standing.devices.iter().map(|one| (one.device.as_str(), one.from.0)).collect();
    assert_eq!(devices, [("desk", 1), ("phone", 0)]);
    assert_eq!((standing.head, standing.row.unwrap().head), (Useq(1), Seq(1)));
}

/// What a server says, or time that passes.
#[derive(Debug, Clone)]
enum Said {
    Runs { run: usize, lease: Option<u64> },
    Holds { run: usize, user: usize },
    Lets { run: usize, user: usize },
    Waits { millis: u64 },
}

fn said() -> impl Strategy<Value = Said> {
    prop_oneof![
        (0usize..4, prop::option::of(0u64..3000)).prop_map(|(run, lease)| Said::Runs { run, lease }),
        (0usize..4, 0usize..2).prop_map(|(run, user)| Said::Holds { run, user }),
        (0usize..4, 0usize..2).prop_map(|(run, user)| Said::Lets { run, user }),
        (0u64..2000).prop_map(|millis| Said::Waits { millis }),
    ]
}

proptest! {
    /// Looked up in all that was ever said, from its end.
    #[test]
    fn one_is_present_where_the_last_run_holds_them_and_may_be_believed(
        all in prop::collection::vec(said(), 1..40),
    ) {
        let runs = [("one", "1"), ("one", "2"), ("two", "1"), ("two", "2")];
        let users = ["alice", "bob"];
        let mut world = World::new(tight());
        let mut history: Vec<(u64, Said)> = Vec::new();
        for said in all {
            let run = |n: usize| run_of(runs[n].0, runs[n].1);
            match &said {
                Said::Runs { run: n, lease } => world.run(is(&run(*n), *lease)).map(drop),
                Said::Holds { run: n, user } => world.run(route(&run(*n), users[*user])).map(drop),
                Said::Lets { run: n, user: who } => {
                    world.run(Op::Unroute { run: run(*n), users: vec![user(users[*who])] }).map(drop)
                }
                Said::Waits { millis } => {
                    world.wait(*millis);
                    Ok(())
                }
            }
            .unwrap();
            history.push((world.now.0, said));
            let now = world.now.0;
            let is_held = |who: usize, n: usize| {
                let told = history.iter().rposition(
                    |(_, said)| matches!(said, Said::Runs { run, .. } if runs[*run].0 == runs[n].0),
                );
                let believed = told.is_some_and(|told| match history[told] {
                    (at, Said::Runs { run, lease }) => run == n && lease.is_none_or(|lease| now < at + lease),
                    _ => false,
                });
                let held = history.iter().rposition(
                    |(_, said)| matches!(said, Said::Holds { run, user } if *run == n && *user == who),
                );
                let ended = history.iter().rposition(|(_, said)| match said {
                    Said::Lets { run, user } => *run == n && *user == who,
                    Said::Runs { run, .. } => *run != n && runs[*run].0 == runs[n].0,
                    _ => false,
                });
                believed && held.is_some() && held > ended
            };
            let expected = (0..2).rev().map(|who| {
                let held = (0..4).filter(|n| is_held(who, *n)).map(|n| runs[n].0.to_string());
                (users[who].to_string(), held.collect::<Vec<_>>())
            });
            let expected: Vec<_> = expected.filter(|(_, servers)| !servers.is_empty()).collect();
            prop_assert_eq!(present(&mut world), expected);
        }
    }
}
