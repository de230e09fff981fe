//! Tokens that are called back: every gateway knows of all of them, also one that starts later or was cut off meanwhile.
//!
//! They are publications of a channel that is kept. Whoever hears it gets new ones at once; whoever did not, reads what it missed. What
//! still counts is said again before newer ones push it out, by their number or their bytes. So the channel has all that count, however
//! many there have been, as long as they fit into it together.

use std::{
    ops::Range,
    sync::{Arc, atomic::Ordering},
};

use naru_bus::{BusError, Keep, Once, Read, StreamPosition};
use naru_ledger::{Epoch, channel::SIZE_MAX};
use tokio::{select, time::sleep};

use super::{Control, LISTEN_PAUSE, Nodes, channels::REVOKED, message::Heard};
use crate::{
    auth::{Revocation, TooMany, hex_digest, unix_seconds},
    interests::{Interest, Interests},
    limits::{IDEMPOTENCY_WINDOW, REVOCATION_MAX, REVOCATIONS_BEHIND_MAX, REVOCATIONS_PAGE},
    wire::Mail,
};

/// Why a token is not called back everywhere.
#[derive(Debug)]
pub(crate) enum NotRevoked {
    /// There is no room for more, so it is not here either.
    TooMany,
    /// It is here, and nowhere else for certain.
    Bus(BusError),
}

impl Nodes {
    /// Calls tokens back, here at once and then everywhere.
    pub(crate) async fn revoke(self: &Arc<Self>, revocation: Revocation) -> Result<(), NotRevoked> {
        self.revoke_here(revocation.clone(), None).map_err(|TooMany| NotRevoked::TooMany)?;
        // So it may be repeated when the link is lost.
        let key = uuid::Uuid::new_v4().simple().to_string();
        self.keep(revocation, key).await.map_err(NotRevoked::Bus)?;
        self.see_to_what_was_said();
        Ok(())
    }

    /// Says again what has to be. Nobody waits for that, and once at a time is enough: the next call does what it leaves.
    fn see_to_what_was_said(self: &Arc<Self>) {
        if self.is_saying_again.swap(true, Ordering::Relaxed) {
            return;
        }
        let nodes = self.clone();
        tokio::spawn(async move {
            if let Err(error) = nodes.say_again().await {
                tracing::debug!(%error, "what is called back is said again with the next one");
            }
            nodes.is_saying_again.store(false, Ordering::Relaxed);
        });
    }

    /// Has it kept; where it stands.
    async fn keep(&self, revocation: Revocation, key: String) -> Result<(), BusError> {
        let told = self.me.written(&Control::Revoke(revocation.clone()));
        let keep = Keep { size: SIZE_MAX, ttl: REVOCATION_MAX, meta_ttl: REVOCATION_MAX };
        let once = Once { key, window: IDEMPOTENCY_WINDOW };
        let place = self.bus.publish_kept(REVOKED, told, keep, Some(once)).await?.position;
        if let Some(place) = &place {
            self.revoked.note(&revocation, place.offset);
        }
        Ok(())
    }

    /// Says again what still counts and is soon pushed out, or was. What that pushes on in turn is the next call's to do.
    async fn say_again(&self) -> Result<(), BusError> {
        let (kept, epoch) = self.kept().await?;
        // What has no place is being said just now.
        for (revocation, place) in self.revoked.said(1..soon_pushed_out(&kept), unix_seconds()) {
            // Whoever else does so says the same under the same key.
            self.keep(revocation, format!("{epoch}:{place}")).await?;
        }
        let (kept, _) = self.kept().await?;
        let lost = self.revoked.said(1..kept.start, unix_seconds()).len();
        if lost > 0 {
            tracing::warn!(
                lost,
                "more tokens are called back than the broker keeps of {REVOKED} (channel-bytes-max): servers that start do not know all"
            );
        }
        Ok(())
    }

    /// The places of what the channel keeps, and their epoch.
    async fn kept(&self) -> Result<(Range<u64>, Epoch), BusError> {
        let first =
            Read { since: Some(0), limit: Some(1), bytes: None, reverse: false, meta_ttl: REVOCATION_MAX };
        let page = self.bus.stream(REVOKED, first).await?;
        let end = page.top.offset + 1;
        Ok((page.publications.first().map_or(end, |(first, _)| *first)..end, page.top.epoch))
    }

    /// Has a store that does not know what is known here keep it. Whoever else does so says the same under the same keys.
    async fn keep_all(&self, epoch: &Epoch) -> Result<(), BusError> {
        for revocation in self.revoked.in_force(unix_seconds()) {
            // What was said once in an epoch before this one is not in the channel any more.
            let key = format!("{epoch}:{}", digest_of(&revocation));
            self.keep(revocation, key).await?;
        }
        Ok(())
    }

