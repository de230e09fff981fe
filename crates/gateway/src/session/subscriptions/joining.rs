//! Beginning a subscription, without a gap between what was published before and what comes live.

use std::{rc::Rc, sync::Arc};

use bytes::Bytes;
use naru_bus::{Read, StreamPage, StreamPosition};
use tokio::time::Instant;

use super::{Delta, Held, More, Phase, Session, Standing, Stream, Subscription, Tells, Wanted, topic};
use crate::{
    codes::{Code, Disconnect, Failure},
    interests::{Hold, Interest},
    limits::{POSITION_CHECK, STREAM_PAGE},
    namespaces::{DeltaType, Granted, History, RecoveryMode},
    protocol::{
        encoding::Encoding,
        message,
        push::{Push, Subscribe, What},
        reply::{Expiry, SubscribeResult},
    },
    publication::{self, Payload, Previous, Sender},
    session::{Chore, clock},
};

/// What a subscription is to be like.
pub(crate) struct Terms {
    pub(crate) granted: Granted,
    pub(crate) history: Option<History>,
    /// How others in the channel see it.
    pub(crate) sender: Sender,
    /// What the client gets with it.
    pub(crate) data: Option<Payload>,
    /// Seconds since 1970.
    pub(crate) expires_at: Option<u64>,
    /// Then the application is asked whether it goes on, and the client has nothing to do.
    pub(crate) is_renewed: bool,
    /// Where the client stands, if what it missed is wanted.
    pub(crate) wanted: Option<Wanted>,
    /// Bytes of publications that the result has room for; the rest is pushed.
    pub(crate) budget: usize,
    /// Without that it is not to be.
    pub(crate) must_recover: bool,
    pub(crate) is_server_side: bool,
}

/// A subscription that is ready, as soon as the client has been told.
pub(in crate::session) struct Joined {
    pub(in crate::session) channel: Arc<str>,
    pub(in crate::session) result: SubscribeResult,
    /// The subscription's.
    number: u64,
    /// What was missed is more than the result has.
    is_behind: bool,
}

impl Session {
    /// Makes a subscription ready. Dropping the future leaves one to be taken away with the session.
    pub(in crate::session) async fn join(
        self: &Rc<Self>,
        channel: Arc<str>,
        mut terms: Terms,
    ) -> Result<Joined, Failure> {
        if !terms.granted.recoverable {
            terms.wanted = None;
        }
        let hold = self.shared().interests.hold(Interest::Channel(channel.clone())).await?;
        self.take_away_over(&channel).await;
        // Meanwhile the server may have subscribed the client.
        if self.subscriptions.has(&channel) {
            return Err(Code::AlreadySubscribed.into());
        }
        if self.subscriptions.len() >= self.shared().limits.channels_max {
            return Err(if terms.is_server_side {
                Disconnect::ChannelLimit.into()
            } else {
                Code::LimitExceeded.into()
            });
        }
        let data = terms.data.as_ref().map(|data| self.said(data)).transpose()?.unwrap_or_default();
        let (Expiry { expires, ttl }, ends_at) =
            clock::expiry(terms.expires_at.filter(|_| !terms.is_renewed));
        let delta = terms.granted.delta.is_some();
        let mut result = SubscribeResult { expires, ttl, data, delta, ..SubscribeResult::default() };
        let history = terms.history.filter(|_| terms.granted.positioned);
        let number = self.insert(channel.clone(), hold, &terms, history, ends_at);
        let joined = async {
            if terms.granted.in_presence {
                let Sender { client, user, .. } = &terms.sender;
                self.shared().bus.enter(&channel, client, user, terms.sender.write()).await?;
            }
            match history {
                Some(history) => self.find_position((&channel, number), &terms, history, &mut result).await,
                None => Ok(false),
            }
        };
        let joined = joined.await;
        // The server may have ended it meanwhile and told the client so, and have begun another one.
        if !self.subscriptions.has_numbered(&channel, number) {
            let is_another = self.subscriptions.has(&channel);
            let refused = if is_another { Code::AlreadySubscribed.into() } else { self.gone(&channel) };
            return Err(joined.err().unwrap_or(refused.into()));
        }
        match joined {
            Ok(is_behind) => Ok(Joined { channel, result, number, is_behind }),
            Err(failure) => {
                self.take_away(&channel).await;
                Err(failure)
            }
        }
    }

