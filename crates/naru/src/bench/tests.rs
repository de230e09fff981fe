use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
};

use naru_broker::{Broker, Storage};
use naru_fanout::Listener;
use naru_resp::{Command, Limits, ReplyWriter, RequestParser, Version};

use super::{options, report::Report, run};

/// A short run against `server`.
fn bench(server: SocketAddr, arguments: &[&str]) -> anyhow::Result<Report> {
    let port = server.port().to_string();
    let fixed = ["--port", &port, "--seconds", "0.2", "--warm-up", "0"];
    run::pubsub(&options::parsed(&[&fixed, arguments].concat()))
}

#[test]
fn a_run_against_the_broker_measures_and_finds_no_fault() {
    let listener = Listener::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = listener.address();
    let options = naru_broker::Options {
        listeners: vec![listener],
        unix_listener: None,
        storage: Storage::Memory,
        password: None,
        acl: naru_broker::AclOptions::default(),
        cores: 2,
    };
    let broker = Broker::start(options).unwrap();
    let own = std::process::id().to_string();
    for arguments in [
        &["--publishers", "1", "--in-flight", "1"][..],
        &["--subscribers", "7", "--channels", "3", "--threads", "2", "--pid", &own],
        &["--subscribers", "2", "--payload", "600000", "--in-flight", "2"],
        &["--subscribers", "5", "--payload", "20", "--lag-max", "1"],
    ] {
        let report = serde_json::to_value(bench(address, arguments).unwrap()).unwrap();
        assert!(report["deliveries"].as_u64().unwrap() > 0, "{report}");
        assert!(report["latency"]["p50_us"].as_f64().unwrap() > 0.0, "{report}");
        assert_eq!(report["server_use"].is_object(), arguments.contains(&"--pid"), "{report}");
    }
    broker.stop();
}

#[test]
fn a_server_that_loses_repeats_or_alters_a_message_is_found_out() {
    for (fault, complaint) in [
        (Fault::None, None),
        (Fault::Lose, Some("lost")),
        (Fault::Repeat, Some("repeated")),
        (Fault::Alter, Some("altered")),
        (Fault::Miscount, Some("reached 2 subscribers of 1")),
        (Fault::Refuse, Some("NOPERM")),
        (Fault::Close, Some("closed the connection")),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || serve(&listener, fault));
        let outcome = bench(address, &["--subscribers", "1", "--publishers", "1", "--in-flight", "4"]);
        match (outcome, complaint) {
            (Ok(_), None) => {}
            (Err(error), Some(complaint)) => assert!(format!("{error:#}").contains(complaint), "{error:#}"),
            (outcome, _) => panic!("{fault:?}: {outcome:?}"),
        }
        server.join().unwrap();
    }
}

#[test]
fn a_server_that_is_not_there_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    assert!(format!("{:#}", bench(address, &[]).unwrap_err()).contains("cannot connect"));
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    Lose,
    Repeat,
    Alter,
    Miscount,
    Refuse,
    Close,
}

/// A server for one subscriber and one publisher that does one thing wrong, with the third message.
fn serve(listener: &TcpListener, fault: Fault) {
    let mut subscriber = listener.accept().unwrap().0;
    let mut subscribed = None;
    each_command(&mut subscriber.try_clone().unwrap(), |command| {
        subscribed = Some(command.arg(1).to_vec());
        false
    });
    let channel = subscribed.unwrap();
    let mut confirmation = Vec::new();
    let mut writer = ReplyWriter::new(&mut confirmation, Version::Resp2);
    writer.array(3);
    writer.bulk("subscribe");
    writer.bulk(&channel);
    writer.integer(1);
    subscriber.write_all(&confirmation).unwrap();

    let mut publisher = listener.accept().unwrap().0;
    let mut answers = publisher.try_clone().unwrap();
    let mut count = 0;
    each_command(&mut publisher, |command| {
        count += 1;
        let fault = if count == 3 { fault } else { Fault::None };
        let mut payload = command.arg(2).to_vec();
        if fault == Fault::Alter {
            payload[40] = 0;
        }
        let copies = match fault {
            Fault::Lose => 0,
            Fault::Repeat => 2,
            _ => 1,
        };
        let mut messages = Vec::new();
        (0..copies).for_each(|_| ReplyWriter::new(&mut messages, Version::Resp2).message(&channel, &payload));
        let answer = match fault {
            Fault::Miscount => ":2\r\n",
            Fault::Refuse => "-NOPERM no\r\n",
            _ => ":1\r\n",
        };
        // The load generator hangs up when it has found the fault, or is done.
        fault != Fault::Close
            && subscriber.write_all(&messages).is_ok()
            && answers.write_all(answer.as_bytes()).is_ok()
    });
    if fault != Fault::Close {
        // Publishers leave first; a server does not close its subscribers for that.
        each_command(&mut subscriber, |_| true);
    }
}

/// Calls `each` for every command until it answers false or the connection ends.
fn each_command(stream: &mut TcpStream, mut each: impl FnMut(&Command<'_>) -> bool) {
    let mut parser = RequestParser::new(Limits::default());
    let mut received = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let Ok(count @ 1..) = stream.read(&mut buffer) else { return };
        received.extend_from_slice(&buffer[..count]);
        let mut taken = 0;
        while let Some((command, length)) = parser.next(&received[taken..]).unwrap() {
            taken += length;
            if !each(&command) {
                return;
            }
        }
        received.drain(..taken);
    }
}
