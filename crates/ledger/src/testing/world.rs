//! A model with a clock, and short words for its operations.

use std::collections::BTreeSet;
use std::time::Duration;

use super::words::*;

pub(crate) const HOUR: u64 = 60 * 60 * 1000;
pub(crate) const DAY: u64 = 24 * HOUR;
pub(crate) const START: Millis = Millis(20_000 * DAY);

/// What happens to a ledger.
#[derive(Debug, Clone)]
pub enum Event {
    /// An operation is asked, at this moment.
    Asked(Op, Millis),
    /// From here on it is in this generation.
    Raised(Generation),
    /// It is started anew.
    Restarted,
    /// What there is is on disk.
    Saved,
    /// What came after it was last saved is lost; if it never was, all.
    Lost,
}

pub(crate) struct World {
    pub(crate) model: Model,
    pub(crate) now: Millis,
    /// What has happened, if that is to be known.
    pub(crate) events: Option<Vec<Event>>,
}

pub(crate) fn epoch() -> Epoch {
    Epoch::parse("first").unwrap()
}

/// Small, so that every limit is met.
pub(crate) fn tight() -> Limits {
    Limits {
        body_bytes_max: 100,
        mentions_max: 3,
        log_entries_max: 20,
        ring_max: 6,
        mentions_kept_max: 3,
        devices_max: 3,
        members_max: 3,
        page_entries_max: 50,
        page_bytes_max: 1000,
        ..Limits::default()
    }
}

pub(crate) fn user(name: &str) -> User {
    User::parse(name).unwrap()
}

pub(crate) fn device(name: &str) -> Device {
    Device::parse(name).unwrap()
}

pub(crate) fn server(name: &str) -> Server {
    Server::parse(name).unwrap()
}

pub(crate) fn conversation(id: &str) -> Conversation {
    Conversation::parse(id).unwrap()
}

pub(crate) fn room(id: &str) -> Room {
    Room::parse(id).unwrap()
}

pub(crate) fn run_of(name: &str, epoch: &str) -> Run {
    Run { server: server(name), epoch: Epoch::parse(epoch).unwrap() }
}

/// A message as `alice`'s client sends it.
pub(crate) fn message(at: &str, sender: &str, id: &str, mentions: &[&str]) -> Append {
    Append {
        conversation: conversation(at),
        sender: user(sender),
        client_id: ClientId::parse(id).unwrap(),
        said: Said::Message {
            body: Body::from(id.as_bytes()),
            mentions: mentions.iter().map(|name| user(name)).collect::<BTreeSet<_>>(),
        },
        level: Level::Fsync,
    }
}

impl World {
    pub(crate) fn new(limits: Limits) -> World {
        World { model: Model::new(epoch(), limits), now: START, events: None }
    }

    /// Takes an operation, and takes it again: the second time nothing changes, and the answer is the same but for what says that.
    pub(crate) fn run(&mut self, op: Op) -> Result<Answer, Refused> {
        if let Some(events) = &mut self.events {
            let asked = Event::Asked(op.clone(), self.now);
            events.extend([asked.clone(), asked]);
            let answer = self.model.run(&op, self.now);
            let _ = self.model.run(&op, self.now);
            return answer;
        }
        let before = self.model.clone();
        let answer = self.model.run(&op, self.now);
        let after = self.model.clone();
        if answer.is_err() {
            assert!(before == after, "what is refused changes nothing: {op:?}");
        }
        let again = self.model.run(&op, self.now);
        assert!(self.model == after, "a repeat changes nothing: {op:?}");
        match (&answer, &again) {
            (Ok(Answer::Appended(first)), Ok(Answer::Appended(again))) => {
                assert_eq!(*again, Appended { repeat: true, ..*first });
            }
            (Ok(Answer::Delivered(_)), Ok(Answer::Delivered(again))) => assert!(again.is_empty()),
            (Ok(Answer::Changed(first)), Ok(Answer::Changed(again))) => {
                assert_eq!(*again, Changed { written: None, ..*first });
            }
            _ => assert_eq!(answer, again),
        }
        answer
    }

    /// Something else happens.
    pub(crate) fn happen(&mut self, event: Event) {
        match &event {
            Event::Raised(generation) => self.model.raise(*generation),
            Event::Restarted => self.model.restart(),
            Event::Asked(..) | Event::Saved | Event::Lost => {}
        }
        if let Some(events) = &mut self.events {
            events.push(event);
        }
    }

    pub(crate) fn append(&mut self, append: Append) -> Result<Appended, Refused> {
        self.run(Op::Append(append)).map(|answer| match answer {
            Answer::Appended(appended) => appended,
            other => panic!("{other:?}"),
        })
    }

    pub(crate) fn say(&mut self, at: &str, sender: &str, id: &str) -> Appended {
        self.append(message(at, sender, id, &[])).unwrap()
    }

    pub(crate) fn send(&mut self, append: Append) -> Appended {
        match self.run(Op::Send(append)).unwrap() {
            Answer::Appended(appended) => appended,
            other => panic!("{other:?}"),
        }
    }

