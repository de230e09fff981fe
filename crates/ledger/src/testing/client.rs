//! A device as an honest client runs it: it takes what it is told, says what it has, and may be cut off anywhere.

use std::collections::BTreeSet;

use super::truth::Truth;
use super::words::*;
use super::world::*;

#[derive(Debug, Default, Clone)]
pub(crate) struct Client {
    /// What it has, or may not have: what was trimmed, or said where its user takes no part any more.
    has: BTreeSet<(Conversation, Seq)>,
    /// What of it was there when it last acknowledged something: that much it keeps if it is torn down.
    kept: BTreeSet<(Conversation, Seq)>,
    /// How far it is in the inbox, though it may not have said so.
    position: Option<Useq>,
    /// What came before is not for it: it was registered then.
    since: Useq,
    /// What it has said it has.
    acked: Useq,
}

/// Stops it in the middle.
struct Cut;

impl Client {
    /// It forgets what it has not acknowledged.
    pub(crate) fn tear_down(&mut self) {
        self.has = self.kept.clone();
        self.position = None;
    }

    /// The store has lost something, and perhaps what this one has said.
    pub(crate) fn store_lost(&mut self, known: Option<DeviceStanding>) {
        self.acked = known.map_or(Useq::ZERO, |known| known.cursor);
    }

    /// It comes back and takes at most `budget` entries, then acknowledges, or not.
    pub(crate) fn come_back(
        &mut self,
        world: &mut World,
        truth: &Truth,
        user: &User,
        device: &Device,
        (mut budget, acks): (usize, bool),
    ) {
        let mut known = world.device(user, device);
        loop {
            let from = self.position.filter(|_| known.is_some());
            let from = from.map(|useq| Position { epoch: Epoch::parse("first").unwrap(), useq });
            let resume = Resume { user: user.clone(), device: device.clone(), from, limit: 4 };
            let Answer::Resumed(resumed) = world.run(Op::Resume(resume)).unwrap() else { panic!() };
            match &known {
                Some(_) => assert_eq!(resumed.cursor, self.acked, "I7"),
                None => {
                    let (since, acked) = (resumed.cursor, resumed.cursor);
                    *self = Client { since, acked, ..Client::default() };
                }
            }
            known = world.device(user, device);
            if self.position.is_none() {
                assert!(resumed.start >= resumed.cursor, "I7");
            }
            if let Some(from) = &self.position
                && resumed.how == How::Index
            {
                assert!(resumed.start >= *from || *from > resumed.head, "what it has is not begun again");
            }
            let taken = match resumed.how {
                How::Ring => self.take_ring(world, truth, user, &resumed, &mut budget),
                How::Index => self.take_index(world, truth, (user, device), &resumed, (&mut budget, acks)),
                How::Reset => panic!("there is one store"),
            };
            if acks && let Some(useq) = self.position {
                let ack = Ack { user: user.clone(), device: device.clone(), useq, within: None };
                let Answer::Acked(cursor) = world.run(Op::Ack(ack)).unwrap() else { panic!() };
                assert_eq!(cursor, self.acked.max(useq.min(resumed.head)), "I7");
                self.acked = cursor;
                self.kept = self.has.clone();
            }
            if taken.is_err() || !resumed.more {
                return;
            }
        }
    }

    fn take_ring(
        &mut self,
        world: &mut World,
        truth: &Truth,
        user: &User,
        resumed: &Resumed,
        budget: &mut usize,
    ) -> Result<(), Cut> {
        let mut last = resumed.start;
        for pointer in &resumed.pointers {
            assert!(pointer.useq > last, "in order");
            last = pointer.useq;
            if pointer.after < pointer.seq {
                self.take(world, truth, user, &pointer.conversation, (pointer.after, pointer.seq), budget)
                    .1?;
            }
            self.position = Some(pointer.useq);
        }
        self.position = self.position.max(Some(resumed.start));
        Ok(())
    }

    /// Its position stays where that begins until all is there; where it is cut, it says how far it has got.
    fn take_index(
        &mut self,
        world: &mut World,
        truth: &Truth,
        (user, device): (&User, &Device),
        resumed: &Resumed,
        (budget, acks): (&mut usize, bool),
    ) -> Result<(), Cut> {
        self.position = Some(resumed.start);
        let mut after = resumed.start;
        loop {
            let op = Op::Changed { user: user.clone(), device: device.clone(), after, limit: 2 };
            let Answer::Rows(Rows { more, rows }) = world.run(op).unwrap() else { panic!() };
            for row in rows {
                assert!(row.useq > after, "in order");
                after = row.useq;
                let (got, cut) =
                    self.take(world, truth, user, &row.conversation, (row.from, row.head), budget);
                if acks {
                    let within = Some(Within { conversation: row.conversation.clone(), seq: got });
                    let (user, device) = (user.clone(), device.clone());
                    let ack = Ack { user, device, useq: resumed.cursor, within };
                    assert_eq!(world.run(Op::Ack(ack)), Ok(Answer::Acked(resumed.cursor)));
                    self.kept = self.has.clone();
                }
                cut?;
            }
            if !more {
                self.position = Some(resumed.head);
                return Ok(());
            }
        }
    }

    /// Takes what a log has in `(after, upto]`. Returns how far it got.
    fn take(
        &mut self,
        world: &mut World,
        truth: &Truth,
        user: &User,
        conversation: &Conversation,
        (after, upto): (Seq, Seq),
        budget: &mut usize,
    ) -> (Seq, Result<(), Cut>) {
        let told: Vec<Seq> = truth.logs[conversation].iter().map(|told| told.seq).collect();
        let mut got = after;
        while got < upto {
            let before = got;
            let history = History {
                conversation: conversation.clone(),
                reader: Some(user.clone()),
                from: From::After(got),
                limit: 3,
                bytes: None,
            };
            let (seqs, trimmed) = match world.run(Op::History(history)) {
                Ok(Answer::Page(page)) => {
                    (page.entries.iter().map(|entry| entry.seq).collect::<Vec<_>>(), page.trimmed)
                }
                Err(Refused::NotAMember) => (vec![upto], upto),
                other => panic!("{other:?}"),
            };
            let gone = told.iter().filter(|seq| got < **seq && **seq <= trimmed.min(upto));
            self.has.extend(gone.map(|seq| (conversation.clone(), *seq)));
            for seq in seqs.into_iter().take_while(|seq| *seq <= upto) {
                if *budget == 0 {
                    return (got, Err(Cut));
                }
                *budget -= 1;
                self.has.insert((conversation.clone(), seq));
                got = seq;
            }
            if trimmed >= upto {
                got = upto;
            }
            assert!(got > before, "{conversation} has a hole after {got}, and does not say so");
        }
        (got, Ok(()))
    }

    /// Nothing that has come to its user since it was registered is missing.
    pub(crate) fn check(&self, truth: &Truth, user: &User, device: &Device) {
        for ((conversation, seq), useq) in truth.due.get(user).into_iter().flatten() {
            if *useq > self.since {
                assert!(
                    self.has.contains(&(conversation.clone(), *seq)),
                    "{device} of {user} misses {seq} of {conversation}, which came as {useq}"
                );
            }
        }
    }
}
