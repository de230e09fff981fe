//! A history in the making: who does what to the model, and what that makes true.

use std::collections::BTreeMap;

use proptest::sample::Index;

use super::client::Client;
use super::steps::*;
use super::truth::{Given, Truth};
use super::words::*;
use super::world::*;

/// A model, what is true of it, and who uses it.
pub(crate) struct History {
    pub(crate) world: World,
    pub(crate) limits: Limits,
    pub(crate) truth: Truth,
    given: Given,
    generation: Generation,
    /// What is on disk, should the rest be lost.
    saved: (Model, Truth),
    /// Fan-outs that servers are at.
    jobs: Vec<Deliver>,
    leases: BTreeMap<Conversation, (Server, Millis)>,
    pub(crate) clients: BTreeMap<(User, Device), Client>,
    bursts: u64,
}

impl History {
    pub(crate) fn new(limits: Limits) -> History {
        let world = World::new(limits.clone());
        History {
            limits,
            saved: (world.model.clone(), Truth::default()),
            world,
            truth: Truth::default(),
            given: Given::default(),
            generation: Generation::FIRST,
            jobs: Vec::new(),
            leases: BTreeMap::new(),
            clients: BTreeMap::new(),
            bursts: 0,
        }
    }

    pub(crate) fn take(&mut self, step: &Step) {
        match step {
            Step::Say { place: at, who: by, id, mentions, way } => {
                let mentions: Vec<&str> = USERS
                    .iter()
                    .enumerate()
                    .filter(|(n, _)| mentions >> n & 9 == 9)
                    .map(|(_, name)| *name)
                    .collect();
                let append = message(place(at).as_str(), who(by).as_str(), &format!("m{id}"), &mentions);
                self.say(append, way);
            }
            Step::Burst { place: at, who: by, count } => {
                for _ in 0..*count {
                    self.bursts += 1;
                    let id = format!("b{}", self.bursts);
                    self.say(message(place(at).as_str(), who(by).as_str(), &id, &[]), &Way::Send);
                }
            }
            Step::React { place: at, who: by, id, back } => {
                let target = self.nth_last(&place(at), *back);
                let append = message(place(at).as_str(), who(by).as_str(), &format!("r{id}"), &[]);
                let body = Body::from(append.client_id.as_str().as_bytes());
                self.say(Append { said: Said::Reaction { target, body }, ..append }, &Way::Append);
            }
            Step::Edit { place: at, who: by, id, back } => {
                let target = self.nth_last(&place(at), *back);
                let Append { conversation, sender, client_id, level, .. } =
                    message(place(at).as_str(), who(by).as_str(), &format!("e{id}"), &[]);
                let body = Body::from(&b"edited"[..]);
                self.write(Op::Edit(Edit { conversation, sender, client_id, target, body, level }));
            }
            Step::Delete { place: at, who: by, id, back } => {
                let target = self.nth_last(&place(at), *back);
                let Append { conversation, sender, client_id, level, .. } =
                    message(place(at).as_str(), who(by).as_str(), &format!("d{id}"), &[]);
                self.write(Op::Delete(Delete { conversation, sender, client_id, target, level }));
            }
            Step::Member { room: at, who: by, change } => {
                let change = match change {
                    0 => Change::Leave,
                    1 => Change::Role(Role::Moderator),
                    2 => Change::Join(Role::Reader),
                    3 => Change::Make,
                    4 => Change::Role(Role::Owner),
                    _ => Change::Join(Role::Member),
                };
                self.member(Membership { room: room(pick(&ROOMS, at)), user: who(by), change });
            }
            Step::Deliver { job, to } => {
                if let Some(job) = self.job(job) {
                    let mut deliver = self.jobs[job].clone();
                    deliver.to.truncate(to.index(deliver.to.len() + 1));
                    self.deliver(&deliver);
                }
            }
            Step::Finish { job } => {
                if let Some(job) = self.job(job) {
                    let job = self.jobs.remove(job);
                    self.deliver(&job);
                    self.done(&job.conversation, job.seq);
                }
            }
            Step::Die { job } => {
                if let Some(job) = self.job(job) {
                    self.jobs.remove(job);
                }
            }
            Step::Sweep { server: by, older_than, dies } => {
                self.sweep(pick(&SERVERS, by), *older_than, *dies)
            }
            Step::Read { place: at, who: by, back } => self.read(&who(by), &place(at), *back),
            Step::Mark { place: at, who: by, back } => {
                let seq = self.nth_last(&place(at), *back);
                let _ = self.world.run(Op::Mark { conversation: place(at), user: who(by), seq });
            }
            Step::ComeBack { who: by, device: on, budget, acks } => {
                self.come_back(&who(by), &device(pick(&DEVICES, on)), (*budget, *acks));
            }
            Step::TearDown { who: by, device: on } => {
                if let Some(client) = self.clients.get_mut(&(who(by), device(pick(&DEVICES, on)))) {
                    client.tear_down();
                }
            }
            Step::Clock { step } => {
                self.world.now = Millis(self.world.now.0.saturating_add_signed(*step));
            }
            Step::Save => {
                self.saved = (self.world.model.clone(), self.truth.clone());
                self.world.happen(Event::Saved);
            }
            Step::Lose => self.lose(),
            Step::Restart => {
                self.world.happen(Event::Restarted);
                self.leases.clear();
            }
        }
    }