    /// From here on the subscription is the session's, to be taken away with it. Its number.
    fn insert(
        self: &Rc<Self>,
        channel: Arc<str>,
        hold: Hold,
        terms: &Terms,
        history: Option<History>,
        ends_at: Option<Instant>,
    ) -> u64 {
        let Granted { in_presence, tells_join_leave, hears_join_leave, delta, .. } = terms.granted;
        let is_quiet = !in_presence && !tells_join_leave && !hears_join_leave;
        let renews_at = clock::end(terms.expires_at.filter(|_| terms.is_renewed));
        let is_endless = ends_at.is_none() && renews_at.is_none();
        let is_plain = is_quiet && delta.is_none() && is_endless && terms.sender.chan_info.is_none();
        if delta.is_some() {
            self.subscriptions.attend(1);
        }
        let more = (history.is_some() || !is_plain).then(|| {
            Box::new(More {
                stream: history.map(Stream::joining),
                sender: terms.sender.clone(),
                is_present: in_presence,
                tells: if tells_join_leave { Tells::Soon } else { Tells::Nobody },
                hears: hears_join_leave,
                delta: delta.map(|DeltaType::Fossil| Delta::default()),
                ends_at,
                renews_at,
            })
        });
        let is_server_side = terms.is_server_side;
        let is_listening = history.is_some();
        let number = self.subscriptions.newest.get() + 1;
        self.subscriptions.newest.set(number);
        let subscription = Subscription { number, _hold: hold, is_server_side, is_listening, more };
        self.subscriptions.all.borrow_mut().insert(channel.clone(), subscription);
        if is_listening {
            self.subscriptions.attend(1);
            self.core.subscribe(self.id, topic(&channel));
        }
        number
    }

    /// Reads where the subscription stands, while it holds back what comes live; answers whether it is behind then.
    async fn find_position(
        &self,
        (channel, number): (&str, u64),
        terms: &Terms,
        history: History,
        result: &mut SubscribeResult,
    ) -> Result<bool, Failure> {
        let start = self.read_start(channel, terms, history).await?;
        if terms.must_recover && terms.wanted.is_some() && !start.is_recovered {
            return Err(Code::UnrecoverablePosition.into());
        }
        let mut previous = None;
        result.publications = if terms.granted.delta.is_some() {
            self.told_chained(channel, &start, &mut previous)?
        } else {
            self.told(&start.publications)?
        };
        result.positioned = true;
        result.recoverable = terms.granted.recoverable;
        start.top.epoch.as_str().clone_into(&mut result.epoch);
        result.offset = start.from;
        result.was_recovering = terms.wanted.is_some();
        result.recovered = start.is_recovered;
        let offset = start.publications.last().map_or(start.from, |(offset, _)| *offset);
        let is_behind = offset < start.top.offset;
        let mut all = self.subscriptions.all.borrow_mut();
        if let Some(subscription) = all.get_mut(channel).filter(|it| it.number == number) {
            if let Some(delta) = subscription.delta_mut() {
                delta.previous = previous;
            }
            if let Some(stream) = subscription.stream_mut() {
                stream.compared.0 = offset;
                stream.standing = Some(Standing { offset, epoch: start.top.epoch });
            }
        }
        Ok(is_behind)
    }

    /// Reads where the channel stands, and what the client has missed, as far as one answer has it.
    async fn read_start(&self, channel: &str, terms: &Terms, history: History) -> Result<Start, Failure> {
        let meta_ttl = history.meta_ttl;
        let read = async |read: Read| self.shared().bus.stream(channel, read).await;
        let Some(wanted) = &terms.wanted else {
            let StreamPage { top, .. } =
                read(Read { since: None, limit: Some(0), bytes: None, reverse: false, meta_ttl }).await?;
            return Ok(Start { from: top.offset, top, is_recovered: false, publications: Vec::new() });
        };
        // Pages are large: when everybody comes back, only so many are read at once.
        let _turn = self.replay_turn().await;
        if terms.granted.recovery_mode == RecoveryMode::Cache {
            let newest = Read { since: None, limit: Some(1), bytes: None, reverse: true, meta_ttl };
            let newest = read(newest).await?;
            let is_recovered = wanted.is_recovered_to_newest(&newest);
            let StreamPage { top, mut publications } = newest;
            let mut from = top.offset;
            if wanted.stands_at(&top) || !is_recovered {
                publications.clear();
            } else if bytes_of(&publications) > terms.budget {
                publications.clear();
                from -= 1;
            }
            return Ok(Start { from, top, is_recovered, publications });
        }
        let (since, limit, bytes) = (Some(wanted.offset), Some(STREAM_PAGE), Some(terms.budget as u64));
        let first = Read { since, limit, bytes, reverse: false, meta_ttl };
        let missed = read(first).await?;
        if !wanted.is_recovered(&missed) {
            let top = missed.top;
            return Ok(Start { from: top.offset, top, is_recovered: false, publications: Vec::new() });
        }
        let StreamPage { top, mut publications } = missed;
        // What is beyond is pushed, as the client takes it.
        let mut bytes = 0;
        let fits = publications.iter().take_while(|(_, payload)| {
            bytes += payload.len();
            bytes <= terms.budget
        });
        let count = fits.count();
        publications.truncate(count);
        Ok(Start { from: wanted.offset, top, is_recovered: true, publications })
    }

