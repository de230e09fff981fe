//! Who is there: connect and refresh.

use std::{
    collections::{BTreeMap, HashMap},
    rc::Rc,
};

use naru_bus::BusError;
use naru_fanout::Step;
use naru_ledger::{
    Device, Epoch, Position, Useq, User,
    answer::{How, Resumed},
    op::Resume,
};
use serde::{Deserialize, Serialize};
use tokio::{
    select,
    time::{Instant, timeout, timeout_at},
};

use super::{
    Connected, Ending, Member, Person, Session, Source, Terms, VERSION, Wanted, claims::Said, rooms::Held,
    subscriptions::Joined,
};
use crate::{
    auth::{Granted, Identity, Once},
    channels::inbox_of,
    codes::{Code, Disconnect, Failure, Refused},
    crossing,
    interests::Interest,
    limits::{ADMIT_PATIENCE, HISTORY_BYTES_MAX, OFFSET_MAX, PING_INTERVAL, REPLAY_POINTERS_MAX},
    nodes::Missed,
    protocol::{
        command::{ConnectRequest, RefreshRequest, SubscribeRequest},
        json,
        reply::{ConnectResult, Expiry, Outcome, RefreshResult, Reply, ServerSide, SubscribeResult},
    },
    proxy::Caller,
    publication::{Payload, Sender},
    wire::Shared,
};

/// What we read of the data a client connects with.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ConnectData {
    device: Option<String>,
}

/// An inbox that is about to be pushed.
struct Opened {
    member: Member,
    resumed: Resumed,
    result: SubscribeResult,
    rooms: Held,
}

/// What Naru says of itself at connect.
#[derive(Serialize)]
struct ServerData<'a> {
    server: &'a str,
}

impl Session {
    /// Lets the client in, unless it has gone before or it takes too long.
    pub(super) async fn connect(
        self: &Rc<Self>,
        id: u32,
        connect: ConnectRequest,
        source: &mut Source,
    ) -> Result<(), Ending> {
        self.clock.asked();
        let admitted = select! {
            biased;
            ending = source.gone() => return Err(ending),
            admitted = self.identify_and_admit(id, connect) => admitted,
        };
        if let Err(failure) = admitted {
            if failure == Failure::Disconnect(Disconnect::InvalidToken) {
                self.pass.refused();
            }
            // Unless it is sent away.
            self.answer(id, Err(failure))?;
            self.is_refused.set(true);
            self.leave_index();
            self.clock.refused(self.now());
        }
        Ok(())
    }

    async fn identify_and_admit(self: &Rc<Self>, id: u32, connect: ConnectRequest) -> Result<(), Failure> {
        let coming = self.coming();
        let asked = Instant::now();
        // Looking at tokens, when all come at once, is what holds up everybody else.
        let step = timeout(ADMIT_PATIENCE, self.core.step(Step::Further));
        step.await.map_err(|_| Refused::crowd())?;
        let patience = ADMIT_PATIENCE.saturating_sub(asked.elapsed());
        let (identity, data) = self.identify(&connect).await?;
        // From here on it makes no room for strangers, however long it waits to be let in.
        self.pass.signed_in();
        let Shared { arrivals, bus, .. } = self.shared();
        let until = Instant::now() + patience;
        let mut turn = until;
        let was_up = bus.is_up();
        let admitted = timeout_at(until, async {
            let _turn = arrivals.turn().await;
            turn = Instant::now();
            self.admit(id, connect, (identity, coming.missed()), data).await
        })
        .await;
        let unreachable = || Failure::from(Refused::from(BusError::Unreachable));
        // While the broker is away, those whose turn it is wait for that.
        let is_crowd = was_up && until - turn < ADMIT_PATIENCE / 2;
        match admitted.unwrap_or_else(|_| Err(unreachable())) {
            Err(failure) if is_crowd && failure == unreachable() => Err(Refused::crowd().into()),
            admitted => admitted,
        }
    }