    fn job(&self, index: &Index) -> Option<usize> {
        (!self.jobs.is_empty()).then(|| index.index(self.jobs.len()))
    }

    /// The entry that has `back` entries behind it; 0 in an empty log.
    fn nth_last(&self, conversation: &Conversation, back: u64) -> Seq {
        let log = self.truth.logs.get(conversation).into_iter().flatten();
        log.rev().nth(back as usize).map_or(Seq::ZERO, |told| told.seq)
    }

    fn say(&mut self, append: Append, way: &Way) {
        let op = match way {
            Way::Send => Op::Send(append.clone()),
            Way::Append => Op::Append(append.clone()),
        };
        let place = append.conversation.clone();
        // What a send is going to deliver is known only when it has: by a model that takes the three steps.
        let mut steps = self.world.model.clone();
        let answer = self.world.run(op);
        self.truth.rooms.said(&append, &answer);
        let Ok(Answer::Appended(appended)) = answer else { return };
        self.truth.appended(&mut self.given, self.world.now, &append, appended);
        let Some(deliver) = self.world.model.fan_out(&append.conversation, appended.seq) else { return };
        match way {
            Way::Append if appended.repeat => {}
            Way::Append => {
                self.truth.rooms.check_audience(&deliver);
                self.jobs.push(deliver);
            }
            Way::Send => {
                let was_open = is_open(&mut steps, &append.conversation, appended, self.world.now);
                if was_open {
                    steps.run(&Op::Append(append), self.world.now).unwrap();
                    let Ok(Answer::Delivered(delivered)) =
                        steps.run(&Op::Deliver(deliver.clone()), self.world.now)
                    else {
                        panic!()
                    };
                    let (conversation, seq) = (deliver.conversation.clone(), deliver.seq);
                    steps.run(&Op::Done { conversation, seq }, self.world.now).unwrap();
                    assert!(steps == self.world.model, "a send is the three steps in one");
                    let turns =
                        |user: &User| self.world.model.turns(&deliver.conversation, user, deliver.seq);
                    self.truth.delivered(&mut self.given, &deliver, &delivered, turns);
                }
            }
        }
        self.end_lease(&place);
    }

    fn write(&mut self, op: Op) {
        let Ok(Answer::Appended(appended)) = self.world.run(op.clone()) else { return };
        let (Op::Edit(Edit { conversation, sender, client_id, .. })
        | Op::Delete(Delete { conversation, sender, client_id, .. })) = op
        else {
            panic!()
        };
        let entry = (&conversation, &sender, Some(&client_id), false);
        self.truth.written(&mut self.given, self.world.now, entry, appended);
        self.begin(&conversation, appended.seq, appended.repeat);
    }

    fn member(&mut self, membership: Membership) {
        let Membership { room, user, .. } = &membership;
        let conversation = Conversation::from(room.clone());
        let answer = self.world.run(Op::Membership(membership.clone()));
        let answer = answer.map(|answer| match answer {
            Answer::Changed(changed) => changed,
            other => panic!("{other:?}"),
        });
        self.truth.rooms.asked(&membership, answer, self.limits.members_max);
        let Ok(changed) = answer else { return };
        let Some(Written { seq, at, prev, count, switched }) = changed.written else { return };
        let (version, mode, level) = (changed.version, changed.mode, Level::Fsync);
        let mut appended = Appended { seq, at, prev, count, repeat: false, version, mode, level };
        let entry = (&conversation, user, None, false);
        self.truth.written(&mut self.given, self.world.now, entry, appended);
        self.begin(&conversation, seq, false);
        if let Some(switched) = switched {
            appended = Appended { seq: switched, prev: seq, ..appended };
            self.truth.written(&mut self.given, self.world.now, entry, appended);
            self.begin(&conversation, switched, false);
        }
    }

