//! A conversation of two people.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

use crate::names::{NameError, Parsed, User};

/// What the id of every direct conversation begins with.
pub(super) const PREFIX: &str = "dm:";

/// A conversation between two people, or one person's notes to themselves, by its id. Cheap to clone.
///
/// As text it is `dm:alice:bob`: the two names in the order of their bytes, with `%` and `:` in them written as
/// `%25` and `%3A`. So there is one id for a pair whoever writes first, and one pair for an id whatever the
/// names contain.
#[derive(Clone)]
pub struct Direct(Arc<Pair>);

struct Pair {
    id: Box<str>,
    participants: [User; 2],
}

/// Why a text is no id of a direct conversation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirectError {
    /// Another kind of conversation, or none.
    #[error("a conversation id begins with `dm:`, as in `dm:alice:bob`")]
    NotDirect,
    /// Not two names.
    #[error("a conversation id names two users after `dm:`, separated by one `:`, as in `dm:alice:bob`")]
    NotTwo,
    /// One of the two is no user name.
    #[error("in a conversation id, {0}")]
    Name(#[from] NameError),
    /// The names are right, the spelling is not: an id has one spelling.
    #[error("the names in a conversation id are in byte order, with only `%` and `:` escaped: `{0}`")]
    Spelling(Direct),
}

impl Direct {
    /// The conversation of two people, in either order.
    pub fn between(one: &User, other: &User) -> Direct {
        let (first, second) = if one <= other { (one, other) } else { (other, one) };
        let mut id = String::with_capacity(PREFIX.len() + first.as_str().len() + 1 + second.as_str().len());
        id.push_str(PREFIX);
        escape(first.as_str(), &mut id);
        id.push(':');
        escape(second.as_str(), &mut id);
        Direct(Arc::new(Pair { id: id.into(), participants: [first.clone(), second.clone()] }))
    }

    /// Reads an id, in its one spelling.
    pub fn parse(id: &str) -> Result<Direct, DirectError> {
        let names = id.strip_prefix(PREFIX).ok_or(DirectError::NotDirect)?;
        let (first, second) = names.split_once(':').ok_or(DirectError::NotTwo)?;
        if second.contains(':') {
            return Err(DirectError::NotTwo);
        }
        let parsed = Direct::between(&User::parse(&unescape(first))?, &User::parse(&unescape(second))?);
        if parsed.as_str() == id { Ok(parsed) } else { Err(DirectError::Spelling(parsed)) }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0.id
    }

    /// The two who take part, in byte order; equal when it is a note to oneself.
    pub fn participants(&self) -> &[User; 2] {
        &self.0.participants
    }

    /// Whether `user` takes part.
    pub fn has(&self, user: &User) -> bool {
        self.0.participants.contains(user)
    }

    /// The one `user` talks to: the other participant, or the same one in notes to oneself. For someone who
    /// takes no part it is the first.
    pub fn other(&self, user: &User) -> &User {
        let [first, second] = &self.0.participants;
        if first == user { second } else { first }
    }
}

fn escape(name: &str, id: &mut String) {
    // Nearly every name.
    if !name.bytes().any(|byte| matches!(byte, b'%' | b':')) {
        return id.push_str(name);
    }
    for char in name.chars() {
        match char {
            '%' => id.push_str("%25"),
            ':' => id.push_str("%3A"),
            _ => id.push(char),
        }
    }
}

/// Undoes `escape`. The order matters: `%253A` is the name `%3A`.
fn unescape(name: &str) -> Cow<'_, str> {
    if name.contains('%') { name.replace("%3A", ":").replace("%25", "%").into() } else { name.into() }
}

impl PartialEq for Direct {
    fn eq(&self, other: &Direct) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.id == other.0.id
    }
}

impl Eq for Direct {}

impl PartialOrd for Direct {
    fn partial_cmp(&self, other: &Direct) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Direct {
    fn cmp(&self, other: &Direct) -> Ordering {
        self.0.id.cmp(&other.0.id)
    }
}

impl Hash for Direct {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id.hash(state);
    }
}

impl fmt::Display for Direct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.id)
    }
}

impl fmt::Debug for Direct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Direct({:?})", self.0.id)
    }
}

impl Serialize for Direct {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.id)
    }
}

impl<'de> Deserialize<'de> for Direct {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Direct, D::Error> {
        deserializer.deserialize_str(Parsed { what: "the id of a direct conversation", parse: Direct::parse })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn user(name: &str) -> User {
        User::parse(name).unwrap()
    }

    fn direct(one: &str, other: &str) -> Direct {
        Direct::between(&user(one), &user(other))
    }

    #[test]
    fn an_id_is_the_same_whoever_writes_first() {
        assert_eq!(direct("bob", "alice").as_str(), "dm:alice:bob");
        assert_eq!(direct("alice", "bob"), direct("bob", "alice"));
        assert_eq!(direct("alice", "bob").other(&user("bob")), &user("alice"));
        assert_eq!(direct("alice", "bob").other(&user("alice")), &user("bob"));
        assert_eq!(direct("me", "me").as_str(), "dm:me:me");
        assert_eq!(direct("me", "me").other(&user("me")), &user("me"));
    }

    #[test]
    fn separators_in_names_are_escaped() {
        assert_eq!(direct("a:b", "c%").as_str(), "dm:a%3Ab:c%25");
        assert_ne!(direct("a:b", "c"), direct("a", "b:c"));
        assert_eq!(Direct::parse("dm:%253A:x").unwrap(), direct("%3A", "x"));
    }

    #[test]
    fn an_id_has_one_spelling() {
        for (id, text) in [
            ("room:7", "begins with `dm:`"),
            ("DM:a:b", "begins with `dm:`"),
            ("", "begins with `dm:`"),
            ("dm:alice", "names two users"),
            ("dm:a:b:c", "names two users"),
            ("dm::b", "this one is empty"),
            ("dm:a:b\n", "contains U+000A"),
            ("dm:bob:alice", "`dm:alice:bob`"),
            ("dm:%61:b", "`dm:%2561:b`"),
            ("dm:a%3ab:c", "`dm:a%253ab:c`"),
            ("dm:100%:b", "`dm:100%25:b`"),
        ] {
            let error = Direct::parse(id).unwrap_err().to_string();
            assert!(error.contains(text), "{id}: {error}");
        }
    }

    fn hostile_name() -> impl Strategy<Value = User> {
        "[%:25A3a한]{1,6}".prop_map(|name| user(&name))
    }

    proptest! {
        #[test]
        fn parsing_undoes_formatting(one in hostile_name(), other in hostile_name()) {
            let conversation = Direct::between(&one, &other);
            let parsed = Direct::parse(conversation.as_str()).unwrap();
            prop_assert_eq!(&parsed, &conversation);
            prop_assert_eq!(parsed.participants(), conversation.participants());
            prop_assert!(parsed.has(&one) && parsed.has(&other));
        }

        #[test]
        fn different_pairs_have_different_ids(
            a in hostile_name(), b in hostile_name(), c in hostile_name(), d in hostile_name(),
        ) {
            let same = (&a, &b) == (&c, &d) || (&a, &b) == (&d, &c);
            prop_assert_eq!(same, Direct::between(&a, &b) == Direct::between(&c, &d));
        }

        #[test]
        fn any_text_parses_to_its_own_spelling_or_not_at_all(id in "dm:[%:25A3a]{0,12}") {
            if let Ok(conversation) = Direct::parse(&id) {
                prop_assert_eq!(conversation.as_str(), id);
            }
        }
    }
}
