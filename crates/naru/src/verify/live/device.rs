//! One device of one person in a live run: it connects, sends, acknowledges, and loses connections and answers, as a client
//! with a careful library does.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::{Value, json};
use tokio::select;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::super::random::Random;
use super::body::body;
use super::cast::DOOR;
use super::client::{Client, Heard, Refusal};
use super::history::{Answer, Ask, Entry, Position, What};
use super::reading::{entries, entry, sent, unread};
use super::scene::{Phase, Scene};

/// As the SDKs do, a call is given up after this, and made again.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Messages without an answer at the same time.
const UNANSWERED_MAX: usize = 12;

/// More than anybody takes part in here, unless there are very many people.
const CONVERSATIONS: u32 = 200;

/// What a server answers that has no such method.
const METHOD_UNKNOWN: [u64; 2] = [104, 108];

/// Entries of a room of many that are asked for at once.
const MISSED: u32 = 100;

/// How long to wait before that is tried again.
const MISSED_AGAIN: Duration = Duration::from_millis(200);

/// One message in this many mentions somebody.
const MENTIONS_ONE_IN: usize = 8;

/// Messages of its own that a device may still edit or delete.
const OWN_MAX: usize = 12;

/// One device in this many seldom acknowledges, so that a ring is not enough for it.
const LAZY_ONE_IN: usize = 5;

