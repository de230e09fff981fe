use std::{collections::VecDeque, future::pending, rc::Rc, sync::Arc};

use anyhow::{Context as _, bail};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use super::{
    frame::{self, Frames, Sent},
    options::Pace,
    payload::Payload,
    server::FIRST_ID,
    subscriber::Common,
    tongue::Heard,
};
use crate::bench::{frame::Stamp, metronome::Metronome, progress::Phase};

/// One connection that publishes, to all places in turn.
pub(super) struct Publisher {
    stream: TcpStream,
    frames: Frames,
    number: u32,
    pace: Arc<Pace>,
    /// `None` for as many as the server answers.
    metronome: Option<Arc<Metronome>>,
    common: Rc<Common>,
    payload: Payload,
    /// Messages so far: message `sent` goes to place `sent % places`, as its number `sent / places`.
    sent: u64,
    answers: Answers,
    output: Vec<u8>,
    command: Vec<u8>,
    scratch: Vec<u8>,
}

/// Which commands have been answered, in whatever order.
struct Answers {
    /// The command that the front of `open` is about.
    first: u32,
    /// Of each command from the first that has no answer, whether it has one.
    open: VecDeque<bool>,
    waiting: u64,
}

impl Answers {
    fn asked(&mut self) -> u32 {
        self.open.push_back(false);
        self.waiting += 1;
        self.first.wrapping_add(self.open.len() as u32 - 1)
    }

    fn answered(&mut self, id: u32) -> anyhow::Result<()> {
        match self.open.get_mut(id.wrapping_sub(self.first) as usize) {
            Some(answered) if !*answered => *answered = true,
            _ => bail!("an answer to command {id}, which waits for none"),
        }
        self.waiting -= 1;
        while self.open.front() == Some(&true) {
            self.open.pop_front();
            self.first = self.first.wrapping_add(1);
        }
        Ok(())
    }
}

/// What publishing the next message waits for.
enum Until {
    /// Answers, or the end of the run.
    Answered,
    /// Fewer deliveries on their way.
    Room,
    /// Its time.
    Due,
}

impl Publisher {
    pub(super) fn new(
        (stream, frames): (TcpStream, Frames),
        number: u32,
        pace: Arc<Pace>,
        metronome: Option<Arc<Metronome>>,
        common: Rc<Common>,
    ) -> Self {
        Publisher {
            stream,
            frames,
            number,
            pace,
            metronome,
            payload: common.payload.clone(),
            common,
            sent: 0,
            // Behind the ids that opening the connection took.
            answers: Answers { first: FIRST_ID, open: VecDeque::new(), waiting: 0 },
            output: Vec::new(),
            command: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// Publishes until the run drains and all answers have come.
    pub(super) async fn run(mut self) -> anyhow::Result<()> {
        let number = self.number;
        let lost = || format!("publisher {number}");
        let common = self.common.clone();
        loop {
            let until = self.top_up();
            if !self.output.is_empty() {
                self.stream.write_all(&self.output).await.with_context(lost)?;
                self.output.clear();
            }
            if self.answers.waiting == 0 && common.progress.is(Phase::Drain) {
                common.progress.publisher_done();
                return Ok(());
            }
            tokio::select! {
                biased;
                readable = self.stream.readable() => {
                    readable.with_context(lost)?;
                    self.receive().with_context(lost)?;
                }
                () = common.progress.room(), if matches!(until, Until::Room) => {}
                () = beat(self.metronome.as_deref(), number), if matches!(until, Until::Due) => {}
            }
        }
    }

    /// Writes as many messages as are due; why it wrote no more.
    fn top_up(&mut self) -> Until {
        let Common { tongue, places, progress, .. } = &*self.common;
        if progress.is(Phase::Drain) {
            return Until::Answered;
        }
        let now_ns = progress.now_ns();
        while self.answers.waiting < self.pace.in_flight {
            let due_ns = self.metronome.as_ref().map(|metronome| metronome.due_ns(self.number, self.sent));
            let sent_ns = due_ns.unwrap_or(now_ns);
            if sent_ns > now_ns {
                return Until::Due;
            }
            let count = places.len() as u64;
            let place = (self.sent % count) as usize;
            if !progress.try_publish(self.pace.fan_out[place]) {
                return Until::Room;
            }
            let stamp = Stamp { publisher: self.number, sequence: self.sent / count, sent_ns };
            let id = self.answers.asked();
            self.command.clear();
            let payload = self.payload.stamped(stamp);
            places[place].send(*tongue, id, payload, &mut self.scratch, &mut self.command);
            frame::write(tongue.opcode(), &self.command, &mut self.output);
            self.sent += 1;
        }
        Until::Answered
    }

    fn receive(&mut self) -> anyhow::Result<()> {
        let common = self.common.clone();
        let read_buffer = &mut common.desk.borrow_mut().read_buffer;
        let input = match self.stream.try_read(read_buffer) {
            Ok(0) => bail!("the server closed the connection"),
            Ok(count) => &read_buffer[..count],
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let (tongue, echoes) = (common.tongue, common.places[0].echoes());
        let (answers, output, mut count) = (&mut self.answers, &mut self.output, 0);
        self.frames.read(input, |sent| {
            let message = match sent {
                Sent::Message(message) => message,
                Sent::Ping(body) => {
                    frame::pong(body, output);
                    return Ok(());
                }
            };
            tongue.split(message, |part| {
                let id = match tongue.answered(part) {
                    Some(id) => id,
                    None => match tongue.read(part)? {
                        Heard::Answer { id, .. } => id,
                        Heard::Message { .. } if echoes => return Ok(()),
                        Heard::Message { channel, .. } => bail!("a stranger: a message in {channel:?}"),
                        Heard::Ping => {
                            frame::write(tongue.opcode(), tongue.pong(), output);
                            return Ok(());
                        }
                        Heard::Nothing => return Ok(()),
                    },
                };
                count += 1;
                answers.answered(id)
            })
        })?;
        common.progress.answer(count);
        Ok(())
    }
}

/// Waits until a message is due; for ever if none ever is.
async fn beat(metronome: Option<&Metronome>, publisher: u32) {
    match metronome {
        Some(metronome) => metronome.beat_of(publisher).await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_is_answered_once_in_any_order() {
        let mut answers = Answers { first: 5, open: VecDeque::new(), waiting: 0 };
        assert_eq!([answers.asked(), answers.asked(), answers.asked()], [5, 6, 7]);
        answers.answered(6).unwrap();
        answers.answered(6).unwrap_err();
        answers.answered(5).unwrap();
        assert_eq!((answers.first, answers.waiting), (7, 1));
        answers.answered(5).unwrap_err();
        answers.answered(8).unwrap_err();
        assert_eq!(answers.asked(), 8);
    }
}
