//! Requests and what Redis 7 answers to them, byte for byte: our parser, with `ECHO` behind it, must
//! answer the same, however the bytes arrive.

use naru_resp::{Limits, Malformed, ReplyWriter, RequestParser, Version};

/// Bytes in, bytes out. Each was answered so by redis-server 7.0.15.
const TRANSCRIPTS: &[(&str, &[u8], &[u8])] = &[
    ("an array", b"*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n", b"$2\r\nhi\r\n"),
    ("two at once", b"*2\r\n$4\r\nECHO\r\n$1\r\na\r\nECHO b\r\n", b"$1\r\na\r\n$1\r\nb\r\n"),
    ("any bytes", b"*2\r\n$4\r\nECHO\r\n$4\r\n\r\n\0\xff\r\n", b"$4\r\n\r\n\0\xff\r\n"),
    ("an empty string", b"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n", b"$0\r\n\r\n"),
    ("an array of none is skipped", b"*0\r\n*-1\r\n*-5\r\nECHO a\r\n", b"$1\r\na\r\n"),
    ("empty lines are skipped", b"\r\n\n  \r\n\r\nECHO a\r\n", b"$1\r\na\r\n"),
    ("bare line feeds", b"ECHO a\nECHO b\n", b"$1\r\na\r\n$1\r\nb\r\n"),
    ("only one carriage return is the line's", b"ECHO a\r\r\n", b"$1\r\na\r\n"),
    ("blanks around words", b" \t ECHO \x0b\x0c  a \t\r\n", b"$1\r\na\r\n"),
    ("double quotes", b"ECHO \"a b\"\r\n", b"$3\r\na b\r\n"),
    ("empty quotes", b"ECHO \"\"\r\nECHO ''\r\n", b"$0\r\n\r\n$0\r\n\r\n"),
    ("escapes", b"ECHO \"\\n\\r\\t\\b\\a\\\\\\\"\\x41\\xfF\\q\"\r\n", b"$10\r\n\n\r\t\x08\x07\\\"A\xffq\r\n"),
    ("half a hex escape", b"ECHO \"\\x4g\\x\"\r\n", b"$4\r\nx4gx\r\n"),
    ("single quotes", b"ECHO 'a\\n\"\\' \\x41'\r\n", b"$10\r\na\\n\"' \\x41\r\n"),
    ("escapes need quotes", b"ECHO a\\n\\x41\r\n", b"$7\r\na\\n\\x41\r\n"),
    ("a quote inside a word opens it", b"ECHO a\"b c\"\r\n", b"$4\r\nab c\r\n"),
    ("a quote ends a word", b"ECHO \"a\"b\r\n", b"-ERR Protocol error: unbalanced quotes in request\r\n"),
    ("single the same", b"ECHO 'a'b\r\n", b"-ERR Protocol error: unbalanced quotes in request\r\n"),
    ("an open quote", b"ECHO \"a\r\n", b"-ERR Protocol error: unbalanced quotes in request\r\n"),
    ("an open single quote", b"ECHO 'a\r\n", b"-ERR Protocol error: unbalanced quotes in request\r\n"),
    ("an escaped last quote", b"ECHO \"a\\\"\r\n", b"-ERR Protocol error: unbalanced quotes in request\r\n"),
    ("no count", b"*\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
    ("a word for a count", b"*x\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
    ("a count with a plus", b"*+1\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
    ("a count with a zero", b"*01\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
    ("a count with a blank", b"* 1\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
    ("minus nothing", b"*-0\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
    ("a count beyond 32 bits", b"*2147483648\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
    (
        "a count beyond 64 bits",
        b"*18446744073709551617\r\n",
        b"-ERR Protocol error: invalid multibulk length\r\n",
    ),
    ("a line feed is no end", b"*1\n$4\r\nPING\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
    ("another type", b"*1\r\n:1\r\n", b"-ERR Protocol error: expected '$', got ':'\r\n"),
    ("a word for an argument", b"*1\r\nPING\r\n", b"-ERR Protocol error: expected '$', got 'P'\r\n"),
    ("nothing for an argument", b"*1\r\n\r\n\r\n", b"-ERR Protocol error: expected '$', got ' '\r\n"),
    ("no length", b"*1\r\n$\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
    ("a word for a length", b"*1\r\n$x\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
    ("a null argument", b"*1\r\n$-1\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
    ("a length over 512 MiB", b"*1\r\n$536870913\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
    (
        "a length beyond 64 bits",
        b"*1\r\n$99999999999999999999\r\n",
        b"-ERR Protocol error: invalid bulk length\r\n",
    ),
    ("what ends a string is not read", b"*2\r\n$4\r\nECHOxx$1\r\nayyECHO b\r\n", b"$1\r\na\r\n$1\r\nb\r\n"),
    ("what follows CR is not read", b"*2\rx$4\rxECHO\r\n$1\r\na\r\n", b"$1\r\na\r\n"),
    (
        "answers before an error are given",
        b"ECHO a\r\n*x\r\n",
        b"$1\r\na\r\n-ERR Protocol error: invalid multibulk length\r\n",
    ),
];

/// What a peer who has yet to sign in is told, from redis-server 7.0.15 with `--requirepass`.
const UNAUTHENTICATED: &[(&str, &[u8], &[u8])] = &[
    ("arguments", b"*11\r\n", b"-ERR Protocol error: unauthenticated multibulk length\r\n"),
    ("bytes", b"*2\r\n$4\r\nECHO\r\n$16385\r\n", b"-ERR Protocol error: unauthenticated bulk length\r\n"),
    ("a count no one may send", b"*2147483648\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
];

/// Lines that never end: what is sent, how often, the answer.
const ENDLESS: &[(&str, &[u8], u8, &[u8])] = &[
    ("typed", b"", b'a', b"-ERR Protocol error: too big inline request\r\n"),
    ("count", b"*", b'1', b"-ERR Protocol error: too big mbulk count string\r\n"),
    ("length", b"*1\r\n$", b'1', b"-ERR Protocol error: too big bulk count string\r\n"),
];

#[test]
fn requests_are_answered_as_redis_answers_them() {
    for (name, input, expected) in TRANSCRIPTS {
        assert_answer(name, &answer([*input], Limits::authenticated()), expected);
    }
    for (name, input, expected) in UNAUTHENTICATED {
        assert_answer(name, &answer([*input], Limits::unauthenticated()), expected);
    }
    for (name, input, expected) in endless() {
        assert_answer(name, &answer([&input[..]], Limits::authenticated()), expected);
    }
}

#[test]
fn requests_cut_anywhere_are_answered_the_same() {
    for (name, input, expected) in TRANSCRIPTS {
        for cut in 0..input.len() {
            let (front, back) = input.split_at(cut);
            assert_answer(name, &answer([front, back], Limits::authenticated()), expected);
        }
        assert_answer(name, &answer(input.chunks(1), Limits::authenticated()), expected);
    }
    for (name, input, expected) in endless() {
        assert_answer(name, &answer(input.chunks(1), Limits::authenticated()), expected);
    }
}

#[test]
#[ignore = "needs redis-server 7: cargo test -p naru-resp -- --ignored"]
fn redis_answers_the_same() {
    let open = redis::Server::start(&[]);
    for (name, input, expected) in TRANSCRIPTS {
        assert_answer(name, &open.ask(input), expected);
    }
    for (name, input, expected) in endless() {
        assert_answer(name, &open.ask(&input), expected);
    }
    let closed = redis::Server::start(&["--requirepass", "secret"]);
    for (name, input, expected) in UNAUTHENTICATED {
        assert_answer(name, &closed.ask(input), expected);
    }
}

fn endless() -> impl Iterator<Item = (&'static str, Vec<u8>, &'static [u8])> {
    ENDLESS.iter().map(|(name, front, byte, expected)| {
        let mut input = front.to_vec();
        input.resize(front.len() + 64 * 1024 + 1, *byte);
        (*name, input, *expected)
    })
}

/// What a server that knows only `ECHO` answers to bytes that arrive in these pieces.
fn answer<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, limits: Limits) -> Vec<u8> {
    let mut parser = RequestParser::new(limits);
    let (mut input, mut output) = (Vec::new(), Vec::new());
    for piece in pieces {
        input.extend_from_slice(piece);
        if let Err(malformed) = serve(&mut parser, &mut input, &mut output) {
            ReplyWriter::new(&mut output, Version::Resp2).error(format!("ERR {malformed}"));
            return output;
        }
    }
    output
}

fn serve(parser: &mut RequestParser, input: &mut Vec<u8>, output: &mut Vec<u8>) -> Result<(), Malformed> {
    while let Some((command, consumed)) = parser.next(input)? {
        if !command.is_empty() {
            assert_eq!((command.name(), command.len()), (&b"ECHO"[..], 2));
            ReplyWriter::new(output, Version::Resp2).bulk(command.arg(1));
        }
        input.drain(..consumed);
    }
    Ok(())
}

#[track_caller]
fn assert_answer(name: &str, answer: &[u8], expected: &[u8]) {
    assert_eq!(answer.escape_ascii().to_string(), expected.escape_ascii().to_string(), "{name}");
}

#[cfg(test)]
mod redis {
    use std::io::{ErrorKind, Read as _, Write as _};
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::process::{Child, Command, Stdio};

    pub(crate) struct Server {
        process: Child,
        port: u16,
    }

    impl Server {
        pub(crate) fn start(options: &[&str]) -> Self {
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = free.local_addr().unwrap().port();
            drop(free);
            let process = Command::new("redis-server")
                .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
                .args(options)
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            while TcpStream::connect(("127.0.0.1", port)).is_err() {
                std::thread::yield_now();
            }
            Self { process, port }
        }

        /// Everything answered until the server, told that no more comes, closes.
        pub(crate) fn ask(&self, input: &[u8]) -> Vec<u8> {
            let mut socket = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
            socket.write_all(input).unwrap();
            socket.shutdown(Shutdown::Write).unwrap();
            let mut answer = Vec::new();
            match socket.read_to_end(&mut answer) {
                Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("{error}"),
                _ => answer,
            }
        }
    }

    impl Drop for Server {
        fn drop(&mut self) {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}
