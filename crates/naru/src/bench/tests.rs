use std::{
    fmt::Debug,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use naru_broker::{Broker, Storage};
use naru_fanout::Listener;
use naru_resp::{Command, Limits, ReplyWriter, RequestParser, Version};

use super::{idle, options, report::Report, run};

const SHORT: &str = "0.4";

/// Enough for a fault to be come by, which ends the run.
pub(super) const LONG: &str = "4";

/// A run of so many seconds against `server`.
fn bench(server: SocketAddr, seconds: &str, arguments: &[&str]) -> anyhow::Result<Report> {
    let port = server.port().to_string();
    let fixed = ["--port", &port, "--seconds", seconds, "--warm-up", "0"];
    run::pubsub(&options::parsed(&[&fixed, arguments].concat()))
}

#[test]
fn a_run_against_the_broker_measures_and_finds_no_fault() {
    let listener = Listener::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = listener.address();
    let options = naru_broker::Options::new(vec![listener], Storage::Memory, 2);
    let broker = Broker::start(options).unwrap();
    let own = std::process::id().to_string();
    for arguments in [
        &["--publishers", "1", "--in-flight", "1"][..],
        &["--subscribers", "7", "--channels", "3", "--threads", "2", "--pid", &own],
        &["--subscribers", "2", "--payload", "300000", "--in-flight", "2"],
        &["--subscribers", "5", "--payload", "20", "--lag-max", "1"],
        &["--subscribers", "3", "--patterns", "300", "--publishers", "1", "--in-flight", "1"],
        &["--subscribers", "3", "--rate", "500", "--threads", "2"],
    ] {
        let report = bench(address, SHORT, arguments);
        let report = report.unwrap_or_else(|error| panic!("{arguments:?}: {error:#}"));
        let report = serde_json::to_value(report).unwrap();
        assert!(report["deliveries"].as_u64().unwrap() > 0, "{report}");
        assert!(report["latency"]["p50_us"].as_f64().unwrap() > 0.0, "{report}");
        assert_eq!(report["server_use"].is_object(), arguments.contains(&"--pid"), "{report}");
        if arguments.contains(&"--rate") {
            // Far from as fast as it can: what a stall had kept back may come within the window.
            assert!(report["publishes_per_second"].as_f64().unwrap() < 5000.0, "{report}");
        }
    }
    let port = address.port().to_string();
    let idle = ["--port", &port, "--pid", &own, "--connections", "20", "--seconds", "0"];
    let report = serde_json::to_value(idle::measure(&idle::parsed(&idle)).unwrap()).unwrap();
    // The server is this process, whose memory other tests give back meanwhile: only that it was read.
    assert!(report["resident_bytes"].as_u64().unwrap() > 0, "{report}");
    assert_eq!(report["connections"], 20, "{report}");
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
        let arguments = ["--subscribers", "1", "--publishers", "1", "--in-flight", "4"];
        let seconds = if fault == Fault::None { SHORT } else { LONG };
        let (outcome, ()) =
            against(move |listener| serve(listener, fault), |address| bench(address, seconds, &arguments));
        assert_found_out(&fault, outcome, complaint);
    }
}

#[test]
fn a_server_that_is_not_there_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    assert!(format!("{:#}", bench(address, SHORT, &[]).unwrap_err()).contains("cannot connect"));
}

#[test]
fn at_a_fixed_rate_a_stall_is_charged_with_every_message_that_was_due_meanwhile() {
    let arguments = ["--subscribers", "1", "--publishers", "1", "--in-flight", "4", "--rate", "1000"];
    let mut reports = (0..10).map(|_| {
        let (outcome, ()) =
            against(|listener| serve(listener, Fault::Stall), |address| bench(address, SHORT, &arguments));
        serde_json::to_value(outcome.unwrap()).unwrap()
    });
    // Of a longer window the stall is a small part.
    let report = reports.find(|report| report["seconds"].as_f64().unwrap() < 1.0).unwrap();
    // Half of the window. In a closed loop four of some hundreds of messages would notice.
    assert!(report["latency"]["p90_us"].as_f64().unwrap() > 20_000.0, "{report}");
}

#[test]
fn a_run_against_nats_measures_and_answers_signs_of_life() {
    let arguments = ["--protocol", "nats", "--subscribers", "1", "--publishers", "1", "--in-flight", "4"];
    let (outcome, pongs) = against(serve_nats, |address| bench(address, LONG, &arguments));
    let report = serde_json::to_value(outcome.unwrap()).unwrap();
    assert!(report["deliveries"].as_u64().unwrap() > 0, "{report}");
    assert!(pongs > 0, "nobody answered a PING");
}