    /// Who connects, and what the application sends it.
    async fn identify(&self, connect: &ConnectRequest) -> Result<(Identity, Option<Payload>), Failure> {
        let backend = &self.shared().backend;
        backend.emulate(&self.heard, &connect.headers);
        if !backend.admits(&connect.token) {
            return Ok((self.shared().auth.connect(&connect.token).await?, None));
        }
        let caller = Caller { user: None, ..self.caller(None) };
        Box::pin(backend.connect(caller, connect)).await
    }

    async fn admit(
        self: &Rc<Self>,
        id: u32,
        connect: ConnectRequest,
        (identity, missed): (Identity, Missed),
        data: Option<Payload>,
    ) -> Result<(), Failure> {
        let Identity { user, expires_at, info, meta, subs: named, capabilities, mark, once } = identity;
        let data = data.map(|data| self.said(&data)).transpose()?;
        let sender = Sender {
            user: user.as_ref().map_or("", User::as_str).to_owned(),
            client: self.client(),
            conn_info: info,
            chan_info: None,
        };
        // What follows waits for the broker: whoever is steered meanwhile is steered.
        self.enter_index(user.as_ref(), mark, missed)?;
        if let Some(once) = once {
            self.use_up(once).await?;
        }
        let granted = self.join_granted(&named, &sender, &connect.subs).await?;
        let (inbox, named_only) = match user {
            Some(user) if self.shared().inboxes => (Some(self.open_inbox(user, &connect).await?), None),
            Some(user) => {
                let place = self.shared().admission.users.enter(&user)?;
                (None, Some((user, place)))
            }
            None => (None, None),
        };

        let mut subs: BTreeMap<String, SubscribeResult> =
            granted.iter().map(|joined| (joined.channel.to_string(), joined.result.clone())).collect();
        if let Some(Opened { member, resumed, result, rooms }) = &inbox {
            crossing::online(&self.shared().server, &member.user, &member.device);
            crossing::resume(&self.shared().server, &member.user, &member.device, resumed);
            subs.insert(inbox_of(member.user.as_str()), result.clone());
            subs.extend(rooms.keys().map(|room| (room.as_str().to_owned(), SubscribeResult::default())));
        }
        let Expiry { expires, ttl } = self.expires(expires_at);
        let server = || json::payload_of(&ServerData { server: self.shared().server.as_str() });
        let result = ConnectResult {
            client: self.client(),
            version: VERSION.to_owned(),
            expires,
            ttl,
            data: data.unwrap_or_else(server),
            subs: subs.into_iter().map(ServerSide::from).collect(),
            ping: PING_INTERVAL.as_secs() as u32,
            pong: true,
            session: self.mailbox.as_ref().map(|mailbox| mailbox.secret().to_owned()).unwrap_or_default(),
            node: self.mailbox.as_ref().map(|_| self.shared().server.to_string()).unwrap_or_default(),
            ..ConnectResult::default()
        };
        let (person, begun) = match inbox {
            Some(Opened { member, resumed, rooms, .. }) => (Person::Member(member), Some((resumed, rooms))),
            None => {
                (named_only.map_or(Person::Nobody, |(user, _place)| Person::Named { user, _place }), None)
            }
        };
        let said = Said {
            info: sender.conn_info,
            granted: named.into_keys().collect(),
            capabilities,
            meta: meta.filter(|_| self.shared().backend.wants_meta()).map(Rc::from),
        };
        let connected = Connected { person, claims: said.into() };
        self.shared().backend.forget(&self.heard);
        if self.connected.set(connected).is_err() {
            unreachable!("a second connect is refused before it gets here");
        }
        // The reply comes before any publication.
        self.send(&Reply::to(id, Outcome::Connect(Box::new(result))));
        granted.into_iter().for_each(|joined| self.begin(joined));
        if let Some((resumed, rooms)) = begun {
            self.enter_rooms(rooms);
            self.begin_inbox(resumed);
        }
        self.clock.connected(self.now());
        self.begin_steered();
        Ok(())
    }

