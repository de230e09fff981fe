//! What a connection costs that says nothing.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod support;

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use naru_measured::held_bytes;
use support::{Harbour, PATIENCE, token};

#[global_allocator]
static MEMORY: naru_measured::Measured = naru_measured::Measured;

/// Bytes that client, server and broker hold for a connection of a user who has signed in and has an inbox; maps that grow by doubling
/// are not in it.
const BYTES_MAX: usize = 1792;

/// Neither number is where such a map doubles, and between them none does. With both ends, there are fewer than 1,024 files.
const FEW: usize = 230;
const MANY: usize = 430;

/// Signs in, and says no more.
fn connect(address: SocketAddr, number: usize) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!(
        "GET /connection/websocket HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    hear(&mut stream, "\r\n\r\n");
    let command = format!(r#"{{"id":1,"connect":{{"token":"{}"}}}}"#, token(&format!("user-{number:04}")));
    let mut frame = vec![0x81, 0x80 | 126];
    frame.extend(u16::try_from(command.len()).unwrap().to_be_bytes());
    // A mask of zeros.
    frame.extend([0; 4]);
    frame.extend(command.bytes());
    stream.write_all(&frame).unwrap();
    hear(&mut stream, "inbox:");
    stream
}

fn hear(stream: &mut TcpStream, what: &str) {
    let mut heard = Vec::new();
    while !String::from_utf8_lossy(&heard).contains(what) {
        let mut some = [0; 1024];
        let count = stream.read(&mut some).unwrap();
        assert!(count > 0, "closed after {}", String::from_utf8_lossy(&heard));
        heard.extend_from_slice(&some[..count]);
    }
}

/// What is held when everything that was begun has come to rest.
fn held_at_rest() -> usize {
    let begun = Instant::now();
    let (mut held, mut alike) = (held_bytes(), 1);
    while alike < 5 {
        assert!(begun.elapsed() < PATIENCE, "{held} bytes, and no rest in {PATIENCE:?}");
        thread::sleep(Duration::from_millis(100));
        let now = held_bytes();
        if now.abs_diff(held) < 1024 {
            alike += 1;
        } else {
            (held, alike) = (now, 1);
        }
    }
    held
}

#[test]
fn a_silent_connection_holds_little_more_than_its_session() {
    let harbour = Harbour::open();
    let gateway = harbour.gateway("one");
    let mut all: Vec<TcpStream> = Vec::with_capacity(MANY);
    all.extend((0..FEW).map(|number| connect(gateway.address(), number)));
    let few = held_at_rest();
    all.extend((FEW..MANY).map(|number| connect(gateway.address(), number)));
    let many = held_at_rest();
    let each = many.saturating_sub(few) / (MANY - FEW);
    assert!(
        (1..=BYTES_MAX).contains(&each),
        "{each} bytes for each of {} connections: {few}, then {many}",
        MANY - FEW
    );
    gateway.stop();
}
