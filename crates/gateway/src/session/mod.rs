//! A gateway client: one task on one core, from the WebSocket handshake or what stands for it to its end.
//!
//! Three loops run in it side by side: `commands.rs` reads and answers, `clock.rs` pings and lets expire, `inbox.rs`
//! pushes what the inbox holds, which `replay/` reads. The first that ends, ends the session. Live publications are written by the core
//! itself, through [`Peer::deliver`].

use std::{
    cell::{Cell, OnceCell, RefCell},
    rc::Rc,
};

use bytes::Bytes;
use naru_fanout::{Core, Link, Peer, PeerId, Slow, Socket, Topic};
use naru_ledger::{Device, User};
use serde_json::value::RawValue;
use tokio::{join, select};
use uuid::Uuid;

use crate::{
    admission::{OfUser, Pass},
    auth::Capabilities,
    codes::Disconnect,
    crossing,
    interests::Hold,
    limits::{CLOSE_PATIENCE, LIVE_BYTES_MAX, OUTBOX_LIMIT, TURNED_OUT_PATIENCE},
    metrics::Meter,
    protocol::{
        encoding::Encoding,
        flavour::{self, Flavour},
        push::Push,
        reply::Reply,
    },
    proxy::Heard,
    publication::{Kind, Payload, Run, Sender},
    streams::{Downstream, Full, Mailbox, Opening},
    websocket::WebSocket,
    wire::{Gate, Shared},
};

mod asking;
mod bell;
mod clock;
mod commands;
mod connect;
mod inbox;
mod publishing;
mod rates;
mod reading;
mod renewal;
mod replay;
mod rooms;
mod source;
mod steered;
mod subscriptions;

use bell::{Bells, Chore};
pub(crate) use commands::Later;
pub(crate) use reading::present;
use source::Source;
pub(crate) use subscriptions::{Terms, Wanted};

/// What a client is told it talks to.
const VERSION: &str = concat!("Naru ", env!("CARGO_PKG_VERSION"));

/// One client's connection.
pub(crate) struct Session {
    id: PeerId,
    core: Rc<Core<Gate>>,
    link: Rc<Link>,
    /// How the client is spoken to.
    flavour: Flavour,
    /// It is spoken to in frames without the chunks around them.
    is_bare: bool,
    /// Where its commands come that do not come on its connection.
    mailbox: Option<Rc<Mailbox>>,
    /// What others know this connection by.
    client: Uuid,
    /// Set when the client has connected.
    connected: OnceCell<Connected>,
    /// Its connect command was refused; what else it asks is ignored.
    is_refused: Cell<bool>,
    clock: clock::Clock,
    subscriptions: subscriptions::Subscriptions,
    inbox: inbox::Inbox,
    rooms: rooms::Rooms,
    steered: steered::Steered,
    renewal: renewal::Renewal,
    asking: asking::Asking,
    /// What hooks are told of the request with which the client came.
    heard: Heard,
    /// Its place among the server's sessions.
    pass: Pass,
    rates: rates::Rates,
    /// It ends when what it has in hand is done.
    is_finishing: Cell<bool>,
    ended: RefCell<Option<Ending>>,
    bells: Bells,
}

/// What a connected client is and may do.
struct Connected {
    person: Person,
    info: RefCell<Option<Box<Payload>>>,
    /// The channels its token names, in order, to see whether a new token names others.
    granted: Box<[String]>,
    /// Of its newest token.
    capabilities: RefCell<Capabilities>,
    /// What the application wants kept beside the connection, if some hook is told.
    meta: RefCell<Option<Rc<RawValue>>>,
}

/// Whose connection it is.
enum Person {
    /// Who has no name.
    Nobody,
    /// Who has one, at a server without inboxes.
    Named {
        user: User,
        _place: Option<OfUser>,
    },
    Member(Member),
}

/// Who has connected, and has a name and an inbox.
pub(crate) struct Member {
    pub(crate) user: User,
    pub(crate) device: Device,
    /// Keeps this server routed for the user.
    _route: Hold,
}

