//! Channels in the plainest way there is: what every store has to answer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;

use super::limits::{read_meta_ttl, remembered_for};
use super::{
    Answer, Channel, Enter, History, Leave, Op, Page, Present, Publish, Published, Refused, Stats,
    StreamPosition, Version,
};
use crate::op::{Run, ServerIs};
use crate::{ClientId, Epoch, Generation, Millis, Server, User};

/// What there is room for. A store may have other bounds, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of the payloads that a channel keeps. The oldest make room; the newest always stays.
    pub bytes_max: u64,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { bytes_max: u64::MAX }
    }
}

/// All channels. Nobody is ever subscribed, so nobody receives anything: who does is the fan-out's.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Model {
    channels: BTreeMap<Channel, Kept>,
    present: BTreeMap<(Channel, ClientId), (Run, Option<User>, Bytes)>,
    /// The run that each server has told of last, and up to when it may be believed.
    runs: BTreeMap<Server, (Epoch, Option<Millis>)>,
}

/// One channel's.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Kept {
    /// None where it is new or forgotten.
    meta: Option<Meta>,
    once: BTreeMap<String, (Millis, Option<StreamPosition>)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Meta {
    top: StreamPosition,
    generation: Generation,
    remembered_until: Millis,
    publications: Vec<(u64, Bytes)>,
    kept_until: Millis,
    version: Option<Version>,
}

impl Model {
    /// Takes an operation at a moment. `generation` is the store's; `epoch` is taken where a channel begins a new one.
    pub fn ask(
        &mut self,
        op: &Op,
        now: Millis,
        bounds: Bounds,
        generation: Generation,
        epoch: &Epoch,
    ) -> Result<Answer, Refused> {
        op.check()?;
        let begin = Begin { now, generation, epoch };
        Ok(match op {
            Op::Publish(publish) => Answer::Published(self.publish(publish, bounds, begin)),
            Op::History(history) => Answer::Page(self.history(history, begin)),
            Op::Remove { channel } => {
                if let Some(meta) = self.channel(channel, begin).meta.as_mut() {
                    meta.publications.clear();
                }
                Answer::Ok
            }
            Op::Enter(Enter { run, channel, client, user, info }) => {
                let said = (run.clone(), user.clone(), info.clone());
                self.present.insert((channel.clone(), client.clone()), said);
                Answer::Ok
            }
            Op::Leave(Leave { run, channel, client }) => {
                let place = (channel.clone(), client.clone());
                if self.present.get(&place).is_some_and(|(of, ..)| of == run) {
                    self.present.remove(&place);
                }
                Answer::Ok
            }
            Op::Presence { channel, most } => {
                let mut most = *most;
                let told = self.present(channel, now).map(|one| most.take(one.info.len()).map(|()| one));
                Answer::Present(told.collect::<Result<_, _>>()?)
            }
            Op::Stats { channel } => {
                let users: BTreeSet<Option<User>> = self.present(channel, now).map(|one| one.user).collect();
                let (clients, users) = (self.present(channel, now).count() as u64, users.len() as u64);
                Answer::Stats(Stats { clients, users })
            }
        })
    }

    /// A server says that it runs. What another run of it said is over.
    pub fn server(&mut self, ServerIs { run, lease }: &ServerIs, now: Millis) {
        self.present.retain(|_, (of, ..)| of.server != run.server || of == run);
        self.runs.insert(run.server.clone(), (run.epoch.clone(), lease.map(|lease| now.after(lease))));
    }

    /// A run is over.
    pub fn over(&mut self, run: &Run) {
        self.present.retain(|_, (of, ..)| of != run);
        if self.runs.get(&run.server).is_some_and(|(epoch, _)| *epoch == run.epoch) {
            self.runs.remove(&run.server);
        }
    }

    /// How many channels there is anything to remember of.
    pub fn channels(&self, now: Millis) -> usize {
        let is_there = |kept: &&Kept| {
            let is_remembered = kept.meta.as_ref().is_some_and(|meta| now < meta.remembered_until);
            is_remembered || kept.once.values().any(|(until, _)| now < *until)
        };
        self.channels.values().filter(is_there).count()
    }

