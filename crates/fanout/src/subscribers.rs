use std::{
    collections::{HashMap, hash_map::Entry},
    rc::Rc,
};

use ahash::RandomState;

use crate::{
    Peer, PeerId, Publication, Space, Topic, Wire, few::Few, limits::TURN_BYTES_MAX, patterns::Patterns,
    topic::Name,
};

/// Subscribers by channel.
type Peers<W> = HashMap<Name, Few<Rc<<W as Wire>::Peer>>, RandomState>;

/// The subscribers that live on one core, by topic.
pub(crate) struct Subscribers<W: Wire> {
    channels: Peers<W>,
    shard_channels: Peers<W>,
    patterns: Patterns<Vec<Rc<W::Peer>>>,
}

impl<W: Wire> Subscribers<W> {
    pub(crate) fn new() -> Self {
        Subscribers {
            channels: HashMap::default(),
            shard_channels: HashMap::default(),
            patterns: Patterns::new(),
        }
    }

    /// `name` is the topic's, as it is kept of channels.
    pub(crate) fn join(&mut self, peer: Rc<W::Peer>, topic: &Topic, name: Name) {
        match topic {
            Topic::Channel(_) => join::<W>(&mut self.channels, name, peer),
            Topic::ShardChannel(_) => join::<W>(&mut self.shard_channels, name, peer),
            Topic::Pattern(glob) => self.patterns.entry(glob, Vec::new).push(peer),
        }
    }

    pub(crate) fn leave(&mut self, peer: PeerId, topic: &Topic) {
        match topic {
            Topic::Channel(name) => leave::<W>(&mut self.channels, name, peer),
            Topic::ShardChannel(name) => leave::<W>(&mut self.shard_channels, name, peer),
            Topic::Pattern(glob) => {
                self.patterns.remove_if(glob, |peers| {
                    if let Some(at) = peers.iter().position(|known| known.id() == peer) {
                        peers.swap_remove(at);
                    }
                    peers.is_empty()
                });
            }
        }
    }

    /// Hands publications of one channel that follow each other to who subscribes to it. Together, where nobody could
    /// tell: a peer that gets each of them in two ways gets both of the first before the second.
    pub(crate) fn deliver(&self, space: Space, run: &[W::Publication]) {
        let Some(channel) = run.first().map(Publication::channel) else { return };
        let channels = match space {
            Space::Channels => &self.channels,
            Space::ShardChannels => &self.shard_channels,
        };
        let peers = channels.get(channel).map(Few::as_slice);
        let patterns: Vec<_> = match space {
            Space::Channels => self.patterns.matching(channel).collect(),
            Space::ShardChannels => Vec::new(),
        };
        // A pattern stands in each of its messages anew, so a long one would make much of little.
        let glob_bytes = patterns.first().map_or(0, |(glob, _)| glob.len());
        let is_small = run.len() * glob_bytes <= TURN_BYTES_MAX;
        let together = if peers.iter().len() + patterns.len() == 1 && is_small { run.len() } else { 1 };
        for run in run.chunks(together) {
            if let Some(peers) = peers {
                let frame = W::frame(run, None);
                peers.iter().for_each(|peer| peer.deliver(&frame));
            }
            for &(glob, peers) in &patterns {
                let frame = W::frame(run, Some(glob));
                peers.iter().for_each(|peer| peer.deliver(&frame));
            }
        }
    }
}

fn join<W: Wire>(channels: &mut Peers<W>, name: Name, peer: Rc<W::Peer>) {
    match channels.entry(name) {
        Entry::Occupied(mut peers) => peers.get_mut().push(peer),
        Entry::Vacant(none) => drop(none.insert(Few::One(peer))),
    }
}

fn leave<W: Wire>(channels: &mut Peers<W>, name: &[u8], peer: PeerId) {
    if channels.get_mut(name).is_some_and(|peers| peers.take(|known| known.id() == peer)) {
        channels.remove(name);
    }
}
