//! Channels a client follows: what a subscription is, and how clients begin and end theirs.
//!
//! A plain one is no more than a name and a hold. One that stands somewhere in what its channel keeps, is present, hears who comes and
//! goes, or ends by itself has [`More`]. `joining.rs` begins them, `delivery.rs` is what comes live, `upkeep.rs` the loop that does
//! what takes time, `position.rs` the rules of positions.
//!
//! What a client misses of a positioned channel is not queued: the subscription is **behind**, what comes live is let pass, and
//! the rest is read again from the broker at the client's pace. Only where that is not kept any more it ends.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
};

use tokio::time::Instant;

use super::{Chore, Ending, Session, topic};
use crate::{
    auth::Holder,
    channels::inbox_of,
    codes::{Code, Disconnect, Failure, Refused, Unsubscribed},
    interests::Hold,
    limits::{Doing, HISTORY_BYTES_MAX},
    namespaces::{Asked, By, Caps, DeltaType, Overrides, Who},
    protocol::{
        command::{SubRefreshRequest, SubscribeRequest, UnsubscribeRequest},
        message::Empty,
        push::Push,
        reply::{Expiry, Outcome, SubRefreshResult},
    },
    publication::{Payload, Previous, Publication, Sender},
    session::clock,
};

mod all;
mod delivery;
mod departing;
mod joining;
mod position;
mod returning;
mod upkeep;

use all::All;
use departing::Departure;
pub(super) use joining::Joined;
pub(crate) use joining::Terms;
use position::Standing;
pub(crate) use position::Wanted;

/// The subscriptions of a session, by name; server-side ones among them, the inbox and rooms not.
#[derive(Default)]
pub(super) struct Subscriptions {
    all: RefCell<All>,
    /// How many of them look at all that comes, not only at what has a position: those that are joining or over, or get differences.
    pub(super) attentive: Cell<u32>,
    /// The number of the newest.
    newest: Cell<u64>,
}

pub(super) struct Subscription {
    /// Tells it from others of the same channel, before it and after.
    number: u64,
    /// Keeps this server subscribed to the channel.
    _hold: Hold,
    is_server_side: bool,
    /// The core delivers to it.
    is_listening: bool,
    more: Option<Box<More>>,
}

/// What is beyond a plain subscription.
struct More {
    stream: Option<Stream>,
    /// How others in the channel see it.
    sender: Sender,
    is_present: bool,
    /// Whether others are told when it has gone; from when they were told that it has come.
    tells: Tells,
    hears: bool,
    /// What it got last, if it gets differences.
    delta: Option<Delta>,
    /// When it ends unless it is refreshed.
    ends_at: Option<Instant>,
    /// When the application is asked whether it goes on.
    renews_at: Option<Instant>,
}

/// A subscription that stands somewhere in what its channel keeps.
struct Stream {
    /// None until it was read.
    standing: Option<Standing>,
    phase: Phase,
    /// Where it stood when that was compared with the channel last, and when to do so again.
    compared: (u64, Instant),
    /// The broker was away while it was not live: it is compared whatever it has heard since.
    is_suspect: bool,
    /// For how long the channel's offset and epoch are remembered.
    meta_ttl: std::time::Duration,
}

enum Phase {
    /// The client was not told yet. What comes live is held back.
    Joining(Held),
    /// What comes live is delivered.
    Live,
    /// What comes live is in what is read. The highest offset heard.
    Behind { heard: u64 },
    /// It has ended, and is to be taken away.
    Over,
}

/// A subscription that has agreed on deltas.
#[derive(Default)]
struct Delta {
    previous: Option<Previous>,
}

#[derive(Default)]
struct Held {
    publications: Vec<Publication>,
    bytes: usize,
    /// There were too many: they are read again.
    is_overrun: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tells {
    Nobody,
    Soon,
    Told,
}

impl Subscriptions {
    pub(super) fn len(&self) -> usize {
        self.all.borrow().len()
    }

