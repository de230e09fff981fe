//! The gateway as a protocol on top of the fan-out.

use std::{cell::Cell, net::IpAddr, rc::Rc, sync::Arc};

use arc_swap::ArcSwap;
use bytes::Bytes;
use naru_bus::Bus;
use naru_fanout::{Core, CoreId, Incoming, StepsASecond, Wire};
use naru_ledger::Server;
use tokio::sync::{Semaphore, mpsc};

use crate::{
    admission::Admission,
    arrivals::Arrivals,
    auth::{Auth, Revocation, Revoke},
    channels::RoomRules,
    draining::Draining,
    epoch::SharedEpoch,
    heads::Heads,
    http,
    interests::Interests,
    limits::{ARRIVAL_STEPS, Limits},
    metrics::Metrics,
    namespaces::Namespaces,
    nodes::{Census, Emulate, Index, Nodes, Steer, Whom},
    proxy::Backend,
    publication::{Publication, Run},
    session::{Alarms, Session},
    stuck,
    tops::Tops,
    waiting::{self, Waiting},
};

/// Sessions of clients on the cores.
pub(crate) struct Gate;

/// What all cores share.
pub(crate) struct Shared {
    pub(crate) server: Server,
    pub(crate) bus: Bus,
    pub(crate) nodes: Arc<Nodes>,
    pub(crate) interests: Arc<Interests>,
    /// How far the rooms are that sessions follow by their channels.
    pub(crate) heads: Arc<Heads>,
    pub(crate) tops: Tops,
    /// The ledger's, kept once for all sessions.
    pub(crate) epoch: SharedEpoch,
    pub(crate) auth: Arc<Auth>,
    pub(crate) backend: Arc<Backend>,
    /// Replaced as a whole when the configuration is read again.
    pub(crate) namespaces: Arc<ArcSwap<Namespaces>>,
    pub(crate) inboxes: bool,
    pub(crate) rooms: RoomRules,
    pub(crate) origins: Vec<String>,
    /// What is served beside the WebSocket.
    pub(crate) router: axum::Router,
    pub(crate) limits: Arc<Limits>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) waiting: Waiting,
    pub(crate) draining: Arc<Draining>,
    pub(crate) metrics: Arc<Metrics>,
    /// Taken while a command waits for the broker; fair, so that commands of one session start in order.
    pub(crate) calls: Arc<Semaphore>,
    /// Clients that are being let in.
    pub(crate) arrivals: Arrivals,
    /// Taken while commands are passed on to another server.
    pub(crate) emulations: Semaphore,
    /// Taken while an inbox is read.
    pub(crate) replays: Semaphore,
}

/// What a core owns.
#[derive(Default)]
pub(crate) struct Local {
    pub(crate) index: Index,
    pub(crate) alarms: Alarms,
}

/// What is sent to a core beside publications.
pub(crate) enum Mail {
    /// The bus was down: every session compares its inbox with the broker's.
    CompareHeads,
    /// An application's server wants something done with connections.
    Steer(Arc<Steer>),
    /// Tokens were called back.
    Revoke(Arc<Revocation>),
    /// Commands of a connection that come by themselves.
    Emulate(Arc<Emulate>),
    /// Somebody wants to know who is connected.
    Count(mpsc::Sender<Census>),
}

impl Wire for Gate {
    type Shared = Shared;
    type Local = Local;
    type Peer = Session;
    type Publication = Publication;
    type Frame<'a> = Run<'a>;
    type Mail = Mail;

    const PACE: Option<StepsASecond> = Some(ARRIVAL_STEPS);

    fn local(_: CoreId, _: &Arc<Shared>) -> Local {
        Local::default()
    }

    fn begin(core: &Rc<Core<Gate>>) {
        waiting::watch(core);
        stuck::watch(core);
    }

    /// While the broker is away those who come are told so.
    fn has_room(core: &Core<Gate>) -> bool {
        let Shared { arrivals, admission, bus, .. } = &**core.shared();
        admission.has_room() && (arrivals.has_room() || !bus.is_up())
    }

    fn accept(core: &Rc<Core<Gate>>, incoming: Incoming) {
        http::serve(core.clone(), incoming);
    }

    fn receive(core: &Rc<Core<Gate>>, mail: Mail) {
        match mail {
            Mail::CompareHeads => {
                core.shared().tops.forget();
                core.each_peer(|session| session.compare_heads());
            }
            Mail::Revoke(revocation) => {
                let found = match &revocation.what {
                    Revoke::Token(id) => core.local().index.with_token(core.shared().auth.revoked().id(id)),
                    Revoke::User { user, .. } => {
                        let whom = Whom { user: user.clone(), ..Whom::default() };
                        core.local().index.find(&whom, Session::client_of(core))
                    }
                };
                found
                    .into_iter()
                    .filter_map(|peer| core.peer(peer))
                    .for_each(|session| session.revoke(&revocation.what));
            }
            Mail::Steer(steer) => {
                core.local().index.note(&steer);
                let found = core.local().index.find(steer.whom(), Session::client_of(core));
                found
                    .into_iter()
                    .filter_map(|peer| core.peer(peer))
                    .for_each(|session| session.steer(&steer));
            }
            Mail::Emulate(emulate) => {
                if let Some(session) =
                    core.local().index.by_session(&emulate.session).and_then(|id| core.peer(id))
                {
                    session.emulate(&emulate.data.0);
                }
            }
            // Whoever asked may have given up.
            Mail::Count(sender) => drop(sender.try_send(core.local().index.count())),
        }
    }

    fn frame<'a>(run: &'a [Publication], _: Option<&'a Bytes>) -> Run<'a> {
        Run::of(run)
    }

    fn stop(core: &Rc<Core<Gate>>) {
        core.shared().draining.send_away(core);
    }
}

/// A connection's place on its core, given back when its last part is dropped; and where it comes from, if that matters.
pub(crate) struct Seat {
    pub(crate) core: Rc<Core<Gate>>,
    pub(crate) from: Option<IpAddr>,
    is_passed_on: Cell<bool>,
}

impl Seat {
    pub(crate) fn new(core: Rc<Core<Gate>>, from: Option<IpAddr>) -> Seat {
        Seat { core, from, is_passed_on: Cell::new(false) }
    }

    /// The place is somebody else's from here on, who gives it back.
    pub(crate) fn pass_on(&self) -> Rc<Core<Gate>> {
        self.is_passed_on.set(true);
        self.core.clone()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if !self.is_passed_on.get() {
            self.core.released();
        }
    }
}
