use std::{collections::HashMap, rc::Rc};

use ahash::RandomState;
use bytes::Bytes;

use crate::{Peer, PeerId, Space, Topic, Wire, matches};

/// Subscribers by channel.
type Peers<W> = HashMap<Bytes, Vec<Rc<<W as Wire>::Peer>>, RandomState>;

/// The subscribers that live on one core, by topic.
pub(crate) struct Subscribers<W: Wire> {
    channels: Peers<W>,
    shard_channels: Peers<W>,
    patterns: Vec<(Bytes, Vec<Rc<W::Peer>>)>,
}

impl<W: Wire> Subscribers<W> {
    pub(crate) fn new() -> Self {
        Subscribers { channels: HashMap::default(), shard_channels: HashMap::default(), patterns: Vec::new() }
    }

    pub(crate) fn join(&mut self, peer: Rc<W::Peer>, topic: &Topic) {
        match topic {
            Topic::Channel(name) => self.channels.entry(name.clone()).or_default().push(peer),
            Topic::ShardChannel(name) => self.shard_channels.entry(name.clone()).or_default().push(peer),
            Topic::Pattern(glob) => match self.patterns.iter_mut().find(|(known, _)| known == glob) {
                Some((_, peers)) => peers.push(peer),
                None => self.patterns.push((glob.clone(), vec![peer])),
            },
        }
    }

    pub(crate) fn leave(&mut self, peer: PeerId, topic: &Topic) {
        let without = |peers: &mut Vec<Rc<W::Peer>>| {
            if let Some(at) = peers.iter().position(|known| known.id() == peer) {
                peers.swap_remove(at);
            }
            peers.is_empty()
        };
        let leave = |channels: &mut Peers<W>, name: &Bytes| {
            if channels.get_mut(name).is_some_and(without) {
                channels.remove(name);
            }
        };
        match topic {
            Topic::Channel(name) => leave(&mut self.channels, name),
            Topic::ShardChannel(name) => leave(&mut self.shard_channels, name),
            Topic::Pattern(glob) => {
                if let Some(at) = self.patterns.iter().position(|(known, _)| known == glob)
                    && without(&mut self.patterns[at].1)
                {
                    self.patterns.remove(at);
                }
            }
        }
    }

    pub(crate) fn deliver(&self, space: Space, channel: &Bytes, publication: &W::Publication) {
        let channels = match space {
            Space::Channels => &self.channels,
            Space::ShardChannels => &self.shard_channels,
        };
        if let Some(peers) = channels.get(channel) {
            let frame = W::frame(publication, None);
            for peer in peers {
                peer.deliver(&frame);
            }
        }
        if space == Space::ShardChannels {
            return;
        }
        for (glob, peers) in self.patterns.iter().filter(|(glob, _)| matches(glob, channel)) {
            let frame = W::frame(publication, Some(glob));
            for peer in peers {
                peer.deliver(&frame);
            }
        }
    }
}
