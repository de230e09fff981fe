//! What an application's server wants done with this connection.
//!
//! What ends it is done at once, also while it is still connecting: whoever is banned then must not come in. The rest waits in a
//! queue until it has connected, and for a loop of its own beside the session's others: to subscribe means to wait for the broker,
//! and what comes after it must not overtake it.

use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::VecDeque,
    rc::Rc,
    sync::{Arc, LazyLock},
};

use naru_fanout::{Core, PeerId};
use naru_ledger::User;
use tokio::time::{Duration, sleep};
use uuid::Uuid;

use super::{
    Chore, Ending, Session,
    subscriptions::{Terms, Wanted},
};
use crate::{
    auth::{Mark, Revoke, unix_seconds},
    codes::{Code, Disconnect, Failure, Refused, Unsubscribed},
    limits::STEERS_MAX,
    namespaces::Overrides,
    nodes::{self, Coming, Index, Missed, Place, Steer},
    protocol::push::Push,
    publication::Sender,
    wire::Gate,
};

/// How long to leave the broker alone after it did not answer.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// What is to be done, and where the connection is found for it.
#[derive(Default)]
pub(super) struct Steered {
    /// The name under which it is found, from when on it is.
    user: OnceCell<Arc<str>>,
    /// By which its token is known if it is called back.
    mark: Cell<Mark>,
    /// At most [`STEERS_MAX`]. There if there are any.
    #[expect(clippy::box_collection, reason = "every session has one, and nearly none anything in it")]
    waiting: RefCell<Option<Box<VecDeque<Arc<Steer>>>>>,
}

impl Steered {
    /// The name under which the connection is found; empty before it is.
    pub(super) fn user(&self) -> &str {
        self.user.get().map_or("", |user| user)
    }
}

impl Session {
    /// What the connections of a core are known by.
    pub(crate) fn client_of(core: &Core<Gate>) -> impl Fn(PeerId) -> Option<Uuid> {
        |peer| Some(core.peer(peer)?.client)
    }

    fn index(&self) -> &Index {
        &self.core.local().index
    }