    /// One more looks at all that comes, or one less.
    fn attend(&self, change: i32) {
        let attentive = self.attentive.get().checked_add_signed(change);
        self.attentive.set(attentive.expect("only who has begun to look ends it"));
    }

    /// Whether this one is there still, and not another one in its place.
    fn has_numbered(&self, channel: &str, number: u64) -> bool {
        self.all.borrow().get(channel).is_some_and(|it| it.number == number && !it.is_over())
    }

    /// Whether the client is subscribed, or about to be.
    pub(super) fn has(&self, channel: &str) -> bool {
        self.all.borrow().get(channel).is_some_and(|subscription| !subscription.is_over())
    }
}

impl Subscription {
    fn stream(&self) -> Option<&Stream> {
        self.more.as_ref()?.stream.as_ref()
    }

    fn stream_mut(&mut self) -> Option<&mut Stream> {
        self.more.as_mut()?.stream.as_mut()
    }

    fn delta_mut(&mut self) -> Option<&mut Delta> {
        self.more.as_mut()?.delta.as_mut()
    }

    fn is_over(&self) -> bool {
        self.stream().is_some_and(|stream| matches!(stream.phase, Phase::Over))
    }

    fn is_joining(&self) -> bool {
        self.stream().is_some_and(|stream| matches!(stream.phase, Phase::Joining(_)))
    }

    /// What it stands for beyond being heard, taken from it.
    fn departure(self) -> Option<Departure> {
        let More { sender, is_present, tells, .. } = *self.more?;
        let is_told = tells == Tells::Told;
        (is_present || is_told).then_some(Departure { sender, is_present, is_told })
    }
}

impl Session {
    pub(super) async fn subscribe(
        self: &Rc<Self>,
        id: u32,
        subscribe: SubscribeRequest,
    ) -> Result<(), Ending> {
        let joined = match self.join_as_asked(&subscribe).await {
            Ok(joined) => joined,
            Err(failure) => {
                if !failure.is_asked_again() {
                    self.subscriptions.all.borrow_mut().returns_no_more(&subscribe.channel);
                }
                return self.answer(id, Err(failure));
            }
        };
        // The reply comes before any publication, and after the broker's confirmation.
        self.answer(id, Ok(Outcome::Subscribe(joined.result.clone())))?;
        self.begin(joined);
        Ok(())
    }

    async fn join_as_asked(self: &Rc<Self>, subscribe: &SubscribeRequest) -> Result<Joined, Failure> {
        let delta = self.check(subscribe)?;
        let name: &str = &subscribe.channel;
        let namespaces = self.shared().namespaces.load_full();
        let channel = namespaces.find_for_client(name)?;
        // Before anything is verified, asked or read for it.
        self.spend_in(channel.namespace(), Doing::Subscribing)?;
        let pass = if subscribe.token.is_empty() {
            None
        } else {
            let client = self.client();
            let holder = Holder { user: self.user_name(), client: &client };
            Some(self.shared().auth.subscribe(&subscribe.token, name, holder).await?)
        };
        let who = self.who(name);
        let (granted, expires_at) = match channel.may_subscribe(&who, pass.is_some())? {
            By::Rule | By::Token => pass.map(|pass| (pass.granted, pass.expires_at)).unwrap_or_default(),
            By::Hook(hook) => {
                let meta = self.meta();
                let caller = self.caller(meta.as_deref());
                let asked = self.shared().backend.subscribe(hook, caller, name, &subscribe.data);
                self.clock.held_up(Box::pin(asked)).await?
            }
        };
        let asked = Asked {
            positioned: subscribe.positioned,
            recoverable: subscribe.recoverable || subscribe.recover,
            join_leave: subscribe.join_leave,
            delta,
        };
        let wanted = Wanted { offset: subscribe.offset, epoch: subscribe.epoch.clone() };
        let terms = Terms {
            granted: channel.grant(&who, asked, granted.overrides),
            history: channel.namespace().history(),
            sender: Sender { chan_info: granted.info, ..self.info() },
            data: granted.data,
            expires_at,
            is_renewed: channel.namespace().sub_refresh_proxy_enabled,
            wanted: subscribe.recover.then_some(wanted),
            budget: HISTORY_BYTES_MAX,
            must_recover: subscribe.flag & FLAG_MUST_RECOVER != 0,
            is_server_side: false,
        };
        self.join(name.into(), terms).await
    }

