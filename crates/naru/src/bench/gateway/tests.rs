use std::net::{SocketAddr, TcpListener, TcpStream};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

use super::{options, payload::MARK, publish};
use crate::bench::tests::{LONG, against, assert_found_out};

/// What a server does to the message with this number.
const FAULTY: u64 = 20;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    Lose,
    Repeat,
    Swap,
    Alter,
    /// Sends what nobody has published.
    Invent,
    /// Sends what was published elsewhere.
    Misplace,
    Refuse,
    /// Answers a publish twice.
    AnswerTwice,
    Unsubscribe,
    Close,
}

fn measured(server: SocketAddr, arguments: &[&str]) -> anyhow::Result<Value> {
    let url = format!("ws://{server}");
    let fixed = ["--server", &url, "--seconds", LONG, "--warm-up", "0"];
    Ok(serde_json::to_value(publish::measure(&options::parsed(&[&fixed, arguments].concat()))?)?)
}

#[test]
fn a_server_that_loses_repeats_or_alters_a_message_is_found_out() {
    for (fault, complaint) in [
        (Fault::None, None),
        (Fault::Lose, Some("lost")),
        (Fault::Repeat, Some("repeated")),
        (Fault::Swap, Some("out of order")),
        (Fault::Alter, Some("altered")),
        (Fault::Invent, Some("a stranger")),
        (Fault::Misplace, Some("a stranger")),
        (Fault::Refuse, Some("103 permission denied")),
        (Fault::AnswerTwice, Some("which waits for none")),
        (Fault::Unsubscribe, Some("ends the subscription")),
        (Fault::Close, Some("3008 slow")),
    ] {
        let arguments = ["--subscribers", "1", "--publishers", "1", "--in-flight", "4"];
        let (outcome, ()) =
            against(move |listener| serve(listener, fault), |address| measured(address, &arguments));
        if let Ok(report) = &outcome {
            assert!(report["deliveries"].as_u64().unwrap() > FAULTY, "{report}");
        }
        assert_found_out(&fault, outcome, complaint);
    }
}

#[test]
fn a_server_that_is_not_there_or_is_none_is_an_error() {
    let serve = |listener: &TcpListener| {
        let (mut stream, _) = listener.accept().unwrap();
        std::io::Write::write_all(&mut stream, b"HTTP/1.1 404 Not Found\r\n\r\n").unwrap();
        listener.local_addr().unwrap()
    };
    let (outcome, address) = against(serve, |address| measured(address, &[]));
    assert!(format!("{:#}", outcome.unwrap_err()).contains("404 Not Found"));
    assert!(format!("{:#}", measured(address, &[]).unwrap_err()).contains("cannot connect"));
}

/// One subscriber, then one publisher, in JSON.
fn serve(listener: &TcpListener, fault: Fault) {
    let mut subscriber = accept(listener);
    answer(&mut subscriber, "connect", |_| json!({"client": "s"}));
    answer(&mut subscriber, "subscribe", |_| json!({}));
    let mut publisher = accept(listener);
    answer(&mut publisher, "connect", |_| json!({"client": "p"}));
    for number in 0.. {
        let Ok(message) = publisher.read() else { return leave([subscriber, publisher]) };
        let command: Value = serde_json::from_str(message.to_text().unwrap_or_default()).unwrap_or_default();
        let id = &command["id"];
        let fault = if number == FAULTY { fault } else { Fault::None };
        let (mut channel, mut data) =
            (command["publish"]["channel"].clone(), command["publish"]["data"].to_string());
        match fault {
            Fault::Alter => data = data.replace("abc", "abd").replace("xyz", "xya"),
            Fault::Invent => data.replace_range(MARK.len()..MARK.len() + 8, "00000007"),
            Fault::Misplace => channel = "public:elsewhere".into(),
            _ => {}
        }
        let told = format!(r#"{{"push":{{"channel":{channel},"pub":{{"data":{data}}}}}}}"#);
        // Pings come now and then, and several things in one message.
        let told = if number % 5 == 0 { format!("{told}\n{{}}") } else { told };
        let told = match fault {
            Fault::Lose => Vec::new(),
            Fault::Repeat => vec![told.clone(), told],
            Fault::Swap => vec![next_after(&told), told],
            Fault::Unsubscribe => {
                vec![format!(r#"{{"push":{{"channel":{channel},"unsubscribe":{{"code":2500}}}}}}"#)]
            }
            _ => vec![told],
        };
        let mut heard = true;
        for text in told {
            heard &= subscriber.send(Message::text(text.clone())).is_ok();
        }
        if fault == Fault::Close {
            let frame = tungstenite::protocol::CloseFrame { code: 3008.into(), reason: "slow".into() };
            heard &= subscriber.close(Some(frame)).is_ok() && subscriber.flush().is_ok();
        }
        let reply = match fault {
            Fault::Refuse => json!({"id": id, "error": {"code": 103, "message": "permission denied"}}),
            _ => json!({"id": id, "publish": {}}),
        };
        for _ in 0..if fault == Fault::AnswerTwice { 2 } else { 1 } {
            heard &= publisher.send(Message::text(reply.to_string())).is_ok();
        }
        if !heard {
            return leave([subscriber, publisher]);
        }
    }
}

/// Closing with something unread would reset a connection before its client has read what came last.
fn leave(sockets: [WebSocket<TcpStream>; 2]) {
    for mut socket in sockets {
        while socket.read().is_ok() {}
    }
}

/// The same message with the number behind its own.
fn next_after(told: &str) -> String {
    let own = format!("{FAULTY:016x}");
    let at = told.find(&own).unwrap();
    let mut later = told.to_owned();
    later.replace_range(at..at + own.len(), &format!("{:016x}", FAULTY + 1));
    later
}

fn accept(listener: &TcpListener) -> WebSocket<TcpStream> {
    tungstenite::accept(listener.accept().unwrap().0).unwrap()
}

fn answer(client: &mut WebSocket<TcpStream>, kind: &str, result: impl FnOnce(&Value) -> Value) {
    let command: Value = serde_json::from_str(client.read().unwrap().to_text().unwrap()).unwrap();
    assert!(command[kind].is_object(), "{command}");
    let reply = json!({"id": command["id"], kind: result(&command[kind])});
    client.send(Message::text(reply.to_string())).unwrap();
}
