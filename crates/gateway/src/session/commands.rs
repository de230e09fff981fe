//! Reading commands and answering them, in order.
//!
//! What the broker answers is not waited for: many sends are under way at once, and their replies leave in the order of
//! the commands. Only what changes the session itself (connect, subscribe, unsubscribe, refresh) has it to itself.

use std::{convert::Infallible, future::ready, pin::pin, rc::Rc};

use bytes::Bytes;
use tokio::{select, sync::OwnedSemaphorePermit, time::sleep};

use super::{
    Chore, Ending, Later, Session, Source,
    in_hand::{Call, InHand},
};
use crate::{
    codes::{Code, Disconnect, Failure},
    limits::{IN_HAND_MAX, PAUSE_BYTES, UNSUBSCRIBE_LOOK_AFTER, UNSUBSCRIBE_PATIENCE},
    protocol::{
        command::{Request, SubscribeRequest},
        encoding::Malformed,
        message::Error,
        reply::{Outcome, Reply},
    },
    proxy::Told,
    rpc,
};

impl Session {
    /// Takes commands until the client goes, is sent away, or the server stops.
    pub(super) async fn take_commands(self: &Rc<Self>, source: &mut Source) -> Ending {
        let mut in_hand = InHand::default();
        match self.serve(source, &mut in_hand).await {
            Ok(never) => match never {},
            Err(Ending::Close(Disconnect::Shutdown)) => {
                self.settle(&mut in_hand).await.err().unwrap_or(Disconnect::Shutdown.into())
            }
            Err(ending) => ending,
        }
    }

    async fn serve(self: &Rc<Self>, source: &mut Source, in_hand: &mut InHand) -> Result<Infallible, Ending> {
        loop {
            // Apart: what it needs is not kept for a connection that reads.
            if self.link.queued() > PAUSE_BYTES {
                // What has come and is not taken would call it again at once.
                self.bells.set_busy(Chore::Commands, true);
                Box::pin(self.answer_until_flushed(in_hand)).await?;
                continue;
            }
            let Some(message) = source.take() else {
                self.bells.set_busy(Chore::Commands, !in_hand.is_empty() || !source.is_silent());
                select! {
                    biased;
                    () = self.finishing() => return Err(Disconnect::Shutdown.into()),
                    Some((id, outcome)) = in_hand.next(), if !in_hand.is_empty() => self.answer(id, outcome)?,
                    come = source.come() => come?,
                }
                continue;
            };
            self.bells.set_busy(Chore::Commands, true);
            // Apart: what taking needs is not kept for a connection that is silent.
            Box::pin(self.take(&message?, source, in_hand)).await?;
        }
    }

    /// Takes nothing while the client does not read; what comes of what it has asked is answered.
    async fn answer_until_flushed(&self, in_hand: &mut InHand) -> Result<(), Ending> {
        loop {
            select! {
                biased;
                () = self.finishing() => return Err(Disconnect::Shutdown.into()),
                Some((id, outcome)) = in_hand.next(), if !in_hand.is_empty() => self.answer(id, outcome)?,
                () = self.link.flushed() => return Ok(()),
            }
        }
    }

    /// Takes the commands of one message.
    async fn take(
        self: &Rc<Self>,
        message: &Bytes,
        source: &mut Source,
        in_hand: &mut InHand,
    ) -> Result<(), Ending> {
        let mut commands = self.flavour.encoding().commands(message.clone());
        while let Some(command) = commands.next() {
            if in_hand.len() >= IN_HAND_MAX
                && let Some((id, outcome)) = in_hand.next().await
            {
                self.answer(id, outcome)?;
            }
            // A client that does not read its answers is not read either.
            if self.link.queued() > PAUSE_BYTES {
                Box::pin(self.answer_until_flushed(in_hand)).await?;
            }
            if self.is_finishing.get() {
                return Err(Disconnect::Shutdown.into());
            }
            if self.is_refused.get() {
                return Ok(());
            }
            let command = command.map_err(|Malformed| Disconnect::BadRequest)?;
            self.start(command.id, command.request(), commands.rest(), source, in_hand).await?;
        }
        Ok(())
    }

