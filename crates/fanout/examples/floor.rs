//! The least that a server can do for pub/sub: it hears a PUBLISH and hands the message to the kernel for each subscriber,
//! one after the other. It knows one channel, and no limits, errors or ends. What remains of a measurement with it is
//! the kernel's and the load generator's: no server that sends over sockets has less.
//!
//! ```text
//! cargo build --release -p naru-fanout --example floor
//! bench/pubsub.py target/release/naru --floor target/release/examples/floor --only single
//! ```

use std::{
    error::Error,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, RwLock},
    thread,
};

type Subscribers = Arc<RwLock<Vec<TcpStream>>>;

fn main() -> Result<(), Box<dyn Error>> {
    let port: u16 = std::env::args().nth(1).ok_or("give a port")?.parse()?;
    let subscribers = Subscribers::default();
    for client in TcpListener::bind(("127.0.0.1", port))?.incoming() {
        let (client, subscribers) = (client?, subscribers.clone());
        // A client that leaves ends its thread only.
        thread::spawn(move || serve(client, &subscribers).ok());
    }
    Ok(())
}

fn serve(mut client: TcpStream, subscribers: &Subscribers) -> Result<(), Box<dyn Error>> {
    client.set_nodelay(true)?;
    let mut input = BufReader::new(client.try_clone()?);
    loop {
        let words = request(&mut input)?;
        match &words[..] {
            [name, channel] if name.eq_ignore_ascii_case(b"SUBSCRIBE") => {
                let reply = array([b"subscribe", channel.as_slice()].into_iter(), b":1\r\n");
                client.write_all(&reply)?;
                subscribers.write().map_err(|_| "poisoned")?.push(client.try_clone()?);
            }
            [name, channel, payload] if name.eq_ignore_ascii_case(b"PUBLISH") => {
                let message = array([b"message", channel.as_slice(), payload].into_iter(), b"");
                let subscribers = subscribers.read().map_err(|_| "poisoned")?;
                client.write_all(format!(":{}\r\n", subscribers.len()).as_bytes())?;
                for mut subscriber in subscribers.iter() {
                    subscriber.write_all(&message)?;
                }
            }
            _ => client.write_all(b"+OK\r\n")?,
        }
    }
}

/// The words of the next request.
fn request(input: &mut impl BufRead) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    (0..number(input)?)
        .map(|_| {
            let mut word = vec![0; number(input)? + 2];
            input.read_exact(&mut word)?;
            word.truncate(word.len() - 2);
            Ok(word)
        })
        .collect()
}

/// What a line says after its first byte.
fn number(input: &mut impl BufRead) -> Result<usize, Box<dyn Error>> {
    let mut line = String::new();
    input.read_line(&mut line)?;
    Ok(line.get(1..).ok_or("the end")?.trim_end().parse()?)
}

/// Words, and what follows them as one more if it is not empty.
fn array<'a>(words: impl Iterator<Item = &'a [u8]>, last: &[u8]) -> Vec<u8> {
    let mut frame = b"*3\r\n".to_vec();
    for word in words {
        frame.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        frame.extend_from_slice(word);
        frame.extend_from_slice(b"\r\n");
    }
    frame.extend_from_slice(last);
    frame
}
