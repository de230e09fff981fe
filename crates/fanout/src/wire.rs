use std::{fmt, rc::Rc, sync::Arc};

use bytes::Bytes;

use crate::{Core, Incoming, Link, StepsASecond, Topic};

/// Which core of a set, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CoreId(pub usize);

/// A connection, unique for the life of the process, rising from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(pub u64);

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A protocol on top of the fan-out: what is published, how it looks to a peer, what a peer does.
pub trait Wire: Sized + 'static {
    /// What all cores share.
    type Shared: Send + Sync + 'static;
    /// What each core owns beside its peers; made on the core's own thread.
    type Local: 'static;
    /// What is kept of a connection, on its core.
    type Peer: Peer<Self> + 'static;
    /// One published message; cloned once for each core it goes to.
    type Publication: Publication;
    /// Publications as the subscribers of one topic get them; made once for each core and topic.
    type Frame<'a>;
    /// Anything else that is sent to a core.
    type Mail: Send + 'static;

    /// How fast those who come are let in beside publications; `None` if it costs too little to matter.
    const PACE: Option<StepsASecond> = None;

    /// Makes what `core` owns.
    fn local(core: CoreId, shared: &Arc<Self::Shared>) -> Self::Local;

    /// Called once on each core when it begins, before anything else comes to it.
    fn begin(_core: &Rc<Core<Self>>) {}

    /// Whether somebody new may be let in now: see [`Step::First`](crate::Step::First).
    fn has_room(_core: &Core<Self>) -> bool {
        true
    }

    /// Takes a new connection over; called on the core it will live on.
    fn accept(core: &Rc<Core<Self>>, incoming: Incoming);

    /// Takes what was sent with [`Core::send`] or [`Directory::send`](crate::Directory::send).
    fn receive(core: &Rc<Core<Self>>, mail: Self::Mail);

    /// Called at the end of a core's turn, before anything is written, if [`Core::end_turn_soon`] was called in it: for what
    /// is gathered meanwhile.
    fn end_turn(_core: &Rc<Core<Self>>) {}

    /// What `mail` counts towards the bounds on mailboxes, beside what every letter does.
    fn mail_bytes(_mail: &Self::Mail) -> usize {
        0
    }

    /// Encodes publications of one channel that follow each other (one or more, together at most
    /// [`TURN_BYTES_MAX`](crate::limits::TURN_BYTES_MAX), none but a single one larger than
    /// [`SHARED_BYTES_MIN`](crate::limits::SHARED_BYTES_MIN)) for the subscribers of the channel itself (`pattern` is
    /// `None`) or of a pattern.
    fn frame<'a>(run: &'a [Self::Publication], pattern: Option<&'a Bytes>) -> Self::Frame<'a>;

    /// Asks every peer of this core to finish; they must be gone before the deadline given to
    /// [`Cores::stop`](crate::Cores::stop).
    fn stop(core: &Rc<Core<Self>>) {
        core.each_peer(|peer| peer.link().shutdown_read());
    }
}

/// One published message.
pub trait Publication: Clone + Send + 'static {
    /// The channel it was published on.
    fn channel(&self) -> &[u8];
    /// Its size, for the bounds on mailboxes.
    fn bytes(&self) -> usize;
}

/// A connection as its core sees it. None of these may call back into the core.
pub trait Peer<W: Wire> {
    /// Its id.
    fn id(&self) -> PeerId;
    /// Its socket and outbox.
    fn link(&self) -> &Rc<Link>;
    /// Publications on a topic it subscribes to.
    fn deliver(&self, frame: &W::Frame<'_>);
    /// Its subscription counts from here: messages delivered before did not reach it, those after will.
    fn subscribed(&self, topic: &Topic);
    /// Its subscription has ended: nothing more of this topic will be delivered.
    fn unsubscribed(&self, topic: &Topic);
}