/// How a connection ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The client has gone, or said that it goes.
    Gone,
    /// We close it and say why, in the protocol's words.
    Close(Disconnect),
    /// An application's server has it closed, with this code and reason.
    Steered(u16, Rc<str>),
    /// It broke the rules of WebSocket: a close code of those, and the reason.
    Faulty(u16, &'static str),
    /// It does not read, so no close frame would reach it.
    Slow,
}

impl Ending {
    pub(crate) fn close_frame(&self) -> Option<(u16, &str)> {
        match self {
            Ending::Close(disconnect) => Some((disconnect.code(), disconnect.reason())),
            Ending::Steered(code, reason) => Some((*code, reason)),
            Ending::Faulty(code, reason) => Some((*code, reason)),
            Ending::Gone | Ending::Slow => None,
        }
    }
}

impl From<Disconnect> for Ending {
    fn from(disconnect: Disconnect) -> Ending {
        Ending::Close(disconnect)
    }
}

impl Session {
    /// Serves a connection after the handshake, to its end. `read` is what has come behind the handshake.
    ///
    /// While the client is silent, the future is what its connection costs: what is awaited otherwise is boxed.
    pub(crate) fn run(
        core: &Rc<Core<Gate>>,
        socket: Socket,
        flavour: Flavour,
        came: (Heard, Pass),
        read: Bytes,
    ) -> impl Future<Output = ()> + use<> {
        let session = Session::enter(core, socket, flavour, came, false, None);
        let mut source = Source::WebSocket(WebSocket::new(core.clone(), session.link.clone(), &read));
        // It is the front of a buffer of 8 KiB.
        drop(read);
        async move { session.live(&mut source).await }
    }

    /// Serves a connection whose commands come apart from it, to its end.
    pub(crate) fn run_apart(
        core: &Rc<Core<Gate>>,
        socket: Socket,
        opening: Opening,
    ) -> impl Future<Output = ()> + use<> {
        let Opening { flavour, mailbox, is_bare, heard, head, pass } = opening;
        let mailbox = Rc::new(mailbox);
        let session = Session::enter(core, socket, flavour, (heard, pass), is_bare, Some(mailbox.clone()));
        session.ended_if(session.link.write(|writer| writer.share(&head)));
        let mut source = Source::Apart(Downstream::new(core.clone(), session.link.clone(), mailbox));
        async move { session.live(&mut source).await }
    }

    fn enter(
        core: &Rc<Core<Gate>>,
        socket: Socket,
        flavour: Flavour,
        (heard, pass): (Heard, Pass),
        is_bare: bool,
        mailbox: Option<Rc<Mailbox>>,
    ) -> Rc<Session> {
        let session = Rc::new(Session {
            id: core.next_peer(),
            core: core.clone(),
            link: core.link(socket, OUTBOX_LIMIT),
            flavour,
            is_bare,
            mailbox,
            client: Uuid::new_v4(),
            connected: OnceCell::new(),
            is_refused: Cell::new(false),
            clock: clock::Clock::default(),
            subscriptions: subscriptions::Subscriptions::default(),
            inbox: inbox::Inbox::default(),
            rooms: rooms::Rooms::default(),
            steered: steered::Steered::default(),
            renewal: renewal::Renewal::default(),
            asking: asking::Asking::default(),
            heard,
            pass,
            rates: rates::Rates::default(),
            is_finishing: Cell::default(),
            ended: RefCell::default(),
            bells: Bells::default(),
        });
        core.insert(session.clone());
        session.meter().began(flavour);
        if core.is_stopping() {
            session.finish();
        }
        session
    }

    async fn live(self: &Rc<Self>, source: &mut Source) {
        let ending = select! {
            biased;
            ending = self.ended() => ending,
            ending = self.keep_time() => ending.into(),
            ending = self.keep_inbox() => ending,
            ending = self.keep_the_rest() => ending,
            ending = self.take_commands(source) => ending,
        };
        Box::pin(self.leave(source, ending)).await;
    }

