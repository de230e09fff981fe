//! The gateway as a protocol on top of the fan-out.

use std::{rc::Rc, sync::Arc};

use arc_swap::ArcSwap;
use bytes::Bytes;
use naru_bus::Bus;
use naru_fanout::{Core, CoreId, Incoming, Wire};
use naru_ledger::Server;
use tokio::sync::Semaphore;

use crate::{
    auth::Auth,
    channels::RoomRules,
    heads::Heads,
    http,
    interests::Interests,
    namespaces::Namespaces,
    publication::{Publication, Run},
    session::Session,
    tops::Tops,
};

/// WebSocket sessions on the cores.
pub(crate) struct Gate;

/// What all cores share.
pub(crate) struct Shared {
    pub(crate) server: Server,
    pub(crate) bus: Bus,
    pub(crate) interests: Arc<Interests>,
    /// How far the rooms are that sessions follow by their channels.
    pub(crate) heads: Arc<Heads>,
    pub(crate) tops: Tops,
    pub(crate) auth: Arc<Auth>,
    /// Replaced as a whole when the configuration is read again.
    pub(crate) namespaces: Arc<ArcSwap<Namespaces>>,
    pub(crate) rooms: RoomRules,
    pub(crate) origins: Vec<String>,
    /// What is served beside the WebSocket.
    pub(crate) router: axum::Router,
    /// Taken while a command waits for the broker; fair, so that commands of one session start in order.
    pub(crate) calls: Arc<Semaphore>,
    /// Taken while an inbox is read.
    pub(crate) replays: Semaphore,
}

/// What is sent to a core beside publications.
pub(crate) enum Mail {
    /// The bus was down: every session compares its inbox with the broker's.
    CompareHeads,
}

impl Wire for Gate {
    type Shared = Shared;
    type Local = ();
    type Peer = Session;
    type Publication = Publication;
    type Frame<'a> = Run<'a>;
    type Mail = Mail;

    fn local(_: CoreId, _: &Arc<Shared>) {}

    fn accept(core: &Rc<Core<Gate>>, incoming: Incoming) {
        http::serve(core.clone(), incoming);
    }

    fn receive(core: &Rc<Core<Gate>>, mail: Mail) {
        match mail {
            Mail::CompareHeads => {
                core.shared().tops.forget();
                core.each_peer(|session| session.compare_heads());
            }
        }
    }

    fn frame<'a>(run: &'a [Publication], _: Option<&'a Bytes>) -> Run<'a> {
        Run::of(run)
    }

    fn stop(core: &Rc<Core<Gate>>) {
        core.each_peer(|session| session.finish());
    }
}

/// A connection's place on its core, given back when its last part is dropped.
pub(crate) struct Seat(pub(crate) Rc<Core<Gate>>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.released();
    }
}
