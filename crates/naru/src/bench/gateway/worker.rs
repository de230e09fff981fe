use std::{cell::RefCell, collections::HashMap, net::TcpStream, rc::Rc, sync::Arc};

use anyhow::bail;
use hdrhistogram::Histogram;
use tokio::{
    sync::oneshot,
    task::{JoinSet, LocalSet},
};

use super::{
    frame::Frames,
    options::Pace,
    payload::{Order, Payload},
    place::Place,
    publisher::Publisher,
    server::Opened,
    subscriber::{Common, Desk, Subscriber},
    tongue::Tongue,
};
use crate::bench::{
    metronome::Metronome,
    progress::Progress,
    run::Work,
    worker::{READ_BYTES_MAX, latencies},
};

/// The connections of one thread, and what they need.
pub(super) struct Worker {
    /// With the subscriber's number.
    pub(super) subscribers: Vec<(Opened, u32)>,
    /// With the publisher's number.
    pub(super) publishers: Vec<(Opened, u32)>,
    pub(super) tongue: Tongue,
    pub(super) places: Arc<[Place]>,
    pub(super) pace: Arc<Pace>,
    pub(super) publishers_in_all: u32,
    pub(super) payload: Payload,
    pub(super) metronome: Option<Arc<Metronome>>,
    pub(super) progress: Arc<Progress>,
}

impl Work for Worker {
    fn keep_time(&mut self, metronome: Arc<Metronome>) {
        self.metronome = Some(metronome);
    }

    fn run(self, finished: oneshot::Receiver<()>) -> anyhow::Result<Histogram<u64>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let desk =
            Desk { read_buffer: vec![0; READ_BYTES_MAX].into(), latency: latencies(), known: HashMap::new() };
        let common = Rc::new(Common {
            tongue: self.tongue,
            places: self.places.clone(),
            publishers: self.publishers_in_all,
            payload: self.payload.clone(),
            progress: self.progress.clone(),
            desk: RefCell::new(desk),
        });
        LocalSet::new().block_on(&runtime, self.hold(common.clone(), finished))?;
        let latency = common.desk.borrow().latency.clone();
        Ok(latency)
    }
}

impl Worker {
    /// Runs the connections until `finished`, or the first of them fails.
    async fn hold(self, common: Rc<Common>, finished: oneshot::Receiver<()>) -> anyhow::Result<()> {
        let mut tasks = JoinSet::new();
        for (opened, number) in self.subscribers {
            let (stream, frames) = registered(opened)?;
            let subscriber = Subscriber {
                stream,
                frames,
                number,
                place_number: number % self.places.len() as u32,
                order: Order::new(self.publishers_in_all),
                common: common.clone(),
            };
            tasks.spawn_local(async { subscriber.run().await.map(|never| match never {}) });
        }
        for (opened, number) in self.publishers {
            let (pace, metronome) = (self.pace.clone(), self.metronome.clone());
            let publisher = Publisher::new(registered(opened)?, number, pace, metronome, common.clone());
            tasks.spawn_local(publisher.run());
        }
        tokio::pin!(finished);
        loop {
            tokio::select! {
                Some(ended) = tasks.join_next() => ended??,
                told = &mut finished => {
                    if told.is_err() {
                        bail!("the run was given up");
                    }
                    return Ok(());
                }
            }
        }
    }
}

fn registered(Opened { stream, frames, .. }: Opened) -> anyhow::Result<(tokio::net::TcpStream, Frames)> {
    let stream: TcpStream = stream;
    Ok((tokio::net::TcpStream::from_std(stream)?, frames))
}
