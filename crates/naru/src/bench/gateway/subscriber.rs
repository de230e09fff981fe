use std::{cell::RefCell, collections::HashMap, convert::Infallible, rc::Rc, sync::Arc};

use anyhow::{Context as _, bail};
use hdrhistogram::Histogram;
use tokio::net::TcpStream;

use super::{
    frame::{self, Frames, Sent},
    known::Known,
    payload::{Order, Payload},
    place::Place,
    tongue::{Heard, Tongue},
};
use crate::bench::progress::{Phase, Progress};

/// What the connections of one thread share: it is used between two awaits only.
pub(super) struct Desk {
    pub(super) read_buffer: Box<[u8]>,
    /// Nanoseconds from send, or from when it was due, to delivery.
    pub(super) latency: Histogram<u64>,
    /// By the number of the place.
    pub(super) known: HashMap<u32, Known>,
}

/// One connection that receives what is sent to one place, and checks it.
pub(super) struct Subscriber {
    pub(super) stream: TcpStream,
    pub(super) frames: Frames,
    pub(super) number: u32,
    pub(super) place_number: u32,
    pub(super) order: Order,
    pub(super) common: Rc<Common>,
}

/// What all connections of one thread are told.
pub(super) struct Common {
    pub(super) tongue: Tongue,
    pub(super) places: Arc<[Place]>,
    pub(super) publishers: u32,
    pub(super) payload: Payload,
    pub(super) progress: Arc<Progress>,
    pub(super) desk: RefCell<Desk>,
}

impl Subscriber {
    /// Receives until it is dropped.
    pub(super) async fn run(mut self) -> anyhow::Result<Infallible> {
        let number = self.number;
        loop {
            self.stream.readable().await?;
            self.receive().with_context(|| format!("subscriber {number}"))?;
        }
    }

    fn receive(&mut self) -> anyhow::Result<()> {
        let common = self.common.clone();
        let Desk { read_buffer, latency, known } = &mut *common.desk.borrow_mut();
        let input = match self.stream.try_read(read_buffer) {
            Ok(0) => bail!("the server closed the connection (too slow for it?)"),
            Ok(count) => &read_buffer[..count],
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let Common { tongue, places, payload, progress, .. } = &*common;
        let (tongue, place) = (*tongue, &places[self.place_number as usize]);
        let known = known.entry(self.place_number).or_insert_with(|| Known::new(common.publishers));
        let now_ns = progress.now_ns();
        let measuring = progress.is(Phase::Measure);
        let (order, mut count, mut answers) = (&mut self.order, 0, Vec::new());
        self.frames.read(input, |sent| {
            let message = match sent {
                Sent::Message(message) => message,
                Sent::Ping(body) => {
                    frame::pong(body, &mut answers);
                    return Ok(());
                }
            };
            tongue.split(message, |part| {
                let stamp = match known.recognise(part) {
                    Some(stamp) => stamp,
                    None => match tongue.read(part)? {
                        Heard::Message { channel, data } => {
                            let Some(body) = place.payload(&channel, &data)? else { return Ok(()) };
                            let stamp = payload.read(&body)?;
                            known.learn(part, stamp);
                            stamp
                        }
                        Heard::Ping => {
                            frame::write(tongue.opcode(), tongue.pong(), &mut answers);
                            return Ok(());
                        }
                        Heard::Nothing => return Ok(()),
                        Heard::Answer { id, .. } => bail!("an answer to command {id}, which there was not"),
                    },
                };
                order.check(stamp)?;
                count += 1;
                if measuring {
                    latency.saturating_record(now_ns.saturating_sub(stamp.sent_ns));
                }
                Ok(())
            })
        })?;
        progress.deliver(count);
        if !answers.is_empty() {
            // A few bytes now and then, which find room. If they do not, the server will say so.
            let _ = self.stream.try_write(&answers);
        }
        Ok(())
    }
}
