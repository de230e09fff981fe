//! A server's place at a Redis or Valkey: its lease, its routes, and whether the master is still the one it was.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use naru_bus::{BusError, Target};
use naru_ledger::op::{Run, ServerIs};
use naru_ledger::{Epoch, Level, Op, Seq, Server as ServerName};

use crate::gateway::{Gateway, id, to, user};
use crate::server::{SOON, Server, in_the_end, redis, valkey};

fn servers() -> impl Iterator<Item = Server> {
    let programs = [redis(), valkey()].into_iter().flatten();
    programs.map(|program| Server::start(&program, &[]))
}

fn present(gateway: &Gateway, names: &[&str]) -> Vec<String> {
    let users = names.iter().map(|name| user(name)).collect();
    let present = gateway.ask(async |bus| bus.presence(users).await).unwrap();
    present.into_iter().map(|one| one.user.to_string()).collect()
}

#[test]
fn who_is_connected_is_there_until_the_server_says_that_it_ends() {
    for server in servers() {
        let [first, second] = ["first", "second"].map(|name| {
            let gateway = Gateway::start(name, server.target());
            gateway.comes_up();
            gateway
        });
        for name in ["ann", "bob"] {
            first.ask(async |bus| bus.route(&user(name)).await.unwrap());
        }
        assert_eq!(present(&second, &["ann", "bob", "carol"]), ["ann", "bob"]);
        first.ask(async |bus| bus.unroute(&user("ann")).await.unwrap());
        assert_eq!(present(&second, &["ann", "bob", "carol"]), ["bob"]);
        first.bus.stop();
        let end = Instant::now() + SOON;
        while !present(&second, &["bob"]).is_empty() {
            assert!(Instant::now() < end);
        }
    }
}

#[test]
fn who_was_held_by_a_server_that_crashed_is_not_there_when_it_is_back() {
    for server in servers() {
        let second = Gateway::start("second", server.target());
        second.comes_up();
        // What one says that crashes then.
        let run = Run { server: ServerName::parse("first").unwrap(), epoch: Epoch::parse("e1").unwrap() };
        let lease = Some(Duration::from_secs(15));
        second.ask(async |bus| {
            bus.ask(&Op::Server(ServerIs { run: run.clone(), lease })).await.unwrap();
            bus.ask(&Op::Route { run, users: vec![user("bob")] }).await.unwrap();
        });
        assert_eq!(present(&second, &["bob"]), ["bob"]);
        let again = Gateway::start("first", server.target());
        again.comes_up();
        assert!(present(&second, &["bob"]).is_empty());
        again.ask(async |bus| bus.route(&user("bob")).await.unwrap());
        assert_eq!(present(&second, &["bob"]), ["bob"]);
    }
}

#[test]
fn a_lease_is_renewed_before_it_is_over() {
    let Some(program) = redis() else { return };
    let server = Server::start(&program, &[]);
    let gateway = Gateway::start("s1", server.target());
    gateway.comes_up();
    let key = server.says(&["--scan", "--pattern", "n:*:sv:s1"]);
    let until = || server.says(&["GET", &key]).split(' ').next().unwrap().parse::<u64>().unwrap();
    let first = until();
    let end = Instant::now() + SOON;
    while until() == first {
        assert!(Instant::now() < end);
        thread::sleep(Duration::from_millis(100));
    }
    let now = server.says(&["TIME"]).lines().next().unwrap().parse::<u64>().unwrap() * 1000;
    assert!(first > now + 5000, "it had not been near its end");
}

#[test]
fn who_left_while_the_broker_was_away_is_not_held_when_it_is_back() {
    let Some(program) = redis() else { return };
    let mut server = Server::start(&program, &["--appendonly", "yes", "--appendfsync", "always"]);
    let gateway = Gateway::start("s1", server.target());
    gateway.comes_up();
    for name in ["ann", "bob"] {
        gateway.ask(async |bus| bus.route(&user(name)).await.unwrap());
    }
    server.kill();
    gateway.goes_down();
    gateway.ask(async |bus| bus.unroute(&user("ann")).await.unwrap());
    server.start_again();
    gateway.comes_up();
    assert_eq!(present(&gateway, &["ann", "bob"]), ["bob"]);
}

