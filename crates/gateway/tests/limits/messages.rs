//! How large a message may be, and how long one is waited for.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    limited, signed_in,
    support::{self, Client, Harbour, PATIENCE},
};

#[test]
fn what_is_begun_and_not_ended_is_not_waited_for() {
    let harbour = Harbour::open();
    let one = harbour.gateway("one");
    let address = one.address();
    let mut kept = Client::connect(address, "alice");
    let begun = Instant::now();
    // Writes these at once and then a little each second, until the other side says this or ends it: what it says, and when.
    fn drip(
        mut stream: TcpStream,
        (first, more): (Vec<u8>, &[u8]),
        until: &str,
        begun: Instant,
    ) -> (String, Duration) {
        stream.write_all(&first).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        let mut heard = Vec::new();
        let mut buffer = [0; 4096];
        while begun.elapsed() < PATIENCE {
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => heard.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    if stream.write_all(more).is_err() {
                        break;
                    }
                }
                Err(_) => break,
            }
            if String::from_utf8_lossy(&heard).contains(until) {
                break;
            }
        }
        (String::from_utf8_lossy(&heard).into_owned(), begun.elapsed())
    }
    let post = |path: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {}\r\nContent-Length: 9999\r\n\r\n{{",
            support::API_KEY
        )
    };
    // A frame; a message in several of which the last never comes, while there are pings; bodies; headers.
    let frame = [&[0x81, 0xfe, 0x20, 0, 0, 0, 0, 0][..], b"{"].concat();
    let message = [&[0x01, 0x81, 0, 0, 0, 0][..], b"{"].concat();
    let ping: &'static [u8] = &[0x89, 0x80, 0, 0, 0, 0];
    let letter: &'static [u8] = b"a";
    let plain = || TcpStream::connect(address).unwrap();
    let (closed, late) = ("connection closed", "HTTP/1.1 408 ");
    let all = [
        ("frame", signed_in(address).unwrap(), frame, letter, closed),
        ("message", signed_in(address).unwrap(), message, ping, closed),
        ("stream", plain(), post("/connection/http_stream").into(), letter, late),
        ("emulation", plain(), post("/emulation").into(), letter, late),
        ("headers", plain(), b"GET / HTTP/1.1\r\nX: ".to_vec(), letter, "nothing at all"),
    ]
    .map(|(what, stream, first, more, until)| {
        (what, until, std::thread::spawn(move || drip(stream, (first, more), until, begun)))
    });
    for (what, until, thread) in all {
        let (heard, after) = thread.join().unwrap();
        let least = Duration::from_secs(if what == "headers" { 4 } else { 9 });
        assert!((least..PATIENCE).contains(&after), "{what}: {after:?} {heard:?}");
        assert_eq!(heard.contains(until), what != "headers", "{what}: {heard:?}");
    }
    // Who is merely silent stays.
    assert_eq!(kept.refused("presence_stats", json!({"channel": "public:x"})).0, 108);
}

#[test]
fn messages_and_channels_are_as_many_and_as_large_as_is_set() {
    let harbour = Harbour::open();
    let one = limited(&harbour, |settings| {
        settings.message_size_limit = 2048;
        settings.channel_limit = 2;
    });
    let mut client = Client::connect(one.address(), "alice");
    client.subscribe("public:1");
    client.subscribe("public:2");
    assert_eq!(client.refused("subscribe", json!({"channel": "public:3"})).0, 106);
    client.raw("x".repeat(2049));
    assert_eq!(client.closed().map(|(code, _)| code), Some(1009));
}
