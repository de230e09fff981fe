use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::Instant,
};

use bytes::Bytes;
use naru_fanout::{Core, CoreId, Incoming, Peer, PeerId, Wire};
use tokio::sync::mpsc;

use crate::{
    acl::Acl,
    addresses::Addresses,
    client::Client,
    command::{self, Context, LastFound},
    config::Config,
    connection,
    counters::Counters,
    eviction::{self, ClientMemory},
    frame::Frame,
    handover::Handover,
    idle,
    keeper::{Job, Keeping, KeyCounts},
    latencies::Latencies,
    message::Message,
    monitors::Monitors,
    pause::Pause,
    profile::Profiles,
    replies::Ticket,
    slow_log::SlowLog,
    stopwatch::Stopwatch,
    strangers::Strangers,
    transaction::Execution,
    weight::Weighing,
};

/// The Redis protocol on the fan-out.
pub(crate) enum Resp {}

/// What all cores of a broker share.
pub(crate) struct Shared {
    pub(crate) profiles: Profiles,
    pub(crate) acl: Arc<Acl>,
    pub(crate) keeper: mpsc::Sender<Job>,
    pub(crate) keeping: Arc<Keeping>,
    pub(crate) counters: Counters,
    /// Keys the keeper has.
    pub(crate) key_counts: Arc<KeyCounts>,
    pub(crate) started: Instant,
    /// Forty hexadecimal digits, new at every start.
    pub(crate) run_id: String,
    pub(crate) config: Arc<Config>,
    pub(crate) pause: Pause,
    pub(crate) monitors: Monitors,
    pub(crate) slow_log: SlowLog,
    pub(crate) latencies: Latencies,
    pub(crate) addresses: Arc<Addresses>,
    pub(crate) strangers: Strangers,
    pub(crate) client_memory: ClientMemory,
    /// Cores look for more while the disk is at work.
    pub(crate) stays_awake: bool,
}

/// What a core keeps beside its clients.
pub(crate) struct Local {
    pub(crate) commands: LastFound,
    /// Clients that watch what is executed.
    pub(crate) monitors: RefCell<Vec<PeerId>>,
    /// Idle clients are being looked for.
    pub(crate) watches_idle: Cell<bool>,
    /// What clients take is being watched.
    pub(crate) watches_memory: Cell<bool>,
    /// The address that the last connection came to: others come to the same.
    local_name: RefCell<Arc<str>>,
    pub(crate) stopwatch: Stopwatch,
    pub(crate) handover: Handover,
}

impl Local {
    /// One text for all connections that came to the same address.
    pub(crate) fn shared_name(&self, name: String) -> Arc<str> {
        let mut known = self.local_name.borrow_mut();
        if **known != *name {
            *known = name.into();
        }
        known.clone()
    }
}

/// What is sent to a core.
pub(crate) enum Mail {
    /// By the keeper: replies that clients of the core are waiting for.
    Answers(Vec<Answer>),
    /// This client's connection ends at once.
    Kill(PeerId),
    /// Parameters have changed.
    Configured,
    /// Users have changed; who is named knows already.
    UsersChanged { by: PeerId },
    /// Somebody wants to know what clients take.
    Weigh(Arc<Weighing>),
    /// A command was executed: a line for the monitors of the core.
    Executed(Bytes),
}

/// One reply.
pub(crate) struct Answer {
    pub(crate) client: PeerId,
    pub(crate) ticket: Ticket,
    pub(crate) reply: Reply,
}

/// How far the keeper has come with a reply.
pub(crate) enum Reply {
    /// Complete.
    Whole(Vec<u8>),
    /// A transaction's, of which the core may have to do the rest.
    Executed(Box<Execution>),
}

/// Hands a reply to the client that waits for it, if it is still there.
pub(crate) fn answered(core: &Rc<Core<Resp>>, answer: Answer) {
    let client = core.peer(answer.client);
    match answer.reply {
        Reply::Whole(reply) => {
            if let Some(error) = reply.strip_prefix(b"-") {
                core.shared().counters.error(error);
            }
            if let Some(client) = client {
                client.answer(answer.ticket, reply);
            }
        }
        Reply::Executed(execution) => {
            let Some(client) = client else { return };
            if execution.is_done() {
                command::finish(&Context { core, client: &client }, answer.ticket, *execution);
            } else {
                client.leave_half_done(answer.ticket, execution);
            }
        }
    }
}

impl Wire for Resp {
    type Shared = Shared;
    type Local = Local;
    type Peer = Client;
    type Publication = Message;
    type Frame<'a> = Frame<'a>;
    type Mail = Mail;

    fn local(_: CoreId, shared: &Arc<Shared>) -> Local {
        Local {
            commands: LastFound::default(),
            monitors: RefCell::default(),
            watches_idle: Cell::default(),
            watches_memory: Cell::default(),
            local_name: RefCell::new("".into()),
            stopwatch: Stopwatch::new(),
            handover: Handover::new(shared),
        }
    }

    fn begin(core: &Rc<Core<Self>>) {
        idle::watch(core);
        eviction::watch(core);
    }

    fn accept(core: &Rc<Core<Self>>, incoming: Incoming) {
        core.shared().counters.of(core.id()).connections.add(1);
        tokio::task::spawn_local(connection::serve(core.clone(), incoming));
    }

    fn receive(core: &Rc<Core<Self>>, mail: Mail) {
        match mail {
            Mail::Answers(answers) => answers.into_iter().for_each(|answer| answered(core, answer)),
            Mail::Kill(id) => {
                if let Some(client) = core.peer(id) {
                    client.link().close();
                }
            }
            Mail::Configured => {
                core.each_peer(|client| client.limit_output());
                idle::watch(core);
                eviction::watch(core);
            }
            Mail::UsersChanged { by } => core.each_peer(|client| {
                if by != client.id() && !client.follow(&core.shared().acl) {
                    client.link().close();
                }
            }),
            Mail::Weigh(weighing) => weighing.weigh(core),
            Mail::Executed(line) => {
                let monitors = core.local().monitors.borrow();
                monitors.iter().filter_map(|id| core.peer(*id)).for_each(|client| client.watch(&line));
            }
        }
    }

    fn end_turn(core: &Rc<Core<Self>>) {
        Handover::end_turn(core);
    }

    fn mail_bytes(mail: &Mail) -> usize {
        if let Mail::Executed(line) = mail { line.len() } else { 0 }
    }

    fn frame<'a>(run: &'a [Message], pattern: Option<&'a Bytes>) -> Frame<'a> {
        Frame::new(run, pattern.map(|glob| &**glob))
    }
}
