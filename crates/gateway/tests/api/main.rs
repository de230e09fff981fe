//! The server API: what applications' servers publish and steer, over two servers at one broker.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod access;
mod presence;
mod publishing;
mod reading;
mod revoking;
mod servers;
mod steering;
#[path = "../support/mod.rs"]
mod support;

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use naru_gateway::namespaces::{self, Namespaces};
use serde_json::{Value, json};
use support::{API_KEY, PATIENCE};

/// Asks over HTTP; the status, and the body as it is.
fn ask(address: SocketAddr, head: &str, headers: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    write!(
        stream,
        "{head} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// The same, whose answer is not waited for: it comes when the broker does.
fn ask_only(address: SocketAddr, method: &str, params: &Value) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let body = params.to_string();
    let head = format!("POST /api/{method} HTTP/1.1\r\nHost: x\r\nX-API-Key: {API_KEY}\r\n");
    write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    stream
}

fn call(address: SocketAddr, method: &str, params: Value) -> Value {
    let (status, body) = ask(
        address,
        &format!("POST /api/{method}"),
        &format!("X-API-Key: {API_KEY}\r\n"),
        &params.to_string(),
    );
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

/// What a method answers that does what is asked.
fn done(address: SocketAddr, method: &str, params: Value) -> Value {
    let answer = call(address, method, params);
    assert!(answer["error"].is_null(), "{answer}");
    answer["result"].clone()
}

fn code(address: SocketAddr, method: &str, params: Value) -> u64 {
    call(address, method, params)["error"]["code"].as_u64().expect("a code")
}

/// A namespace with a history, and nothing more.
fn kept() -> Namespaces {
    let kept = json!({"namespaces": [{
        "name": "kept", "history_size": 10, "history_ttl": "1h",
        "allow_subscribe_for_client": true, "allow_positioning": true,
    }]});
    serde_json::from_value::<namespaces::Settings>(kept).unwrap().into()
}