    /// Who has come with such a token and is connected here is closed.
    pub(super) fn revoke_here(&self, revocation: Revocation, place: Option<u64>) -> Result<(), TooMany> {
        let is_new = self.revoked.add(&revocation, unix_seconds())?;
        if let Some(place) = place {
            self.revoked.note(&revocation, place);
        }
        if is_new {
            let revocation = Arc::new(revocation);
            self.to_cores(|| Mail::Revoke(revocation.clone()));
        }
        Ok(())
    }

    /// Knows what is called back, for ever.
    pub(super) async fn keep_revoked(&self, interests: &Arc<Interests>) {
        let mut hold = None;
        let mut known = None;
        loop {
            // First listen, then read.
            if hold.is_none() {
                hold = interests.hold(Interest::Channel(REVOKED.into())).await.ok();
            }
            let caught_up = match hold {
                Some(_) => self.catch_up(&mut known).await,
                None => Err(BusError::Unreachable),
            };
            match caught_up {
                Ok(()) => self.returned.notified().await,
                Err(error) => {
                    tracing::debug!(%error, "it is not known yet which tokens are called back");
                    select! {
                        () = sleep(LISTEN_PAUSE) => {}
                        () = self.returned.notified() => {}
                    }
                }
            }
        }
    }

    /// Reads what was called back since then.
    async fn catch_up(&self, known: &mut Option<StreamPosition>) -> Result<(), BusError> {
        loop {
            let since = known.as_ref().map_or(0, |known| known.offset);
            let read = Read {
                since: Some(since),
                limit: Some(REVOCATIONS_PAGE),
                bytes: None,
                reverse: false,
                meta_ttl: REVOCATION_MAX,
            };
            let page = self.bus.stream(REVOKED, read).await?;
            let is_another =
                |known: &StreamPosition| known.epoch != page.top.epoch || known.offset > page.top.offset;
            if known.as_ref().is_some_and(is_another) {
                // It is another store, or an older copy of this one.
                self.revoked.forget_places();
                self.keep_all(&page.top.epoch).await?;
                // It is read from its beginning; and if there is yet another one by now, that is told as well.
                *known = Some(StreamPosition { offset: 0, epoch: page.top.epoch });
                continue;
            }
            let is_all = page.publications.len() < REVOCATIONS_PAGE as usize;
            let offset = page.publications.last().map_or(page.top.offset, |(offset, _)| *offset);
            for (place, payload) in &page.publications {
                self.take_revoked(payload, *place);
            }
            *known = Some(StreamPosition { offset, epoch: page.top.epoch });
            if is_all {
                return Ok(());
            }
        }
    }

    fn take_revoked(&self, payload: &[u8], place: u64) {
        match self.me.read(payload) {
            Ok(Heard::Ours(Control::Revoke(revocation)) | Heard::From(_, Control::Revoke(revocation))) => {
                self.take_revocation(revocation, Some(place));
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "what was called back is not understood"),
        }
    }

    /// Another server has called it back.
    pub(super) fn take_revocation(&self, revocation: Revocation, place: Option<u64>) {
        if let Err(TooMany) = self.revoke_here(revocation, place) {
            tracing::error!("more tokens are called back than can be remembered: some still count here");
        }
    }
}

/// Before which place what still counts is to be said again, where a channel keeps these: those that are many behind; and once the
/// oldest have been pushed out, by their bytes or their number, the oldest quarter.
fn soon_pushed_out(kept: &Range<u64>) -> u64 {
    let behind = kept.end.saturating_sub(1 + REVOCATIONS_BEHIND_MAX);
    let oldest = if kept.start > 1 { kept.start + (kept.end - kept.start) / 4 } else { 0 };
    behind.max(oldest)
}

/// The same for the same words.
fn digest_of(revocation: &Revocation) -> String {
    hex_digest(&serde_json::to_vec(revocation).expect("names and numbers can be written as JSON"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_soon_pushed_out_is_the_oldest_quarter_of_what_fits() {
        for (kept, before) in [
            (1..1, 0),
            (1..40_000, 0),
            // Nothing was pushed out yet, and soon it will be.
            (1..49_161, 8),
            (1_001..66_537, 17_385),
            // Long ones.
            (101..501, 201),
            (7..7, 7),
        ] {
            assert_eq!(soon_pushed_out(&kept), before, "{kept:?}");
        }
    }
}