    /// What can be seen of a request without asking anybody.
    fn check(&self, subscribe: &SubscribeRequest) -> Result<Option<DeltaType>, Failure> {
        let channel: &str = &subscribe.channel;
        let delta = match &*subscribe.delta {
            "" => None,
            "fossil" => Some(DeltaType::Fossil),
            _ => return Err(Disconnect::BadRequest.into()),
        };
        if channel.is_empty() {
            return Err(Disconnect::BadRequest.into());
        }
        if subscribe.kind != 0 {
            return Err(Code::NotAvailable.into());
        }
        if subscribe.tf.is_some() {
            return Err(Refused::bad("tags filters are not allowed here").into());
        }
        if self.subscriptions.has(channel)
            || self.signed_in().is_some_and(|member| inbox_of(member.user.as_str()) == channel)
        {
            return Err(Code::AlreadySubscribed.into());
        }
        Ok(delta)
    }

    /// This client, in view of a channel.
    pub(super) fn who(&self, channel: &str) -> Who<'_> {
        Who {
            user: self.user_name(),
            is_subscribed: self.subscriptions.has(channel),
            caps: self.connected().claims.in_channel(channel),
        }
    }

    /// What this client may do in a channel. Refused for now, and not for good, is what it may do again once it has subscribed
    /// again to what the server has ended.
    pub(super) fn right<T>(
        &self,
        channel: &str,
        may: impl Fn(&Who<'_>) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        let who = self.who(channel);
        may(&who).map_err(|refused| match may(&Who { is_subscribed: true, ..who }) {
            Ok(_) => self.gone(channel),
            Err(_) => refused,
        })
    }

    /// Why that is refused which takes a subscription, where there is none.
    fn gone(&self, channel: &str) -> Refused {
        let returns = self.subscriptions.all.borrow().is_returning(channel);
        if returns { Refused::returning() } else { Code::PermissionDenied.into() }
    }

    /// Succeeds also for what is not subscribed. What the server has subscribed to stays.
    pub(super) async fn unsubscribe(
        self: &Rc<Self>,
        unsubscribe: &UnsubscribeRequest,
    ) -> Result<Outcome, Failure> {
        let channel: &str = &unsubscribe.channel;
        if channel.is_empty() {
            return Err(Disconnect::BadRequest.into());
        }
        self.subscriptions.all.borrow_mut().returns_no_more(channel);
        let is_ours = self.subscriptions.all.borrow().get(channel).is_some_and(|it| !it.is_server_side);
        if is_ours {
            self.take_away(channel).await;
        }
        Ok(Outcome::Unsubscribe(Empty {}))
    }

    /// Ends a subscription, whoever has begun it, and tells the client. Nothing if there is none, and none is about to be again.
    pub(crate) async fn unsubscribe_by_server(self: &Rc<Self>, channel: &str, why: Unsubscribed) {
        let returns = self.subscriptions.all.borrow().is_returning(channel);
        if self.subscriptions.has(channel) || returns {
            self.say_ended(channel, why);
            self.take_away(channel).await;
        }
    }

    /// Tells the client that a subscription ends.
    fn say_ended(&self, channel: &str, why: Unsubscribed) {
        self.send(&Push::unsubscribe(channel, why).into());
        let mut all = self.subscriptions.all.borrow_mut();
        if why.is_for_now() {
            all.returns(channel, self.shared().limits.channels_max);
        } else {
            all.returns_no_more(channel);
        }
    }

    pub(super) async fn sub_refresh(&self, refresh: &SubRefreshRequest) -> Result<Outcome, Failure> {
        let channel: &str = &refresh.channel;
        if channel.is_empty() {
            return Err(Disconnect::BadRequest.into());
        }
        if refresh.kind != 0 {
            return Err(Code::NotAvailable.into());
        }
        if !self.subscriptions.has(channel) {
            return Err(self.gone(channel).into());
        }
        let namespaces = self.shared().namespaces.load();
        if namespaces.find(channel).is_ok_and(|it| it.namespace().sub_refresh_proxy_enabled) {
            return Err(Disconnect::BadRequest.into());
        }
        let client = self.client();
        let holder = Holder { user: self.user_name(), client: &client };
        let pass = self.shared().auth.sub_refresh(&refresh.token, channel, holder).await?;
        let (Expiry { expires, ttl }, ends_at) = clock::expiry(pass.expires_at);
        let mut all = self.subscriptions.all.borrow_mut();
        let Some(subscription) = all.get_mut(channel).filter(|it| !it.is_over()) else {
            drop(all);
            return Err(self.gone(channel).into());
        };
        if let Some(more) = &mut subscription.more {
            more.ends_at = ends_at;
        } else if ends_at.is_some() {
            subscription.more = Some(Box::new(More { ends_at, ..More::plain(self.info()) }));
        }
        drop(all);
        self.bells.ring(Chore::Subscriptions);
        Ok(Outcome::SubRefresh(SubRefreshResult { expires, ttl }))
    }

    /// The subscription whose end the application is asked about first, and when.
    pub(super) fn next_renewal(&self) -> Option<(Arc<str>, Instant)> {
        let all = self.subscriptions.all.borrow();
        let renewed = all.iter().filter(|(_, subscription)| !subscription.is_joining());
        let timed = renewed.filter_map(|(channel, it)| Some((channel, it.more.as_ref()?.renews_at?)));
        timed.min_by_key(|(_, at)| *at).map(|(channel, at)| (channel.clone(), at))
    }

    /// A subscription goes on, if it is still there.
    pub(super) fn renewed(&self, channel: &str, renews_at: Option<Instant>, info: Option<Payload>) {
        let mut all = self.subscriptions.all.borrow_mut();
        let Some(more) = all.get_mut(channel).and_then(|it| it.more.as_mut()) else { return };
        more.renews_at = renews_at;
        if info.is_some() {
            more.sender.chan_info = info;
        }
    }

    /// What others in a channel are shown of this client's subscription.
    pub(super) fn chan_info(&self, channel: &str) -> Option<Payload> {
        let all = self.subscriptions.all.borrow();
        all.get(channel)?.more.as_ref()?.sender.chan_info.clone()
    }

    /// What a token or the server itself subscribes the client to.
    pub(crate) fn server_side(
        &self,
        channel: &str,
        sender: Sender,
        overrides: Overrides,
    ) -> Result<Terms, Refused> {
        let namespaces = self.shared().namespaces.load();
        let channel = namespaces.find(channel)?;
        let user = sender.user.clone();
        let who = Who { user: &user, is_subscribed: true, caps: Caps::default() };
        Ok(Terms {
            granted: channel.grant(&who, Asked::default(), overrides),
            history: channel.namespace().history(),
            sender,
            data: None,
            expires_at: None,
            is_renewed: channel.namespace().sub_refresh_proxy_enabled,
            wanted: None,
            budget: 0,
            must_recover: false,
            is_server_side: true,
        })
    }
}

/// Bit 2 of a subscribe request's flags: who cannot recover is told so by an error.
const FLAG_MUST_RECOVER: i64 = 2;

impl More {
    fn plain(sender: Sender) -> More {
        More {
            stream: None,
            sender,
            is_present: false,
            tells: Tells::Nobody,
            hears: false,
            delta: None,
            ends_at: None,
            renews_at: None,
        }
    }
}
