//! What subscriptions need that takes time: others are told that the client has come; what was missed is read; positions are compared;
//! some end by themselves. One loop of a session does it, and takes no room while there is nothing of the kind.

use std::{rc::Rc, sync::Arc, time::Duration};

use naru_bus::{BusError, Read, StreamPosition};
use tokio::{
    select,
    time::{Instant, sleep, sleep_until},
};

use super::{Phase, Session, Standing, Subscription, Tells};
use crate::{
    codes::{Disconnect, Unsubscribed},
    limits::{CHANNEL_RETRY, LIVE_BYTES_MAX, PAUSE_BYTES, POSITION_CHECK, STREAM_BYTES, STREAM_PAGE},
    publication::{self, Envelope, Said},
    session::{Chore, Ending},
};

/// Something to do for one subscription.
enum Task {
    TakeAway,
    Announce,
    Expire,
    /// Read what is missed.
    Read {
        from: Standing,
        heard: u64,
        meta_ttl: Duration,
    },
    Compare {
        meta_ttl: Duration,
    },
}

impl Session {
    /// Does all that, for as long as the session lasts.
    pub(in crate::session) async fn keep_subscriptions(self: &Rc<Self>) -> Ending {
        loop {
            self.bells.rung(Chore::Subscriptions).await;
            // Apart, so that a session without such subscriptions does not keep room for it.
            if let Err(ending) = Box::pin(self.look_after()).await {
                return ending;
            }
        }
    }

    /// Goes on until no subscription needs it.
    async fn look_after(self: &Rc<Self>) -> Result<(), Ending> {
        loop {
            while let Some((channel, task)) = self.next_task() {
                if let Err(error) = self.perform(&channel, task).await? {
                    tracing::debug!(%error, "the broker was asked about a channel in vain");
                    sleep(CHANNEL_RETRY).await;
                }
            }
            let deadline = self.next_deadline();
            let waits_for_client = self.is_behind();
            if deadline.is_none() && !waits_for_client {
                return Ok(());
            }
            let now = Instant::now();
            select! {
                () = self.bells.rung_again(Chore::Subscriptions) => {}
                () = sleep_until(deadline.unwrap_or(now)), if deadline.is_some() => {}
                () = self.link.flushed(), if waits_for_client => {}
            }
        }
    }

    /// What is to be done now.
    fn next_task(&self) -> Option<(Arc<str>, Task)> {
        let now = Instant::now();
        let may_push = self.link.queued() <= PAUSE_BYTES;
        let all = self.subscriptions.all.borrow();
        all.iter().find_map(|(channel, subscription)| {
            let task = subscription.task(now, may_push)?;
            Some((channel.clone(), task))
        })
    }

    fn next_deadline(&self) -> Option<Instant> {
        let all = self.subscriptions.all.borrow();
        all.iter().filter_map(|(_, subscription)| subscription.deadline()).min()
    }

    fn is_behind(&self) -> bool {
        let all = self.subscriptions.all.borrow();
        all.iter()
            .any(|(_, it)| it.stream().is_some_and(|stream| matches!(stream.phase, Phase::Behind { .. })))
    }

    async fn perform(
        self: &Rc<Self>,
        channel: &Arc<str>,
        task: Task,
    ) -> Result<Result<(), BusError>, Ending> {
        match task {
            Task::TakeAway => {
                self.take_away_over(channel).await;
                Ok(Ok(()))
            }
            Task::Announce => Ok(self.announce(channel).await),
            Task::Expire => self.expire(channel).await.map(Ok),
            Task::Read { from, heard, meta_ttl } => self.read_on(channel, from, heard, meta_ttl).await,
            Task::Compare { meta_ttl } => Ok(self.compare_position(channel, meta_ttl).await),
        }
    }

