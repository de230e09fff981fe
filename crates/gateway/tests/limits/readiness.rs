//! Whether a server takes clients, and how they go when it ends.

use std::{
    net::TcpStream,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    get, status,
    support::{Client, Harbour, PATIENCE, eventually, metrics_apart},
};

#[test]
fn clients_go_one_after_the_other_while_the_rest_is_served() {
    let harbour = Harbour::open();
    let drain = Duration::from_secs(8);
    let one = harbour.gateway_with("one", |options| {
        options.drain = drain;
        options.grace = PATIENCE;
        options.metrics = metrics_apart();
    });
    let (address, apart) = (one.address(), one.metrics_address().unwrap());
    assert_eq!(status(&get(apart, "/ready", "")), "200");
    let clients: Vec<_> = (0..20).map(|number| Client::connect(address, &format!("user-{number}"))).collect();
    let begun = Instant::now();
    let stopping = std::thread::spawn(move || one.stop());
    let gone: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            std::thread::spawn(move || {
                let mut served = Duration::ZERO;
                loop {
                    let asked = begun.elapsed();
                    let id = client.command("rpc", json!({"method": "unread", "data": {}}));
                    match client.try_next() {
                        Ok(reply) => {
                            assert_eq!(reply["id"], id);
                            served = asked;
                            std::thread::sleep(Duration::from_millis(5));
                        }
                        Err(ended) => return (begun.elapsed(), served, ended),
                    }
                }
            })
        })
        .collect();
    eventually("it is not ready any more", || {
        let answer = get(apart, "/ready", "");
        status(&answer) == "503" && answer.ends_with(r#"{"reason":"draining"}"#)
    });
    eventually("nobody is let in", || TcpStream::connect(address).is_err());
    let mut gone: Vec<_> = gone.into_iter().map(|thread| thread.join().unwrap()).collect();
    gone.sort();
    assert!(gone.iter().all(|(_, _, ended)| *ended == Some((3001, "shutdown".into()))), "{gone:?}");
    // Two cores, ten clients each, every 800 ms.
    assert!(gone.iter().any(|(_, served, _)| *served > gone[4].0), "{gone:?}");
    assert!(gone[19].0 >= drain * 3 / 4, "{gone:?}");
    stopping.join().unwrap();
    assert!(begun.elapsed() < PATIENCE, "the grace is not waited for: {:?}", begun.elapsed());
}

#[test]
fn a_server_without_its_broker_is_alive_and_not_ready() {
    let mut harbour = Harbour::open();
    let one = harbour.gateway("one");
    assert_eq!(status(&get(one.address(), "/ready", "")), "200");
    harbour.stop();
    eventually("it is not ready", || {
        let answer = get(one.address(), "/ready", "");
        status(&answer) == "503" && answer.ends_with(r#"{"reason":"no broker"}"#)
    });
    assert_eq!(status(&get(one.address(), "/health", "")), "200");
}
