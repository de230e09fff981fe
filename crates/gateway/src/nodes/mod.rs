//! What gateways tell each other, over plain publications of the broker.
//!
//! All of them hear [`ALL`], and each a channel of its own. An application's server speaks to one gateway; what it wants
//! done with connections ([`Steer`]) is done there at once, and told to the others, who hold the rest of them. What it asks of
//! all ([`Question`]) is gathered within a bounded time, and said to be of so many of so many.
//!
//! # Invariants
//!
//! - Nothing here is relied on for messages: a gateway that does not hear something while its broker is away has connections
//!   that are not steered, and no more. Whoever steered is told that the others were not reached.
//! - What is not understood is ignored: a newer gateway may say it.
//! - What is asked never waits for longer than its patience, and never in a queue without bound.
//!
//! Whoever may publish on these channels at the broker can say anything here: access rules there keep others out. A message
//! carries the name of its [`Cluster`], so that two that share a broker by mistake do not steer each other's clients.

mod asked;
mod census;
mod channels;
mod cluster;
mod control;
mod index;
mod load;
mod message;
mod once;
mod payload;
mod revoking;
mod survey;

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock, atomic::AtomicBool},
    time::{Duration, Instant},
};

use ahash::RandomState;
use naru_bus::{Bus, BusError};
use naru_fanout::{CoreId, Directory};
use naru_ledger::Server;
use parking_lot::Mutex;
use tokio::{
    select,
    sync::{Notify, mpsc},
    time::sleep,
};

use crate::{
    auth::Revoked,
    interests::{Hold, Interest, Interests},
    limits::{QUESTIONS_MAX, SURVEY_PATIENCE},
    wire::{Gate, Mail},
};

pub(crate) use census::Census;
pub use cluster::{BadCluster, Cluster};
pub(crate) use control::{
    Control, Disconnect, Emulate, Overrides, Refresh, Since, Steer, Subscribe, Unsubscribe, Whom,
};
pub(crate) use index::{Coming, Index, Missed, Place};
pub(crate) use load::Load;
pub(crate) use payload::Base64;
pub(crate) use revoking::NotRevoked;
pub(crate) use survey::{Answer, NodeInfo, Question, Survey};

use asked::Asked;
use channels::{ALL, REVOKED, of};
use message::{Heard, Sender};
use survey::Gathering;

/// How long to wait before the broker is asked again to let us hear.
const LISTEN_PAUSE: Duration = Duration::from_secs(1);

/// The gateways at one broker, as one of them sees them.
pub(crate) struct Nodes {
    me: Sender,
    own: String,
    bus: Bus,
    started: Instant,
    load: load::Meter,
    /// This gateway's own cores; there once they have started.
    cores: OnceLock<Arc<Directory<Gate>>>,
    gathering: Mutex<HashMap<String, Arc<Gathering>, RandomState>>,
    questions: mpsc::Sender<Asked>,
    waiting: Mutex<Option<mpsc::Receiver<Asked>>>,
    /// The broker is there.
    up: Notify,
    /// It is there again.
    returned: Notify,
    /// The tokens that are called back.
    revoked: Arc<Revoked>,
    /// What of them is soon pushed out of their channel is being said again.
    is_saying_again: AtomicBool,
}

impl Nodes {
    pub(crate) fn new(cluster: Cluster, server: Server, bus: Bus, revoked: Arc<Revoked>) -> Arc<Nodes> {
        let (questions, waiting) = mpsc::channel(QUESTIONS_MAX);
        Arc::new(Nodes {
            own: of(&server),
            me: Sender::new(cluster, server),
            bus,
            started: Instant::now(),
            load: load::Meter::new(),
            cores: OnceLock::new(),
            gathering: Mutex::default(),
            questions,
            waiting: Mutex::new(Some(waiting)),
            up: Notify::new(),
            returned: Notify::new(),
            revoked,
            is_saying_again: AtomicBool::new(false),
        })
    }

    /// The cores have started.
    pub(crate) fn begin(&self, cores: Arc<Directory<Gate>>) {
        self.cores.get_or_init(|| cores);
    }

    /// Hears the others, and answers them; for as long as the gateway runs. To be called once.
    pub(crate) async fn run(&self, interests: &Arc<Interests>) {
        let Some(waiting) = self.waiting.lock().take() else { return };
        tokio::join!(self.listen(interests), self.answer(waiting), self.keep_revoked(interests));
    }

    /// Makes sure that we hear the others. After a loss of the link the bus sees to it.
    async fn listen(&self, interests: &Arc<Interests>) {
        let mut holds: Vec<Hold> = Vec::new();
        for channel in [ALL, &self.own] {
            loop {
                match interests.hold(Interest::Channel(channel.into())).await {
                    Ok(hold) => break holds.push(hold),
                    Err(error) => {
                        tracing::debug!(%error, channel, "other servers are not heard yet");
                        select! {
                            () = sleep(LISTEN_PAUSE) => {}
                            () = self.up.notified() => {}
                        }
                    }
                }
            }
        }
        std::future::pending::<()>().await;
    }

    /// The link to the broker is there.
    pub(crate) fn up(&self) {
        self.up.notify_one();
        self.returned.notify_one();
    }