    /// Brings an entry to all it is for.
    pub(crate) fn deliver(&mut self, at: &str, seq: Seq) -> Vec<Delivered> {
        let deliver = self.model.fan_out(&conversation(at), seq).unwrap();
        match self.run(Op::Deliver(deliver)).unwrap() {
            Answer::Delivered(delivered) => delivered,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn done(&mut self, at: &str, seq: Seq) -> Seq {
        match self.run(Op::Done { conversation: conversation(at), seq }).unwrap() {
            Answer::Done(seq) => seq,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn sweep(&mut self, by: &str, older_than: u64) -> Vec<Open> {
        let sweep = Sweep {
            server: server(by),
            older_than: Duration::from_millis(older_than),
            limit: 100,
            lease: Duration::from_secs(5),
        };
        match self.run(Op::Sweep(sweep)).unwrap() {
            Answer::Open(open) => open,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn member(&mut self, at: &str, name: &str, change: Change) -> Changed {
        match self.run(Op::Membership(Membership { room: room(at), user: user(name), change })).unwrap() {
            Answer::Changed(changed) => changed,
            other => panic!("{other:?}"),
        }
    }

    /// Joins, and brings that to all it is for.
    pub(crate) fn join(&mut self, at: &str, name: &str) -> Seq {
        let written = self.member(at, name, Change::Join(Role::Member)).written.unwrap();
        for seq in [Some(written.seq), written.switched].into_iter().flatten() {
            self.deliver(at, seq);
            self.done(at, seq);
        }
        written.seq
    }

    pub(crate) fn resume(&mut self, name: &str, device_name: &str, from: Option<(&str, u64)>) -> Resumed {
        let from =
            from.map(|(epoch, useq)| Position { epoch: Epoch::parse(epoch).unwrap(), useq: Useq(useq) });
        let resume = Resume { user: user(name), device: device(device_name), from, limit: 50 };
        match self.run(Op::Resume(resume)).unwrap() {
            Answer::Resumed(resumed) => resumed,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn ack(&mut self, name: &str, device_name: &str, useq: u64) -> u64 {
        self.ack_within(name, device_name, useq, None)
    }

    pub(crate) fn ack_within(
        &mut self,
        name: &str,
        device_name: &str,
        useq: u64,
        within: Option<(&str, u64)>,
    ) -> u64 {
        let within = within.map(|(at, seq)| Within { conversation: conversation(at), seq: Seq(seq) });
        let ack = Ack { user: user(name), device: device(device_name), useq: Useq(useq), within };
        match self.run(Op::Ack(ack)).unwrap() {
            Answer::Acked(useq) => useq.0,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn read(&mut self, name: &str, at: &str, seq: u64, count: u64) -> Result<Unread, Refused> {
        let read = Read { user: user(name), conversation: conversation(at), seq: Seq(seq), count };
        self.run(Op::Read(read)).map(|answer| match answer {
            Answer::Unread(unread) => unread,
            other => panic!("{other:?}"),
        })
    }

    pub(crate) fn changed(&mut self, name: &str, device_name: &str, after: u64) -> Vec<Row> {
        let (user, device) = (user(name), device(device_name));
        match self.run(Op::Changed { user, device, after: Useq(after), limit: 50 }).unwrap() {
            Answer::Rows(rows) => rows.rows,
            other => panic!("{other:?}"),
        }
    }

    /// The row of a conversation in a user's index.
    pub(crate) fn row(&mut self, name: &str, at: &str) -> Option<Row> {
        match self.run(Op::Standing { user: user(name), conversation: conversation(at) }).unwrap() {
            Answer::Standing(standing) => standing.row,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn unread(&mut self, name: &str, at: &str) -> (u64, u64) {
        let row = self.row(name, at).unwrap();
        (row.count.saturating_sub(row.read), row.mentions)
    }

    pub(crate) fn history(
        &mut self,
        at: &str,
        reader: &str,
        from: From,
        limit: usize,
    ) -> Result<Page, Refused> {
        let reader = (!reader.is_empty()).then(|| user(reader));
        let history = History { conversation: conversation(at), reader, from, limit, bytes: None };
        self.run(Op::History(history)).map(|answer| match answer {
            Answer::Page(page) => page,
            other => panic!("{other:?}"),
        })
    }

    /// The numbers in a whole log.
    pub(crate) fn log(&mut self, at: &str) -> Vec<u64> {
        let page = self.history(at, "", From::After(Seq::ZERO), 50).unwrap();
        page.entries.iter().map(|entry| entry.seq.0).collect()
    }

    pub(crate) fn wait(&mut self, millis: u64) {
        self.now = Millis(self.now.0 + millis);
    }
}

pub(crate) fn useqs(resumed: &Resumed) -> Vec<u64> {
    resumed.pointers.iter().map(|pointer| pointer.useq.0).collect()
}

/// `(after, seq, kind)` of each.
pub(crate) fn spans(resumed: &Resumed) -> Vec<(u64, u64, &'static str)> {
    resumed.pointers.iter().map(|pointer| (pointer.after.0, pointer.seq.0, pointer.kind.as_str())).collect()
}

impl World {
    /// How a device stands, if it is known.
    pub(crate) fn device(&mut self, user: &User, device: &Device) -> Option<DeviceStanding> {
        let op = Op::Standing { user: user.clone(), conversation: conversation("dm:none:none") };
        let Answer::Standing(standing) = self.run(op).unwrap() else { panic!() };
        standing.devices.into_iter().find(|standing| standing.device == *device)
    }
}