    /// Pings, and looks now and then whether something was missed.
    fn keep_time(&self) -> impl Future<Output = Disconnect> {
        let patience = self.shared().limits.connect_patience;
        let ping = || self.send_frame(&self.flavour.ping());
        self.clock.run(patience, self.pass.turned_out(), ping, || self.compare_in_time())
    }

    /// Sees to what most sessions never have: they keep no room for it.
    async fn keep_the_rest(self: &Rc<Self>) -> Ending {
        self.bells.rung_for_any(&[Chore::Steered, Chore::Renewal, Chore::Subscriptions]).await;
        let rest = async {
            select! {
                biased;
                ending = self.be_steered() => ending,
                ending = self.keep_subscriptions() => ending,
                ending = self.keep_renewed() => ending,
            }
        };
        Box::pin(rest).await
    }

    async fn leave(self: &Rc<Self>, source: &mut Source, ending: Ending) {
        // No publication behind the close frame, and nobody else waits for this client any longer.
        let departed = self.take_all_away();
        self.leave_rooms();
        self.leave_inbox();
        self.leave_index();
        if let Some(member) = self.signed_in() {
            crossing::offline(&self.shared().server, &member.user, &member.device);
        }
        tracing::debug!(client = %self.client, ?ending, "a session ended");
        self.meter().ended(self.flavour);
        self.shared().metrics.disconnected(&ending);
        join!(departed, self.close(source, ending));
        self.core.remove(self, []);
    }

    /// Ends the connection, and says why.
    async fn close(&self, source: &mut Source, ending: Ending) {
        match source {
            Source::WebSocket(socket) => {
                let is_turned_out = self.pass.is_turned_out();
                let patience = if is_turned_out { TURNED_OUT_PATIENCE } else { CLOSE_PATIENCE };
                socket.close(ending, patience).await;
            }
            Source::Apart(downstream) => {
                let Some((code, reason)) = ending.close_frame() else { return self.link.close() };
                self.send(&Push::disconnect(code, reason).into());
                if !self.is_bare {
                    self.ended_if(self.link.write(|writer| writer.copy(flavour::LAST_CHUNK)));
                }
                downstream.close().await;
            }
        }
    }

    /// Commands have come apart from the connection.
    pub(crate) fn emulate(&self, frame: &Bytes) {
        if let Some(mailbox) = &self.mailbox
            && let Err(Full) = mailbox.put(frame.clone())
        {
            self.end(Disconnect::TooManyRequests);
        }
    }

    /// What others know this connection by, as text.
    fn client(&self) -> String {
        self.client.to_string()
    }

    pub(crate) fn shared(&self) -> &Shared {
        self.core.shared()
    }

    /// Where what happens on this core is counted.
    fn meter(&self) -> &Meter {
        self.shared().metrics.core(self.core.id())
    }

    /// What this is; commands other than connect are only taken from those who have connected.
    fn connected(&self) -> &Connected {
        self.connected.get().expect("commands are taken after connect only")
    }

    /// Who this is, if it has connected and has an inbox.
    pub(crate) fn signed_in(&self) -> Option<&Member> {
        match &self.connected.get()?.person {
            Person::Member(member) => Some(member),
            Person::Nobody | Person::Named { .. } => None,
        }
    }

    /// Who this is, for what only those with an inbox get as far as.
    pub(crate) fn member(&self) -> &Member {
        self.signed_in().expect("rpc refuses who has no inbox")
    }

    /// The name that others see; empty for who has none.
    pub(crate) fn user_name(&self) -> &str {
        match self.connected.get().map(|connected| &connected.person) {
            Some(Person::Named { user, .. } | Person::Member(Member { user, .. })) => user.as_str(),
            Some(Person::Nobody) | None => "",
        }
    }

    /// As others see this client.
    fn info(&self) -> Sender {
        Sender {
            user: self.user_name().to_owned(),
            client: self.client(),
            conn_info: self.connected().info.borrow().as_deref().cloned(),
            chan_info: None,
        }
    }

    /// What the client has sent as a payload.
    fn payload(&self, bytes: &Bytes) -> Payload {
        match self.flavour.encoding() {
            Encoding::Json => Payload::Json(bytes.clone()),
            Encoding::Protobuf => Payload::of(bytes.clone()),
        }
    }

