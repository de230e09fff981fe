use std::{
    collections::HashMap,
    io::Write as _,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use clap::{Args as _, FromArgMatches as _};
use naru_broker::{Broker, Storage};
use naru_fanout::Listener;
use naru_resp::{Command, ReplyWriter, Version};

use super::{Load, Options, Report, add, beside, fill, trim, work};
use crate::bench::tests::{self, assert_found_out, each_command};

/// A small run against `server`, reported both ways; the JSON object.
fn bench(server: SocketAddr, mode: &str, arguments: &[&str]) -> anyhow::Result<serde_json::Value> {
    let port = server.port().to_string();
    let words = [&[mode, "--port", &port], arguments].concat();
    let command = Options::augment_args(clap::Command::new("queue").no_binary_name(true));
    let options = Options::from_arg_matches(&command.try_get_matches_from(words)?)?;
    Ok(match &options.load {
        Load::Add(options) => both(&add::measure(options)?),
        Load::Work(options) => both(&work::measure(options)?),
        Load::Fill(options) => both(&fill::measure(options)?),
        Load::Trim(options) => both(&trim::measure(options)?),
        Load::Beside(options) => both(&beside::measure(options)?),
    })
}

fn both(report: &impl Report) -> serde_json::Value {
    assert!(report.table().text().lines().count() > 2);
    serde_json::to_value(report).unwrap()
}

const SHORT: [&str; 4] = ["--seconds", "0.3", "--warm-up", "0"];
const LONG: [&str; 4] = ["--seconds", tests::LONG, "--warm-up", "0"];

#[test]
fn every_load_runs_against_the_broker_and_finds_no_fault() {
    let listener = Listener::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = listener.address();
    let broker = Broker::start(naru_broker::Options::new(vec![listener], Storage::Memory, 2)).unwrap();
    let own = std::process::id().to_string();
    let folder = tempfile::tempdir().unwrap();
    let known = ["--pid", &own, "--folder", folder.path().to_str().unwrap()];
    let quick = ["--quiet", "0.1"];
    let settle = ["--settle", "0.1"];
    for (mode, arguments) in [
        ("add", [&SHORT[..], &["--streams", "7", "--connections", "3"]].concat()),
        (
            "add",
            [&SHORT[..], &["--streams", "2", "--connections", "5", "--threads", "2", "--body", "8"]].concat(),
        ),
        ("add", [&SHORT[..], &["--streams", "3", "--maxlen", "2", "--in-flight", "1"]].concat()),
        ("work", vec!["--entries", "999", "--count", "10"]),
        (
            "work",
            vec!["--entries", "999", "--count", "1", "--consumers", "3", "--streams", "2", "--threads", "2"],
        ),
        ("work", vec!["--entries", "1", "--consumers", "9", "--streams", "9"]),
        ("fill", [&settle[..], &["--entries", "1001", "--streams", "10"]].concat()),
        ("fill", [&settle[..], &["--entries", "1000", "--streams", "1000"]].concat()),
        ("trim", [&settle[..], &quick, &["--entries", "1000", "--streams", "3"]].concat()),
        ("trim", [&settle[..], &quick, &["--entries", "10", "--streams", "20", "--by", "del"]].concat()),
        ("beside", [&SHORT[..], &quick, &["--streams", "10", "--maxlen", "5", "--rate", "200"]].concat()),
    ] {
        for known in [&known[..], &[]] {
            let report = bench(address, mode, &[&arguments[..], known].concat());
            let report = report.unwrap_or_else(|error| panic!("{mode} {arguments:?}: {error:#}"));
            assert!(report["entries"].as_u64().unwrap() > 0, "{report}");
            assert_eq!(report["server_use"].is_object(), !known.is_empty(), "{report}");
        }
    }
    broker.stop();
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let nowhere = ([127, 0, 0, 1], 1).into();
    for (mode, arguments, complaint) in [
        ("add", ["--body", "7"], "--body"),
        ("add", ["--seconds", "0"], "--seconds"),
        ("work", ["--streams", "11"], "--consumers"),
        ("trim", ["--body", "0"], "--body"),
        ("fill", ["--folder", "/nothing"], "/nothing cannot be read"),
        ("fill", ["--streams", "1"], "cannot connect"),
    ] {
        let error = format!("{:#}", bench(nowhere, mode, &arguments).unwrap_err());
        assert!(error.contains(complaint), "{error}");
    }
}

#[test]
fn a_server_that_does_not_keep_its_word_is_found_out() {
    let few = &["--streams", "2", "--connections", "2", "--body", "8"];
    let (add, short) = ([&LONG[..], few].concat(), [&SHORT[..], few].concat());
    let work = vec!["--entries", "100", "--consumers", "2"];
    for (fault, mode, arguments, complaint) in [
        (Fault::None, "add", &short, None),
        (Fault::None, "work", &work, None),
        (Fault::Lose, "add", &add, Some("were acknowledged")),
        (Fault::StepBack, "add", &add, Some("came behind")),
        (Fault::Refuse, "add", &add, Some("XADD was refused: OOM too much")),
        (Fault::Close, "add", &add, Some("a connection")),
        (Fault::Load, "work", &work, Some("LOADING wait")),
        (Fault::Repeat, "work", &work, Some("was delivered twice")),
        (Fault::Withhold, "work", &work, Some("1 of 100 entries were not delivered")),
        (Fault::Alter, "work", &work, Some("altered")),
        (Fault::Miscount, "work", &work, Some("XACK of 10 entries was answered with Integer(11)")),
        (Fault::KeepPending, "work", &work, Some("are pending")),
    ] {
        let address = serve(fault);
        assert_found_out(&fault, bench(address, mode, arguments), complaint);
    }
}

/// What a server does wrong: once, in the middle, if it has a middle.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    Lose,
    StepBack,
    Refuse,
    Close,
    Load,
    Repeat,
    Withhold,
    Alter,
    Miscount,
    KeepPending,
}

