//! The smallest wire: lines. `S topic`, `U topic`, `P topic text`; a topic with a `*` is a pattern. Answers are
//! `+S topic`, `+U topic`, `=receivers`; messages are `channel text`.

use std::{
    cell::RefCell,
    io::{self, BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use naru_fanout::{
    Core, CoreId, Cores, Directory, Incoming, Link, OutboxLimit, Peer, PeerId, Publication, Slow, Space,
    Topic, Wire,
};

pub(crate) const OUTBOX_BYTES_MAX: usize = 1 << 20;

pub(crate) enum Lines {}

pub(crate) struct LinePeer {
    id: PeerId,
    link: Rc<Link>,
    topics: RefCell<Vec<Topic>>,
}

#[derive(Clone)]
pub(crate) struct Text {
    channel: Bytes,
    line: Bytes,
}

impl Publication for Text {
    fn channel(&self) -> &[u8] {
        &self.channel
    }

    fn bytes(&self) -> usize {
        self.line.len()
    }
}

impl Wire for Lines {
    type Shared = ();
    type Local = ();
    type Peer = LinePeer;
    type Publication = Text;
    type Frame<'a> = &'a [Text];
    type Mail = ();

    fn local(_: CoreId, _: &Arc<()>) {}

    fn accept(core: &Rc<Core<Self>>, incoming: Incoming) {
        tokio::task::spawn_local(serve(core.clone(), incoming));
    }

    fn receive(_: &Rc<Core<Self>>, (): ()) {}

    fn frame<'a>(run: &'a [Text], _: Option<&'a Bytes>) -> &'a [Text] {
        run
    }
}

impl LinePeer {
    fn say(&self, line: &[u8]) {
        self.ended_if(self.link.write(|writer| {
            writer.copy(line);
            writer.copy(b"\n");
        }));
    }

    fn ended_if(&self, written: Result<(), Slow>) {
        if written.is_err() {
            self.link.close();
        }
    }
}

impl Peer<Lines> for LinePeer {
    fn id(&self) -> PeerId {
        self.id
    }

    fn link(&self) -> &Rc<Link> {
        &self.link
    }

    fn deliver(&self, run: &&[Text]) {
        self.ended_if(self.link.deliver(|writer| {
            for text in *run {
                writer.copy(&text.line);
                writer.copy(b"\n");
            }
        }));
    }

    fn subscribed(&self, topic: &Topic) {
        self.say(&[b"+S ", topic.name().as_ref()].concat());
    }

    fn unsubscribed(&self, topic: &Topic) {
        self.say(&[b"+U ", topic.name().as_ref()].concat());
    }
}

async fn serve(core: Rc<Core<Lines>>, incoming: Incoming) {
    let limit = OutboxLimit {
        hard_bytes: OUTBOX_BYTES_MAX,
        soft_bytes: OUTBOX_BYTES_MAX,
        soft_time: Duration::from_secs(60),
    };
    let link = core.link(incoming.into_socket().expect("a socket pair can be registered"), limit);
    let peer = Rc::new(LinePeer { id: core.next_peer(), link, topics: RefCell::default() });
    core.insert(peer.clone());
    let mut input = Vec::new();
    while peer.link.socket().readable().await.is_ok() {
        match read(&core, &peer, &mut input) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(_) => break,
        }
        while let Some(end) = input.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = input.drain(..=end).collect();
            execute(&core, &peer, &line[..end]);
        }
        core.directory().relieved().await;
    }
    peer.link.flushed().await;
    let topics = peer.topics.take();
    core.remove(&peer, topics);
    core.released();
}

fn read(core: &Rc<Core<Lines>>, peer: &LinePeer, input: &mut Vec<u8>) -> io::Result<usize> {
    let mut buffer = core.read_buffer().borrow_mut();
    let count = peer.link.socket().try_read(&mut buffer)?;
    input.extend_from_slice(&buffer[..count]);
    Ok(count)
}

fn execute(core: &Rc<Core<Lines>>, peer: &Rc<LinePeer>, line: &[u8]) {
    let mut words = line.splitn(3, |&byte| byte == b' ').skip(1);
    let name = Bytes::copy_from_slice(words.next().expect("a command names a topic"));
    let topic =
        if name.contains(&b'*') { Topic::Pattern(name.clone()) } else { Topic::Channel(name.clone()) };
    match line[0] {
        b'S' => {
            peer.topics.borrow_mut().push(topic.clone());
            core.subscribe(peer.id, topic);
        }
        b'U' => {
            peer.topics.borrow_mut().retain(|other| *other != topic);
            core.unsubscribe(peer.id, topic);
        }
        _ => {
            let text = words.next().expect("a publication has a text");
            let receivers = core.publish_in(Space::Channels, &name, || {
                let line = [name.as_ref(), b" ", text].concat();
                Text { channel: name.clone(), line: line.into() }
            });
            peer.say(format!("={receivers}").as_bytes());
        }
    }
}

pub(crate) fn start(cores: usize) -> Cores<Lines> {
    Cores::start(cores, "lines", Arc::new(()), Duration::from_secs(5)).expect("threads can be started")
}

/// A blocking client.
pub(crate) struct Client {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
}

impl Client {
    pub(crate) fn connect(directory: &Arc<Directory<Lines>>) -> Client {
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        theirs.set_nonblocking(true).expect("a socket can be made non-blocking");
        directory.adopt(Incoming::Unix(theirs));
        ours.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout can be set");
        Client {
            reader: BufReader::new(ours.try_clone().expect("a socket has a second handle")),
            writer: ours,
        }
    }

    pub(crate) fn say(&mut self, line: &str) {
        self.writer.write_all(format!("{line}\n").as_bytes()).expect("the peer reads");
    }

    /// The next line; empty at the end of the connection.
    pub(crate) fn hear(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).expect("the peer writes in time");
        line.trim_end().to_owned()
    }

    pub(crate) fn ask(&mut self, line: &str) -> String {
        self.say(line);
        self.hear()
    }
}
