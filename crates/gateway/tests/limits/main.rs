//! What clients may take, how they are sent away, and what is counted of it.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod admission;
mod messages;
mod metrics;
mod rates;
mod readiness;
#[path = "../support/mod.rs"]
mod support;
mod unread;

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use naru_gateway::{Gateway, limits::Settings};
use serde_json::json;
use support::{Harbour, PATIENCE, token};

fn limited(harbour: &Harbour, change: impl FnOnce(&mut Settings)) -> Gateway {
    let mut settings = Settings::default();
    change(&mut settings);
    harbour.gateway_with("one", |options| options.limits = settings.try_into().unwrap())
}

fn get(address: SocketAddr, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

/// What a WebSocket is answered: the status.
fn upgraded(address: SocketAddr, headers: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!(
        "GET /connection/websocket HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count > 0) {
        answer.push(byte[0]);
    }
    (stream, String::from_utf8(answer).unwrap())
}

/// A WebSocket on which somebody has signed in, if it is one.
fn signed_in(address: SocketAddr) -> Option<TcpStream> {
    let (mut stream, answer) = upgraded(address, "");
    if status(&answer) != "101" {
        return None;
    }
    let command = json!({"id": 1, "connect": {"token": token("bob")}}).to_string();
    let [high, low] = u16::try_from(command.len()).unwrap().to_be_bytes();
    // The mask is four zeros: it changes nothing.
    stream.write_all(&[&[0x81, 0xfe, high, low, 0, 0, 0, 0], command.as_bytes()].concat()).unwrap();
    let mut heard = Vec::new();
    let mut buffer = [0; 4096];
    while !String::from_utf8_lossy(&heard).contains("\"client\"") {
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "{}", String::from_utf8_lossy(&heard));
        heard.extend_from_slice(&buffer[..count]);
    }
    Some(stream)
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or(answer)
}
