//! The gateway as a protocol on top of the fan-out.

use std::{rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use naru_bus::Bus;
use naru_fanout::{Core, CoreId, Incoming, Wire};
use naru_ledger::Server;
use tokio::sync::Semaphore;

use crate::{
    channels::Rules, http, interests::Interests, publication::Publication, session::Session, token::TokenKey,
};

/// How often a core that stops looks whether its sessions have gone.
const STOP_CHECK: Duration = Duration::from_millis(10);

/// WebSocket sessions on the cores.
pub(crate) struct Gate;

/// What all cores share.
pub(crate) struct Shared {
    pub(crate) server: Server,
    pub(crate) bus: Bus,
    pub(crate) interests: Arc<Interests>,
    pub(crate) token: TokenKey,
    pub(crate) rules: Rules,
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
    /// Nothing: only wakes the core.
    LookAgain,
}

impl Wire for Gate {
    type Shared = Shared;
    type Local = ();
    type Peer = Session;
    type Publication = Publication;
    type Frame = Publication;
    type Mail = Mail;

    fn local(_: CoreId, _: &Arc<Shared>) {}

    fn accept(core: &Rc<Core<Gate>>, incoming: Incoming) {
        http::serve(core.clone(), incoming);
    }

    fn receive(core: &Rc<Core<Gate>>, mail: Mail) {
        match mail {
            Mail::CompareHeads => core.each_peer(|session| session.compare_heads()),
            Mail::LookAgain => {}
        }
    }

    fn frame(publication: &Publication, _: Option<&Bytes>) -> Publication {
        publication.clone()
    }

    fn stop(core: &Rc<Core<Gate>>) {
        core.each_peer(|session| session.finish());
        tokio::task::spawn_local(look_again(core.clone()));
    }
}

/// Wakes a core that stops, until it has ended. The letter that stops it may be taken by a session that just leaves, and
/// then the core would sleep on without knowing its deadline.
async fn look_again(core: Rc<Core<Gate>>) {
    loop {
        core.directory().send(core.id(), Mail::LookAgain);
        tokio::time::sleep(STOP_CHECK).await;
    }
}

/// A connection's place on its core, given back when its last part is dropped.
pub(crate) struct Seat(pub(crate) Rc<Core<Gate>>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.released();
    }
}