#[test]
fn a_payload_that_a_nats_server_does_not_take_is_an_error() {
    let serve = |listener: &TcpListener| {
        let mut subscriber = listener.accept().unwrap().0;
        let mut said = greet_nats(&mut subscriber);
        assert!(next_line(&mut said).starts_with("SUB "));
        subscriber.write_all(b"PONG\r\n").unwrap();
        greet_nats(&mut listener.accept().unwrap().0);
    };
    let arguments = ["--protocol", "nats", "--subscribers", "1", "--payload", "2000"];
    let (outcome, ()) = against(serve, |address| bench(address, SHORT, &arguments));
    let error = format!("{:#}", outcome.unwrap_err());
    assert!(error.contains("1000 bytes at most"), "{error}");
}

/// What comes of a run against a server of the test's own, and of the server.
pub(super) fn against<T, R: Send + 'static>(
    serve: impl FnOnce(&TcpListener) -> R + Send + 'static,
    run: impl FnOnce(SocketAddr) -> T,
) -> (T, R) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || serve(&listener));
    (run(address), server.join().unwrap())
}

/// Whether a run has complained of its server's fault; of none if there is none.
pub(super) fn assert_found_out<T: Debug>(
    fault: &impl Debug,
    outcome: anyhow::Result<T>,
    complaint: Option<&str>,
) {
    match (outcome, complaint) {
        (Ok(_), None) => {}
        (Err(error), Some(complaint)) => {
            assert!(format!("{error:#}").contains(complaint), "{fault:?}: {error:#}");
        }
        (outcome, _) => panic!("{fault:?}: {outcome:?}"),
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    Stall,
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
        match fault {
            Fault::Alter => payload[40] = 0,
            Fault::Stall => thread::sleep(Duration::from_millis(200)),
            _ => {}
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
    if fault == Fault::Close {
        // Closing with something unread would reset the connections instead.
        for stream in [&publisher, &subscriber] {
            let _ = stream.shutdown(Shutdown::Write);
        }
        let _ = io::copy(&mut publisher, &mut io::sink());
    }
    // Publishers leave first; a server does not close its subscribers for that.
    let _ = io::copy(&mut subscriber, &mut io::sink());
}

/// Calls `each` for every command until it answers false or the connection ends.
pub(super) fn each_command(stream: &mut TcpStream, mut each: impl FnMut(&Command<'_>) -> bool) {
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

/// A NATS server for one subscriber and one publisher, which asks the subscriber for a sign of life all the time; how
/// often it got one.
fn serve_nats(listener: &TcpListener) -> u32 {
    let mut subscriber = listener.accept().unwrap().0;
    let mut said = greet_nats(&mut subscriber);
    let subscription = next_line(&mut said);
    let subject = subscription.strip_prefix("SUB ").and_then(|rest| rest.strip_suffix(" 1")).unwrap();
    assert_eq!(next_line(&mut said), "PING");
    subscriber.write_all(b"PONG\r\n").unwrap();

    let mut publisher = listener.accept().unwrap().0;
    let mut published = greet_nats(&mut publisher);
    loop {
        let line = next_line(&mut published);
        let Some(bytes) = line.strip_prefix(&format!("PUB {subject} ")) else {
            match line.as_str() {
                "PING" => publisher.write_all(b"PONG\r\n").unwrap(),
                "" => break,
                other => panic!("{other}"),
            }
            continue;
        };
        let mut payload = vec![0; bytes.parse::<usize>().unwrap() + 2];
        published.read_exact(&mut payload).unwrap();
        let line = format!("MSG {subject} 1 {bytes}\r\n");
        subscriber.write_all(&[line.as_bytes(), &payload, b"PING\r\n"].concat()).unwrap();
    }
    let mut pongs = 0;
    while next_line(&mut said) == "PONG" {
        pongs += 1;
    }
    pongs
}

/// Says what a NATS server says first, and reads what a client answers.
fn greet_nats(stream: &mut TcpStream) -> BufReader<TcpStream> {
    stream.write_all(b"INFO {\"server_name\":\"it\",\"max_payload\":1000}\r\n").unwrap();
    let mut said = BufReader::new(stream.try_clone().unwrap());
    if next_line(&mut said).starts_with("CONNECT {") {
        assert_eq!(next_line(&mut said), "PING");
        stream.write_all(b"PONG\r\n").unwrap();
    }
    said
}

/// A line without its end; an empty one when the connection has ended.
fn next_line(said: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    // A client that is done may leave something unread, which resets the connection.
    let _ = said.read_line(&mut line);
    line.trim_end().to_owned()
}