#[test]
fn who_has_lost_the_connection_for_waiting_makes_both_again() {
    let Some(program) = valkey() else { return };
    let server = Server::start(&program, &["--appendonly", "yes", "--appendfsync", "everysec"]);
    let gateway = Gateway::start("s1", server.target());
    gateway.comes_up();
    let send = |id| {
        let append = crate::gateway::message(crate::gateway::direct("alice", "bob"), "alice", id);
        in_the_end(|| match gateway.ask(async |bus| bus.send(&append).await) {
            // A slow disk takes longer than is waited for: then it is said again.
            Err(BusError::Uncertain { code, .. }) if code == "LEVEL" => None,
            sent => Some(sent.unwrap()),
        });
    };
    send("c1");
    // It is the one that hears nothing; what it asked last is not long ago either.
    let clients = server.says(&["CLIENT", "LIST", "TYPE", "normal"]);
    let waits = clients.lines().find(|line| line.contains("lib-name=naru-bus")).unwrap();
    let id = waits.split(' ').next().unwrap().trim_start_matches("id=").to_owned();
    assert_eq!(server.says(&["CLIENT", "KILL", "ID", &id]), "1");
    let reason = gateway.goes_down();
    assert!(reason.contains("second connection"), "{reason}");
    assert!(gateway.comes_up());
    send("c2");
}

/// The rules that docs/redis.md says a chat server needs.
fn documented_rules() -> Vec<String> {
    let docs = include_str!("../../../../docs/redis.md");
    let line = docs.lines().find(|line| line.trim_start().starts_with("ACL SETUSER gateway ")).unwrap();
    line.split_whitespace().map(|word| word.replace("PASSWORD", "secret")).collect()
}

#[test]
fn a_user_with_the_rules_that_are_documented_may_do_everything() {
    for program in [redis(), valkey()].into_iter().flatten() {
        let server = Server::start(&program, &["--appendonly", "yes", "--appendfsync", "everysec"]);
        let mut rules = documented_rules();
        if server.says(&["INFO", "server"]).contains("redis_version:7.0") {
            rules.truncate(rules.len() - 2);
        }
        server.tell(&rules.iter().map(String::as_str).collect::<Vec<_>>());
        let url = format!("redis://gateway:secret@127.0.0.1:{}", server.port);
        let gateway = Gateway::start("s1", Target::Url(url));
        gateway.comes_up();
        gateway.ask(async |bus| {
            bus.subscribe("public:news").await.unwrap();
            bus.route(&user("bob")).await.unwrap();
            bus.follow(&naru_ledger::Conversation::parse("room:hall").unwrap()).await.unwrap();
        });
        assert_eq!(gateway.publish("public:news", "hi"), 1);
        gateway.heard();
        let mut stored = 0;
        for (id, level) in [("c1", Level::Memory), ("c2", Level::Fsync), ("c3", Level::Replica)] {
            let mut append = crate::gateway::message(crate::gateway::direct("alice", "bob"), "alice", id);
            append.level = level;
            let sent = gateway.ask(async |bus| bus.send(&append).await);
            if matches!(&sent, Err(BusError::Refused { code, .. }) if code == "INVALID") {
                let of = server.says(&["INFO", "server"]);
                assert!(level == Level::Fsync && of.contains("redis_version:7.0"), "it can be waited for");
                continue;
            }
            assert!(sent.is_ok() || sent.unwrap_err().is_temporary());
            assert_eq!(crate::gateway::id(&gateway.delivered()), id);
            stored += 1;
        }
        assert_eq!(gateway.resume("bob", None, 10).pointers.len(), stored);
        assert_eq!(present(&gateway, &["bob"]), ["bob"]);
        assert!(server.says(&["ACL", "LOG"]).is_empty(), "{}", server.says(&["ACL", "LOG"]));
    }
}

#[test]
fn without_memory_calls_are_uncertain_and_with_it_they_go_on() {
    let Some(program) = redis() else { return };
    let server = Server::start(&program, &[]);
    let gateway = Gateway::start("s1", server.target());
    gateway.comes_up();
    let level = gateway.bus.level();
    let send = |id| {
        let mut append = crate::gateway::message(crate::gateway::direct("alice", "bob"), "alice", id);
        append.level = level;
        gateway.ask(async |bus| bus.send(&append).await)
    };
    send("c1").unwrap();
    server.tell(&["CONFIG", "SET", "maxmemory", "1"]);
    assert!(matches!(send("c2"), Err(BusError::Uncertain { code, .. }) if code == "OOM"));
    let routed = gateway.ask(async |bus| bus.route(&user("bob")).await);
    assert!(matches!(routed, Err(error) if error.is_temporary()));
    let conversations = gateway.ask(async |bus| bus.conversations(&user("bob"), None, 10).await);
    assert_eq!(conversations.unwrap().rows[0].count, 1, "it can be read");
    server.tell(&["CONFIG", "SET", "maxmemory", "0"]);
    send("c2").unwrap();
    assert!(gateway.events.try_recv().is_err(), "the link has held");
}

