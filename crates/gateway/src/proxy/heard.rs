//! Headers that are passed on: those of a client's request, and those that it says it would have sent.

use std::{
    cell::RefCell,
    collections::{BTreeSet, HashMap},
};

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::limits::HEADERS_BYTES_MAX;

/// What is kept of the headers with which a connection came: nothing, if no hook wants any.
#[derive(Debug, Default)]
pub(crate) struct Heard(RefCell<Option<Box<Headers>>>);

#[derive(Debug, Default)]
struct Headers {
    /// Of the request, which whoever stands before us may have set or taken away.
    sent: HeaderMap,
    /// Of the connect command: whatever the client likes.
    emulated: HeaderMap,
}

/// Names of headers, by where they may come from. What a client says is never taken for what its request had.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) sent: BTreeSet<String>,
    pub(super) emulated: BTreeSet<String>,
}

/// The headers that hooks want.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    at_connect: Names,
    /// By hooks that are asked later.
    always: Names,
}

impl Names {
    fn extend(&mut self, other: &Names) {
        self.sent.extend(other.sent.iter().cloned());
        self.emulated.extend(other.emulated.iter().cloned());
    }
}

impl Headers {
    /// What is left if only these are kept.
    fn kept(&self, names: &Names) -> Option<Box<Headers>> {
        let kept =
            Headers { sent: kept(&self.sent, &names.sent), emulated: kept(&self.emulated, &names.emulated) };
        (!kept.sent.is_empty() || !kept.emulated.is_empty()).then(|| Box::new(kept))
    }
}

impl Wanted {
    pub(super) fn at_connect(&mut self, names: &Names) {
        self.at_connect.extend(names);
    }

    pub(super) fn always(&mut self, names: &Names) {
        self.at_connect.extend(names);
        self.always.extend(names);
    }

    /// Keeps of a request what somebody may want.
    pub(super) fn hear(&self, headers: &HeaderMap) -> Heard {
        let sent = kept(headers, &self.at_connect.sent);
        let emulated = HeaderMap::new();
        Heard(RefCell::new((!sent.is_empty()).then(|| Box::new(Headers { sent, emulated }))))
    }

    /// Keeps of a connect command's headers what somebody may want. What can be no header is none.
    pub(super) fn emulate(&self, heard: &Heard, said: &HashMap<String, String>) {
        let (mut emulated, mut bytes) = (HeaderMap::new(), 0);
        for (name, value) in said {
            let (Ok(name), Ok(value)) =
                (name.parse::<HeaderName>(), HeaderValue::from_bytes(value.as_bytes()))
            else {
                continue;
            };
            bytes += name.as_str().len() + value.len();
            // A name that was said in another case is the same.
            if self.at_connect.emulated.contains(name.as_str()) && bytes <= HEADERS_BYTES_MAX {
                emulated.entry(name).or_insert(value);
            }
        }
        if !emulated.is_empty() {
            heard.0.borrow_mut().get_or_insert_default().emulated = emulated;
        }
    }

    /// Forgets what only the hook of connect was to be told.
    pub(super) fn forget(&self, heard: &Heard) {
        let mut heard = heard.0.borrow_mut();
        let left = heard.as_ref().and_then(|headers| headers.kept(&self.always));
        *heard = left;
    }
}

impl Heard {
    /// Adds those of a list to a request: the client's own over what it has, and what the client only says where there is
    /// neither.
    pub(super) fn pass_on(&self, names: &Names, to: &mut HeaderMap) {
        let heard = self.0.borrow();
        let Some(headers) = &*heard else { return };
        for (name, value) in &headers.emulated {
            if names.emulated.contains(name.as_str()) && !to.contains_key(name) {
                to.insert(name, value.clone());
            }
        }
        for name in headers.sent.keys().filter(|name| names.sent.contains(name.as_str())) {
            to.remove(name);
            for value in headers.sent.get_all(name) {
                to.append(name, value.clone());
            }
        }
    }
}

