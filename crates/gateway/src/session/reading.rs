//! What a client asks about a channel: its history, who is there, how many.

use std::{collections::BTreeMap, rc::Rc};

use bytes::Bytes;
use naru_bus::{Bus, BusError, Most, Present, Read, StreamPage};
use naru_ledger::User;

use super::{Later, Session};
use crate::{
    codes::{Code, Disconnect, Failure, Refused},
    limits::{
        HISTORY_BYTES_MAX, HISTORY_PUBLICATIONS_MAX, PRESENT_BYTES_MAX, PRESENT_CLIENTS_MAX, STREAM_PAGE,
    },
    namespaces::Channel,
    protocol::{
        command::{HistoryRequest, PresenceRequest, PresenceStatsRequest},
        encoding::Encoding,
        reply::{HistoryResult, Outcome, PresenceResult, PresenceStatsResult},
    },
    publication::Sender,
};

impl Session {
    pub(super) fn history(self: &Rc<Self>, history: &HistoryRequest) -> Result<Later, Failure> {
        let HistoryRequest { channel, limit, since, reverse } = history.clone();
        let meta_ttl = self.asked(&channel, |channel, session| {
            session.right(channel.name(), |who| channel.may_read_history(who))?;
            channel.namespace().history().ok_or_else(|| Code::NotAvailable.into())
        })?;
        if reverse && since.as_ref().is_some_and(|since| since.offset == 0) {
            return Err(Refused::bad("nothing is before the first publication").into());
        }
        let limit = u64::try_from(limit).unwrap_or(HISTORY_PUBLICATIONS_MAX).min(HISTORY_PUBLICATIONS_MAX);
        let read = Read {
            since: since.as_ref().map(|since| since.offset),
            limit: Some(u32::try_from(limit).expect("it is at most the most")),
            bytes: Some(HISTORY_BYTES_MAX as u64),
            reverse,
            meta_ttl: meta_ttl.meta_ttl,
        };
        let session = self.clone();
        Ok(Box::pin(async move {
            let page = session.read_stream(&channel, read).await?;
            let epoch = page.top.epoch.as_str();
            if since.is_some_and(|since| !since.epoch.is_empty() && since.epoch != epoch) {
                return Err(Code::UnrecoverablePosition.into());
            }
            let publications = session.told(&page.publications)?;
            let (epoch, offset) = (epoch.to_owned(), page.top.offset);
            Ok(Outcome::History(HistoryResult { publications, epoch, offset }))
        }))
    }

    /// Reads as many as are wanted and fit, and little by little: they may be large.
    async fn read_stream(&self, channel: &str, read: Read) -> Result<StreamPage, BusError> {
        let mut left = read.limit.unwrap_or(u32::MAX);
        let mut since = read.since;
        let mut all: Vec<(u64, Bytes)> = Vec::new();
        let mut bytes = read.bytes.unwrap_or(u64::MAX);
        loop {
            let limit = Some(left.min(STREAM_PAGE));
            let page = Read { since, limit, bytes: Some(bytes), ..read };
            let StreamPage { top, publications } = self.shared().bus.stream(channel, page).await?;
            // A short one is the last that there are, or that fit.
            let is_last = publications.len() < STREAM_PAGE as usize;
            for (offset, payload) in publications {
                let Some(rest) = bytes.checked_sub(payload.len() as u64) else {
                    if all.is_empty() {
                        all.push((offset, payload));
                    }
                    return Ok(StreamPage { top, publications: all });
                };
                bytes = rest;
                since = Some(offset);
                left = left.saturating_sub(1);
                all.push((offset, payload));
            }
            if is_last || left == 0 || (read.reverse && since == Some(1)) {
                return Ok(StreamPage { top, publications: all });
            }
        }
    }

    pub(super) fn presence(self: &Rc<Self>, presence: &PresenceRequest) -> Result<Later, Failure> {
        let channel = self.asked_presence(&presence.channel)?;
        let session = self.clone();
        Ok(Box::pin(async move {
            let present = present(&session.shared().bus, &channel).await?;
            let encoding = session.flavour.encoding();
            let presence: BTreeMap<_, _> = present
                .iter()
                .map(|Present { client, user, info }| {
                    let user = user.as_ref().map_or("", User::as_str);
                    let sender = Sender::read(client.as_str(), user, info);
                    let told = match encoding {
                        Encoding::Json => sender.in_json(),
                        Encoding::Protobuf => sender.in_protobuf(),
                    };
                    (sender.client, told)
                })
                .collect();
            Ok(Outcome::Presence(PresenceResult { presence }))
        }))
    }

    pub(super) fn presence_stats(self: &Rc<Self>, stats: &PresenceStatsRequest) -> Result<Later, Failure> {
        let channel = self.asked_presence(&stats.channel)?;
        let session = self.clone();
        Ok(Box::pin(async move {
            let stats = session.shared().bus.present_stats(&channel).await?;
            let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
            let (num_clients, num_users) = (number(stats.clients), number(stats.users));
            Ok(Outcome::PresenceStats(PresenceStatsResult { num_clients, num_users }))
        }))
    }

    fn asked_presence(&self, channel: &str) -> Result<String, Failure> {
        self.asked(channel, |channel, session| {
            session.right(channel.name(), |who| channel.may_see_presence(who))
        })?;
        Ok(channel.to_owned())
    }

    fn asked<T>(
        &self,
        channel: &str,
        decide: impl FnOnce(&Channel<'_>, &Session) -> Result<T, Refused>,
    ) -> Result<T, Failure> {
        if channel.is_empty() {
            return Err(Disconnect::BadRequest.into());
        }
        let channel = self.shared().namespaces.load().find_for_client(channel)?;
        Ok(decide(&channel, self)?)
    }
}

/// Who is present in a channel, if they are not too many to be told.
pub(crate) async fn present(bus: &Bus, channel: &str) -> Result<Vec<Present>, Refused> {
    let most = Most { clients: Some(PRESENT_CLIENTS_MAX), bytes: Some(PRESENT_BYTES_MAX as u64) };
    bus.present(channel, most).await.map_err(|error| match error {
        BusError::Refused { code, .. } if code == "TOOMANY" => Code::LimitExceeded.into(),
        error => error.into(),
    })
}
