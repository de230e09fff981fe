use std::{
    cell::Cell,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;
use naru_fanout::{Core, CoreId, Incoming, Peer, PeerId, Wire};
use tokio::sync::mpsc;

use crate::{
    client::Client,
    config::Config,
    connection, idle,
    keeper::Job,
    message::{Frame, Message},
    pause::Pause,
    profile::Profiles,
    replies::Ticket,
};

/// The Redis protocol on the fan-out.
pub(crate) enum Resp {}

/// What all cores of a broker share.
pub(crate) struct Shared {
    pub(crate) profiles: Profiles,
    pub(crate) keeper: mpsc::Sender<Job>,
    pub(crate) statistics: Statistics,
    pub(crate) started: Instant,
    /// Forty hexadecimal digits, new at every start.
    pub(crate) run_id: String,
    pub(crate) config: Arc<Config>,
    pub(crate) pause: Pause,
}

/// Counters since the start.
#[derive(Default)]
pub(crate) struct Statistics {
    pub(crate) connections: AtomicU64,
    pub(crate) commands: AtomicU64,
    pub(crate) input_bytes: AtomicU64,
    pub(crate) published: AtomicU64,
    pub(crate) rejected: AtomicU64,
}

impl Statistics {
    /// Counts from 0 again.
    pub(crate) fn reset(&self) {
        let counters =
            [&self.connections, &self.commands, &self.input_bytes, &self.published, &self.rejected];
        counters.iter().for_each(|counter| counter.store(0, Ordering::Relaxed));
    }
}

/// What a core keeps beside its clients.
#[derive(Default)]
pub(crate) struct Local {
    /// Idle clients are being looked for.
    pub(crate) watches_idle: Cell<bool>,
}

/// What is sent to a core.
pub(crate) enum Mail {
    /// By the keeper: replies that clients of the core are waiting for.
    Answers(Vec<Answer>),
    /// This client's connection ends at once.
    Kill(PeerId),
    /// Parameters have changed.
    Configured,
}

/// One reply, complete.
pub(crate) struct Answer {
    pub(crate) client: PeerId,
    pub(crate) ticket: Ticket,
    pub(crate) reply: Vec<u8>,
}

impl Wire for Resp {
    type Shared = Shared;
    type Local = Local;
    type Peer = Client;
    type Publication = Message;
    type Frame = Frame;
    type Mail = Mail;

    fn local(_: CoreId, _: &Arc<Shared>) -> Local {
        Local::default()
    }

    fn accept(core: &Rc<Core<Self>>, incoming: Incoming) {
        core.shared().statistics.connections.fetch_add(1, Ordering::Relaxed);
        idle::watch(core);
        tokio::task::spawn_local(connection::serve(core.clone(), incoming));
    }

    fn receive(core: &Rc<Core<Self>>, mail: Mail) {
        match mail {
            Mail::Answers(answers) => {
                for answer in answers {
                    if let Some(client) = core.peer(answer.client) {
                        client.answer(answer.ticket, answer.reply);
                    }
                }
            }
            Mail::Kill(id) => {
                if let Some(client) = core.peer(id) {
                    client.link().close();
                }
            }
            Mail::Configured => {
                core.each_peer(|client| client.limit_output());
                idle::watch(core);
            }
        }
    }

    fn frame(message: &Message, pattern: Option<&Bytes>) -> Frame {
        match pattern {
            None => Frame::of_channel(message),
            Some(glob) => Frame::of_pattern(message, glob),
        }
    }
}
