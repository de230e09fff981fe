//! Channels that keep their last publications: decided, recorded and made; published and answered once that counts. Who is
//! present is kept beside, and recorded nowhere.

use bytes::Bytes;
use naru_ledger::{
    channel::{self, Answer, Channel, Op, Page, Published, Refused},
    op::Run,
};
use naru_resp::ReplyWriter;

use super::{
    change::Change,
    store::{Store, StoreError},
    turn::Outcome,
};
use crate::{
    channels::{self, ChannelChange, Decided, EpochNumber, Moment, Publication},
    command::{write_channel_answer, write_channel_refused},
    limits::EXPIRED_A_RECORD_MAX,
};

/// Runs an operation. What is published is answered when it is.
pub(super) fn run(
    store: &mut Store,
    op: &Op,
    writer: &mut ReplyWriter<'_, Vec<u8>>,
) -> Result<Outcome, StoreError> {
    let answer = match ask(store, op) {
        Ok(Said::Answer(answer)) => answer,
        Ok(Said::Publication(publication)) => return Ok(Outcome::Published(Box::new(publication))),
        Err(NotDone::Refused(refused)) => {
            write_channel_refused(refused, writer);
            return Ok(Outcome::answered());
        }
        Err(NotDone::Store(error)) => return Err(error),
    };
    write_channel_answer(&answer, writer);
    Ok(Outcome::answered())
}

pub(super) enum Said {
    Answer(Answer),
    Publication(Publication),
}

#[derive(Debug, thiserror::Error)]
pub(super) enum NotDone {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The same, without words.
pub(super) fn ask(store: &mut Store, op: &Op) -> Result<Said, NotDone> {
    op.check()?;
    let answer = match op {
        Op::Publish(_) | Op::History(_) | Op::Remove { .. } => return of_kept(store, op),
        Op::Enter(enter) => {
            store.present.enter(enter, store.config.channel_bounds().present_max)?;
            Answer::Ok
        }
        Op::Leave(leave) => {
            store.present.leave(leave);
            Answer::Ok
        }
        Op::Presence { channel, most } => {
            Answer::Present(store.present.all(channel, *most, counts(store))?)
        }
        Op::Stats { channel } => Answer::Stats(store.present.stats(channel, counts(store))),
    };
    Ok(Said::Answer(answer))
}

/// Whether a run may be believed.
fn counts(store: &Store) -> impl Fn(&Run) -> bool {
    let now = store.ledger_now();
    move |run| store.ledger.believes(run, now)
}

fn of_kept(store: &mut Store, op: &Op) -> Result<Said, NotDone> {
    let moment = Moment {
        now: store.now,
        generation: store.ledger.head().generation.0,
        bounds: store.config.channel_bounds(),
        epoch: new_epoch(),
    };
    let Decided { changes, outcome } = store.channels.decide(op, moment)?;
    let grows = matches!(op, Op::Publish(_)) && !changes.is_empty();
    if grows {
        store.check_space()?;
    }
    store.change_channel(op.channel(), changes)?;
    Ok(match outcome {
        channels::Outcome::Publish(position) => {
            let payload = match op {
                Op::Publish(publish) => publish.payload.clone(),
                _ => Bytes::new(),
            };
            Said::Publication(Publication::new(op.channel().as_str(), payload, position))
        }
        channels::Outcome::Repeat(position) => {
            Said::Answer(Answer::Published(Published { receivers: 0, position, repeat: true }))
        }
        channels::Outcome::Page { top, publications } => {
            let read = |(offset, place)| Ok((offset, store.journal.read(place)?));
            let publications = publications.into_iter().map(read).collect::<Result<_, StoreError>>()?;
            Said::Answer(Answer::Page(Page { top, publications }))
        }
        channels::Outcome::Ok => Said::Answer(channel::Answer::Ok),
    })
}

/// A process without random numbers does not get this far.
fn new_epoch() -> EpochNumber {
    EpochNumber(getrandom::u64().expect("the operating system has random numbers"))
}

impl Store {
    /// Records and makes changes of one channel, all or none.
    pub(super) fn change_channel(
        &mut self,
        channel: &Channel,
        changes: Vec<ChannelChange>,
    ) -> Result<(), StoreError> {
        self.change_quietly(
            changes.into_iter().map(|change| Change::Channel(channel.clone(), change)).collect(),
        )
    }

    /// Has some channels lose what is over; whether there may be more.
    pub(super) fn expire_channels(&mut self) -> Result<bool, StoreError> {
        let at = self.now;
        if self.channels.next_over().is_none_or(|next| next > at) {
            return Ok(false);
        }
        let over = self.channels.over(at, EXPIRED_A_RECORD_MAX);
        let passed = |channel| Change::Channel(channel, ChannelChange::Passed { at });
        self.change_quietly(over.into_iter().map(passed).collect())?;
        Ok(self.channels.next_over().is_some_and(|next| next <= at))
    }

    /// Forgets who was present by runs of servers of which nobody has told anything for long.
    pub(super) fn tidy_present(&mut self) {
        let now = self.ledger_now();
        let Store { present, ledger, .. } = self;
        present.tidy(now, |run| ledger.believes(run, now));
    }
}