    /// Ends a subscription whose time is over; with the connection, if it is not the client's.
    pub(in crate::session) async fn expire(self: &Rc<Self>, channel: &Arc<str>) -> Result<(), Ending> {
        let is_server_side = match self.subscriptions.all.borrow().get(channel) {
            Some(subscription) => subscription.is_server_side,
            None => return Ok(()),
        };
        if is_server_side {
            return Err(Disconnect::SubscriptionExpired.into());
        }
        self.say_ended(channel, Unsubscribed::Expired);
        self.take_away(channel).await;
        Ok(())
    }

    /// Tells the channel that this client has come.
    async fn announce(&self, channel: &Arc<str>) -> Result<(), BusError> {
        let sender = {
            let mut all = self.subscriptions.all.borrow_mut();
            let Some(more) = all.get_mut(channel).and_then(|it| it.more.as_mut()) else { return Ok(()) };
            // Whoever takes the subscription away from here on says that it has gone.
            more.tells = Tells::Told;
            more.sender.clone()
        };
        let envelope = Envelope { sender: Some(sender), what: Said::Join };
        // At most once: it is a hint.
        self.shared().bus.publish(channel, envelope.write()).await.map(drop)
    }

    /// Reads what comes after the position, and pushes it.
    async fn read_on(
        &self,
        channel: &Arc<str>,
        from: Standing,
        heard: u64,
        meta_ttl: Duration,
    ) -> Result<Result<(), BusError>, Ending> {
        let (since, limit, bytes) = (Some(from.offset), Some(STREAM_PAGE), Some(STREAM_BYTES as u64));
        let read = Read { since, limit, bytes, reverse: false, meta_ttl };
        let page = {
            let _turn = self.replay_turn().await;
            match self.shared().bus.stream(channel, read).await {
                Ok(page) => page,
                Err(error) => return Ok(Err(error)),
            }
        };
        let is_next = page.publications.first().is_none_or(|(first, _)| *first == from.offset + 1);
        // What is not kept any more, or was lost with what kept it.
        let is_lost = page.top.epoch != from.epoch
            || page.top.offset < from.offset.max(heard)
            || !is_next
            || (page.publications.is_empty() && page.top.offset > from.offset);
        if is_lost {
            // It may have been taken away, and begun anew.
            if self.is_still_behind(channel, from.offset) {
                self.lose(channel);
            }
            return Ok(Ok(()));
        }
        for (offset, payload) in page.publications {
            if !self.is_still_behind(channel, offset - 1) {
                return Ok(Ok(()));
            }
            let position = StreamPosition { offset, epoch: from.epoch.clone() };
            // What no client could be sent is passed over, as it is live.
            if let Ok(publication) = publication::live(channel, Some(position), payload) {
                match self.frame_in(&publication) {
                    None => return Err(Disconnect::InappropriateProtocol.into()),
                    Some(frame) => self.send_frame(&frame),
                }
            }
            self.advance_in(channel, offset);
            if self.link.queued() > LIVE_BYTES_MAX / 2 {
                break;
            }
        }
        self.caught_up(channel, page.top.offset);
        Ok(Ok(()))
    }

    fn is_still_behind(&self, channel: &str, at: u64) -> bool {
        let all = self.subscriptions.all.borrow();
        all.get(channel).and_then(Subscription::stream).is_some_and(|stream| {
            matches!(stream.phase, Phase::Behind { .. })
                && stream.standing.as_ref().is_some_and(|standing| standing.offset == at)
        })
    }

    fn advance_in(&self, channel: &str, offset: u64) {
        let mut all = self.subscriptions.all.borrow_mut();
        if let Some(standing) = all
            .get_mut(channel)
            .and_then(Subscription::stream_mut)
            .and_then(|stream| stream.standing.as_mut())
        {
            standing.offset = offset;
        }
    }

    /// If the client has all there was and nothing came meanwhile, what comes from here on is delivered live.
    fn caught_up(&self, channel: &str, top: u64) {
        let mut all = self.subscriptions.all.borrow_mut();
        let Some(stream) = all.get_mut(channel).and_then(Subscription::stream_mut) else { return };
        if let (Phase::Behind { heard }, Some(standing)) = (&stream.phase, &stream.standing)
            && standing.offset >= top.max(*heard)
        {
            stream.phase = Phase::Live;
        }
    }

