use std::{
    cell::RefCell,
    convert::Infallible,
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
};

use anyhow::{Context as _, bail};
use hdrhistogram::Histogram;
use tokio::{
    io::{AsyncRead as _, ReadBuf},
    net::TcpStream,
};

use super::{
    frame::{FrameReader, Heard, Stamp},
    nats,
    progress::{Phase, Progress},
};

/// What the subscribers of one thread share: it is used between two awaits only.
pub(super) struct Desk {
    pub(super) read_buffer: Box<[u8]>,
    /// Nanoseconds from send to delivery.
    pub(super) latency: Histogram<u64>,
}

/// One connection that receives one channel's messages and checks them.
pub(super) struct Subscriber {
    stream: TcpStream,
    number: u32,
    reader: FrameReader,
    order: Order,
    progress: Arc<Progress>,
    desk: Rc<RefCell<Desk>>,
}

impl Subscriber {
    pub(super) fn new(
        stream: TcpStream,
        number: u32,
        reader: FrameReader,
        publishers: u32,
        progress: Arc<Progress>,
        desk: Rc<RefCell<Desk>>,
    ) -> Self {
        Subscriber { stream, number, reader, order: Order::new(publishers), progress, desk }
    }

    /// Receives until it is dropped.
    pub(super) async fn run(mut self) -> anyhow::Result<Infallible> {
        loop {
            poll_fn(|context| self.poll_receive(context))
                .await
                .with_context(|| format!("subscriber {}", self.number))?;
        }
    }

    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<anyhow::Result<()>> {
        let desk = &mut *self.desk.borrow_mut();
        let mut buffer = ReadBuf::new(&mut desk.read_buffer);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
        let input = buffer.filled();
        for _ in 0..self.order.receive(&mut self.reader, input, &self.progress, &mut desk.latency)? {
            // A few bytes now and then, which find room. If they do not, the server asks again.
            let _ = self.stream.try_write(nats::PONG);
        }
        Poll::Ready(Ok(()))
    }
}

/// The number that is due next from each publisher: everything arrives once, in order, with no gap.
struct Order(Box<[u64]>);

impl Order {
    fn new(publishers: u32) -> Self {
        Order(vec![0; publishers as usize].into())
    }

    /// Takes in what was read; how often the server asked for a sign of life in it.
    fn receive(
        &mut self,
        reader: &mut FrameReader,
        input: &[u8],
        progress: &Progress,
        latency: &mut Histogram<u64>,
    ) -> anyhow::Result<u32> {
        if input.is_empty() {
            bail!("the server closed the connection (too slow for its output buffer limit?)");
        }
        let now_ns = progress.now_ns();
        let measuring = progress.is(Phase::Measure);
        let (mut count, mut asked) = (0, 0);
        reader.read(input, |heard| {
            let Heard::Message(stamp) = heard else {
                asked += 1;
                return Ok(());
            };
            self.check(stamp)?;
            count += 1;
            if measuring {
                latency.saturating_record(now_ns.saturating_sub(stamp.sent_ns));
            }
            Ok(())
        })?;
        progress.deliver(count);
        Ok(asked)
    }

    fn check(&mut self, stamp: Stamp) -> anyhow::Result<()> {
        let Stamp { publisher, sequence, .. } = stamp;
        let Some(due) = self.0.get_mut(publisher as usize) else {
            bail!("a message of publisher {publisher}, which does not exist");
        };
        if sequence != *due {
            let what = if sequence > *due { "lost or out of order" } else { "repeated or out of order" };
            bail!("{what}: message {sequence} of publisher {publisher} came when {due} was due");
        }
        *due += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{frame::Frame, protocol::Protocol};
    use super::*;

    /// Receives these messages of two publishers, in one read.
    fn receive(messages: &[(u32, u64)]) -> anyhow::Result<(u64, u64)> {
        let frame = Arc::new(Frame::message(Protocol::Resp, "news", 64));
        let mut input = Vec::new();
        for &(publisher, sequence) in messages {
            frame.write(Stamp { publisher, sequence, sent_ns: 0 }, &mut input);
        }
        let progress = Progress::new(10, 1, 2);
        messages.iter().for_each(|_| assert!(progress.try_publish(1)));
        progress.enter(Phase::Measure);
        let mut latency = Histogram::new(3).unwrap();
        Order::new(2).receive(&mut FrameReader::new(frame), &input, &progress, &mut latency)?;
        Ok((progress.delivered(), latency.len()))
    }

    #[test]
    fn each_publisher_has_its_own_order() {
        assert_eq!(receive(&[(0, 0), (1, 0), (1, 1), (0, 1)]).unwrap(), (4, 4));
    }

    #[test]
    fn a_gap_a_repeat_and_a_stranger_are_errors() {
        for wrong in
            [&[(0, 1)][..], &[(0, 0), (0, 2)], &[(0, 0), (0, 0)], &[(1, 0), (1, 1), (1, 0)], &[(2, 0)]]
        {
            assert!(receive(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_closed_connection_is_an_error() {
        assert!(receive(&[]).is_err());
    }
}
