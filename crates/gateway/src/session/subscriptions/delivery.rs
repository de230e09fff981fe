//! What comes live.

use bytes::Bytes;
use naru_fanout::Publication as _;

use super::{Held, Phase, Session, Stream, Subscription, position::Heard};
use crate::{
    codes::{Disconnect, Unsubscribed},
    limits::{HELD_BYTES_MAX, HELD_MAX, LIVE_BYTES_MAX},
    publication::{Kind, Publication},
    session::Chore,
};

/// What becomes of a publication.
enum Verdict {
    Deliver,
    Pass,
    /// There is something to do that takes time.
    Attend,
    /// The subscription cannot go on.
    Lost,
}

impl Session {
    /// Something that has just been said in a channel.
    pub(in crate::session) fn deliver_live(&self, publication: &Publication) {
        // Nearly always there is nothing to be looked up.
        if matches!(publication.kind, Kind::Live) && self.subscriptions.attentive.get() == 0 {
            return self.deliver_now(publication);
        }
        let verdict = self.verdict(publication);
        match verdict {
            Verdict::Deliver => self.deliver_frame(self.frame_in(publication).as_ref()),
            Verdict::Pass => {}
            Verdict::Attend => self.bells.ring(Chore::Subscriptions),
            Verdict::Lost => self.lose(publication.name()),
        }
    }

    fn verdict(&self, publication: &Publication) -> Verdict {
        let mut all = self.subscriptions.all.borrow_mut();
        let Some(subscription) = all.get_mut(publication.name()) else { return Verdict::Pass };
        if matches!(publication.kind, Kind::Presence) {
            let hears = subscription.more.as_ref().is_some_and(|more| more.hears);
            let is_begun = !subscription.is_joining() && !subscription.is_over();
            return if hears && is_begun { Verdict::Deliver } else { Verdict::Pass };
        }
        match subscription.stream_mut() {
            Some(stream) => stream.verdict(publication, self.link.queued()),
            None => Verdict::Deliver,
        }
    }

    fn deliver_now(&self, publication: &Publication) {
        self.deliver_frame(publication.frame(self.flavour));
    }

    fn deliver_frame(&self, frame: Option<&Bytes>) {
        let queued = self.link.queued();
        match frame {
            None => self.end(Disconnect::InappropriateProtocol),
            // One that is large by itself says nothing of the client: in JSON it may have more bytes than its publication.
            Some(frame) if queued > 0 && queued + frame.len() > LIVE_BYTES_MAX => self.end(Disconnect::Slow),
            Some(frame) => self.spread(frame),
        }
    }

    /// The frame of a publication that is delivered, for this subscription; none if this client cannot have it.
    pub(super) fn frame_in(&self, publication: &Publication) -> Option<Bytes> {
        let mut all = self.subscriptions.all.borrow_mut();
        match all.get_mut(publication.name()).and_then(Subscription::delta_mut) {
            Some(delta) if matches!(publication.kind, Kind::Live | Kind::Kept) => {
                publication.chained_frame(self.flavour, &mut delta.previous)
            }
            Some(_) | None => publication.frame(self.flavour).cloned(),
        }
    }

    /// A subscription has missed what cannot be had any more. The client comes back with its position.
    pub(super) fn lose(&self, channel: &str) {
        let mut all = self.subscriptions.all.borrow_mut();
        let Some(subscription) = all.get_mut(channel) else { return };
        if subscription.is_server_side {
            drop(all);
            return self.end(Disconnect::InsufficientState);
        }
        if let Some(stream) = subscription.stream_mut()
            && !matches!(stream.phase, Phase::Over)
        {
            // Until it is taken away, what has no position is not to pass it either.
            if !matches!(stream.phase, Phase::Joining(_)) {
                self.subscriptions.attend(1);
            }
            stream.phase = Phase::Over;
            drop(all);
            self.say_ended(channel, Unsubscribed::InsufficientState);
            self.bells.ring(Chore::Subscriptions);
        }
    }
}

impl Stream {
    fn verdict(&mut self, publication: &Publication, queued: usize) -> Verdict {
        let Some(position) = publication.position() else {
            // It is not kept, and lost on who is not there yet.
            let is_there = matches!(self.phase, Phase::Live | Phase::Behind { .. });
            return if is_there { Verdict::Deliver } else { Verdict::Pass };
        };
        let standing = match (&mut self.phase, &mut self.standing) {
            (Phase::Joining(held), _) => {
                held.hold(publication);
                return Verdict::Pass;
            }
            (Phase::Over, _) => return Verdict::Pass,
            (Phase::Behind { heard }, Some(standing)) => {
                if position.epoch != standing.epoch {
                    return Verdict::Lost;
                }
                *heard = position.offset.max(*heard);
                return Verdict::Pass;
            }
            (Phase::Live, Some(standing)) => standing,
            (Phase::Live | Phase::Behind { .. }, None) => return Verdict::Pass,
        };
        match standing.hear(position) {
            Heard::Next if queued + publication.bytes() > LIVE_BYTES_MAX => {
                self.phase = Phase::Behind { heard: position.offset };
                Verdict::Attend
            }
            Heard::Next => {
                standing.offset = position.offset;
                Verdict::Deliver
            }
            Heard::Old => Verdict::Pass,
            // What is missing may be kept; it is read before the subscription is given up.
            Heard::Ahead => {
                self.phase = Phase::Behind { heard: position.offset };
                Verdict::Attend
            }
            Heard::Elsewhere => Verdict::Lost,
        }
    }
}

impl Held {
    fn hold(&mut self, publication: &Publication) {
        self.bytes += publication.bytes();
        if self.is_overrun || self.publications.len() >= HELD_MAX || self.bytes > HELD_BYTES_MAX {
            *self = Held { is_overrun: true, ..Held::default() };
        } else {
            self.publications.push(publication.clone());
        }
    }
}
