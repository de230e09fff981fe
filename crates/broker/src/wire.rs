use std::{
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;
use naru_fanout::{Core, CoreId, Incoming, PeerId, Wire};
use tokio::sync::mpsc;

use crate::{
    client::Client,
    connection,
    keeper::Job,
    message::{Frame, Message},
    password::Password,
    profile::Profiles,
    replies::Ticket,
    transaction::Step,
};

/// The Redis protocol on the fan-out.
pub(crate) enum Resp {}

/// What all cores of a broker share.
pub(crate) struct Shared {
    pub(crate) profiles: Profiles,
    pub(crate) keeper: mpsc::Sender<Job>,
    pub(crate) statistics: Statistics,
    pub(crate) started: Instant,
    pub(crate) port: Option<u16>,
    pub(crate) tls_port: Option<u16>,
    /// Forty hexadecimal digits, new at every start.
    pub(crate) run_id: String,
    pub(crate) password: Option<Password>,
    pub(crate) durable: bool,
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

/// What the keeper sends to a core: replies that clients of the core are waiting for.
pub(crate) type Answers = Vec<Answer>;

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
    Steps(Vec<Step>),
}

impl Wire for Resp {
    type Shared = Shared;
    type Local = ();
    type Peer = Client;
    type Publication = Message;
    type Frame = Frame;
    type Mail = Answers;

    fn local(_: CoreId, _: &Arc<Shared>) {}

    fn accept(core: &Rc<Core<Self>>, incoming: Incoming) {
        core.shared().statistics.connections.fetch_add(1, Ordering::Relaxed);
        tokio::task::spawn_local(connection::serve(core.clone(), incoming));
    }

    fn receive(core: &Rc<Core<Self>>, answers: Answers) {
        for answer in answers {
            if let Some(client) = core.peer(answer.client) {
                match answer.reply {
                    Reply::Whole(reply) => client.answer(answer.ticket, reply),
                    Reply::Steps(steps) => client.answer_steps(answer.ticket, steps),
                }
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