#[derive(Default)]
struct Streams {
    /// The bodies of each; an entry's id is its place.
    bodies: HashMap<Vec<u8>, Vec<Vec<u8>>>,
    added: u64,
    read: usize,
}

/// A server with streams of which one has a group.
fn serve(fault: Fault) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let streams = Arc::new(Mutex::new(Streams::default()));
    // It ends with the tests.
    thread::spawn(move || {
        for connection in listener.incoming() {
            let (streams, connection) = (streams.clone(), connection.unwrap());
            thread::spawn(move || answer(connection, &streams, fault));
        }
    });
    address
}

fn answer(mut connection: TcpStream, streams: &Mutex<Streams>, fault: Fault) {
    let mut output = connection.try_clone().unwrap();
    each_command(&mut connection, |command| {
        let mut reply = Vec::new();
        let writer = ReplyWriter::new(&mut reply, Version::Resp2);
        streams.lock().unwrap().answer(command, writer, fault) && output.write_all(&reply).is_ok()
    });
}

impl Streams {
    /// False to close the connection.
    fn answer(&mut self, command: &Command<'_>, mut to: ReplyWriter<'_, Vec<u8>>, fault: Fault) -> bool {
        match command.name() {
            b"PING" if fault == Fault::Load => to.error("LOADING wait"),
            b"PING" => to.simple("PONG"),
            b"XADD" => {
                self.added += 1;
                let fault = if self.added == 50 { fault } else { Fault::None };
                let bodies = self.bodies.entry(command.arg(1).to_vec()).or_default();
                match fault {
                    Fault::Close => return false,
                    Fault::Refuse => to.error("OOM too much"),
                    Fault::StepBack => to.bulk("0-1"),
                    _ => to.bulk(format!("{}-1", self.added)),
                }
                if fault != Fault::Lose {
                    bodies.push(command.arg(4).to_vec());
                }
            }
            b"XLEN" => to.integer(self.bodies.get(command.arg(1)).map_or(0, Vec::len) as i64),
            b"XGROUP" => to.simple("OK"),
            b"XREADGROUP" => self.read(command.arg(7), to, fault),
            b"XACK" => {
                let more = i64::from(fault == Fault::Miscount && self.read > 50);
                to.integer(command.len() as i64 - 3 + more);
            }
            b"XPENDING" => {
                to.array(1);
                to.integer(i64::from(fault == Fault::KeepPending));
            }
            other => panic!("{}", other.escape_ascii()),
        }
        true
    }

    fn read(&mut self, stream: &[u8], mut to: ReplyWriter<'_, Vec<u8>>, fault: Fault) {
        let bodies = &self.bodies[stream];
        let end = bodies.len().min(self.read + 10);
        let mut places: Vec<_> = (self.read..end).collect();
        let in_the_middle = self.read == 50;
        self.read = end;
        if places.is_empty() {
            return to.null_array();
        }
        if fault == Fault::Withhold && in_the_middle {
            places.pop();
        }
        to.array(1);
        to.array(2);
        to.bulk(stream);
        to.array(places.len());
        for place in places {
            let repeated = fault == Fault::Repeat && place == 50;
            let mut body = bodies[if repeated { place - 1 } else { place }].clone();
            if fault == Fault::Alter && in_the_middle {
                body[100] ^= 1;
            }
            to.array(2);
            to.bulk(format!("{}-1", place + 1));
            to.array(2);
            to.bulk("body");
            to.bulk(body);
        }
    }
}