    fn publish(&mut self, publish: &Publish, bounds: Bounds, begin: Begin<'_>) -> Published {
        let Publish { channel, payload, keep, once, version } = publish;
        let kept = self.channel(channel, begin);
        if let Some((_, position)) = once.as_ref().and_then(|once| kept.once.get(&once.key)) {
            return Published { receivers: 0, position: position.clone(), repeat: true };
        }
        let mut position = None;
        if keep.size > 0 {
            let meta = kept.used(keep.meta_ttl, begin);
            if let Some(version) = version {
                if meta.version.as_ref().is_some_and(|last| version.is_behind(last)) {
                    return Published { receivers: 0, position: Some(meta.top.clone()), repeat: true };
                }
                meta.version = Some(version.clone());
            }
            meta.top.offset += 1;
            meta.publications.push((meta.top.offset, payload.clone()));
            meta.kept_until = begin.now.after(keep.ttl);
            while meta.publications.len() > keep.size as usize
                || meta.publications.len() > 1 && bytes_of(&meta.publications) > bounds.bytes_max
            {
                meta.publications.remove(0);
            }
            position = Some(meta.top.clone());
        }
        if let Some(once) = once {
            kept.once.insert(once.key.clone(), (begin.now.after(once.window), position.clone()));
        }
        Published { receivers: 0, position, repeat: false }
    }

    fn history(&mut self, history: &History, begin: Begin<'_>) -> Page {
        let kept = self.channel(&history.channel, begin);
        let top = kept.meta.as_ref().map_or(0, |meta| meta.top.offset);
        let meta = kept.used(read_meta_ttl(history.meta_ttl, top), begin);
        let mut publications = meta.publications.clone();
        if history.reverse {
            publications.reverse();
        }
        publications.retain(|(offset, _)| match history.since {
            None => true,
            Some(since) if history.reverse => *offset < since,
            Some(since) => *offset > since,
        });
        publications.truncate(history.limit.map_or(usize::MAX, |limit| limit as usize));
        let bytes_max = history.bytes.unwrap_or(u64::MAX);
        while publications.len() > 1 && bytes_of(&publications) > bytes_max {
            publications.pop();
        }
        Page { top: meta.top.clone(), publications }
    }

    /// What is there of a channel at a moment.
    fn channel(&mut self, channel: &Channel, Begin { now, generation, .. }: Begin<'_>) -> &mut Kept {
        let kept = self.channels.entry(channel.clone()).or_default();
        kept.once.retain(|_, (until, _)| now < *until);
        kept.meta.take_if(|meta| now >= meta.remembered_until || generation > meta.generation);
        if let Some(meta) = kept.meta.as_mut().filter(|meta| now >= meta.kept_until) {
            meta.publications.clear();
        }
        kept
    }

    fn present(&self, channel: &Channel, now: Millis) -> impl Iterator<Item = Present> {
        let here = self.present.iter().filter(move |((at, _), _)| at == channel);
        let counts = move |run: &Run| {
            let told = self.runs.get(&run.server);
            told.is_some_and(|(epoch, until)| *epoch == run.epoch && until.is_none_or(|until| now < until))
        };
        let here = here.filter(move |(_, (run, ..))| counts(run));
        here.map(|((_, client), (_, user, info))| Present {
            client: client.clone(),
            user: user.clone(),
            info: info.clone(),
        })
    }
}

fn bytes_of(publications: &[(u64, Bytes)]) -> u64 {
    publications.iter().map(|(_, payload)| payload.len() as u64).sum()
}

/// What an operation begins with.
#[derive(Clone, Copy)]
struct Begin<'a> {
    now: Millis,
    generation: Generation,
    epoch: &'a Epoch,
}

impl Kept {
    /// It is used now.
    fn used(&mut self, meta_ttl: Duration, begin: Begin<'_>) -> &mut Meta {
        let Begin { now, generation, epoch } = begin;
        let meta = self.meta.get_or_insert_with(|| Meta {
            top: StreamPosition { offset: 0, epoch: epoch.clone() },
            generation,
            remembered_until: Millis(0),
            publications: Vec::new(),
            kept_until: Millis(0),
            version: None,
        });
        if meta.remembered_until < now.after(meta_ttl) {
            meta.remembered_until = now.after(remembered_for(meta_ttl));
        }
        meta
    }
}
