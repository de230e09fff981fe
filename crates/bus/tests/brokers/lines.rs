//! Connections to a Redis and a Valkey: how safe they say that a message is, which generation its number is of, who is refused.

use std::collections::BTreeSet;
use std::time::Instant;

use naru_bus::{BusError, Line, Partition, Persistence};
use naru_ledger::op::{Append, Said};
use naru_ledger::{Answer, Body, ClientId, Conversation, JUMP, Level, Op, User};

use crate::server::{SOON, Server, redis, valkey};

fn message(id: &str, level: Level) -> Op {
    message_in(&Conversation::parse("dm:alice:bob").unwrap(), id, level)
}

fn message_in(conversation: &Conversation, id: &str, level: Level) -> Op {
    Op::Send(Append {
        conversation: conversation.clone(),
        sender: User::parse("alice").unwrap(),
        client_id: ClientId::parse(id).unwrap(),
        said: Said::Message { body: Body::from(b"1".as_slice()), mentions: BTreeSet::new() },
        level,
    })
}

/// The level a message reaches that asks for one.
async fn reached(line: &Line, level: Level) -> Level {
    match line.ask(&message(level.as_str(), level)).await {
        Ok(Answer::Appended(appended)) => appended.level,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_a_server_promises_is_what_it_was_told_to_do() {
    let Some(program) = redis() else { return };
    let options = |fsync| ["--appendonly", "yes", "--appendfsync", fsync];
    let always = Server::start(&program, &options("always"));
    let everysec = Server::start(&program, &options("everysec"));
    let line = always.line().await;
    assert_eq!(line.inspection().unwrap().persistence, Persistence::Always);
    assert_eq!(reached(&line, Level::Memory).await, Level::Memory);
    assert_eq!(reached(&line, Level::Fsync).await, Level::Fsync);
    assert_eq!(reached(&line, Level::Replica).await, Level::Fsync, "there is none");
    let line = everysec.line().await;
    assert_eq!(line.inspection().unwrap().persistence, Persistence::EverySecond);
    if !line.inspection().unwrap().server.starts_with("Redis 7.0") {
        return;
    }
    assert_eq!(reached(&line, Level::Fsync).await, Level::Memory, "it cannot be waited for");
}

#[tokio::test]
async fn where_it_can_be_waited_for_a_message_gets_to_the_disk() {
    let Some(program) = valkey() else { return };
    let server = Server::start(&program, &["--appendonly", "yes", "--appendfsync", "everysec"]);
    let line = server.line().await;
    let end = Instant::now() + SOON;
    // A slow disk takes longer than is waited for: then it is said again.
    let on_disk = async {
        while reached(&line, Level::Fsync).await != Level::Fsync {
            assert!(Instant::now() < end);
        }
    };
    let all = tokio::join!(on_disk, reached(&line, Level::Replica), reached(&line, Level::Memory));
    assert_eq!(all, ((), Level::Memory, Level::Memory));
}

#[tokio::test]
async fn a_message_is_on_the_replica_when_it_is_said_to_be() {
    let Some(program) = redis() else { return };
    let master = Server::start(&program, &[]);
    master.line().await;
    let port = master.port.to_string();
    let replica = Server::start(&program, &["--replicaof", "127.0.0.1", &port]);
    let end = Instant::now() + SOON;
    // With its first replica a master takes another id, and a line is to one master alone.
    let mut line = master.line().await;
    while reached(&line, Level::Replica).await != Level::Replica {
        assert!(Instant::now() < end);
        line = master.line().await;
    }
    let refused = replica.try_line().await.err().unwrap().to_string();
    assert!(refused.contains("it is a replica of 127.0.0.1"), "{refused}");
    drop(replica);
    assert_ne!(reached(&line, Level::Replica).await, Level::Replica);
}

#[tokio::test]
async fn a_server_that_may_evict_is_refused() {
    let Some(program) = redis() else { return };
    let server = Server::start(&program, &["--maxmemory-policy", "allkeys-lru"]);
    let end = Instant::now() + SOON;
    loop {
        let refused = server.try_line().await.err().unwrap().to_string();
        if refused.contains("with maxmemory-policy allkeys-lru it may throw away messages") {
            return;
        }
        assert!(Instant::now() < end, "{refused}");
    }
}

#[tokio::test]
async fn a_master_that_was_not_met_before_begins_a_generation() {
    let Some(program) = redis() else { return };
    let server = Server::start(&program, &[]);
    let seq_in = async |line: &Line, conversation: &Conversation, id: &str| match line
        .ask(&message_in(conversation, id, Level::Memory))
        .await
    {
        Ok(Answer::Appended(appended)) => appended.seq.0,
        other => panic!("{other:?}"),
    };
    let conversation = Conversation::parse("dm:alice:bob").unwrap();
    let seq = async |line: &Line, id: &str| seq_in(line, &conversation, id).await;
    // Another one of the same partition.
    let partition = Partition::of(conversation.as_str());
    let others = (0..).map(|i| Conversation::parse(&format!("dm:alice:u{i}")).unwrap());
    let other = others.into_iter().find(|other| Partition::of(other.as_str()) == partition).unwrap();
    let first = server.line().await;
    assert_eq!((seq(&first, "a").await, seq(&server.line().await, "b").await), (1, 2));
    assert_eq!(seq_in(&first, &other, "a").await, 1);
    // Who is promoted has another replication id, as has one that was a replica for a moment.
    server.tell(&["REPLICAOF", "127.0.0.1", "1"]);
    server.tell(&["REPLICAOF", "NO", "ONE"]);
    let second = server.line().await;
    let jump = seq(&second, "c").await - 3;
    assert!(jump > 0 && jump.is_multiple_of(JUMP), "{jump}");
    assert_eq!(seq(&second, "d").await, 4 + jump);
    assert_eq!(seq(&first, "e").await, 5 + jump, "an old connection does not go back");
    assert_eq!(seq_in(&first, &other, "b").await, 2 + jump, "nor anywhere else in the partition");
}

#[tokio::test]
async fn a_server_that_has_forgotten_the_scripts_is_given_them_again() {
    let Some(program) = redis() else { return };
    let server = Server::start(&program, &[]);
    let line = server.line().await;
    line.ask(&message("a", Level::Memory)).await.unwrap();
    server.tell(&["SCRIPT", "FLUSH"]);
    line.ask(&message("b", Level::Memory)).await.unwrap();
}

#[tokio::test]
async fn without_memory_a_message_is_refused_and_with_it_taken() {
    let Some(program) = redis() else { return };
    let server = Server::start(&program, &[]);
    let line = server.line().await;
    server.tell(&["CONFIG", "SET", "maxmemory", "1"]);
    let refused = line.ask(&message("a", Level::Memory)).await;
    assert!(matches!(refused, Err(BusError::Uncertain { ref code, .. }) if code == "OOM"), "{refused:?}");
    server.tell(&["CONFIG", "SET", "maxmemory", "0"]);
    match line.ask(&message("a", Level::Memory)).await {
        Ok(Answer::Appended(appended)) => assert_eq!((appended.seq.0, appended.repeat), (1, false)),
        other => panic!("{other:?}"),
    }
}