    /// Ends the session as soon as its task runs; the first reason counts.
    fn end(&self, ending: impl Into<Ending>) {
        let mut ended = self.ended.borrow_mut();
        if ended.is_none() {
            *ended = Some(ending.into());
            self.bells.changed();
        }
    }

    fn ended(&self) -> impl Future<Output = Ending> {
        self.bells.until(|| self.ended.borrow().clone())
    }

    /// Lets the session finish the commands it has in hand, and then end because the server stops.
    pub(crate) fn finish(&self) {
        self.is_finishing.set(true);
        self.bells.changed();
    }

    fn finishing(&self) -> impl Future<Output = ()> {
        self.bells.until(|| self.is_finishing.get().then_some(()))
    }

    fn send(&self, message: &Reply) {
        self.send_frame(&self.flavour.frame(message));
    }

    fn send_frame(&self, frame: &Bytes) {
        match self.is_bare {
            false => self.ended_if(self.link.write(|writer| writer.share(frame))),
            true => self.ended_if(self.link.write(|writer| writer.share(&flavour::bare(frame)))),
        }
    }

    /// The same for what many get: see [`Link::deliver`].
    fn spread(&self, frame: &Bytes) {
        match self.is_bare {
            false => self.ended_if(self.link.deliver(|writer| writer.share(frame))),
            true => self.ended_if(self.link.deliver(|writer| writer.share(&flavour::bare(frame)))),
        }
    }

    /// Too much waits for all clients together, and most for this one.
    pub(crate) fn cut_off(&self) {
        self.end(Ending::Slow);
    }

    fn ended_if(&self, written: Result<(), Slow>) {
        if let Err(Slow) = written {
            self.end(Ending::Slow);
        }
    }
}

/// A channel as the directory knows it.
fn topic(channel: &str) -> Topic {
    Topic::Channel(Bytes::copy_from_slice(channel.as_bytes()))
}

impl Peer<Gate> for Session {
    fn id(&self) -> PeerId {
        self.id
    }

    fn link(&self) -> &Rc<Link> {
        &self.link
    }

    fn deliver(&self, run: &Run<'_>) {
        self.meter().delivered(run.publications().len());
        if self.subscriptions.attentive.get() == 0
            && !self.is_bare
            && let Some(frames) = run.joined(self.flavour)
            && self.link.queued() + frames.len() <= LIVE_BYTES_MAX
        {
            return self.spread(frames);
        }
        for publication in run.publications() {
            match publication.kind {
                Kind::Live | Kind::Kept | Kind::Presence => self.deliver_live(publication),
                Kind::Inbox(change) => self.deliver_inbox(change, publication),
                Kind::Room(seq) => self.deliver_room(seq, publication),
            }
        }
    }

    // Replies are written before the fan-out is asked, so there is nothing to tell the client.
    fn subscribed(&self, _: &Topic) {
        self.meter().subscribed();
    }

    fn unsubscribed(&self, _: &Topic) {
        self.meter().unsubscribed();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn future_bytes<A, F: Future>(_: impl FnOnce(A) -> F) -> usize {
        size_of::<F>()
    }

    /// What the futures of a connection take, over WebSocket and apart from it.
    fn bytes() -> [usize; 2] {
        type Arguments = (&'static Rc<Core<Gate>>, Socket, Bytes);
        let run = |(core, socket, read): Arguments| {
            Session::run(core, socket, Flavour::WebSocketJson, Default::default(), read)
        };
        type Apart = (&'static Rc<Core<Gate>>, Socket, Opening);
        let run_apart = |(core, socket, opening): Apart| Session::run_apart(core, socket, opening);
        [future_bytes(run), future_bytes(run_apart)]
    }

    #[test]
    fn a_silent_connection_waits_in_a_small_future() {
        let [websocket, apart] = bytes();
        let session = size_of::<Session>();
        assert!(
            websocket <= 1088 && apart <= 1088 && session <= 704,
            "{websocket} or {apart} bytes, and {session} of the session"
        );
    }
}
