//! Tokens that are called back: every gateway knows of all of them, also one that starts later or was cut off meanwhile.
//!
//! They are publications of a channel that is kept. Whoever hears it gets new ones at once; whoever did not, reads what it missed. What
//! still counts is said again before newer ones push it out, so the channel has all that count, however many there have been.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use naru_bus::{BusError, Keep, Once, Read, StreamPosition};
use naru_ledger::channel::SIZE_MAX;
use tokio::{select, time::sleep};

use super::{Control, LISTEN_PAUSE, Nodes, channels::REVOKED, message::Heard};
use crate::{
    auth::{Revocation, TooMany, unix_seconds},
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
    pub(crate) async fn revoke(&self, revocation: Revocation) -> Result<(), NotRevoked> {
        self.revoke_here(revocation.clone(), None).map_err(|TooMany| NotRevoked::TooMany)?;
        // So it may be repeated when the link is lost.
        let key = uuid::Uuid::new_v4().simple().to_string();
        let place = self.keep(revocation, key).await.map_err(NotRevoked::Bus)?;
        if let Some(place) = place
            && let Err(error) = self.say_again(&place).await
        {
            tracing::debug!(%error, "what is called back is said again with the next one");
        }
        Ok(())
    }

    /// Has it kept; where it stands.
    async fn keep(&self, revocation: Revocation, key: String) -> Result<Option<StreamPosition>, BusError> {
        let told = self.me.written(&Control::Revoke(revocation.clone()));
        let keep = Keep { size: SIZE_MAX, ttl: REVOCATION_MAX, meta_ttl: REVOCATION_MAX };
        let once = Once { key, window: IDEMPOTENCY_WINDOW };
        let place = self.bus.publish_kept(REVOKED, told, keep, Some(once)).await?.position;
        if let Some(place) = &place {
            self.revoked.said(&revocation, place.offset);
        }
        Ok(place)
    }

    /// Says again what still counts and is far behind the top. What that pushes on in turn is the next call's to do.
    async fn say_again(&self, top: &StreamPosition) -> Result<(), BusError> {
        let Some(behind) = top.offset.checked_sub(REVOCATIONS_BEHIND_MAX) else { return Ok(()) };
        for (revocation, place) in self.revoked.said_before(behind, unix_seconds()) {
            // Whoever else does so says the same under the same key.
            let key = format!("{}:{place}", top.epoch);
            let key = if place == 0 { digest_of(&revocation) } else { key };
            self.keep(revocation, key).await?;
        }
        Ok(())
    }

    /// Has a store that does not know what is known here keep it. Whoever else does so says the same under the same keys.
    async fn keep_all(&self) -> Result<(), BusError> {
        for revocation in self.revoked.in_force(unix_seconds()) {
            let key = digest_of(&revocation);
            self.keep(revocation, key).await?;
        }
        Ok(())
    }

    /// Who has come with such a token and is connected here is closed.
    pub(super) fn revoke_here(&self, revocation: Revocation, place: Option<u64>) -> Result<(), TooMany> {
        let is_new = self.revoked.add(&revocation, unix_seconds())?;
        if let Some(place) = place {
            self.revoked.said(&revocation, place);
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
                self.keep_all().await?;
                *known = None;
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

/// The same for the same words.
fn digest_of(revocation: &Revocation) -> String {
    let words = serde_json::to_vec(revocation).expect("names and numbers can be written as JSON");
    digest(&SHA256, &words).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
