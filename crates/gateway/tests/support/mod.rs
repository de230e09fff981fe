//! A broker, gateways at it, and clients of theirs, in this process.
#![allow(dead_code, reason = "each test file uses some of it")]

pub(crate) mod far_end;
pub(crate) mod protobuf;

use std::{
    cell::Cell,
    collections::VecDeque,
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use naru_broker::{Broker, Storage};
use naru_bus::{Keeping, Target, Terms};
use naru_fanout::Listener;
use naru_gateway::{
    Cluster, Gateway, Options, RoomRules, TokenKey, Tokens,
    api::{SecretKey, Settings},
    metrics,
    namespaces::{self, Namespaces},
    proxy::Proxies,
};
use naru_ledger::{Limits, Server, User};
use serde_json::{Value, json};
use tempfile::TempDir;
use tungstenite::{
    ClientRequestBuilder, Error, Message, WebSocket,
    protocol::{CloseFrame, WebSocketConfig},
};

/// Longer than anything takes that is going to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// How long tokens are good, unless a test wants something else: longer than any test takes.
pub(crate) const TOKEN_TIME: Duration = Duration::from_secs(600);

/// The key of the server API.
pub(crate) const API_KEY: &str = "a key of the tests";

pub(crate) fn key() -> TokenKey {
    TokenKey::secret("a secret of the tests").unwrap()
}

pub(crate) fn token(user: &str) -> String {
    key().sign(&User::parse(user).unwrap(), TOKEN_TIME)
}

/// A token that says this.
pub(crate) fn signed(claims: Value) -> String {
    let Value::Object(claims) = claims else { panic!("claims are an object") };
    key().sign_claims(claims, TOKEN_TIME)
}

/// One that opens a connection also where each opens only one.
fn token_for_once(user: &str) -> String {
    let id = uuid::Uuid::new_v4().to_string();
    let claims = [("sub", user.to_owned()), ("jti", id)].map(|(name, value)| (name.to_owned(), value.into()));
    key().sign_claims(claims.into_iter().collect(), PATIENCE)
}

/// Looks until it is so.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{what}, but not in {PATIENCE:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// What somebody is told at last. There is only so much time to read it, and who was too late for it tries again. The time begins
/// with the attempt, or when that says so.
pub(crate) fn told_at_last<T>(
    patience: Duration,
    mut read: impl FnMut(&mut Instant) -> Option<T>,
) -> Option<T> {
    (0..10).find_map(|_| {
        let mut begun = Instant::now();
        let told = read(&mut begun);
        assert!(told.is_some() || begun.elapsed() > patience, "it was cut off");
        told
    })
}

/// Whether the store is another than Naru's broker, with which a test cannot do; then it says so, also where tests' output is kept.
pub(crate) fn is_skipped_elsewhere(why: &str) -> bool {
    let is_skipped = std::env::var_os("NARU_TESTS_ON").is_some();
    if is_skipped {
        let thread = thread::current();
        let _ = writeln!(std::io::stderr(), "{} is skipped: {why}", thread.name().unwrap_or_default());
    }
    is_skipped
}

/// A broker on a folder, which can be stopped and started again at the same port. It is Naru's; or, if `NARU_TESTS_ON` names
/// a redis-server or valkey-server, one of those.
pub(crate) struct Harbour {
    folder: TempDir,
    pub(crate) address: SocketAddr,
    broker: Option<Afloat>,
    limits: Limits,
}

enum Afloat {
    Naru(Broker),
    Redis(Child),
}

impl Harbour {
    pub(crate) fn open() -> Harbour {
        Harbour::open_with(|_| {})
    }

    /// With other bounds of the ledger: of a log's entries, the ring, a fan-out room's members.
    pub(crate) fn open_with(change: impl FnOnce(&mut Limits)) -> Harbour {
        let folder = tempfile::tempdir().unwrap();
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.address();
        let mut limits = Limits::default();
        change(&mut limits);
        let mut harbour = Harbour { folder, address, broker: None, limits };
        harbour.start_with(listener);
        harbour
    }

    fn start_with(&mut self, listener: Listener) {
        let Some(program) = std::env::var_os("NARU_TESTS_ON") else {
            let storage = Storage::Folder(self.folder.path().to_owned());
            let options = naru_broker::Options::new(vec![listener], storage, 2);
            self.broker = Some(Afloat::Naru(Broker::start(options).unwrap()));
            let Limits { log_entries_max, ring_max, members_max, .. } = self.limits;
            for (name, value) in
                [("log-entries-max", log_entries_max), ("ring-max", ring_max), ("members-max", members_max)]
            {
                let (name, value) = (format!("ledger-{name}"), value.to_string());
                assert_eq!(self.redis(&[b"CONFIG", b"SET", name.as_bytes(), value.as_bytes()]), "+OK");
            }
            return;
        };
        drop(listener);
        let port = self.address.port().to_string();
        let mut command = Command::new(program);
        command.args(["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "yes"]);
        command.args(["--appendfsync", "always", "--dir"]).arg(self.folder.path());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        self.broker = Some(Afloat::Redis(child));
        eventually("the store answers", || {
            TcpStream::connect(self.address).is_ok() && self.redis(&[b"PING"]) == "+PONG"
        });
    }

    pub(crate) fn stop(&mut self) {
        match self.broker.take() {
            Some(Afloat::Naru(broker)) => broker.stop(),
            Some(Afloat::Redis(mut child)) => {
                child.kill().unwrap();
                child.wait().unwrap();
            }
            None => {}
        }
    }

    pub(crate) fn start(&mut self) {
        let mut listener = None;
        // Another test may be given the port for a moment.
        eventually("the port is free", || {
            listener = Listener::bind(self.address).ok();
            listener.is_some()
        });
        self.start_with(listener.unwrap());
    }

    /// Another store at the same address: it has nothing of what there was.
    pub(crate) fn start_empty(&mut self) {
        self.folder = tempfile::tempdir().unwrap();
        self.start();
    }

    /// A chat server at this broker.
    pub(crate) fn gateway(&self, name: &str) -> Gateway {
        self.gateway_with(name, |_| {})
    }

    pub(crate) fn gateway_with(&self, name: &str, change: impl FnOnce(&mut Options)) -> Gateway {
        let keeping = Keeping { limits: self.limits.clone(), ..Keeping::default() };
        gateway_on(Terms { keeping, ..Terms::default() }, name, &self.address, change)
    }

    /// What redis-cli would be answered: one line.
    pub(crate) fn redis(&self, command: &[&[u8]]) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let mut request = format!("*{}\r\n", command.len()).into_bytes();
        for word in command {
            request.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            request.extend_from_slice(word);
            request.extend_from_slice(b"\r\n");
        }
        stream.write_all(&request).unwrap();
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// All that is answered to commands the last of which is QUIT.
    pub(crate) fn redis_text(&self, commands: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(commands).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// How many servers the broker passes a channel's publications to.
    pub(crate) fn listeners(&self, channel: &str) -> usize {
        let answer = self.redis_text(format!("PUBSUB NUMSUB {channel}\r\nQUIT\r\n").as_bytes());
        let number = answer.lines().find_map(|line| line.strip_prefix(':')).expect("a number");
        number.parse().unwrap()
    }
}

impl Drop for Harbour {
    fn drop(&mut self) {
        self.stop();
        // A gateway that was not stopped comes back for ever: the port is not to be another test's.
        if let Ok(kept) = TcpListener::bind(self.address) {
            std::mem::forget(kept);
        }
    }
}

pub(crate) fn gateway(name: &str, broker: &SocketAddr) -> Gateway {
    gateway_with(name, broker, |_| {})
}

pub(crate) fn gateway_with(name: &str, broker: &SocketAddr, change: impl FnOnce(&mut Options)) -> Gateway {
    gateway_on(Terms::default(), name, broker, change)
}

/// The namespace that there is without a configuration, but tests are faster than people.
fn public() -> Namespaces {
    let public = json!({"namespaces": [{
        "name": "public", "allow_subscribe_for_client": true, "allow_publish_for_client": true,
        "channel_regex": ".*", "publish_rate_limit": 0, "subscribe_rate_limit": 0,
    }]});
    serde_json::from_value::<namespaces::Settings>(public).unwrap().into()
}

fn gateway_on(terms: Terms, name: &str, broker: &SocketAddr, change: impl FnOnce(&mut Options)) -> Gateway {
    let mut options = Options {
        listener: Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap(),
        server: Server::parse(name).unwrap(),
        cluster: Cluster::default(),
        tokens: Tokens::new((&key()).into(), None).unwrap(),
        proxies: Proxies::default(),
        outbound_tls: None,
        embedded: None,
        pages: axum::Router::new(),
        api: Settings { key: SecretKey::new(API_KEY), ..Settings::default() }.try_into().unwrap(),
        namespaces: public(),
        inboxes: true,
        rooms: RoomRules::default(),
        origins: vec!["https://app.example".into()],
        cores: 2,
        limits: naru_gateway::limits::Limits::default(),
        metrics: metrics::Options::default(),
        drain: Duration::ZERO,
        grace: Duration::from_secs(4),
    };
    change(&mut options);
    let gateway = Gateway::start_on(terms, options, Target::Url(format!("redis://{broker}"))).unwrap();
    let address = gateway.address();
    eventually("the gateway reaches its broker", || {
        let mut probe = Client::open(address);
        probe.ask("connect", json!({"token": token_for_once("probe")}))["error"].is_null()
    });
    gateway
}

/// Metrics on a port of their own.
pub(crate) fn metrics_apart() -> metrics::Options {
    let settings: metrics::Settings = serde_json::from_value(json!({"address": "127.0.0.1:0"})).unwrap();
    settings.try_into().unwrap()
}

/// A client that speaks JSON, as the SDKs do.
pub(crate) struct Client {
    socket: WebSocket<TcpStream>,
    last_id: Cell<u64>,
    /// Messages of a frame not yet looked at.
    waiting: VecDeque<Value>,
    /// Pushes passed over while a reply was looked for.
    pushes: VecDeque<Value>,
    /// What the last publication that has an offset has.
    position: u64,
}

impl Client {
    pub(crate) fn open(address: SocketAddr) -> Client {
        Client::open_with(address, &[])
    }

    /// With headers in its request.
    pub(crate) fn open_with(address: SocketAddr, headers: &[(&str, &str)]) -> Client {
        Client::open_on(TcpStream::connect(address).unwrap(), headers)
    }

    /// On a connection.
    pub(crate) fn open_on(stream: TcpStream, headers: &[(&str, &str)]) -> Client {
        let address = stream.peer_addr().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let request =
            ClientRequestBuilder::new(format!("ws://{address}/connection/websocket").parse().unwrap())
                .with_sub_protocol("centrifuge-json");
        let request =
            headers.iter().fold(request, |request, (name, value)| request.with_header(*name, *value));
        let config = WebSocketConfig::default();
        let (socket, _) = tungstenite::client::client_with_config(request, stream, Some(config)).unwrap();
        Client {
            socket,
            last_id: Cell::new(0),
            waiting: VecDeque::new(),
            pushes: VecDeque::new(),
            position: 0,
        }
    }

    /// Connects as a user, and answers what the server said.
    pub(crate) fn connect_with(address: SocketAddr, user: &str, mut request: Value) -> (Client, Value) {
        let mut client = Client::open(address);
        request["token"] = token(user).into();
        let reply = client.ask("connect", request);
        assert!(reply["error"].is_null(), "{reply}");
        (client, reply["connect"].clone())
    }

    pub(crate) fn connect(address: SocketAddr, user: &str) -> Client {
        Client::connect_with(address, user, json!({})).0
    }

    pub(crate) fn raw(&mut self, message: impl Into<Message>) {
        self.socket.send(message.into()).unwrap();
    }

    /// Sends a command without waiting for its reply.
    pub(crate) fn command(&mut self, name: &str, request: Value) -> u64 {
        let id = self.next_id();
        self.raw(json!({"id": id, name: request}).to_string());
        id
    }

    pub(crate) fn next_id(&self) -> u64 {
        self.last_id.set(self.last_id.get() + 1);
        self.last_id.get()
    }

    /// The reply to a command.
    pub(crate) fn ask(&mut self, name: &str, request: Value) -> Value {
        let id = self.command(name, request);
        self.reply(id)
    }

    /// The reply that comes next; it is to this command.
    pub(crate) fn reply(&mut self, id: u64) -> Value {
        loop {
            let message = self.next();
            match message.get("push") {
                Some(push) => self.pushes.push_back(push.clone()),
                None => {
                    assert_eq!(message["id"], id, "{message}");
                    return message;
                }
            }
        }
    }

    /// The data an rpc answers.
    pub(crate) fn rpc(&mut self, method: &str, data: Value) -> Value {
        let reply = self.ask("rpc", json!({"method": method, "data": data}));
        assert!(reply["error"].is_null(), "{reply}");
        reply["rpc"]["data"].clone()
    }

    /// The same; what is pushed meanwhile is kept to be looked at later.
    pub(crate) fn rpc_among_pushes(&mut self, method: &str, data: Value) -> Value {
        self.rpc(method, data)
    }

    /// The error a command answers.
    pub(crate) fn refused(&mut self, name: &str, request: Value) -> (u64, String) {
        let error = self.ask(name, request)["error"].clone();
        (error["code"].as_u64().expect("a code"), error["message"].as_str().expect("a text").to_owned())
    }

    pub(crate) fn send(&mut self, to: &str, id: &str, text: &str) -> Value {
        self.rpc("send", json!({"to": format!("@{to}"), "id": id, "body": {"text": text}}))
    }

    pub(crate) fn subscribe(&mut self, channel: &str) {
        let reply = self.ask("subscribe", json!({"channel": channel}));
        assert_eq!(reply["subscribe"], json!({}), "{reply}");
    }

    /// The next message that is no ping; pings are answered.
    pub(crate) fn next(&mut self) -> Value {
        match self.try_next() {
            Ok(message) => message,
            Err(ended) => panic!("the connection ended: {ended:?}"),
        }
    }

    /// The next message, or how the connection ended.
    pub(crate) fn try_next(&mut self) -> Result<Value, Option<(u16, String)>> {
        loop {
            if let Some(message) = self.waiting.pop_front() {
                if message != json!({}) {
                    return Ok(message);
                }
                self.raw("{}");
            }
            match self.socket.read() {
                Ok(Message::Text(text)) => {
                    self.waiting.extend(text.lines().map(|line| serde_json::from_str(line).unwrap()));
                }
                Ok(Message::Close(frame)) => {
                    return Err(
                        frame.map(|CloseFrame { code, reason }| (code.into(), reason.as_str().to_owned()))
                    );
                }
                Ok(_) => {}
                Err(Error::Io(error))
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    panic!("nothing came in {PATIENCE:?}")
                }
                Err(_) => return Err(None),
            }
        }
    }

    /// The next publication: its channel, and what is in it but for when it was published.
    pub(crate) fn publication(&mut self) -> (String, Value) {
        let push = match self.pushes.pop_front() {
            Some(push) => push,
            None => {
                let message = self.next();
                message.get("push").unwrap_or_else(|| panic!("no push: {message}")).clone()
            }
        };
        self.position = push["pub"]["offset"].as_u64().unwrap_or(self.position);
        let mut publication = push["pub"].clone();
        publication.as_object_mut().unwrap().remove("time");
        (push["channel"].as_str().unwrap().to_owned(), publication)
    }

    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// The next push that is so; others before it are passed over.
    pub(crate) fn pushed(&mut self, is_so: impl Fn(&Value) -> bool) -> Value {
        loop {
            let push = match self.pushes.pop_front() {
                Some(push) => push,
                None => self.next()["push"].clone(),
            };
            if is_so(&push) {
                return push;
            }
        }
    }

    /// The next entry of the inbox, whatever it is: its offset, 0 if it has none, and its data. What says only what is
    /// unread is passed over.
    pub(crate) fn entry(&mut self) -> (u64, Value) {
        loop {
            let (channel, publication) = self.publication();
            assert!(channel.starts_with("inbox:"), "{channel}");
            if publication["data"]["kind"] != "read" {
                return (publication["offset"].as_u64().unwrap_or(0), publication["data"].clone());
            }
        }
    }

    /// The next message of the inbox: its offset and its text.
    pub(crate) fn inbox(&mut self) -> (u64, String) {
        let (offset, data) = self.entry();
        (offset, data["body"]["text"].as_str().unwrap_or_else(|| panic!("no message: {data}")).to_owned())
    }

    /// What comes next in the inbox says what is unread of a conversation.
    pub(crate) fn mark(&mut self) -> Value {
        let (channel, publication) = self.publication();
        assert!(channel.starts_with("inbox:"), "{channel}");
        publication["data"].clone()
    }

    /// Nothing has come that was not looked at: what comes next is the answer to a question asked now.
    pub(crate) fn assert_quiet(&mut self) {
        assert_eq!(self.ask("ping", json!({}))["error"]["code"], 108);
        assert_eq!(self.pushes, VecDeque::<Value>::new());
    }

    /// How the server closed the connection: code and reason; none when it was cut.
    pub(crate) fn closed(&mut self) -> Option<(u16, String)> {
        loop {
            if let Err(ended) = self.try_next() {
                return ended;
            }
        }
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        self.socket.get_ref()
    }

    /// Is gone, without a word.
    pub(crate) fn cut(self) {
        let _ = self.stream().shutdown(std::net::Shutdown::Both);
    }

    /// Goes, as a browser does that is told to.
    pub(crate) fn leave(mut self) {
        self.socket.close(None).unwrap();
        while self.socket.read().is_ok() {}
    }
}

/// A way to a broker that can be cut.
pub(crate) struct Strait {
    pub(crate) address: SocketAddr,
    is_open: Arc<AtomicBool>,
    is_calm: Arc<AtomicBool>,
    crossings: Arc<Mutex<Vec<TcpStream>>>,
}

impl Strait {
    pub(crate) fn to(broker: SocketAddr) -> Strait {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let strait = Strait {
            address: listener.local_addr().unwrap(),
            is_open: Arc::new(AtomicBool::new(true)),
            is_calm: Arc::default(),
            crossings: Arc::default(),
        };
        let (is_open, crossings) = (strait.is_open.clone(), strait.crossings.clone());
        let is_calm = strait.is_calm.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if !is_open.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(other) = TcpStream::connect(broker) else { continue };
                crossings.lock().unwrap().extend([stream.try_clone().unwrap(), other.try_clone().unwrap()]);
                for (mut from, mut to) in
                    [(stream.try_clone().unwrap(), other.try_clone().unwrap()), (other, stream)]
                {
                    let is_calm = is_calm.clone();
                    thread::spawn(move || {
                        let mut bytes = [0; 16 << 10];
                        while let Ok(count @ 1..) = from.read(&mut bytes) {
                            while is_calm.load(Ordering::SeqCst) {
                                thread::sleep(Duration::from_millis(5));
                            }
                            if to.write_all(&bytes[..count]).is_err() {
                                break;
                            }
                        }
                        let _ = to.shutdown(std::net::Shutdown::Both);
                    });
                }
            }
        });
        strait
    }

    /// Nothing gets through, though the connections are there; or it does again.
    pub(crate) fn becalm(&self, is_calm: bool) {
        self.is_calm.store(is_calm, Ordering::SeqCst);
    }

    pub(crate) fn cut(&self) {
        self.is_open.store(false, Ordering::SeqCst);
        for stream in self.crossings.lock().unwrap().drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }

    pub(crate) fn open(&self) {
        self.is_open.store(true, Ordering::SeqCst);
    }
}
