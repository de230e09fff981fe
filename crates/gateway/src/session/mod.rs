//! A gateway client: one task on one core, from the WebSocket handshake or what stands for it to its end.
//!
//! While there is something to do, loops run in it side by side: `commands.rs` reads and answers, `inbox.rs` pushes what the inbox
//! holds, which `replay/` reads. The first that ends, ends the session. While there is nothing, there are none (`life.rs`). Pings, and
//! what ends by itself, are the core's to see to (`clock.rs`, `alarms.rs`), and live publications are written by the core itself,
//! through [`Peer::deliver`].

use std::{
    cell::{Cell, OnceCell, RefCell},
    future::{pending, poll_fn},
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use naru_fanout::{Core, Link, Peer, PeerId, Slow, Socket, Topic};
use naru_ledger::{Device, User};
use tokio::{join, select};
use uuid::Uuid;

use crate::{
    admission::{OfUser, Pass},
    codes::Disconnect,
    crossing,
    interests::Hold,
    limits::{CLOSE_PATIENCE, LIVE_BYTES_MAX, OUTBOX_LIMIT, SLOW_PATIENCE, TURNED_OUT_PATIENCE},
    metrics::Meter,
    protocol::{
        encoding::Encoding,
        flavour::{self, Flavour},
        push::Push,
        reply::Reply,
    },
    proxy::Heard,
    publication::{Kind, Payload, Run, Sender},
    streams::{Full, Mailbox, Opening},
    wire::{Gate, Shared},
};

mod alarms;
mod asking;
mod bell;
mod claims;
mod clock;
mod commands;
mod connect;
mod in_hand;
mod inbox;
mod life;
mod publishing;
mod rates;
mod reading;
mod renewal;
mod replay;
mod rooms;
mod source;
mod steered;
mod subscriptions;

pub(crate) use alarms::Alarms;
use alarms::Moment;
use bell::{Bells, Chore};
use claims::Claims;
pub(crate) use in_hand::Later;
pub(crate) use life::Life;
use life::Turn;
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
    /// Apart, for a room that is left between two things of tokio's of which each connection has one: those stand in multiples of
    /// 128 bytes.
    inbox: Box<inbox::Inbox>,
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
    ended: RefCell<Option<Box<Ending>>>,
    bells: Bells,
}

/// What a connected client is and may do.
struct Connected {
    person: Person,
    claims: Claims,
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
}

