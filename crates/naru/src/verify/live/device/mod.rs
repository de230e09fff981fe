//! One device of one person in a live run: it connects, sends, acknowledges, and loses connections and answers, as a client
//! with a careful library does.

mod does;
mod hears;

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::json;
use tokio::select;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::super::random::Random;
use super::client::Client;
use super::history::{Position, What};
use super::scene::{Phase, Scene};

/// As the SDKs do, a call is given up after this, and made again.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// One device in this many seldom acknowledges, so that a ring is not enough for it.
const LAZY_ONE_IN: usize = 5;

/// One in this many connections brings no position: an application that was started anew remembers nothing.
const FORGETS_ONE_IN: usize = 3;

/// One in this many brings a position it had before: an application that was put back to what it had been.
const STALE_ONE_IN: usize = 5;

pub(super) struct Device {
    scene: Rc<Scene>,
    number: usize,
    random: Random,
    phase: watch::Receiver<Phase>,
    is_lazy: bool,
    /// Messages that were sent so far.
    sent: u64,
    /// What has no answer yet, oldest first.
    unanswered: VecDeque<Message>,
    /// What was answered last, to be sent again at times.
    answered: Option<Message>,
    /// Messages of its own, to be edited or deleted: their conversations and numbers.
    own: VecDeque<(usize, u64)>,
    /// What the client library has to present when it connects again.
    position: Option<Position>,
    /// One that it had before.
    earlier: Option<Position>,
    /// Acknowledged, and answered.
    acked: u64,
    /// The conversation that something was pushed of last, and the newest it has of that, until it is acknowledged.
    pushed: Option<(String, u64)>,
    /// The newest entry of each conversation, to be marked as read.
    newest: HashMap<String, u64>,
    /// The rooms of many.
    rooms: HashMap<String, Room>,
    /// The last message that it got, to be reacted to.
    heard: Option<(String, u64)>,
}

/// Something on its way into a conversation.
#[derive(Clone)]
struct Message {
    conversation: usize,
    id: String,
    what: Say,
    /// When to try again; none while a call is under way.
    due: Option<Instant>,
}

/// What is to be written.
#[derive(Clone)]
enum Say {
    Message {
        mentions: Vec<String>,
    },
    /// Those of these numbers are what it is about.
    Reaction(u64),
    Edit(u64),
    Delete(u64),
}

/// What a call under way is to do when it is answered.
enum Asked {
    Send { id: String },
    Again,
    Ack,
    Read,
    Page,
    Missed(String),
    Member,
    Unread,
}

/// How far a device is in a room of many.
struct Room {
    /// It has everything up to here.
    has: u64,
    /// It knows that there is this.
    told: u64,
    /// It has asked for what is between.
    is_asked: bool,
    /// When it asks again, if that was in vain.
    ask_at: Option<Instant>,
}

impl Room {
    /// An entry came, behind another.
    fn hears(&mut self, prev: Option<u64>, seq: u64) {
        self.told = self.told.max(seq);
        if prev.is_some_and(|prev| prev <= self.has) {
            self.has = self.has.max(seq);
        }
    }
}

/// A connection that is up.
struct Session {
    client: Client,
    link: u64,
    /// Its place among the servers.
    server: usize,
    /// Calls under way, by the ids of their commands: number, time to give up, and what it is.
    calls: HashMap<u64, (u64, Instant, Asked)>,
    act_at: Instant,
    ack_at: Option<Instant>,
    cut_at: Option<Instant>,
}

impl Device {
    pub(super) fn new(scene: Rc<Scene>, number: usize) -> Device {
        let mut random = Random::new(scene.seed.wrapping_mul(0x1_0001).wrapping_add(number as u64 + 1));
        let phase = scene.phase.subscribe();
        let rooms = scene.cast.conversations.iter().enumerate();
        let rooms = rooms.filter(|(place, it)| it.is_broadcast && scene.cast.takes_part(number, *place));
        let room = |from| Room { has: from, told: from, is_asked: false, ask_at: None };
        let rooms = rooms.map(|(_, it)| (it.conversation.clone(), room(it.from))).collect();
        let is_lazy = random.once_in(LAZY_ONE_IN);
        Device {
            scene,
            number,
            random,
            phase,
            is_lazy,
            sent: 0,
            unanswered: VecDeque::new(),
            answered: None,
            own: VecDeque::new(),
            position: None,
            earlier: None,
            acked: 0,
            pushed: None,
            newest: HashMap::new(),
            heard: None,
            rooms,
        }
    }

    /// Lives until the run is over.
    pub(super) async fn run(mut self) {
        while self.phase() != Phase::Over {
            let link = self.scene.number();
            let outcome = match self.connect(link).await {
                Ok(mut session) => self.attend(&mut session).await,
                Err(error) => Err(error),
            };
            let Err(why) = outcome else { return };
            let (device, why) = (self.number, format!("{why:#}"));
            self.scene.stand(device, |standing| {
                standing.is_connected = false;
                standing.why.clone_from(&why);
            });
            self.scene.happens(What::Gone { device, link, why });
            self.stay_away().await;
        }
    }

    fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Whether it sends anything new. At last, what came of its own sends would show who is at the server that stands still what
    /// they have missed.
    fn is_busy(&self, session: &Session, phase: Phase) -> bool {
        phase == Phase::Load || phase == Phase::Last && self.scene.still.get() != Some(session.server)
    }