    /// Publications as this client is told of them.
    pub(in crate::session) fn told(
        &self,
        publications: &[(u64, Bytes)],
    ) -> Result<Vec<message::Publication>, Failure> {
        let encoding = self.flavour.encoding();
        let told = publications.iter().map(|(offset, payload)| publication::kept(payload, *offset, encoding));
        told.collect::<Option<_>>().ok_or_else(|| Disconnect::InappropriateProtocol.into())
    }

    /// The same for one who gets differences.
    fn told_chained(
        &self,
        channel: &str,
        start: &Start,
        previous: &mut Option<Previous>,
    ) -> Result<Vec<message::Publication>, Failure> {
        let encoding = self.flavour.encoding();
        let told = start.publications.iter().filter_map(|(offset, payload)| {
            let position = StreamPosition { offset: *offset, epoch: start.top.epoch.clone() };
            let publication = publication::live(channel, Some(position), payload.clone()).ok()?;
            Some(publication.chained(encoding, previous))
        });
        told.collect::<Option<_>>().ok_or_else(|| Disconnect::InappropriateProtocol.into())
    }

    /// A payload as this client can have it.
    pub(in crate::session) fn said(&self, payload: &Payload) -> Result<Bytes, Failure> {
        let is_json = self.flavour.encoding() == Encoding::Json;
        match payload {
            Payload::Binary(_) if is_json => Err(Disconnect::InappropriateProtocol.into()),
            Payload::Json(bytes) | Payload::Binary(bytes) => Ok(bytes.clone()),
        }
    }

    /// Subscribes the client because the server wants it, and tells it. What it has missed of what is `wanted` is pushed. False if it is
    /// subscribed already.
    pub(crate) async fn subscribe_by_server(
        self: &Rc<Self>,
        channel: &str,
        terms: Terms,
    ) -> Result<bool, Failure> {
        let joined = match self.join(channel.into(), Terms { budget: 0, ..terms }).await {
            Ok(joined) => joined,
            Err(Failure::Refused(refused)) if refused.code == Code::AlreadySubscribed => return Ok(false),
            Err(failure) => return Err(failure),
        };
        let SubscribeResult { recoverable, positioned, epoch, offset, data, .. } = joined.result.clone();
        let subscribe = Subscribe { recoverable, epoch, offset, positioned, data };
        self.send(&Push { channel: channel.to_owned(), what: Some(What::Subscribe(subscribe)) }.into());
        self.begin(joined);
        Ok(true)
    }

    /// Begins to deliver; the client has been told.
    pub(in crate::session) fn begin(self: &Rc<Self>, joined: Joined) {
        let Joined { channel, number, is_behind, .. } = joined;
        // It may have ended meanwhile, and another one be in its place.
        if !self.subscriptions.has_numbered(&channel, number) {
            return;
        }
        let mut all = self.subscriptions.all.borrow_mut();
        all.returns_no_more(&channel);
        let Some(subscription) = all.get_mut(&channel) else { return };
        if subscription.more.is_some() {
            self.bells.ring(Chore::Subscriptions);
            self.bells.ring(Chore::Renewal);
        }
        let Some(stream) = subscription.stream_mut() else {
            subscription.is_listening = true;
            drop(all);
            self.core.subscribe(self.id, topic(&channel));
            return;
        };
        let Phase::Joining(held) = &mut stream.phase else { return };
        let held = std::mem::take(held);
        let is_behind = is_behind || held.is_overrun;
        stream.phase = if is_behind { Phase::Behind { heard: 0 } } else { Phase::Live };
        drop(all);
        self.subscriptions.attend(-1);
        for publication in &held.publications {
            self.deliver_live(publication);
        }
    }
}

fn bytes_of(publications: &[(u64, Bytes)]) -> usize {
    publications.iter().map(|(_, payload)| payload.len()).sum()
}

impl Stream {
    /// It stands nowhere before that was read.
    fn joining(history: History) -> Stream {
        Stream {
            standing: None,
            phase: Phase::Joining(Held::default()),
            compared: (0, Instant::now() + POSITION_CHECK),
            is_suspect: false,
            meta_ttl: history.meta_ttl,
        }
    }
}

/// Where a subscription begins.
struct Start {
    top: StreamPosition,
    /// What the client is told it stands at, before the publications.
    from: u64,
    is_recovered: bool,
    publications: Vec<(u64, Bytes)>,
}
