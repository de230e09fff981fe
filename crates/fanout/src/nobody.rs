use std::rc::Rc;

use crate::{Link, Peer, PeerId, Topic, Wire};

/// The peer of a wire that serves none: for tests of what comes before one is there, or without.
pub(crate) enum Nobody {}

impl<W: Wire> Peer<W> for Nobody {
    fn id(&self) -> PeerId {
        match *self {}
    }

    fn link(&self) -> &Rc<Link> {
        match *self {}
    }

    fn deliver(&self, _: &W::Frame<'_>) {
        match *self {}
    }

    fn subscribed(&self, _: &Topic) {
        match *self {}
    }

    fn unsubscribed(&self, _: &Topic) {
        match *self {}
    }
}
