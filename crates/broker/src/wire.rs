use std::{
    cell::Cell,
    rc::Rc,
    sync::{Arc, atomic::AtomicUsize},
    time::{Duration, Instant},
};

use bytes::Bytes;
use naru_fanout::{Core, CoreId, Incoming, Peer, PeerId, Wire};
use tokio::sync::mpsc;

use crate::{
    client::Client,
    config::Config,
    connection,
    counters::Counters,
    idle,
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
    pub(crate) counters: Counters,
    /// Keys the keeper has.
    pub(crate) key_count: Arc<AtomicUsize>,
    pub(crate) started: Instant,
    /// Forty hexadecimal digits, new at every start.
    pub(crate) run_id: String,
    pub(crate) config: Arc<Config>,
    pub(crate) pause: Pause,
}

/// What a core keeps beside its clients.
pub(crate) struct Local {
    /// Idle clients are being looked for.
    pub(crate) watches_idle: Cell<bool>,
    /// When the last command ended, or the batch of commands began.
    lap: Cell<Instant>,
}

impl Local {
    /// Time since this was last called: how long a command took, if it is called between commands.
    pub(crate) fn lap(&self) -> Duration {
        let now = Instant::now();
        now.duration_since(self.lap.replace(now))
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
        Local { watches_idle: Cell::default(), lap: Cell::new(Instant::now()) }
    }

    fn accept(core: &Rc<Core<Self>>, incoming: Incoming) {
        core.shared().counters.of(core.id()).connections.add(1);
        idle::watch(core);
        tokio::task::spawn_local(connection::serve(core.clone(), incoming));
    }

    fn receive(core: &Rc<Core<Self>>, mail: Mail) {
        match mail {
            Mail::Answers(answers) => {
                for answer in answers {
                    if let Some(error) = answer.reply.strip_prefix(b"-") {
                        core.shared().counters.error(error);
                    }
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