    /// Answers what others ask, one after the other.
    async fn answer(&self, mut waiting: mpsc::Receiver<Asked>) {
        while let Some(Asked { id, from, question }) = waiting.recv().await {
            for part in self.answers(&question).await.into_parts() {
                let answer = Control::Answer { id: id.clone(), answer: part.answer, more: part.more };
                if let Err(error) = self.tell(&from, answer).await {
                    tracing::debug!(%error, "a question of another server could not be answered");
                    break;
                }
            }
        }
    }

    /// Takes what came over the bus, on its thread; whether it was for us.
    pub(crate) fn heard(&self, channel: &str, place: Option<u64>, payload: &[u8]) -> bool {
        if channel != ALL && channel != self.own && channel != REVOKED {
            return false;
        }
        match self.me.read(payload) {
            Ok(Heard::Ours(Control::Ask { id, .. })) => {
                // The broker counts us among those who heard it.
                if let Some(gathering) = self.gathering.lock().get(&id) {
                    gathering.heard_ourselves();
                }
            }
            Ok(Heard::Ours(_) | Heard::OfAnotherCluster) => {}
            Ok(Heard::From(_, Control::Revoke(revocation))) => self.take_revocation(revocation, place),
            Ok(Heard::From(from, control)) => self.take(from, control),
            Err(error) => {
                tracing::warn!(%error, bytes = payload.len(), "what another server says is not understood");
            }
        }
        true
    }

    fn take(&self, from: Server, control: Control) {
        match control {
            Control::Steer(steer) => self.steer_here(steer),
            Control::Emulate(emulate) => self.emulate_here(emulate),
            Control::Revoke(revocation) => self.take_revocation(revocation, None),
            Control::Ask { id, question } => {
                if self.questions.try_send(Asked { id, from, question }).is_err() {
                    tracing::warn!("other servers ask faster than this one answers; a question was dropped");
                }
            }
            Control::Answer { id, answer, more } => {
                if let Some(gathering) = self.gathering.lock().get(&id) {
                    gathering.answered(from, answer, more);
                }
            }
        }
    }

    /// Steers connections: those held here at once, then those of all other gateways. After an error only the ones here
    /// are steered for certain.
    pub(crate) async fn steer(&self, steer: Steer) -> Result<(), BusError> {
        let told = self.me.written(&Control::Steer(steer.clone()));
        self.steer_here(steer);
        self.bus.publish(ALL, told).await.map(drop)
    }

    fn steer_here(&self, steer: Steer) {
        let steer = Arc::new(steer);
        self.to_cores(|| Mail::Steer(steer.clone()));
    }

    fn emulate_here(&self, emulate: Emulate) {
        let emulate = Arc::new(emulate);
        self.to_cores(|| Mail::Emulate(emulate.clone()));
    }

    fn to_cores(&self, mail: impl Fn() -> Mail) {
        let Some(cores) = self.cores.get() else { return };
        for core in 0..cores.cores() {
            cores.send(CoreId(core), mail());
        }
    }

    /// Passes commands to the connection they belong to, on the gateway that holds it; whether there is such a gateway.
    pub(crate) async fn emulate(&self, server: &Server, emulate: Emulate) -> Result<bool, BusError> {
        if *server == self.me.server {
            self.emulate_here(emulate);
            return Ok(true);
        }
        self.tell(server, Control::Emulate(emulate)).await
    }

    /// Tells one other gateway; whether anybody of that name heard it.
    async fn tell(&self, server: &Server, control: Control) -> Result<bool, BusError> {
        self.bus.publish(&of(server), self.me.written(&control)).await.map(|receivers| receivers > 0)
    }

    /// Asks all gateways, this one too, and gathers what they answer in time.
    pub(crate) async fn ask_all(&self, question: Question) -> Result<Survey, BusError> {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let gathering = Arc::new(Gathering::default());
        self.gathering.lock().insert(id.clone(), gathering.clone());
        let _forgotten = Forgotten { nodes: self, id: &id };
        let asking = self.me.written(&Control::Ask { id: id.clone(), question: question.clone() });
        let ours = self.answers(&question);
        let (asked, ours) = tokio::join!(self.bus.publish(ALL, asking), ours);
        let asked = asked?;
        // Whoever has subscribed beside the gateways is waited for in vain.
        if tokio::time::timeout(SURVEY_PATIENCE, gathering.complete(asked)).await.is_err() {
            tracing::debug!(asked, "not everybody who heard a question has answered it in time");
        }
        Ok(gathering.finish(asked, (self.me.server.clone(), ours)))
    }

    async fn answers(&self, question: &Question) -> Answer {
        let Some(cores) = self.cores.get() else { return Answer::none(question) };
        match question {
            Question::Channels { pattern } => Answer::Channels(channels::followed(cores, pattern.as_deref())),
            Question::Info => {
                let census = census::take(cores).await;
                let (count, load) = (channels::count(cores), self.load.read());
                Answer::Info(NodeInfo::new(&self.me, &census, &count, self.started, load))
            }
        }
    }
}

/// Ends a gathering, also if whoever asked gives up.
struct Forgotten<'a> {
    nodes: &'a Nodes,
    id: &'a str,
}

impl Drop for Forgotten<'_> {
    fn drop(&mut self) {
        self.nodes.gathering.lock().remove(self.id);
    }
}
