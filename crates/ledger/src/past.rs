//! The effects that make a ledger what it is, when those that once did are gone.

use std::collections::{BTreeMap, HashMap};

use crate::effect::Effect;
use crate::inbox::{Inbox, Pointer};
use crate::limits::RING_MIN;
use crate::log::Log;
use crate::names::{Device, User};
use crate::position::{Seq, Useq};
use crate::state::State;

/// Visits the effects that make an empty state this one.
pub(crate) fn of(state: &State, each: &mut dyn FnMut(Effect)) {
    state.logs().iter().for_each(|log| of_log(log, each));
    state.inboxes().for_each(|(user, inbox)| of_inbox(state, user, inbox, each));
}

fn of_log(log: &Log, each: &mut dyn FnMut(Effect)) {
    for entry in (1..=log.head().0).filter_map(|seq| log.entry(Seq(seq), None)) {
        each(Effect::Appended {
            conversation: entry.conversation,
            seq: entry.seq,
            sender: entry.from,
            client_id: entry.id,
            at: entry.at,
            body: entry.body,
        });
    }
    if log.fanned_out() > Seq::ZERO {
        each(Effect::Done { conversation: log.conversation().clone(), seq: log.fanned_out() });
    }
}

fn of_inbox(state: &State, user: &User, inbox: &Inbox, each: &mut dyn FnMut(Effect)) {
    let kept: Vec<Pointer> = inbox.after(inbox.trimmed()).map(|(_, pointer)| pointer).collect();
    let mut useq = Useq::ZERO;
    for Pointer { log, seq } in trimmed(inbox, &kept).into_iter().chain(kept) {
        useq = useq.next();
        let conversation = state.logs()[log].conversation().clone();
        each(Effect::Delivered { user: user.clone(), useq, conversation, seq });
        if inbox.trimmed() > Useq::ZERO && useq.0 == inbox.trimmed().0 + RING_MIN {
            trim(user, inbox.trimmed(), each);
        }
    }
    // All are there before one moves, so that none is taken for the slowest that is not.
    for (device, standing) in inbox.devices() {
        each(Effect::Seen { user: user.clone(), device: device.clone(), at: standing.seen });
    }
    for (device, standing) in inbox.devices().iter().filter(|(_, standing)| standing.cursor > inbox.trimmed())
    {
        let (user, device) = (user.clone(), device.clone());
        each(Effect::Acked { user, device, useq: standing.cursor, at: standing.seen });
    }
}

/// Pointers that are gone. In which order they came is not known any more, and of no account: only that those of one log
/// came in its order.
fn trimmed(inbox: &Inbox, kept: &[Pointer]) -> Vec<Pointer> {
    let mut kept_of: HashMap<usize, u64> = HashMap::new();
    kept.iter().for_each(|pointer| *kept_of.entry(pointer.log).or_default() += 1);
    let reached: BTreeMap<usize, Seq> = inbox.all_reached().collect();
    let gone = reached.into_iter().flat_map(|(log, reached)| {
        let gone = reached.0 - kept_of.get(&log).copied().unwrap_or(0);
        (1..=gone).map(move |seq| Pointer { log, seq: Seq(seq) })
    });
    gone.collect()
}

/// Has a device come and go that has acknowledged so much: with the inbox as full as it is then, that is what goes.
fn trim(user: &User, useq: Useq, each: &mut dyn FnMut(Effect)) {
    let device = Device::parse("gone").expect("a word is a name");
    let at = Default::default();
    each(Effect::Acked { user: user.clone(), device: device.clone(), useq, at });
    each(Effect::Forgotten { user: user.clone(), device });
}