impl Ending {
    pub(crate) fn close_frame(&self) -> Option<(u16, &str)> {
        match self {
            Ending::Close(disconnect) => Some((disconnect.code(), disconnect.reason())),
            Ending::Steered(code, reason) => Some((*code, reason)),
            Ending::Faulty(code, reason) => Some((*code, reason)),
            Ending::Gone => None,
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
    pub(crate) fn run(
        core: Rc<Core<Gate>>,
        socket: Socket,
        flavour: Flavour,
        came: (Heard, Pass),
        read: Bytes,
    ) -> Life {
        let session = Session::enter(core, socket, flavour, came, false, None);
        let source = Source::of(&session, &read);
        Life::new(session, source)
    }

    /// Serves a connection whose commands come apart from it, to its end.
    pub(crate) fn run_apart(core: Rc<Core<Gate>>, socket: Socket, opening: Opening) -> Life {
        let Opening { flavour, mailbox, is_bare, heard, head, pass } = opening;
        let mailbox = Some(Rc::new(mailbox));
        let session = Session::enter(core, socket, flavour, (heard, pass), is_bare, mailbox);
        session.ended_if(session.link.write(|writer| writer.share(&head)));
        let source = Source::of(&session, &[]);
        Life::new(session, source)
    }

    fn enter(
        core: Rc<Core<Gate>>,
        socket: Socket,
        flavour: Flavour,
        (heard, pass): (Heard, Pass),
        is_bare: bool,
        mailbox: Option<Rc<Mailbox>>,
    ) -> Rc<Session> {
        let limits = &core.shared().limits;
        let due = Moment::from(limits.now()) + limits.connect_patience;
        let session = Rc::new(Session {
            id: core.next_peer(),
            link: core.link(socket, OUTBOX_LIMIT),
            core,
            flavour,
            is_bare,
            mailbox,
            client: Uuid::new_v4(),
            connected: OnceCell::new(),
            is_refused: Cell::new(false),
            clock: clock::Clock::new(due),
            subscriptions: subscriptions::Subscriptions::default(),
            inbox: Box::default(),
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
        session.core.insert(session.clone());
        session.meter().began(flavour);
        if let Some(at) = session.look_at_clock() {
            Alarms::set(&session.core, session.id, at);
        }
        if session.core.is_stopping() {
            session.finish();
        }
        session
    }

    /// Does what there is to do, until there is nothing or the connection has ended.
    async fn wake(self: Rc<Self>, mut source: Source) -> Turn {
        let source = &mut source;
        let ending = select! {
            biased;
            ending = self.ended() => ending,
            ending = self.turned_out() => ending,
            ending = self.keep_inbox() => ending,
            ending = self.keep_the_rest() => ending,
            ending = self.take_commands(source) => ending,
            // The last, when all those have looked whether there is something: each can be dropped while it waits for that.
            () = self.silence() => return Turn::Rest,
        };
        Box::pin(self.leave(source, ending)).await;
        Turn::End
    }

    /// Returns when nothing is under way.
    fn silence(&self) -> impl Future<Output = ()> {
        let is_silent = || self.connected.get().is_some() && self.bells.are_silent();
        poll_fn(move |_| if is_silent() { Poll::Ready(()) } else { Poll::Pending })
    }

    /// Whether there is something to do for who is silent.
    fn poll_called(&self, context: &mut Context<'_>) -> Poll<()> {
        let is_called = !self.bells.are_silent()
            || self.is_finishing.get()
            || self.ended.borrow().is_some()
            || self.mailbox.as_ref().is_some_and(|mailbox| !mailbox.is_empty());
        if is_called {
            return Poll::Ready(());
        }
        self.bells.listen(context);
        // Who cannot be read any more is called, too.
        self.link.socket().poll_readable(context).map(drop)
    }

    /// Returns if the client has to make room before it has connected.
    async fn turned_out(&self) -> Ending {
        if self.connected.get().is_none() {
            Box::pin(self.pass.turned_out()).await;
            return Disconnect::TooManyRequests.into();
        }
        pending().await
    }

    fn now(&self) -> Moment {
        self.shared().limits.now().into()
    }

    /// Pings and ends what is due. When to look again, unless the session ends.
    fn look_at_clock(&self) -> Option<Moment> {
        if self.ended.borrow().is_some() {
            return None;
        }
        let ping = || self.send_frame(&self.flavour.ping());
        let looked = self.clock.look(self.now(), ping, || self.compare_in_time());
        looked.map_err(|disconnect| self.end(disconnect)).ok()
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
        // Of a connection that failed as it was written, no more is seen than that it has ended.
        let has_failed = ending == Ending::Gone && self.link.has_failed();
        let ending = if has_failed { Disconnect::WriteError.into() } else { ending };
        // From here on its clock is not looked at.
        self.end(ending.clone());
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
        let is_behind = [Disconnect::Slow, Disconnect::WriteError].map(Ending::from).contains(&ending);
        if is_behind && !self.drop_waiting() {
            return self.link.close();
        }
        let patience = match is_behind {
            _ if self.pass.is_turned_out() => TURNED_OUT_PATIENCE,
            true => SLOW_PATIENCE,
            false => CLOSE_PATIENCE,
        };
        match source {
            Source::WebSocket(socket) => socket.close(ending, patience).await,
            Source::Apart(downstream) => {
                let Some((code, reason)) = ending.close_frame() else { return self.link.close() };
                self.send(&Push::disconnect(code, reason).into());
                if !self.is_bare {
                    self.ended_if(self.link.write(|writer| writer.copy(flavour::LAST_CHUNK)));
                }
                downstream.close(patience).await;
            }
        }
    }

    /// Drops what waits for the client, but for the rest of a message that it has in part; whether what is said next would be
    /// understood.
    fn drop_waiting(&self) -> bool {
        self.link.drop_waiting(|frames, left| self.flavour.end_of_frame_at(frames, left, self.is_bare))
    }

    /// Commands have come apart from the connection.
    pub(crate) fn emulate(&self, frame: &Bytes) {
        if let Some(mailbox) = &self.mailbox
            && let Err(Full) = mailbox.put(frame.clone())
        {
            self.end(Disconnect::TooManyRequests);
        }
        self.bells.changed();
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
            conn_info: self.connected().claims.info(),
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
    pub(crate) fn end(&self, ending: impl Into<Ending>) {
        let mut ended = self.ended.borrow_mut();
        if ended.is_none() {
            *ended = Some(Box::new(ending.into()));
            self.bells.changed();
        }
    }

    fn ended(&self) -> impl Future<Output = Ending> {
        self.bells.until(|| self.ended.borrow().as_deref().cloned())
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

    /// Too much waits for all clients together, and most for this one; whether that is new. If it is ending already, what waits is
    /// dropped.
    pub(crate) fn cut_off(&self) -> bool {
        if self.ended.borrow().is_some() {
            self.link.close();
            return false;
        }
        self.end(Disconnect::Slow);
        true
    }

    fn ended_if(&self, written: Result<(), Slow>) {
        if let Err(Slow) = written {
            self.end(Disconnect::Slow);
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
            match &publication.kind {
                Kind::Live | Kind::Kept | Kind::Presence => self.deliver_live(publication),
                Kind::Inbox(change) => self.deliver_inbox(*change, publication),
                Kind::Room(seq, turn) => self.deliver_room(*seq, turn.as_ref(), publication),
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

    #[test]
    fn a_silent_connection_takes_little() {
        // With the counts of its `Rc` and what the allocator adds, that is 384 bytes.
        assert!(size_of::<Session>() <= 360, "{}", size_of::<Session>());
    }
}
