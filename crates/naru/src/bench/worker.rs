use std::{cell::RefCell, net::TcpStream, rc::Rc, sync::Arc};

use anyhow::bail;
use hdrhistogram::Histogram;
use tokio::{
    sync::oneshot,
    task::{JoinSet, LocalSet},
};

use super::{
    frame::FrameReader,
    holder,
    metronome::Metronome,
    progress::Progress,
    publisher::{Channel, Pace, Publisher},
    run::Work,
    subscriber::{Desk, Subscriber},
};

/// One read takes at most so much; the buffer is the thread's.
pub(super) const READ_BYTES_MAX: usize = 256 << 10;

/// Latencies are recorded up to this, in nanoseconds, at three digits.
const LATENCY_NS_MAX: u64 = 60_000_000_000;

/// The connections of one thread, and what they need.
pub(super) struct Worker {
    pub(super) subscribers: Vec<SubscriberSocket>,
    /// With the publisher's number.
    pub(super) publishers: Vec<(TcpStream, u32)>,
    /// The connection that holds the patterns, if there are any and it is this thread's.
    pub(super) holder: Option<TcpStream>,
    pub(super) channels: Arc<[Channel]>,
    pub(super) pace: Pace,
    /// At a fixed rate.
    pub(super) metronome: Option<Arc<Metronome>>,
    pub(super) progress: Arc<Progress>,
}

pub(super) struct SubscriberSocket {
    pub(super) stream: TcpStream,
    pub(super) number: u32,
    pub(super) channel: usize,
}

/// An empty record of latencies.
pub(super) fn latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3).expect("from 1 to more than 2, at no more than 5 digits")
}

impl Work for Worker {
    fn keep_time(&mut self, metronome: Arc<Metronome>) {
        self.metronome = Some(metronome);
    }

    fn run(self, finished: oneshot::Receiver<()>) -> anyhow::Result<Histogram<u64>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let desk = Desk { read_buffer: vec![0; READ_BYTES_MAX].into(), latency: latencies() };
        let desk = Rc::new(RefCell::new(desk));
        LocalSet::new().block_on(&runtime, self.hold(desk.clone(), finished))?;
        let latency = desk.borrow().latency.clone();
        Ok(latency)
    }
}

impl Worker {
    async fn hold(self, desk: Rc<RefCell<Desk>>, finished: oneshot::Receiver<()>) -> anyhow::Result<()> {
        let mut tasks = JoinSet::new();
        for SubscriberSocket { stream, number, channel } in self.subscribers {
            let stream = tokio::net::TcpStream::from_std(stream)?;
            let reader = FrameReader::new(self.channels[channel].message.clone());
            let progress = self.progress.clone();
            let publishers = self.pace.publishers;
            let subscriber = Subscriber::new(stream, number, reader, publishers, progress, desk.clone());
            tasks.spawn_local(async { subscriber.run().await.map(|never| match never {}) });
        }
        for (stream, number) in self.publishers {
            let stream = tokio::net::TcpStream::from_std(stream)?;
            let publisher = Publisher::new(
                stream,
                number,
                self.channels.clone(),
                self.pace,
                self.metronome.clone(),
                self.progress.clone(),
            );
            tasks.spawn_local(publisher.run());
        }
        if let Some(stream) = self.holder {
            let held = holder::hold(tokio::net::TcpStream::from_std(stream)?, self.pace.protocol);
            tasks.spawn_local(async { held.await.map(|never| match never {}) });
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