    /// Sees to it that a token opens no other connection, and has opened none.
    async fn use_up(&self, once: Once) -> Result<(), Failure> {
        let is_first = self.shared().nodes.is_first_use(once).await.map_err(|error| {
            let refused = Refused::from(error);
            // Whatever it is: it is not the client's fault, who is to come again.
            if refused.code.is_temporary() { refused } else { Refused::later() }
        })?;
        if !is_first {
            tracing::debug!("a token that opens one connection has opened one before");
            return Err(Code::TokenExpired.into());
        }
        Ok(())
    }

    /// Finds out where a user's inbox goes on for the device that connects.
    async fn open_inbox(self: &Rc<Self>, user: User, connect: &ConnectRequest) -> Result<Opened, Failure> {
        let device = device(&connect.data)?;
        let most = self.shared().limits.user_connections_max;
        let route = self.shared().interests.hold_among(Interest::User(user.clone()), most).await?;
        let route = route.ok_or(Disconnect::ConnectionLimit)?;

        // First listen, then read: whatever comes meanwhile raises the head that is read up to.
        let inbox = inbox_of(user.as_str());
        self.join_inbox(&inbox);
        let standing = connect.subs.get(&inbox).filter(|standing| standing.recover);
        let position = standing.and_then(position);
        let (resumed, recovered) = self.resume(&user, &device, position).await?;
        let rooms = self.hold_rooms(&resumed.channels).await?;
        let result = SubscribeResult {
            recoverable: true,
            positioned: true,
            epoch: resumed.epoch.as_str().to_owned(),
            offset: resumed.start.0,
            was_recovering: standing.is_some(),
            recovered,
            ..SubscribeResult::default()
        };
        Ok(Opened { member: Member { user, device, _route: route }, resumed, result, rooms })
    }

    /// What a device that comes back is told, and whether it gets everything after the position it gave.
    async fn resume(
        &self,
        user: &User,
        device: &Device,
        position: Option<Position>,
    ) -> Result<(Resumed, bool), BusError> {
        let _turn = self.replay_turn().await;
        let ask = async |from| {
            let (user, device) = (user.clone(), device.clone());
            self.shared().bus.resume(Resume { user, device, from, limit: REPLAY_POINTERS_MAX }).await
        };
        let given = position.as_ref().map(|position| position.useq);
        let resumed = ask(position).await?;
        if resumed.how == How::Reset {
            // It is of another store: from the device's cursor, as for who gives none.
            return Ok((ask(None).await?, false));
        }
        // What other connections of the device have acknowledged is left out: then it begins behind the position.
        let recovered = given.is_some_and(|useq| resumed.start <= useq && useq <= resumed.head);
        Ok((resumed, recovered))
    }

    /// Makes the subscriptions ready that a token names, and that of the user's own channel if there is to be one.
    async fn join_granted(
        self: &Rc<Self>,
        named: &BTreeMap<String, Granted>,
        sender: &Sender,
        standing: &HashMap<String, SubscribeRequest>,
    ) -> Result<Vec<Joined>, Failure> {
        let personal = self.shared().namespaces.load().personal_channel(&sender.user);
        let own = personal.filter(|name| !named.contains_key(name)).map(|name| (name, Granted::default()));
        let mut budget = HISTORY_BYTES_MAX;
        let mut joined = Vec::new();
        for (channel, granted) in own.iter().map(|(name, granted)| (name, granted)).chain(named) {
            let sender = Sender { chan_info: granted.info.clone(), ..sender.clone() };
            let terms = self
                .server_side(channel, sender, granted.overrides)
                .map_err(|refused| not_to_be_had(channel, refused))?;
            let asked = standing.get(channel).filter(|standing| standing.recover);
            let wanted = asked.map(|at| Wanted { offset: at.offset, epoch: at.epoch.clone() });
            let data = granted.data.clone();
            let one = self.join(channel.as_str().into(), Terms { wanted, data, budget, ..terms }).await?;
            let bytes: usize = one.result.publications.iter().map(|publication| publication.data.len()).sum();
            budget = budget.saturating_sub(bytes);
            joined.push(one);
        }
        Ok(joined)
    }