/// A way to a server that may be turned to another under living connections, as a proxy does.
struct Turnout {
    port: u16,
    to: Arc<AtomicU16>,
}

impl Turnout {
    /// What is sent from now on goes to another server; answers come from there.
    fn new(to: u16) -> Turnout {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let to = Arc::new(AtomicU16::new(to));
        let towards = Arc::clone(&to);
        thread::spawn(move || {
            for client in listener.incoming() {
                let towards = Arc::clone(&towards);
                thread::spawn(move || carry(client.unwrap(), &towards));
            }
        });
        Turnout { port, to }
    }
}

/// Carries one client's connection; a new server is greeted as the client's library has greeted the old one.
fn carry(mut client: TcpStream, towards: &AtomicU16) {
    let mut at = towards.load(Ordering::SeqCst);
    let mut server = TcpStream::connect(("127.0.0.1", at)).unwrap();
    answers(&server, &client);
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(len @ 1..) = client.read(&mut bytes) {
        let now = towards.load(Ordering::SeqCst);
        if now != at {
            let _ = server.shutdown(Shutdown::Both);
            at = now;
            server = TcpStream::connect(("127.0.0.1", at)).unwrap();
            server.write_all(b"HELLO 3\r\n").unwrap();
            // Its answer is nobody's.
            server.set_read_timeout(Some(SOON)).unwrap();
            let _ = server.read(&mut vec![0; 64 * 1024]).unwrap();
            server.set_read_timeout(None).unwrap();
            answers(&server, &client);
        }
        if server.write_all(&bytes[..len]).is_err() {
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Both);
}

fn answers(server: &TcpStream, client: &TcpStream) {
    let (mut server, mut client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    thread::spawn(move || std::io::copy(&mut server, &mut client));
}

#[test]
fn another_master_behind_the_same_address_is_noticed_and_gives_numbers_of_its_own() {
    let Some(program) = redis() else { return };
    let [old, new] = [(); 2].map(|()| Server::start(&program, &[]));
    let turnout = Turnout::new(old.port);
    let gateway = Gateway::start("s1", Target::Url(format!("redis://127.0.0.1:{}", turnout.port)));
    gateway.comes_up();
    gateway.ask(async |bus| bus.route(&user("bob")).await.unwrap());
    let mut append = crate::gateway::message(crate::gateway::direct("alice", "bob"), "alice", "c1");
    append.level = gateway.bus.level();
    let first = gateway.ask(async |bus| bus.send(&append).await).unwrap();
    assert_eq!((first.seq, to(&gateway.delivered())), (Seq(1), vec![("bob", 1, 0)]));

    // The other one has what this one had, and then is a master of its own.
    let port = old.port.to_string();
    new.tell(&["REPLICAOF", "127.0.0.1", &port]);
    let end = Instant::now() + SOON;
    while !new.says(&["INFO", "replication"]).contains("master_link_status:up") {
        assert!(Instant::now() < end);
    }
    new.tell(&["REPLICAOF", "NO", "ONE"]);
    turnout.to.store(new.port, Ordering::SeqCst);
    let turned = Instant::now();
    let reason = gateway.goes_down();
    assert!(reason.contains("is not the one it was"), "{reason}");
    println!("after {:?}", turned.elapsed());
    assert!(gateway.comes_up());
    append.client_id = naru_ledger::ClientId::parse("c2").unwrap();
    let second = gateway.ask(async |bus| bus.send(&append).await).unwrap();
    let jump = second.seq.0 - 2;
    assert!(jump > 0 && jump.is_multiple_of(naru_ledger::JUMP), "{jump}");
    let delivery = gateway.delivered();
    assert_eq!((id(&delivery), to(&delivery)), ("c2", vec![("bob", 2 + jump, 1)]));
}