    /// Compares where a subscription stands with where its channel does, unless it has heard something since it did.
    async fn compare_position(&self, channel: &Arc<str>, meta_ttl: Duration) -> Result<(), BusError> {
        if self.has_moved(channel) {
            return Ok(());
        }
        let top = self.shared().tops.of(&self.shared().bus, channel, meta_ttl).await?;
        let mut all = self.subscriptions.all.borrow_mut();
        let Some(stream) = all.get_mut(channel).and_then(Subscription::stream_mut) else { return Ok(()) };
        let (Phase::Live, Some(standing)) = (&stream.phase, &stream.standing) else { return Ok(()) };
        stream.compared = (standing.offset, next_check());
        stream.is_suspect = false;
        if top.epoch != standing.epoch {
            drop(all);
            self.lose(channel);
        } else if top.offset > standing.offset {
            // It may be under way; reading decides.
            stream.phase = Phase::Behind { heard: top.offset };
        }
        Ok(())
    }

    fn has_moved(&self, channel: &str) -> bool {
        let mut all = self.subscriptions.all.borrow_mut();
        let Some(stream) = all.get_mut(channel).and_then(Subscription::stream_mut) else { return true };
        let Some(standing) = &stream.standing else { return true };
        let has_moved = standing.offset != stream.compared.0 && !stream.is_suspect;
        if has_moved {
            stream.compared = (standing.offset, next_check());
        }
        has_moved
    }

    /// The broker was away: what was published meanwhile was not heard.
    pub(crate) fn compare_positions(&self) {
        let now = Instant::now();
        let mut all = self.subscriptions.all.borrow_mut();
        let mut is_any = false;
        for stream in all.values_mut().filter_map(Subscription::stream_mut) {
            match (&stream.phase, &stream.standing) {
                (Phase::Live, Some(standing)) => stream.compared.0 = standing.offset,
                // What it has heard may be from before; it is compared as soon as it is live.
                (Phase::Joining(_) | Phase::Behind { .. }, _) => stream.is_suspect = true,
                (Phase::Live, None) | (Phase::Over, _) => continue,
            }
            stream.compared.1 = now;
            is_any = true;
        }
        drop(all);
        if is_any {
            self.bells.ring(Chore::Subscriptions);
        }
    }
}

impl Subscription {
    fn task(&self, now: Instant, may_push: bool) -> Option<Task> {
        if self.is_over() {
            return Some(Task::TakeAway);
        }
        let more = self.more.as_ref().filter(|_| !self.is_joining() && self.is_listening)?;
        if more.tells == Tells::Soon {
            return Some(Task::Announce);
        }
        if more.ends_at.is_some_and(|ends_at| ends_at <= now) {
            return Some(Task::Expire);
        }
        let stream = more.stream.as_ref()?;
        match (&stream.phase, &stream.standing) {
            (Phase::Behind { heard }, Some(from)) if may_push => {
                Some(Task::Read { from: from.clone(), heard: *heard, meta_ttl: stream.meta_ttl })
            }
            (Phase::Live, Some(_)) if stream.compared.1 <= now => {
                Some(Task::Compare { meta_ttl: stream.meta_ttl })
            }
            _ => None,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let more = self.more.as_ref().filter(|_| !self.is_joining() && self.is_listening)?;
        let live = more.stream.as_ref().filter(|stream| matches!(stream.phase, Phase::Live));
        let compares = live.map(|stream| stream.compared.1);
        more.ends_at.into_iter().chain(compares).min()
    }
}

/// Not all at once that have begun together.
fn next_check() -> Instant {
    let random = f64::from(getrandom::u32().unwrap_or_default()) / f64::from(u32::MAX);
    Instant::now() + POSITION_CHECK.mul_f64(0.75 + random / 4.0)
}