    pub(super) async fn refresh(&self, refresh: &RefreshRequest) -> Result<Outcome, Failure> {
        if self.shared().backend.refreshes() {
            return Err(Disconnect::BadRequest.into());
        }
        let identity = self.shared().auth.refresh(&refresh.token, self.user_name()).await?;
        let connected = self.connected();
        if !connected.claims.grant_only(identity.subs.keys()) {
            // The client comes back and is subscribed to the new ones.
            return Err(Disconnect::InsufficientState.into());
        }
        connected.claims.change(|said| said.capabilities = identity.capabilities);
        self.remark(identity.mark);
        let Expiry { expires, ttl } = self.expires(identity.expires_at);
        let (client, version) = (self.client(), VERSION.to_owned());
        Ok(Outcome::Refresh(RefreshResult { client, version, expires, ttl }))
    }
}

/// Why nobody is let in who is to have this channel.
fn not_to_be_had(channel: &str, refused: Refused) -> Refused {
    if refused.code == Code::UnknownChannel {
        // As a live channel alone it would lose what somebody means to be kept in it.
        tracing::warn!(
            channel,
            "a token, or the application, names a channel of a namespace that there is not"
        );
        return refused;
    }
    Refused::bad("the token, or the application, names a channel that no client can have")
}

/// The device a client says it is: `data.device` of its connect command, a name. Without one, the default.
fn device(data: &[u8]) -> Result<Device, Refused> {
    if !data.trim_ascii_start().starts_with(b"{") {
        return Ok(Device::default());
    }
    let ConnectData { device } = serde_json::from_slice(data)
        .map_err(|_| Refused::bad("data.device of connect is a device name, as text"))?;
    match device {
        Some(name) => Device::parse(&name).map_err(Refused::bad),
        None => Ok(Device::default()),
    }
}

/// Where a client says it stands. What is no epoch of ours, or no number we gave, is no position: it reads from its
/// cursor then, and is told that it was not recovered.
fn position(standing: &SubscribeRequest) -> Option<Position> {
    let epoch = Epoch::parse(&standing.epoch).ok()?;
    (standing.offset <= OFFSET_MAX).then_some(Position { epoch, useq: Useq(standing.offset) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(data: &str) -> Result<String, Code> {
        device(data.as_bytes()).map(|device| device.as_str().to_owned()).map_err(|refused| refused.code)
    }

    #[test]
    fn a_device_is_named_in_the_connect_data_or_is_the_default() {
        assert_eq!(named(r#"{"device":"phone","x":1}"#).as_deref(), Ok("phone"));
        assert_eq!(named(r#"{"a":[]}"#).as_deref(), Ok("default"));
        for data in ["", "null", "1", "[]", r#""phone""#, "{}", r#"{"device":null}"#] {
            assert_eq!(named(data).as_deref(), Ok("default"), "{data}");
        }
        for data in [r#"{"device":""}"#, r#"{"device":7}"#, r#"{"device":"a\nb"}"#] {
            assert_eq!(named(data), Err(Code::BadRequest), "{data}");
        }
    }

    #[test]
    fn a_position_that_cannot_be_ours_is_none() {
        let at = |epoch: &str, offset| {
            let standing =
                SubscribeRequest { recover: true, epoch: epoch.into(), offset, ..Default::default() };
            position(&standing).map(|position| position.useq.0)
        };
        assert_eq!(at("abc", 7), Some(7));
        assert_eq!(at("", 7), None);
        assert_eq!(at(&"x".repeat(33), 7), None);
        assert_eq!(at("abc", u64::MAX), None);
    }
}
