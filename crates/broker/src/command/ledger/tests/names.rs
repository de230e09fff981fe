//! Names, numbers and bodies of any kind.

use std::time::Duration;

use naru_ledger::answer::{Content, Entry, Text};
use naru_ledger::{
    Body, ClientId, Conversation, Device, Direct, Epoch, Kind, Level, Millis, Mode, Role, Room, Seq, Server,
    Useq, User,
};
use proptest::collection::btree_set;
use proptest::{option, prelude::*, sample::select};

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-c]{1,2}", r#"["\\{}:% 한*$]{1,4}"#, Just("WITHIN".to_owned())]
}

pub(super) fn user() -> impl Strategy<Value = User> {
    name().prop_map(|name| User::parse(&name).unwrap())
}

pub(super) fn device() -> impl Strategy<Value = Device> {
    name().prop_map(|name| Device::parse(&name).unwrap())
}

pub(super) fn client_id() -> impl Strategy<Value = ClientId> {
    name().prop_map(|name| ClientId::parse(&name).unwrap())
}

pub(super) fn server() -> impl Strategy<Value = Server> {
    name().prop_map(|name| Server::parse(&name).unwrap())
}

pub(super) fn epoch() -> impl Strategy<Value = Epoch> {
    "[0-9a-f]{1,16}".prop_map(|name| Epoch::parse(&name).unwrap())
}

pub(super) fn room() -> impl Strategy<Value = Room> {
    name().prop_map(|name| Room::named(&name).unwrap())
}

pub(super) fn conversation() -> impl Strategy<Value = Conversation> {
    prop_oneof![
        room().prop_map(Conversation::Room),
        (user(), user()).prop_map(|(a, b)| Direct::between(&a, &b).into()),
    ]
}

/// No larger than a reply can say.
pub(super) fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..9u64, 0..=i64::MAX as u64]
}

pub(super) fn seq() -> impl Strategy<Value = Seq> {
    number().prop_map(Seq)
}

pub(super) fn useq() -> impl Strategy<Value = Useq> {
    number().prop_map(Useq)
}

pub(super) fn at() -> impl Strategy<Value = Millis> {
    number().prop_map(Millis)
}

pub(super) fn duration() -> impl Strategy<Value = Duration> {
    number().prop_map(Duration::from_millis)
}

pub(super) fn limit() -> impl Strategy<Value = usize> {
    any::<usize>()
}

pub(super) fn kind() -> impl Strategy<Value = Kind> {
    select(Kind::ALL)
}

pub(super) fn mode() -> impl Strategy<Value = Mode> {
    select(Mode::ALL)
}

pub(super) fn role() -> impl Strategy<Value = Role> {
    select(Role::ALL)
}

pub(super) fn level() -> impl Strategy<Value = Level> {
    select(Level::ALL)
}

pub(super) fn body() -> impl Strategy<Value = Body> {
    const JSON: &[&str] = &["{}", r#"{"text": "hi"}"#, "[1,\n2]", r#""\"}""#, "null", "-1.50"];
    select(JSON).prop_map(|json| Body::from(json.as_bytes()))
}

fn text() -> impl Strategy<Value = Text> {
    prop_oneof![
        body().prop_map(Text::AsSaid),
        (body(), seq()).prop_map(|(body, by)| Text::Edited { body, by }),
        seq().prop_map(|by| Text::Deleted { by }),
    ]
}

fn content() -> impl Strategy<Value = Content> {
    prop_oneof![
        (text(), btree_set(user(), 0..3)).prop_map(|(text, mentions)| Content::Message { text, mentions }),
        (seq(), text()).prop_map(|(target, text)| Content::Reaction { target, text }),
        text().prop_map(|text| Content::System { text }),
        (seq(), option::of(body())).prop_map(|(target, body)| Content::Edit { target, body }),
        seq().prop_map(|target| Content::Delete { target }),
        role().prop_map(|role| Content::Join { role }),
        Just(Content::Leave),
        role().prop_map(|role| Content::Role { role }),
        Just(Content::Broadcast),
    ]
}

prop_compose! {
    pub(super) fn entry()(
        conversation in conversation(),
        (seq, prev, count, at) in (seq(), seq(), number(), at()),
        sender in user(),
        client_id in option::of(client_id()),
        content in content(),
    ) -> Entry {
        Entry { conversation, seq, prev, count, at, sender, client_id, content }
    }
}
