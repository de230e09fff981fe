//! What comes over the bus, on the bus's own thread, handed to the cores.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use naru_bus::Event;
use naru_bus::first::{self, Entry};
use naru_fanout::{CoreId, Directory};
use naru_ledger::Server;

use crate::{
    channels::inbox_of,
    crossing, publication,
    wire::{Gate, Mail},
};

/// How long to let the cores work when one of them is behind. The bus makes the broker wait meanwhile.
const CONGESTION_PAUSE: Duration = Duration::from_millis(1);

/// The way to the cores, there once they have started; what came before had nobody to hear it.
pub(crate) type Cores = Arc<OnceLock<Arc<Directory<Gate>>>>;

/// The bus's event handler.
pub(crate) fn handler(server: Server, cores: Cores) -> impl Fn(Event) + Send + 'static {
    move |event| {
        let Some(directory) = cores.get() else { return };
        while directory.is_congested() {
            std::thread::sleep(CONGESTION_PAUSE);
        }
        match event {
            Event::Published { channel, payload } => published(directory, channel, &payload),
            Event::First(first::Delivery { user, epoch, entry }) => {
                delivered(directory, &server, &user, &epoch, entry);
            }
            // Nothing is asked for that is told in this form yet.
            Event::Delivered(_) => {}
            Event::Up { again: true } => {
                for core in 0..directory.cores() {
                    directory.send(CoreId(core), Mail::CompareHeads);
                }
            }
            Event::Up { again: false } => {}
            // The bus has said why.
            Event::Down { .. } => {
                tracing::warn!("clients stay connected; what they send is refused until the broker is back");
            }
        }
    }
}

/// A payload that no client could read is dropped, for all of them alike: they get the next one.
fn published(directory: &Directory<Gate>, channel: String, payload: &[u8]) {
    if directory.subscribers(channel.as_bytes()) == 0 {
        return;
    }
    match publication::live(&channel, payload) {
        Ok(publication) => {
            directory.publish(channel.as_bytes(), || publication);
        }
        Err(error) => {
            tracing::warn!(channel, bytes = payload.len(), %error, "a publication was dropped");
        }
    }
}

fn delivered(directory: &Directory<Gate>, server: &Server, user: &str, epoch: &str, entry: Entry) {
    let Some(offset) = entry.offset else {
        return tracing::error!(user, "the broker delivered an entry without its offset");
    };
    let channel = inbox_of(user);
    let receivers =
        directory.publish(channel.as_bytes(), || publication::inbox(&channel, &epoch.into(), offset, &entry));
    crossing::deliver(server, user, &entry, receivers, false);
}