    /// What is wanted of anybody is noted for this connection, until it is known whose it is.
    pub(super) fn coming(&self) -> Coming<'_> {
        self.index().coming(self.id)
    }

    /// Where it is found, if it is.
    fn place(&self) -> Option<Place<'_>> {
        let session = self.mailbox.as_ref().map(|mailbox| mailbox.secret());
        let Steered { user, mark, .. } = &self.steered;
        Some(Place { user: user.get()?, client: self.client, session, mark })
    }

    /// From here on the connection is found by others; `user` is the name it will have. What was wanted of it before that is done.
    pub(super) fn enter_index(&self, user: Option<&User>, mark: Mark, missed: Missed) -> Result<(), Refused> {
        static NOBODY: LazyLock<Arc<str>> = LazyLock::new(|| "".into());
        let user = user.map_or_else(|| NOBODY.clone(), User::shared);
        self.steered.mark.set(mark);
        self.steered.user.get_or_init(|| user);
        let place = self.place().expect("it has its name");
        self.index().enter(self.id, &place, Session::client_of(&self.core));
        // What was called back since the token was opened was told to those who could be found.
        if self.shared().auth.revoked().has(place.user, mark, unix_seconds()) {
            return Err(Code::TokenExpired.into());
        }
        if missed.is_overrun {
            return Err(Refused::later());
        }
        for steer in missed.steers.iter().filter(|steer| steer.whom().has(&place)) {
            self.steer(steer);
        }
        Ok(())
    }

    /// It goes on with another token.
    pub(super) fn remark(&self, mark: Mark) {
        if let Some(place) = self.place() {
            self.index().remark(self.id, &place, mark);
        }
    }

    /// Ends the session if its token is one of those that were called back. The client comes back, and gets a new one if the
    /// application gives it one.
    pub(crate) fn revoke(&self, revoke: &Revoke) {
        if let Some(user) = self.steered.user.get()
            && self.shared().auth.revoked().is_of(revoke, user, self.steered.mark.get())
        {
            self.end(Disconnect::Expired);
        }
    }

    pub(super) fn leave_index(&self) {
        if let Some(place) = self.place() {
            self.index().leave(self.id, &place);
        }
    }

    /// Does what is wanted, now or soon.
    pub(crate) fn steer(&self, steer: &Arc<Steer>) {
        match &**steer {
            Steer::Disconnect(disconnect) => {
                if !disconnect.whitelist.contains(&self.client()) {
                    self.end(Ending::Steered(disconnect.code, disconnect.reason.as_str().into()));
                }
            }
            Steer::Refresh(refresh) if refresh.ends() => self.end(Disconnect::Expired),
            Steer::Refresh(refresh) if self.connected.get().is_some() => self.refreshed(refresh),
            Steer::Refresh(_) | Steer::Subscribe(_) | Steer::Unsubscribe(_) => {
                let mut waiting = self.steered.waiting.borrow_mut();
                let waiting = waiting.get_or_insert_default();
                if waiting.len() >= STEERS_MAX {
                    return self.end(Disconnect::InsufficientState);
                }
                waiting.push_back(steer.clone());
                self.bells.ring(Chore::Steered);
            }
        }
    }

    /// It has connected: what has waited for that is done.
    pub(super) fn begin_steered(&self) {
        let mut waiting = self.steered.waiting.borrow_mut();
        let Some(waiting) = &mut *waiting else { return };
        // At once, as those are that come from here on; otherwise an older one would be done after a newer one.
        waiting.retain(|steer| match &**steer {
            Steer::Refresh(refresh) => {
                self.refreshed(refresh);
                false
            }
            Steer::Disconnect(_) | Steer::Subscribe(_) | Steer::Unsubscribe(_) => true,
        });
        self.bells.ring(Chore::Steered);
    }

    /// The next to be done; none before it has connected.
    fn next_steer(&self) -> Option<Arc<Steer>> {
        self.connected.get()?;
        let mut waiting = self.steered.waiting.borrow_mut();
        let next = waiting.as_mut()?.pop_front();
        waiting.take_if(|waiting| waiting.is_empty());
        next
    }

    /// Does what waits, one after the other, for as long as the session lasts.
    pub(super) async fn be_steered(self: &Rc<Self>) -> Ending {
        loop {
            self.bells.rung(Chore::Steered).await;
            while let Some(steer) = self.next_steer() {
                match &*steer {
                    // Apart, so that a session that is never steered does not keep room for it.
                    Steer::Subscribe(subscribe) => Box::pin(self.subscribe_steered(subscribe)).await,
                    Steer::Unsubscribe(unsubscribe) => {
                        Box::pin(self.unsubscribe_by_server(&unsubscribe.channel, Unsubscribed::Server))
                            .await;
                    }
                    Steer::Disconnect(_) | Steer::Refresh(_) => {}
                }
            }
        }
    }

    /// Subscribes the client. While the broker is away it waits for it: whoever asked for it was told that it is accepted.
    async fn subscribe_steered(self: &Rc<Self>, steer: &nodes::Subscribe) {
        let channel = &steer.channel;
        loop {
            let terms = match self.terms_of(steer) {
                Ok(terms) => terms,
                Err(refused) => {
                    return tracing::warn!(channel, ?refused, "no client can be subscribed to this");
                }
            };
            match self.subscribe_by_server(channel, terms).await {
                Ok(_) => return,
                Err(Failure::Refused(refused)) if refused.is_unreachable() => sleep(RETRY_PAUSE).await,
                Err(Failure::Refused(refused)) => {
                    return tracing::debug!(channel, ?refused, "a client was not subscribed");
                }
                Err(Failure::Disconnect(disconnect)) => return self.end(disconnect),
                Err(Failure::Told(told)) => unreachable!("no hook is asked what the server does: {told:?}"),
            }
        }
    }

    /// What a subscription is like that an application's server wants.
    fn terms_of(&self, steer: &nodes::Subscribe) -> Result<Terms, Refused> {
        let sender = Sender { chan_info: steer.info.clone(), ..self.info() };
        let mut overrides = Overrides::from(steer.overrides);
        // Only who can recover has what was published sent behind the push; whoever says no to that explicitly means it.
        if steer.recover_since.is_some() {
            overrides.force_recovery = overrides.force_recovery.or(Some(true));
        }
        let since = steer.recover_since.as_ref();
        let wanted = since.map(|since| Wanted { offset: since.offset, epoch: since.epoch.clone() });
        let terms = self.server_side(&steer.channel, sender, overrides)?;
        Ok(Terms { data: steer.data.clone(), expires_at: steer.expire_at, wanted, ..terms })
    }

    fn refreshed(&self, refresh: &nodes::Refresh) {
        if refresh.ends() {
            return self.end(Disconnect::Expired);
        }
        if let Some(info) = &refresh.info {
            self.connected().claims.change(|said| said.info = Some(info.clone()));
        }
        let expiry = self.expires(refresh.expire_at);
        self.send(&Push::refresh(expiry).into());
    }
}

impl nodes::Refresh {
    fn ends(&self) -> bool {
        self.expired || self.expire_at.is_some_and(|expire_at| expire_at <= unix_seconds())
    }
}

impl From<nodes::Overrides> for Overrides {
    fn from(given: nodes::Overrides) -> Overrides {
        let nodes::Overrides {
            presence,
            join_leave,
            force_recovery,
            force_positioning,
            force_push_join_leave,
        } = given;
        Overrides { presence, join_leave, force_push_join_leave, force_recovery, force_positioning }
    }
}
