//! A message into many inboxes on Redis and Valkey: few calls where a step may touch all keys, and one for each partition on a
//! server of a cluster.

use naru_bus::Line;
use naru_ledger::answer::Delivered;
use naru_ledger::op::{Deliver, Recipient, Run};
use naru_ledger::{Answer, Conversation, Epoch, Kind, Mode, Op, Seq, Server as Name};

use crate::gateway::user;
use crate::server::{Server, redis, valkey};

const USERS: usize = 400;

/// Several have to be asked for such a delivery, and fewer than there are partitions among these users.
const CALLS_MAX: u64 = 8;

fn deliver(seq: u64) -> Deliver {
    let to = (0..USERS).map(|i| Recipient { user: user(&format!("u{i}")), mentioned: i % 3 == 0 });
    Deliver {
        conversation: Conversation::parse("room:many").unwrap(),
        seq: Seq(seq),
        count: seq,
        sender: user("u0"),
        kind: Kind::Message,
        mode: Mode::FanOut,
        to: to.collect(),
    }
}

async fn delivered(line: &Line, deliver: Deliver) -> Vec<Delivered> {
    match line.ask(&Op::Deliver(deliver)).await {
        Ok(Answer::Delivered(delivered)) => delivered,
        other => panic!("{other:?}"),
    }
}

/// How many scripts it has run.
fn calls(server: &Server) -> u64 {
    let all = server.says(&["INFO", "commandstats"]);
    let of = |name: &str| {
        let calls = all.lines().find_map(|line| line.strip_prefix(name)?.split(',').next());
        calls.map_or(0, |calls| calls.parse().unwrap())
    };
    of("cmdstat_evalsha:calls=") + of("cmdstat_eval:calls=")
}

#[tokio::test]
async fn a_message_comes_into_many_inboxes_in_as_few_calls_as_the_server_lets() {
    for program in [redis(), valkey()].into_iter().flatten() {
        for is_clustered in [false, true] {
            let options: &[&str] = if is_clustered { &["--cluster-enabled", "yes"] } else { &[] };
            let server = Server::start(&program, options);
            while is_clustered && server.says(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]) != "OK" {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            let line = server.line().await;
            let run =
                Run { server: Name::parse("one").unwrap(), epoch: Epoch::parse("0123456789abcdef").unwrap() };
            let routed = ["u5", "u7", "u399"].map(user);
            line.ask(&Op::Route { run, users: routed.to_vec() }).await.unwrap();

            let before = calls(&server);
            let all = delivered(&line, deliver(1)).await;
            let asked = calls(&server) - before;
            assert_eq!(asked < CALLS_MAX, !is_clustered, "{asked} calls");
            let names: Vec<String> = all.iter().map(|one| one.user.to_string()).collect();
            assert_eq!(names, (0..USERS).map(|i| format!("u{i}")).collect::<Vec<_>>());
            for Delivered { user, useq, after, servers } in &all {
                assert_eq!((useq.0, after.0, servers.len()), (1, 0, usize::from(routed.contains(user))));
            }
            assert_eq!(delivered(&line, deliver(1)).await, [], "once");
            assert_eq!(delivered(&line, deliver(2)).await.len(), USERS);
            for (name, mentions) in [("u0", 0), ("u3", 2), ("u4", 0), ("u398", 0)] {
                let conversation = Conversation::parse("room:many").unwrap();
                let standing = line.ask(&Op::Standing { user: user(name), conversation }).await;
                let Ok(Answer::Standing(standing)) = standing else { panic!("{standing:?}") };
                let row = standing.row.unwrap();
                assert_eq!((standing.head.0, row.head.0, row.mentions), (2, 2, mentions), "{name}");
            }
        }
    }
}
