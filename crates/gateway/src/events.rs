//! What comes over the bus, where that lives, handed to the cores.

use std::{
    cell::OnceCell,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use naru_bus::{Delivery, Event, Hears, StreamPosition};
use naru_fanout::{CoreId, Directory};
use naru_ledger::{Server, answer::Entry};

use crate::{
    channels::inbox_of,
    crossing,
    heads::Heads,
    namespaces::Namespaces,
    nodes::Nodes,
    protocol::{data::EntryData, json},
    publication, sabotage,
    wire::{Gate, Mail},
};

/// Who hears of it, there once the cores have started; what came before had nobody to hear it.
pub(crate) type Ears = Arc<OnceLock<(Arc<Directory<Gate>>, Arc<Heads>, Arc<ArcSwap<Namespaces>>)>>;

/// What the bus tells what happens.
pub(crate) struct Handler {
    pub(crate) server: Server,
    pub(crate) ears: Ears,
    pub(crate) nodes: Arc<OnceLock<Arc<Nodes>>>,
    pub(crate) is_down: AtomicBool,
}

impl Hears for Handler {
    fn hear(&self, event: Event) {
        let Handler { server, ears, nodes, is_down } = self;
        let was_down = is_down.load(Relaxed);
        match event {
            Event::Down { .. } => is_down.store(true, Relaxed),
            Event::Up { .. } => {
                is_down.store(false, Relaxed);
                if let Some(nodes) = nodes.get() {
                    nodes.up();
                }
            }
            Event::Published { .. } | Event::Delivered(_) => {}
        }
        let Some((directory, heads, namespaces)) = ears.get() else { return };
        match event {
            Event::Published { channel, position, payload }
                if nodes.get().is_some_and(|nodes| {
                    nodes.heard(&channel, position.as_ref().map(|it| it.offset), &payload)
                }) => {}
            Event::Published { channel, position, payload } => {
                published(directory, namespaces, channel, position, payload)
            }
            Event::Delivered(delivery) if delivery.to.is_empty() => in_room(directory, heads, &delivery),
            Event::Delivered(delivery) => delivered(directory, server, &delivery),
            Event::Up { again: true } if sabotage::is_on("compare-nothing") => {}
            Event::Up { again: true } => {
                heads.returned();
                for core in 0..directory.cores() {
                    directory.send(CoreId(core), Mail::CompareHeads);
                }
            }
            Event::Up { again: false } => {}
            // The bus has said why, and says so again when it is another reason.
            Event::Down { .. } if was_down => {}
            Event::Down { .. } => {
                tracing::warn!("clients stay connected; what they send is refused until the broker is back");
            }
        }
    }

    fn is_behind(&self) -> bool {
        self.ears.get().is_some_and(|(directory, ..)| directory.is_congested())
    }
}

/// A payload that is too large for any client is dropped, for all of them alike: they get the next one.
fn published(
    directory: &Directory<Gate>,
    namespaces: &ArcSwap<Namespaces>,
    channel: String,
    position: Option<StreamPosition>,
    payload: Bytes,
) {
    if directory.subscribers(channel.as_bytes()) == 0 {
        return;
    }
    let bytes = payload.len();
    match publication::live(&channel, position, payload) {
        Ok(publication) => {
            let receivers = directory.publish(channel.as_bytes(), || publication);
            if let Ok(found) = namespaces.load().find(&channel) {
                found.namespace().counted.delivered(receivers);
            }
        }
        Err(error) => {
            tracing::warn!(channel, bytes, %error, "a publication was dropped");
        }
    }
}

/// Into inboxes. The entry is encoded once for all of them.
fn delivered(directory: &Directory<Gate>, server: &Server, delivery: &Delivery) {
    let data: OnceCell<Option<Bytes>> = OnceCell::new();
    let encoded = || data.get_or_init(|| delivery.entry.as_ref().map(encode)).clone();
    for told in &delivery.to {
        let channel = inbox_of(told.user.as_str());
        let receivers =
            directory.publish(channel.as_bytes(), || publication::inbox(&channel, delivery, told, encoded));
        if let Some(entry) = &delivery.entry {
            crossing::deliver(server, &told.user, entry, told.useq, receivers, false);
        }
    }
}

/// Into a room that is followed by its channel.
fn in_room(directory: &Directory<Gate>, heads: &Heads, delivery: &Delivery) {
    heads.heard(&delivery.conversation, delivery.seq, delivery.entry.as_ref());
    directory.publish(delivery.conversation.as_str().as_bytes(), || {
        publication::room(delivery, delivery.entry.as_ref().map(encode))
    });
}

fn encode(entry: &Entry) -> Bytes {
    json::payload_of(&EntryData::from(entry))
}
