use std::collections::BTreeSet;

use proptest::collection::btree_set;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::answer::{Content, Entry, PointerKind, Text};
use crate::{Body, ClientId, Conversation, Kind, Millis, Role, Seq, Useq, User};

/// Names that try to get out of their strings, among others.
fn names() -> impl Strategy<Value = String> {
    prop_oneof!["[a-c]{1,3}", r#"["\\{},:\[\]\u{2028} 한]{1,4}"#]
}

fn users() -> impl Strategy<Value = User> {
    names().prop_map(|name| User::parse(&name).unwrap())
}

fn rooms() -> impl Strategy<Value = Conversation> {
    names().prop_map(|name| Conversation::parse(&format!("room:{name}")).unwrap())
}

fn bodies() -> impl Strategy<Value = Body> {
    const JSON: &[&str] = &["{}", r#"{"text": "hi"}"#, "[1,2]", "\"\\\"}\"", "null", "-1.50"];
    prop::sample::select(JSON).prop_map(|json| Body::from(json.as_bytes()))
}

fn texts() -> impl Strategy<Value = Text> {
    (option::of(bodies()), option::of(1..9u64)).prop_map(|(body, by)| match (body, by.map(Seq)) {
        (Some(body), None) => Text::AsSaid(body),
        (Some(body), Some(by)) => Text::Edited { body, by },
        (None, by) => Text::Deleted { by: by.unwrap_or(Seq(9)) },
    })
}

fn contents() -> impl Strategy<Value = Content> {
    let target = || (1..9u64).prop_map(Seq);
    let roles = || prop::sample::select(Role::ALL);
    prop_oneof![
        (texts(), btree_set(users(), 0..4)).prop_map(|(text, mentions)| Content::Message { text, mentions }),
        (target(), texts()).prop_map(|(target, text)| Content::Reaction { target, text }),
        texts().prop_map(|text| Content::System { text }),
        (target(), option::of(bodies())).prop_map(|(target, body)| Content::Edit { target, body }),
        target().prop_map(|target| Content::Delete { target }),
        roles().prop_map(|role| Content::Join { role }),
        Just(Content::Leave),
        roles().prop_map(|role| Content::Role { role }),
        Just(Content::Broadcast),
    ]
}

prop_compose! {
    fn entries()(
        conversation in rooms(),
        (seq, prev, count, at) in any::<(u64, u64, u64, u64)>(),
        sender in users(),
        client_id in option::of(names()),
        content in contents(),
    ) -> Entry {
        let client_id = client_id.map(|id| ClientId::parse(&id).unwrap());
        Entry { conversation, seq: Seq(seq), prev: Seq(prev), count, at: Millis(at), sender, client_id, content }
    }
}

prop_compose! {
    fn publications()(
        entry in option::of(entries()),
        conversation in rooms(),
        seq in any::<u64>(),
        is_read in any::<bool>(),
        to in prop::collection::vec((users(), any::<(u64, u64)>()), 0..4),
    ) -> Told {
        let entry = entry.map(|entry| json(|out| entry.write_json(out)).as_slice().into());
        let kind = if is_read { PointerKind::Read } else { PointerKind::Entry(Kind::Edit) };
        let to = to.into_iter().map(|(user, (useq, after))| To { user, useq: Useq(useq), after: Seq(after) });
        Told { conversation, seq: Seq(seq), kind, to: to.collect(), entry }
    }
}

fn json(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}

proptest! {
    #[test]
    fn an_entry_is_read_as_it_was_written(entry in entries()) {
        prop_assert_eq!(Entry::from_json(&json(|out| entry.write_json(out))).unwrap(), entry);
    }

    #[test]
    fn what_was_told_is_heard_as_it_was_written(told in publications()) {
        let heard = Heard::from_json(&json(|out| told.write_json(out))).unwrap();
        let entry = told.entry.map(|entry| Entry::from_json(entry.as_bytes()).unwrap());
        let Told { conversation, seq, kind, to, entry: _ } = told;
        prop_assert_eq!(heard, Heard { conversation, seq, kind, to, entry });
    }
}

#[test]
fn names_are_those_of_the_conversation_or_others() {
    let id = Conversation::parse("dm:alice:b%3Ab").unwrap();
    let Conversation::Direct(direct) = &id else { panic!() };
    for user in direct.participants() {
        assert_eq!(&id.user(user.as_str()).unwrap(), user);
    }
    assert_eq!(id.user("carol").unwrap().as_str(), "carol");
    id.user("").unwrap_err();
    id.user("a\nb").unwrap_err();
    let foreign = r#"{"conversation":"room:a","seq":1,"kind":"message","to":[["\u0062ob",1,0],["carol",2,0]],"entry":
        {"conversation":"room:b","seq":7,"prev":6,"count":5,"kind":"message","from":"\u0061lice","at":5,"body":null}}"#;
    let Heard { to, entry, .. } = Heard::from_json(foreign.as_bytes()).unwrap();
    let entry = entry.unwrap();
    let names: Vec<_> = to.iter().map(|to| to.user.as_str()).chain([entry.sender.as_str()]).collect();
    assert_eq!((&*names, entry.conversation.as_str()), (&["bob", "carol", "alice"][..], "room:b"));
    let unread = r#"{"conversation":"room:a","seq":1,"kind":"message","to":[["\u0001",1,0]]}"#;
    Heard::from_json(unread.as_bytes()).unwrap_err();
}

#[test]
fn members_have_the_order_the_documentation_says() {
    let message = Entry {
        conversation: Conversation::parse("room:general").unwrap(),
        seq: Seq(7),
        prev: Seq(6),
        count: 5,
        at: Millis(1_700),
        sender: User::parse("alice").unwrap(),
        client_id: Some(ClientId::parse("c1").unwrap()),
        content: Content::Message {
            text: Text::Edited { body: Body::from(br#"{"a": 1}"#.as_slice()), by: Seq(9) },
            mentions: BTreeSet::from([User::parse("bob").unwrap()]),
        },
    };
    let written = r#"{"conversation":"room:general","seq":7,"prev":6,"count":5,"kind":"message","from":"alice","id":"c1","at":1700,"mentions":["bob"],"changed":9,"body":{"a": 1}}"#;
    let entry_json = json(|out| message.write_json(out));
    assert_eq!(std::str::from_utf8(&entry_json).unwrap(), written);
    let told = Told {
        conversation: message.conversation,
        seq: Seq(7),
        kind: PointerKind::Entry(Kind::Message),
        to: vec![To { user: User::parse("bob").unwrap(), useq: Useq(41), after: Seq(6) }],
        entry: Some(entry_json.as_slice().into()),
    };
    let expected = format!(
        r#"{{"conversation":"room:general","seq":7,"kind":"message","to":[["bob",41,6]],"entry":{written}}}"#
    );
    assert_eq!(String::from_utf8(json(|out| told.write_json(out))).unwrap(), expected);
}

#[test]
fn what_is_no_entry_says_why() {
    let start = r#"{"conversation":"room:a","seq":7,"prev":6,"count":5,"from":"a","at":5,"#;
    for (rest, why) in [
        (r#""kind":"message"}"#, "an entry of kind message without"),
        (r#""kind":"reaction","body":1}"#, "an entry of kind reaction without"),
        (r#""kind":"join","role":"king"}"#, "a role is one of"),
        (r#""kind":"shout","body":1}"#, "a kind is one of"),
        (r#""body":1}"#, "missing field `kind`"),
    ] {
        let error = Entry::from_json(format!("{start}{rest}").as_bytes()).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}
