//! Keys: who may call what.

use std::{collections::BTreeSet, sync::Arc};

use serde::{Deserialize, Deserializer, de::Error};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A key, of which only a digest is kept: comparing takes as long whatever differs, and nothing shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretKey([u8; 32]);

impl SecretKey {
    /// A key; none if it is empty, which everybody would have.
    pub fn new(key: &str) -> Option<SecretKey> {
        (!key.is_empty()).then(|| SecretKey::digest(key.as_bytes()))
    }

    fn digest(key: &[u8]) -> SecretKey {
        SecretKey(Sha256::digest(key).into())
    }
}

impl<'de> Deserialize<'de> for SecretKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SecretKey, D::Error> {
        let key = String::deserialize(deserializer)?;
        SecretKey::new(&key)
            .ok_or_else(|| D::Error::custom("a key is not empty: give 32 random characters or more"))
    }
}

/// One of `[[http_api.keys]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeySettings {
    /// What it is called in the log.
    pub name: String,
    /// The key itself.
    pub key: SecretKey,
    /// The methods it may call; all unless set.
    #[serde(default)]
    pub operations: Option<BTreeSet<String>>,
    /// The namespaces whose channels it may name, `""` for channels without one; all unless set.
    #[serde(default)]
    pub namespaces: Option<BTreeSet<String>>,
}

/// What somebody who has a key may do.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    pub(crate) name: String,
    operations: Option<BTreeSet<String>>,
    namespaces: Option<BTreeSet<String>>,
}

impl Scope {
    /// Whether a method may be called. What only holds others is theirs to decide.
    pub(crate) fn may_call(&self, method: &str) -> bool {
        self.operations.as_ref().is_none_or(|operations| operations.contains(method))
    }

    /// Whether a channel may be named.
    pub(crate) fn may_name(&self, channel: &str) -> bool {
        let namespace =
            channel.trim_start_matches('$').split_once(':').map_or("", |(namespace, _)| namespace);
        self.namespaces.as_ref().is_none_or(|namespaces| namespaces.contains(namespace))
    }

    /// Whether any channel may be named.
    pub(crate) fn may_name_all(&self) -> bool {
        self.namespaces.is_none()
    }
}

/// All keys there are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys {
    keys: Arc<[(SecretKey, Arc<Scope>)]>,
    /// Whoever comes without a key may do this.
    without: Option<Arc<Scope>>,
}

impl Keys {
    /// None if two are the same.
    pub(crate) fn new(key: Option<SecretKey>, keys: Vec<KeySettings>, insecure: bool) -> Option<Keys> {
        let whole = |name: &str| Arc::new(Scope { name: name.into(), ..Scope::default() });
        let mut all: Vec<(SecretKey, Arc<Scope>)> = key.into_iter().map(|key| (key, whole("key"))).collect();
        for KeySettings { name, key, operations, namespaces } in keys {
            if all.iter().any(|(other, _)| *other == key) {
                return None;
            }
            all.push((key, Arc::new(Scope { name, operations, namespaces })));
        }
        Some(Keys { keys: all.into(), without: insecure.then(|| whole("nobody")) })
    }

    /// What may be done with this key. All keys are looked at, whichever it is.
    pub(crate) fn find(&self, given: Option<&[u8]>) -> Option<Arc<Scope>> {
        let Some(given) = given.filter(|key| !key.is_empty()) else { return self.without.clone() };
        let given = SecretKey::digest(given);
        let mut found = None;
        for (key, scope) in &*self.keys {
            if bool::from(key.0.ct_eq(&given.0)) {
                found = Some(scope.clone());
            }
        }
        found.or_else(|| self.without.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(name: &str, key: &str, operations: &[&str], namespaces: &[&str]) -> KeySettings {
        let set = |words: &[&str]| {
            (!words.is_empty()).then(|| words.iter().map(|word| (*word).to_owned()).collect())
        };
        KeySettings {
            name: name.into(),
            key: SecretKey::new(key).unwrap(),
            operations: set(operations),
            namespaces: set(namespaces),
        }
    }

    #[test]
    fn a_key_opens_what_it_is_for_and_nothing_else_opens_anything() {
        let keys = vec![settings("news", "two", &["publish"], &["news", ""])];
        let keys = Keys::new(SecretKey::new("one"), keys, false).unwrap();
        let found = |key: &str| keys.find(Some(key.as_bytes()));
        let all = found("one").unwrap();
        assert!(all.may_call("disconnect") && all.may_name("any:a") && all.may_name_all());
        let some = found("two").unwrap();
        assert!(some.may_call("publish") && !some.may_call("disconnect") && !some.may_name_all());
        assert!(some.may_name("news:a") && some.may_name("a") && !some.may_name("chat:a"));
        for key in ["", "on", "onee", "One", "one ", "three"] {
            assert!(found(key).is_none(), "{key}");
        }
        assert!(keys.find(None).is_none());
    }

    #[test]
    fn without_keys_nothing_is_open_unless_it_is_said() {
        assert!(Keys::default().find(Some(b"any")).is_none());
        assert!(Keys::default().find(None).is_none());
        let open = Keys::new(None, Vec::new(), true).unwrap();
        assert!(open.find(None).is_some() && open.find(Some(b"any")).is_some());
        assert!(SecretKey::new("").is_none());
    }

    #[test]
    fn a_key_is_not_shown() {
        let key = SecretKey::new("very secret").unwrap();
        assert!(!format!("{key:?}").contains("secret"));
    }
}