    fn between(&mut self, millis: std::ops::Range<usize>) -> Duration {
        Duration::from_millis((millis.start + self.random.below(millis.len())) as u64)
    }

    /// Waits before the next connection: mostly a moment, now and then for longer.
    async fn stay_away(&mut self) {
        let pause = match self.random.below(20) {
            0 => self.between(3000..8000),
            1..4 => self.between(500..2500),
            _ => self.between(5..150),
        };
        // Who is away comes back when all is calm.
        let is_load = self.phase() == Phase::Load;
        let pause = if is_load { pause } else { pause.min(Duration::from_millis(150)) };
        let calm = self.phase.wait_for(|phase| !is_load || *phase != Phase::Load);
        select! {
            () = sleep(pause) => {}
            _ = calm, if is_load => {}
        }
    }

    async fn connect(&mut self, link: u64) -> Result<Session> {
        let device = self.number;
        let count = self.scene.servers.len();
        let mut at = self.random.below(count);
        if self.scene.still.get() == Some(at) {
            at = (at + 1) % count;
        }
        let (server, place) = self.scene.servers[at].clone();
        if self.phase() == Phase::Load && self.random.once_in(FORGETS_ONE_IN) {
            self.position = None;
        }
        let mut position = self.position.clone();
        if self.phase() == Phase::Load && self.random.once_in(STALE_ONE_IN) {
            position = position.and(self.earlier.clone());
        }
        if self.random.once_in(STALE_ONE_IN) {
            self.earlier.clone_from(&self.position);
        }
        self.scene.happens(What::Connect { device, link, server, position: position.clone() });
        let mut client = Client::open(&place).await?;
        let named = &self.scene.cast.devices[device];
        let inbox = format!("inbox:{}", named.user);
        let mut request = json!({"token": self.scene.cast.tokens[device], "data": {"device": named.device}});
        if let Some(Position { epoch, offset }) = position {
            request["subs"] = json!({&inbox: {"recover": true, "epoch": epoch, "offset": offset}});
        }
        let id = client.command("connect", request).await?;
        let reply = match client.answer(id).await? {
            Ok(reply) => reply,
            Err(refusal) => bail!("connect was refused: {refusal}"),
        };
        let sub = &reply["connect"]["subs"][&inbox];
        let epoch = sub["epoch"].as_str().unwrap_or_default().to_owned();
        let start = sub["offset"].as_u64().unwrap_or(0);
        let recovered = sub["recovered"].as_bool().unwrap_or(false);
        self.scene.happens(What::Connected { device, link, epoch: epoch.clone(), start, recovered });
        self.position = Some(Position { epoch, offset: start });
        self.scene.stand(device, |standing| (standing.is_connected, standing.server) = (true, at));
        let now = Instant::now();
        for message in &mut self.unanswered {
            message.due = Some(now);
        }
        let cut_at = (self.phase() == Phase::Load).then(|| now + self.life());
        Ok(Session {
            client,
            link,
            server: at,
            calls: HashMap::new(),
            act_at: now + self.pause(),
            ack_at: None,
            cut_at,
        })
    }

    /// How long a connection lasts.
    fn life(&mut self) -> Duration {
        match self.random.below(6) {
            0 => self.between(1..60),
            1 => self.between(6000..12_000),
            _ => self.between(200..5000),
        }
    }

    /// The time to the next thing to do.
    fn pause(&mut self) -> Duration {
        let pace = usize::try_from(self.scene.pace.as_millis()).unwrap_or(usize::MAX / 4);
        self.between(0..2 * pace.max(1))
    }

    /// Keeps a connection until it is lost; no error is the end of the run.
    async fn attend(&mut self, session: &mut Session) -> Result<()> {
        self.rooms.values_mut().for_each(|room| (room.is_asked, room.ask_at) = (false, None));
        let outcome = self.keep(session).await;
        let device = self.number;
        for (call, _, _) in session.calls.drain().map(|(_, call)| call) {
            self.scene.happens(What::Unknown { device, call, why: "the connection was lost".to_owned() });
        }
        outcome
    }

    async fn keep(&mut self, session: &mut Session) -> Result<()> {
        loop {
            let phase = self.phase();
            if phase == Phase::Over {
                return Ok(());
            }
            if phase == Phase::Load && session.cut_at.is_none() {
                session.cut_at = Some(Instant::now() + self.life());
            }
            self.do_what_is_due(session, phase).await?;
            let next = self.next_due(session, phase);
            select! {
                biased;
                heard = session.client.next() => self.hear(session, heard?).await?,
                changed = self.phase.changed() => changed?,
                () = sleep_until(next) => {}
            }
        }
    }

    fn next_due(&self, session: &Session, phase: Phase) -> Instant {
        let calls = session.calls.values().map(|(_, until, _)| *until);
        let retries = self.unanswered.iter().filter_map(|message| message.due);
        let load = [
            session.cut_at.filter(|_| phase == Phase::Load),
            Some(session.act_at).filter(|_| self.is_busy(session, phase)),
        ];
        let rooms = self.rooms.values().filter_map(|room| room.ask_at);
        let all = calls.chain(rooms).chain(retries).chain(load.into_iter().flatten()).chain(session.ack_at);
        all.min().unwrap_or_else(|| Instant::now() + CALL_TIMEOUT)
    }
}