/// One in this many connections brings no position: an application that was started anew remembers nothing.
const FORGETS_ONE_IN: usize = 3;

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
    /// Acknowledged, and answered.
    acked: u64,
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
            acked: 0,
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
        let position = self.position.clone();
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

    async fn do_what_is_due(&mut self, session: &mut Session, phase: Phase) -> Result<()> {
        let now = Instant::now();
        if phase == Phase::Load && session.cut_at.is_some_and(|at| at <= now) {
            bail!("cut here");
        }
        let late: Vec<u64> =
            session.calls.iter().filter(|(_, (_, until, _))| *until <= now).map(|(id, _)| *id).collect();
        for id in late {
            if let Some((call, _, asked)) = session.calls.remove(&id) {
                self.is_unknown(call, &asked, "nothing was answered in time");
            }
        }
        for place in 0..self.unanswered.len() {
            if self.unanswered[place].due.is_some_and(|due| due <= now) {
                self.unanswered[place].due = None;
                let message = self.unanswered[place].clone();
                let id = message.id.clone();
                self.send(session, &message, Asked::Send { id }).await?;
            }
        }
        self.catch_up(session).await?;
        if session.ack_at.is_some_and(|at| at <= now) {
            session.ack_at = None;
            self.ack(session).await?;
        }
        if self.is_busy(session, phase) && session.act_at <= now {
            session.act_at = now + self.pause();
            self.act(session, phase).await?;
        }
        if phase == Phase::Count {
            self.count(session).await?;
        }
        Ok(())
    }

    /// Reads what it has missed in rooms of many.
    async fn catch_up(&mut self, session: &mut Session) -> Result<()> {
        let now = Instant::now();
        let mut behind: Vec<(String, u64)> = Vec::new();
        for (name, room) in &mut self.rooms {
            if room.told > room.has && !room.is_asked && room.ask_at.is_none_or(|at| at <= now) {
                (room.is_asked, room.ask_at) = (true, None);
                behind.push((name.clone(), room.has));
            }
        }
        for (conversation, after) in behind {
            let request = json!({"conversation": conversation, "after": after, "limit": MISSED});
            let asked = Asked::Missed(conversation.clone());
            self.call(session, Ask::Missed { conversation, after }, asked, "history", request).await?;
        }
        Ok(())
    }

    /// Comes or goes, or, as the owner, changes somebody's role.
    async fn come_or_go(&mut self, session: &mut Session) -> Result<()> {
        let Some(door) = self.scene.cast.conversations.iter().find(|it| it.conversation == DOOR) else {
            return self.say(session).await;
        };
        let own = &self.scene.cast.devices[self.number].user;
        let conversation = door.conversation.clone();
        let (user, kind, request) = match door.users.iter().position(|user| user == own) {
            None => return self.say(session).await,
            Some(0) => {
                let user = door.users[1 + self.random.below(door.users.len() - 1)].clone();
                let role = self.random.one_of(&["member", "moderator"]);
                let request = json!({"conversation": conversation, "user": user, "role": role});
                (user, "role", request)
            }
            Some(_) => {
                let kind = self.random.one_of(&["join", "leave", "join"]);
                (own.clone(), kind, json!({"conversation": conversation}))
            }
        };
        let ask = Ask::Member { conversation, user, kind: kind.to_owned() };
        self.call(session, ask, Asked::Member, &format!("room.{kind}"), request).await
    }

    /// Does one of the things people do.
    async fn act(&mut self, session: &mut Session, phase: Phase) -> Result<()> {
        match self.random.below(40) {
            0 => {
                // Once more, though it was answered: the answer must be the first one.
                if let Some(message) = self.answered.clone() {
                    self.send(session, &message, Asked::Again).await?;
                }
            }
            1..3 => {
                let conversation = self.talk();
                let name = self.scene.cast.conversations[conversation].conversation.clone();
                let request = json!({"conversation": name, "limit": 20});
                let ask = Ask::Page { conversation: name };
                self.call(session, ask, Asked::Page, "history", request).await?;
            }
            3..6 => self.read(session).await?,
            6 => {
                for _ in 0..2 + self.random.below(4) {
                    self.say(session).await?;
                }
            }
            9..14 => self.come_or_go(session).await?,
            7..9 if phase == Phase::Load => {
                self.say(session).await?;
                // The answer may be on its way, or not.
                let pause = self.between(0..30);
                sleep(pause).await;
                bail!("cut here, before an answer");
            }
            _ => self.say(session).await?,
        }
        Ok(())
    }

    fn talk(&mut self) -> usize {
        self.random.one_of(&self.scene.cast.talks[self.number])
    }

    /// Sends something new.
    async fn say(&mut self, session: &mut Session) -> Result<()> {
        // At last, who waits for a server sends nothing else: a flood when that goes on would show everybody what they missed.
        let most = if self.phase() == Phase::Last { 1 } else { UNANSWERED_MAX };
        if self.unanswered.len() >= most {
            return Ok(());
        }
        let (conversation, what) = self.think();
        self.sent += 1;
        let id = format!("d{}-{}{}", self.number, self.sent, self.scene.mark);
        let message = Message { conversation, id: id.clone(), what, due: None };
        self.unanswered.push_back(message.clone());
        self.note_unanswered();
        self.send(session, &message, Asked::Send { id }).await
    }

    /// What to say, and where.
    fn think(&mut self) -> (usize, Say) {
        let cast = &self.scene.cast;
        let about = match self.random.below(20) {
            kind @ 0..4 if !self.own.is_empty() => {
                let (conversation, seq) = self.own[self.random.below(self.own.len())];
                Some((conversation, if kind == 0 { Say::Delete(seq) } else { Say::Edit(seq) }))
            }
            4..6 => self.heard.as_ref().and_then(|(name, seq)| {
                let place = cast.conversations.iter().position(|it| it.conversation == *name)?;
                Some((place, Say::Reaction(*seq)))
            }),
            _ => None,
        };
        about.unwrap_or_else(|| {
            let conversation = self.random.one_of(&cast.talks[self.number]);
            let users = &cast.conversations[conversation].users;
            let mut mentions: Vec<String> = Vec::new();
            if self.random.once_in(MENTIONS_ONE_IN) {
                mentions = (0..2).map(|_| users[self.random.below(users.len())].clone()).collect();
                mentions.sort();
                mentions.dedup();
            }
            (conversation, Say::Message { mentions })
        })
    }

    async fn send(&mut self, session: &mut Session, message: &Message, asked: Asked) -> Result<()> {
        let Message { conversation, id, what, .. } = message;
        let cast = &self.scene.cast;
        let name = cast.conversations[*conversation].conversation.clone();
        let to = cast.address(self.number, *conversation);
        let (method, request) = match what {
            Say::Message { mentions } => {
                ("send", json!({"to": to, "id": id, "body": body(id), "mentions": mentions}))
            }
            Say::Reaction(target) => {
                ("send", json!({"to": to, "id": id, "body": body(id), "kind": "reaction", "target": target}))
            }
            Say::Edit(target) => {
                ("edit", json!({"conversation": name, "id": id, "target": target, "body": body(id)}))
            }
            Say::Delete(target) => ("delete", json!({"conversation": name, "id": id, "target": target})),
        };
        let (kind, target, mentions) = match what {
            Say::Message { mentions } => ("message", None, mentions.clone()),
            Say::Reaction(target) => ("reaction", Some(*target), Vec::new()),
            Say::Edit(target) => ("edit", Some(*target), Vec::new()),
            Say::Delete(target) => ("delete", Some(*target), Vec::new()),
        };
        let (id, kind) = (id.clone(), kind.to_owned());
        let ask = Ask::Send { conversation: name, id, kind, target, mentions };
        self.call(session, ask, asked, method, request).await
    }

    async fn ack(&mut self, session: &mut Session) -> Result<()> {
        let offset = self.position.as_ref().map_or(0, |position| position.offset);
        if offset <= self.acked {
            return Ok(());
        }
        self.call(session, Ask::Ack { offset }, Asked::Ack, "ack", json!({"offset": offset})).await
    }

    async fn read(&mut self, session: &mut Session) -> Result<()> {
        if !self.scene.counts_unread.get() {
            return Ok(());
        }
        let mut newest: Vec<_> = self.newest.iter().collect();
        newest.sort_unstable();
        let Some((conversation, seq)) =
            newest.get(self.random.below(newest.len())).map(|(name, seq)| ((*name).clone(), **seq))
        else {
            return Ok(());
        };
        let request = json!({"conversation": conversation, "seq": seq});
        self.call(session, Ask::Read { conversation, seq }, Asked::Read, "read", request).await
    }

    async fn count(&mut self, session: &mut Session) -> Result<()> {
        let is_under_way = session.calls.values().any(|(_, _, asked)| matches!(asked, Asked::Unread));
        let has_counted =
            self.scene.laggard(|device, standing| device != self.number || standing.has_counted).is_none();
        if is_under_way || has_counted {
            return Ok(());
        }
        self.call(session, Ask::Unread, Asked::Unread, "conversations", json!({"limit": CONVERSATIONS})).await
    }

    async fn call(
        &mut self,
        session: &mut Session,
        ask: Ask,
        asked: Asked,
        method: &str,
        data: Value,
    ) -> Result<()> {
        let (device, link, call) = (self.number, session.link, self.scene.number());
        self.scene.happens(What::Invoke { device, link, call, ask });
        match session.client.rpc(method, data).await {
            Ok(id) => {
                session.calls.insert(id, (call, Instant::now() + CALL_TIMEOUT, asked));
                Ok(())
            }
            Err(error) => {
                self.scene.happens(What::Unknown { device, call, why: format!("{error:#}") });
                Err(error)
            }
        }
    }

    async fn hear(&mut self, session: &mut Session, heard: Heard) -> Result<()> {
        match heard {
            Heard::Ping => session.client.pong().await?,
            Heard::Push(push) => self.is_pushed(session, &push),
            Heard::Reply(id, reply) => {
                // An answer that comes after it was given up is no answer any more.
                let Some((call, _, asked)) = session.calls.remove(&id) else { return Ok(()) };
                match reply {
                    Ok(mut reply) => self.is_answered(call, asked, &reply["rpc"]["data"].take())?,
                    Err(refusal) if refusal.is_temporary => {
                        self.is_unknown(call, &asked, &format!("temporary: {refusal}"));
                    }
                    Err(refusal) => self.is_refused(call, &asked, &refusal),
                }
            }
        }
        Ok(())
    }

    fn is_pushed(&mut self, session: &mut Session, push: &Value) {
        let device = self.number;
        if let Some(room) = push["channel"].as_str().and_then(|channel| self.rooms.get_mut(channel)) {
            if push["pub"].is_object() {
                let entry = entry(&push["pub"]["data"]);
                if entry.is_logged() {
                    room.hears(entry.prev, entry.seq);
                    self.has(&entry.conversation, entry.seq);
                } else {
                    room.told = room.told.max(entry.seq);
                }
                self.scene.happens(What::Heard { device, link: session.link, entry });
            }
            return;
        }
        if push["channel"].as_str() != Some(&format!("inbox:{}", self.scene.cast.devices[device].user)) {
            return;
        }
        let offset = push["pub"]["offset"].as_u64().unwrap_or(0);
        let entry = entry(&push["pub"]["data"]);
        if entry.is_logged() {
            let newest = self.newest.entry(entry.conversation.clone()).or_default();
            *newest = entry.seq.max(*newest);
            if entry.is_message() {
                self.heard = Some((entry.conversation.clone(), entry.seq));
            }
            self.has(&entry.conversation, entry.seq);
        }
        self.scene.happens(What::Pushed { device, link: session.link, offset, entry });
        if let Some(position) = &mut self.position {
            position.offset = position.offset.max(offset);
        }
        if session.ack_at.is_none() {
            let is_lazy = self.is_lazy && self.phase() < Phase::Calm;
            let wait = if is_lazy { self.between(3000..9000) } else { self.between(20..900) };
            session.ack_at = Some(Instant::now() + wait);
        }
    }

    fn has(&self, conversation: &str, seq: u64) {
        self.scene.stand(self.number, |standing| {
            standing.had.entry(conversation.to_owned()).or_default().insert(seq);
        });
    }

    /// The room's part after which it had nothing was read.
    fn has_read(&mut self, conversation: &str, entries: &[Entry]) {
        entries.iter().for_each(|entry| self.has(conversation, entry.seq));
        if let Some(room) = self.rooms.get_mut(conversation) {
            room.is_asked = false;
            room.has = entries.last().map_or(room.has, |entry| entry.seq.max(room.has));
            // More of it may have come meanwhile, or what it was told of may not be there.
            room.ask_at = entries.is_empty().then(|| Instant::now() + MISSED_AGAIN);
        }
    }

    fn is_answered(&mut self, call: u64, asked: Asked, data: &Value) -> Result<()> {
        let device = self.number;
        let number = |name: &str| data[name].as_u64().unwrap_or(0);
        let answer = match asked {
            Asked::Send { id } => {
                self.is_stored(&id, number("seq"));
                sent(data)
            }
            Asked::Again => sent(data),
            Asked::Ack => {
                self.acked = self.acked.max(number("offset"));
                Answer::Acked { offset: number("offset") }
            }
            Asked::Read => Answer::Read,
            Asked::Page => Answer::Page { entries: entries(data) },
            Asked::Missed(conversation) => {
                let entries = entries(data);
                self.has_read(&conversation, &entries);
                Answer::Page { entries }
            }
            Asked::Member => Answer::Changed { seq: data["seq"].as_u64() },
            Asked::Unread => {
                self.scene.stand(device, |standing| standing.has_counted = true);
                // Of part of them nothing could be judged.
                let is_all = data["more"] != true;
                Answer::Unread { conversations: is_all.then(|| unread(data)) }
            }
        };
        self.scene.happens(What::Ok { device, call, answer });
        Ok(())
    }

    /// The message has been answered.
    fn is_stored(&mut self, id: &str, seq: u64) {
        if let Some(place) = self.unanswered.iter().position(|message| message.id == id)
            && let Some(message) = self.unanswered.remove(place)
        {
            if matches!(message.what, Say::Message { .. }) {
                self.own.push_back((message.conversation, seq));
                if self.own.len() > OWN_MAX {
                    self.own.pop_front();
                }
            }
            self.answered = Some(message);
            self.scene.acknowledged.set(self.scene.acknowledged.get() + 1);
            self.note_unanswered();
        }
    }

    fn note_unanswered(&self) {
        self.scene.stand(self.number, |standing| standing.unanswered = self.unanswered.len());
    }

    /// Nobody knows whether a call was done: a message is sent again after a moment.
    fn is_unknown(&mut self, call: u64, asked: &Asked, why: &str) {
        self.scene.happens(What::Unknown { device: self.number, call, why: why.to_owned() });
        if let Asked::Missed(conversation) = asked
            && let Some(room) = self.rooms.get_mut(conversation)
        {
            (room.is_asked, room.ask_at) = (false, Some(Instant::now() + MISSED_AGAIN));
        }
        if let Asked::Send { id } = asked {
            let due = Instant::now() + self.between(50..400);
            if let Some(message) = self.unanswered.iter_mut().find(|message| message.id == *id) {
                message.due = Some(due);
            }
        }
    }

    fn is_refused(&mut self, call: u64, asked: &Asked, refusal: &Refusal) {
        self.scene.happens(What::Fail { device: self.number, call, why: refusal.to_string() });
        match asked {
            Asked::Send { id } => {
                self.unanswered.retain(|message| message.id != *id);
                self.note_unanswered();
            }
            Asked::Read | Asked::Unread if METHOD_UNKNOWN.contains(&refusal.code) => {
                self.scene.counts_unread.set(false)
            }
            _ => {}
        }
    }
}
