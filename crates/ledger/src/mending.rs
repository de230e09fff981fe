//! Effects some of whose predecessors are lost.

use std::collections::HashMap;

use crate::conversation::Direct;
use crate::effect::Effect;
use crate::inbox::Inbox;
use crate::ledger::Ledger;
use crate::log::Log;
use crate::names::User;
use crate::position::{Seq, Useq};

/// Takes in effects of a log that has holes. What comes behind a hole moves up, so that numbers have none: they are not
/// those that clients know, so the ledger needs a new [`crate::Epoch`] afterwards. A cursor never goes beyond what its
/// device has acknowledged; it may fall behind that.
#[derive(Debug, Default)]
pub struct Mending {
    /// How far the messages of a conversation have moved up.
    seqs: HashMap<Direct, u64>,
    /// How far the entries of an inbox have moved up.
    useqs: HashMap<User, u64>,
}

impl Mending {
    /// Applies an effect, as far as there is something for it to change. Whether all of it was as it was recorded.
    pub fn apply(&mut self, ledger: &mut Ledger, effect: &Effect) -> bool {
        match effect {
            Effect::Appended { conversation, seq, sender, client_id, at, body } => {
                let log = log(ledger, conversation);
                let place = log.map_or(Seq::ZERO, Log::head).next();
                let at = log.map_or(*at, |log| log.next_at(*at));
                self.seqs.insert(conversation.clone(), seq.0.saturating_sub(place.0));
                let (conversation, sender) = (conversation.clone(), sender.clone());
                let (client_id, body) = (client_id.clone(), body.clone());
                let moved = Effect::Appended { conversation, seq: place, sender, client_id, at, body };
                ledger.apply(&moved).is_ok() && moved == *effect
            }
            Effect::Delivered { user, useq, conversation, seq } => {
                let is_as_recorded = ledger.apply(effect).is_ok();
                if !is_as_recorded {
                    self.deliver(ledger, user, conversation, *seq);
                }
                self.useqs.insert(user.clone(), useq.0.saturating_sub(ledger.head(user).0));
                is_as_recorded
            }
            Effect::Done { conversation, seq } => {
                let seq =
                    self.seq(conversation, *seq).min(log(ledger, conversation).map_or(Seq::ZERO, Log::head));
                let moved = Effect::Done { conversation: conversation.clone(), seq };
                ledger.apply(&moved).is_ok() && moved == *effect
            }
            Effect::Acked { user, device, useq, at } => {
                let moved = useq.0.saturating_sub(self.useqs.get(user).copied().unwrap_or(0));
                let useq = Useq(moved).min(ledger.head(user));
                let moved = Effect::Acked { user: user.clone(), device: device.clone(), useq, at: *at };
                ledger.apply(&moved).is_ok() && moved == *effect
            }
            Effect::Born { .. } | Effect::Seen { .. } | Effect::Forgotten { .. } => {
                ledger.apply(effect).is_ok()
            }
        }
    }

    /// Delivers all of a conversation up to a message that was delivered: what is there of it is in the right order.
    fn deliver(&self, ledger: &mut Ledger, user: &User, conversation: &Direct, seq: Seq) {
        let Some((index, log)) = ledger.state().log(conversation) else { return };
        let upto = self.seq(conversation, seq).min(log.head());
        let reached = ledger.state().inbox(user).map_or(Seq::ZERO, |inbox| inbox.reached(index));
        for seq in (reached.0 + 1..=upto.0).map(Seq) {
            let useq = ledger.state().inbox(user).map_or(Useq::ZERO, Inbox::head).next();
            let (user, conversation) = (user.clone(), conversation.clone());
            if ledger.apply(&Effect::Delivered { user, useq, conversation, seq }).is_err() {
                return;
            }
        }
    }

    /// The number that a message has now.
    fn seq(&self, conversation: &Direct, seq: Seq) -> Seq {
        Seq(seq.0.saturating_sub(self.seqs.get(conversation).copied().unwrap_or(0)))
    }
}

fn log<'a>(ledger: &'a Ledger, conversation: &Direct) -> Option<&'a Log> {
    ledger.state().log(conversation).map(|(_, log)| log)
}
