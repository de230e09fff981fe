//! A client's end of a session over plain HTTP: the bytes as they are.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
};

use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};

use super::{PATIENCE, token};

/// An answer of which the head has been read.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    reader: BufReader<TcpStream>,
}

impl Answer {
    /// Sends a request as it is.
    pub(crate) fn to(address: SocketAddr, request: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request).unwrap();
        Answer::of(BufReader::new(stream))
    }

    pub(crate) fn of(mut reader: BufReader<TcpStream>) -> Answer {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(reader.read_line(&mut head).unwrap(), 0, "the head has no end: {head}");
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_lowercase(), reader }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// A body whose length is said, and what comes behind it.
    pub(crate) fn body(mut self) -> (Vec<u8>, BufReader<TcpStream>) {
        let mut body = vec![0; self.header("content-length").unwrap().parse().unwrap()];
        self.reader.read_exact(&mut body).unwrap();
        (body, self.reader)
    }

    /// What the next chunk holds; nothing at the last one, behind which the connection ends.
    pub(crate) fn chunk(&mut self) -> Option<Vec<u8>> {
        let mut length = String::new();
        self.reader.read_line(&mut length).unwrap();
        let length = usize::from_str_radix(length.strip_suffix("\r\n").unwrap(), 16).unwrap();
        let mut chunk = vec![0; length + 2];
        self.reader.read_exact(&mut chunk).unwrap();
        assert_eq!(chunk.split_off(length), b"\r\n");
        if length == 0 {
            assert_eq!(self.rest(), b"");
            return None;
        }
        Some(chunk)
    }

    /// All that comes until the connection ends.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.reader.read_to_end(&mut rest).unwrap();
        rest
    }

    /// One line, without chunks.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        line
    }

    pub(crate) fn into_reader(self) -> BufReader<TcpStream> {
        self.reader
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        self.reader.get_ref()
    }
}

pub(crate) fn post(path: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nhost: chat.example\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n"
    )
    .into_bytes();
    request.extend_from_slice(body);
    request
}

/// The frame a user connects with.
pub(crate) fn connect(user: &str) -> String {
    json!({"id": 1, "connect": {"token": token(user)}}).to_string()
}

/// How a session is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Stream,
    Events,
}

/// A session that speaks JSON.
pub(crate) struct FarEnd {
    by: By,
    pub(crate) answer: Answer,
    pub(crate) session: String,
    pub(crate) node: String,
    last_id: u64,
}

impl FarEnd {
    pub(crate) fn connect(by: By, address: SocketAddr, user: &str) -> FarEnd {
        FarEnd::connect_on(by, TcpStream::connect(address).unwrap(), user)
    }

    pub(crate) fn connect_on(by: By, mut stream: TcpStream, user: &str) -> FarEnd {
        let request = match by {
            By::Stream => post("/connection/http_stream", "application/json", connect(user).as_bytes()),
            By::Events => {
                let frame: String = connect(user).bytes().map(|byte| format!("%{byte:02x}")).collect();
                format!("GET /connection/sse?cf_connect={frame} HTTP/1.1\r\nhost: chat.example\r\n\r\n")
                    .into()
            }
        };
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(&request).unwrap();
        FarEnd::connected(by, Answer::of(BufReader::new(stream)))
    }

    pub(crate) fn connected(by: By, answer: Answer) -> FarEnd {
        assert_eq!(answer.status, 200, "{}", answer.head);
        let mut far_end = FarEnd { by, answer, session: String::new(), node: String::new(), last_id: 1 };
        if by == By::Events {
            assert_eq!(far_end.answer.chunk().unwrap(), b"\r\n");
        }
        let reply = far_end.next().unwrap();
        let text =
            |name: &str| reply["connect"][name].as_str().unwrap_or_else(|| panic!("{reply}")).to_owned();
        (far_end.session, far_end.node) = (text("session"), text("node"));
        far_end
    }

    /// The next message; nothing when the answer has ended as it should.
    pub(crate) fn next(&mut self) -> Option<Value> {
        let chunk = self.answer.chunk()?;
        let text = std::str::from_utf8(&chunk).unwrap();
        let message = match self.by {
            By::Stream => text.strip_suffix('\n').unwrap(),
            By::Events => text.strip_prefix("data: ").unwrap().strip_suffix("\n\n").unwrap(),
        };
        Some(serde_json::from_str(message).unwrap())
    }

    /// The next push that is so.
    pub(crate) fn pushed(&mut self, is_so: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = self.next().expect("a push");
            if is_so(&message["push"]) {
                return message["push"].clone();
            }
        }
    }

    /// Posts a frame of commands to a server; the status of the answer.
    pub(crate) fn post(&self, address: SocketAddr, frame: &str) -> u16 {
        let body = json!({"node": self.node, "session": self.session, "data": frame}).to_string();
        let answer = Answer::to(address, &post("/emulation", "application/json", body.as_bytes()));
        answer.status
    }

    /// Asks something through a server, and reads the reply. Pushes before it are passed over.
    pub(crate) fn ask(&mut self, address: SocketAddr, name: &str, request: Value) -> Value {
        self.last_id += 1;
        let command = json!({"id": self.last_id, name: request}).to_string();
        assert_eq!(self.post(address, &command), 204);
        loop {
            let message = self.next().expect("a reply");
            if message["id"] == self.last_id {
                return message;
            }
            assert!(message.get("id").is_none(), "{message}");
        }
    }

    /// What the last push says, behind which the answer ends.
    pub(crate) fn disconnected(&mut self) -> Value {
        let push = self.pushed(|push| !push["disconnect"].is_null());
        assert_eq!(self.next(), None);
        push["disconnect"].clone()
    }

    /// The same of an answer that may have been cut off meanwhile: nothing then.
    pub(crate) fn last_words(self) -> Option<Value> {
        let mut rest = Vec::new();
        let _ = self.answer.into_reader().read_to_end(&mut rest);
        let rest = std::str::from_utf8(rest.strip_suffix(b"\r\n0\r\n\r\n")?).unwrap();
        let last = rest.trim_end().lines().last().unwrap();
        let message: Value = serde_json::from_str(last.strip_prefix("data: ").unwrap_or(last)).unwrap();
        Some(message["push"]["disconnect"].clone())
    }

    pub(crate) fn cut(self) {
        self.answer.stream().shutdown(Shutdown::Both).unwrap();
    }
}

/// A connection into which little fits that is not read.
pub(crate) fn narrow(address: SocketAddr, receive_bytes: usize) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(receive_bytes).unwrap();
    socket.connect(&address.into()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.into()
}

/// One that follows a channel, and reads nothing of it unless it is asked to.
pub(crate) fn narrow_subscriber(address: SocketAddr, channel: &str) -> FarEnd {
    let mut stream = narrow(address, 4 << 10);
    stream
        .write_all(&post("/connection/http_stream", "application/json", connect("ann").as_bytes()))
        .unwrap();
    let mut ann = FarEnd::connected(By::Stream, Answer::of(BufReader::with_capacity(512, stream)));
    ann.ask(address, "subscribe", json!({"channel": channel}));
    ann
}