    /// A server that has written something begins to fan it out.
    fn begin(&mut self, conversation: &Conversation, seq: Seq, is_repeat: bool) {
        if !is_repeat && let Some(deliver) = self.world.model.fan_out(conversation, seq) {
            self.truth.rooms.check_audience(&deliver);
            self.jobs.push(deliver);
        }
    }

    fn deliver(&mut self, deliver: &Deliver) {
        // Refused if what it speaks of was lost.
        if let Ok(Answer::Delivered(delivered)) = self.world.run(Op::Deliver(deliver.clone())) {
            let turns = |user: &User| self.world.model.turns(&deliver.conversation, user, deliver.seq);
            self.truth.delivered(&mut self.given, deliver, &delivered, turns);
        }
    }

    fn done(&mut self, conversation: &Conversation, seq: Seq) {
        let _ = self.world.run(Op::Done { conversation: conversation.clone(), seq });
        self.end_lease(conversation);
    }

    /// A lease ends when nothing is open any more.
    fn end_lease(&mut self, conversation: &Conversation) {
        let op = Op::Trace { conversation: conversation.clone(), what: What::Seq(Seq::ZERO) };
        let Answer::Traced(traced) = self.world.run(op).unwrap() else { panic!() };
        if traced.fanned_out == traced.head {
            self.leases.remove(conversation);
        }
    }

    /// A server looks for what is open and finishes it, or dies when it has found it.
    pub(crate) fn sweep(&mut self, by: &str, older_than: u64, dies: bool) {
        let now = self.world.now;
        for Open { conversation, from, to, .. } in self.world.sweep(by, older_than) {
            let held = self.leases.insert(conversation.clone(), (server(by), Millis(now.0 + 5000)));
            assert!(held.is_none_or(|(holder, until)| holder == server(by) || until <= now), "leased");
            if !dies {
                self.finish(&conversation, from, to);
            }
        }
    }

    fn finish(&mut self, conversation: &Conversation, from: Seq, to: Seq) {
        let page = self.world.history(conversation.as_str(), "", From::After(from), 50).unwrap();
        for seq in page.entries.iter().map(|entry| entry.seq).take_while(|seq| *seq <= to) {
            let deliver = self.world.model.fan_out(conversation, seq).unwrap();
            self.deliver(&deliver);
            self.done(conversation, seq);
        }
    }

    fn read(&mut self, user: &User, conversation: &Conversation, back: u64) {
        let seq = self.nth_last(conversation, back);
        let count = self.truth.count(conversation, seq);
        let before = self.world.row(user.as_str(), conversation.as_str());
        let read = Read { user: user.clone(), conversation: conversation.clone(), seq, count };
        if let Ok(Answer::Unread(unread)) = self.world.run(Op::Read(read.clone())) {
            self.truth.read(&mut self.given, &read, before.as_ref(), unread);
        }
    }

    pub(crate) fn come_back(&mut self, user: &User, device: &Device, how: (usize, bool)) {
        let client = self.clients.entry((user.clone(), device.clone())).or_default();
        client.come_back(&mut self.world, &self.truth, user, device, how);
    }

    /// The store loses what came after it was last saved, and is in its next generation.
    fn lose(&mut self) {
        (self.world.model, self.truth) = self.saved.clone();
        self.generation = Generation(self.generation.0 + 1);
        self.world.happen(Event::Lost);
        self.world.happen(Event::Raised(self.generation));
        self.world.happen(Event::Restarted);
        self.leases.clear();
        for ((user, device), client) in &mut self.clients {
            client.store_lost(self.world.device(user, device));
        }
    }
}

/// Whether an entry is not done before a send repeats it.
fn is_open(model: &mut Model, conversation: &Conversation, appended: Appended, now: Millis) -> bool {
    let what = What::Seq(appended.seq);
    let trace = model.run(&Op::Trace { conversation: conversation.clone(), what }, now);
    let Ok(Answer::Traced(traced)) = trace else { panic!() };
    !appended.repeat || traced.entry.is_some() && !traced.done
}