    async fn start(
        self: &Rc<Self>,
        id: u32,
        request: Request,
        behind: Option<Bytes>,
        source: &mut Source,
        in_hand: &mut InHand,
    ) -> Result<(), Ending> {
        self.meter().commanded(&request);
        let is_connect = matches!(request, Request::Connect(_));
        if is_connect == self.connected.get().is_some() {
            return Err(Disconnect::BadRequest.into());
        }
        if let Err(failure) = self.spend_command(&request) {
            return self.refuse(id, failure, in_hand);
        }
        let asks_application = self.asks_application(&request);
        let later = match request {
            Request::Connect(connect) => {
                // Boxed, so that the commands that come all the time do not need as much memory.
                return Box::pin(self.connect(id, connect, source)).await;
            }
            Request::Subscribe(subscribe) => {
                self.settle(in_hand).await?;
                return Box::pin(self.subscribe_while_wanted(id, subscribe, behind, source)).await;
            }
            Request::Unsubscribe(unsubscribe) => {
                self.settle(in_hand).await?;
                let unsubscribed = self.unsubscribe(&unsubscribe).await;
                return self.answer(id, unsubscribed);
            }
            Request::Refresh(refresh) => {
                self.settle(in_hand).await?;
                let refreshed = self.refresh(&refresh).await;
                return self.answer(id, refreshed);
            }
            Request::Pong => return Ok(self.clock.pong()?),
            Request::Send => return Err(Disconnect::NotAvailable.into()),
            Request::Publish(publish) => self.publish(&publish),
            Request::Rpc(rpc) if rpc::is_alone(&rpc) => {
                return self.alone(id, rpc::call(self, &rpc), in_hand).await;
            }
            Request::Rpc(rpc) => rpc::call(self, &rpc),
            Request::SubRefresh(refresh) => {
                self.settle(in_hand).await?;
                let refreshed = self.sub_refresh(&refresh).await;
                return self.answer(id, refreshed);
            }
            Request::History(history) => return self.alone(id, self.history(&history), in_hand).await,
            Request::Presence(presence) => return self.alone(id, self.presence(&presence), in_hand).await,
            Request::PresenceStats(stats) => self.presence_stats(&stats),
            Request::Ping => Err(Code::NotAvailable.into()),
            Request::Unknown => Err(Code::MethodNotFound.into()),
        };
        match later {
            Ok(outcome) => {
                // The broker is not held up by an application that takes its time.
                let turn = if asks_application { None } else { Some(self.call_turn(in_hand).await?) };
                in_hand.push_back(Call { id, outcome, turn }.started().await);
            }
            Err(failure) => return self.refuse(id, failure, in_hand),
        }
        Ok(())
    }

    /// Subscribes. A client that wants to end it meanwhile is waited for, but not for ever. `behind` is what came with the command.
    async fn subscribe_while_wanted(
        self: &Rc<Self>,
        id: u32,
        subscribe: SubscribeRequest,
        behind: Option<Bytes>,
        source: &mut Source,
    ) -> Result<(), Ending> {
        let channel = subscribe.channel.clone();
        let ends_it = |frame: &Bytes| self.flavour.encoding().unsubscribes(frame, &channel);
        let is_given_up = async {
            sleep(UNSUBSCRIBE_LOOK_AFTER).await;
            if !behind.as_ref().is_some_and(ends_it) {
                source.has_come(ends_it).await;
            }
            sleep(UNSUBSCRIBE_PATIENCE).await;
        };
        select! {
            biased;
            done = self.subscribe(id, subscribe) => done,
            () = is_given_up => Err(Disconnect::InternalError.into()),
        }
    }

    /// Answers behind what is in hand.
    fn refuse(&self, id: u32, failure: Failure, in_hand: &mut InHand) -> Result<(), Ending> {
        if in_hand.is_empty() {
            return self.answer(id, Err(failure));
        }
        in_hand.push_back(Call { id, outcome: Box::pin(ready(Err(failure))), turn: None });
        Ok(())
    }

    /// Answers what is not to be under way beside anything else of this client: large results would add up.
    async fn alone(
        self: &Rc<Self>,
        id: u32,
        later: Result<Later, Failure>,
        in_hand: &mut InHand,
    ) -> Result<(), Ending> {
        self.settle(in_hand).await?;
        let outcome = match later {
            Ok(later) => {
                let _turn = self.call_turn(in_hand).await?;
                later.await
            }
            Err(failure) => Err(failure),
        };
        self.answer(id, outcome)
    }

    /// Waits for the turn to ask the broker something. What is in hand is answered meanwhile.
    async fn call_turn(&self, in_hand: &mut InHand) -> Result<OwnedSemaphorePermit, Ending> {
        let mut turn = pin!(self.shared().calls.clone().acquire_owned());
        loop {
            select! {
                biased;
                turn = &mut turn => return Ok(turn.expect("the semaphore is never closed")),
                Some((id, outcome)) = in_hand.next(), if !in_hand.is_empty() => self.answer(id, outcome)?,
            }
        }
    }

    /// Waits for everything in hand and answers it.
    async fn settle(&self, in_hand: &mut InHand) -> Result<(), Ending> {
        while let Some((id, outcome)) = self.clock.held_up(in_hand.next()).await {
            self.answer(id, outcome)?;
        }
        Ok(())
    }

    pub(super) fn answer(&self, id: u32, outcome: Result<Outcome, Failure>) -> Result<(), Ending> {
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(Failure::Refused(refused)) => {
                self.meter().refused(refused.code);
                self.spend_error(&refused)?;
                Outcome::Error(Error::from(refused))
            }
            Err(Failure::Disconnect(disconnect)) => return Err(disconnect.into()),
            Err(Failure::Told(Told::Error(error))) => {
                self.meter().told();
                Outcome::Error(error)
            }
            Err(Failure::Told(Told::Disconnect(code, reason))) => {
                return Err(Ending::Steered(code, reason.into()));
            }
        };
        self.send(&Reply::to(id, outcome));
        Ok(())
    }
}