fn kept(headers: &HeaderMap, names: &BTreeSet<String>) -> HeaderMap {
    let mut kept = HeaderMap::new();
    for (name, value) in headers.iter().filter(|(name, _)| names.contains(name.as_str())) {
        kept.append(name, value.clone());
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in all {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    fn names(sent: &[&str], emulated: &[&str]) -> Names {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Names { sent: set(sent), emulated: set(emulated) }
    }

    fn said(all: &[(&str, &str)]) -> HashMap<String, String> {
        all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn only_headers_on_a_list_are_kept_and_each_hook_gets_its_own() {
        let mut wanted = Wanted::default();
        wanted.at_connect(&names(&["cookie", "x-a"], &[]));
        wanted.always(&names(&["x-b"], &[]));
        let came = headers(&[("cookie", "1"), ("cookie", "2"), ("authorization", "secret"), ("x-b", "b")]);
        let heard = wanted.hear(&came);
        let passed = |list: &[&str]| {
            let mut to = headers(&[("cookie", "fixed"), ("x-fixed", "f")]);
            heard.pass_on(&names(list, list), &mut to);
            to
        };
        assert_eq!(passed(&[]), headers(&[("cookie", "fixed"), ("x-fixed", "f")]));
        assert_eq!(passed(&["cookie"]), headers(&[("x-fixed", "f"), ("cookie", "1"), ("cookie", "2")]));
        // What is on no list is not there, whoever asks.
        assert_eq!(passed(&["authorization", "x-a"]), passed(&[]));

        wanted.forget(&heard);
        assert_eq!(passed(&["cookie"]), passed(&[]));
        assert_eq!(passed(&["x-b"]).get("x-b").unwrap(), "b");
    }

    #[test]
    fn what_a_client_says_is_passed_on_by_its_own_list_and_stands_for_nothing_that_is_there() {
        let mut wanted = Wanted::default();
        wanted.at_connect(&names(&["x-user"], &["authorization", "x-key"]));
        wanted.always(&names(&["authorization"], &["x-late"]));
        let claims = said(&[
            ("Authorization", "said"),
            ("X-User", "admin"),
            ("x-late", "l"),
            ("x-key", "mine"),
            ("x y", "no header"),
        ]);
        let heard = wanted.hear(&HeaderMap::new());
        wanted.emulate(&heard, &claims);
        let passed = |heard: &Heard, sent: &[&str], emulated: &[&str]| {
            let mut to = headers(&[("x-key", "ours")]);
            heard.pass_on(&names(sent, emulated), &mut to);
            to
        };
        let ours = headers(&[("x-key", "ours")]);
        assert_eq!(passed(&heard, &["authorization", "x-user", "x-late"], &[]), ours);
        // Not even who lists it gets what no hook's list of said ones has.
        assert_eq!(passed(&heard, &[], &["x-user"]), ours);
        assert_eq!(passed(&heard, &[], &["x-key"]), ours, "over a fixed one");
        let both = passed(&heard, &["authorization"], &["authorization"]);
        assert_eq!(both["authorization"], "said");

        let heard = wanted.hear(&headers(&[("authorization", "sent")]));
        wanted.emulate(&heard, &claims);
        assert_eq!(passed(&heard, &["authorization"], &["authorization"])["authorization"], "sent");
        assert_eq!(passed(&heard, &[], &["authorization"])["authorization"], "said");

        wanted.forget(&heard);
        assert_eq!(passed(&heard, &[], &["authorization"]), ours);
        assert_eq!(passed(&heard, &[], &["x-late"])["x-late"], "l");
    }

    #[test]
    fn without_lists_nothing_is_kept() {
        let wanted = Wanted::default();
        let heard = wanted.hear(&headers(&[("cookie", "1")]));
        wanted.emulate(&heard, &said(&[("cookie", "1")]));
        assert!(heard.0.borrow().is_none());
        assert!(size_of::<Heard>() <= 16);
    }
}
