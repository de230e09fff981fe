//! Headers of a client's request that are passed on.

use std::{cell::RefCell, collections::BTreeSet};

use http::{HeaderMap, HeaderName};

/// What is kept of the headers with which a connection came: nothing, if no hook wants any.
#[derive(Debug, Default)]
pub(crate) struct Heard(RefCell<Option<Box<HeaderMap>>>);

/// The headers that hooks want.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    at_connect: BTreeSet<String>,
    /// By hooks that are asked later.
    always: BTreeSet<String>,
}

impl Wanted {
    pub(super) fn at_connect(&mut self, names: &[HeaderName]) {
        self.at_connect.extend(names.iter().map(|name| name.as_str().to_owned()));
    }

    pub(super) fn always(&mut self, names: &[HeaderName]) {
        self.at_connect(names);
        self.always.extend(names.iter().map(|name| name.as_str().to_owned()));
    }

    /// Keeps of a request what somebody may want.
    pub(super) fn hear(&self, headers: &HeaderMap) -> Heard {
        Heard(RefCell::new(kept(headers, &self.at_connect)))
    }

    /// Forgets what only the hook of connect was to be told.
    pub(super) fn forget(&self, heard: &Heard) {
        let mut heard = heard.0.borrow_mut();
        let left = heard.as_ref().and_then(|headers| kept(headers, &self.always));
        *heard = left;
    }
}

impl Heard {
    /// Adds those of a list to a request, over what it has.
    pub(super) fn pass_on(&self, names: &[HeaderName], to: &mut HeaderMap) {
        let heard = self.0.borrow();
        let Some(headers) = &*heard else { return };
        for name in names {
            let mut values = headers.get_all(name).iter().peekable();
            if values.peek().is_some() {
                to.remove(name);
                for value in values {
                    to.append(name, value.clone());
                }
            }
        }
    }
}

fn kept(headers: &HeaderMap, names: &BTreeSet<String>) -> Option<Box<HeaderMap>> {
    if names.is_empty() {
        return None;
    }
    let kept: HeaderMap = headers
        .iter()
        .filter(|(name, _)| names.contains(name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .fold(HeaderMap::new(), |mut kept, (name, value)| {
            kept.append(name, value);
            kept
        });
    (!kept.is_empty()).then(|| Box::new(kept))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in all {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    fn names(all: &[&'static str]) -> Vec<HeaderName> {
        all.iter().map(|name| HeaderName::from_static(name)).collect()
    }

    #[test]
    fn only_headers_on_a_list_are_kept_and_each_hook_gets_its_own() {
        let mut wanted = Wanted::default();
        wanted.at_connect(&names(&["cookie", "x-a"]));
        wanted.always(&names(&["x-b"]));
        let came = headers(&[("cookie", "1"), ("cookie", "2"), ("authorization", "secret"), ("x-b", "b")]);
        let heard = wanted.hear(&came);
        let passed = |list: &[&'static str]| {
            let mut to = headers(&[("cookie", "fixed"), ("x-fixed", "f")]);
            heard.pass_on(&names(list), &mut to);
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
    fn without_lists_nothing_is_kept() {
        assert!(Wanted::default().hear(&headers(&[("cookie", "1")])).0.borrow().is_none());
        assert!(size_of::<Heard>() <= 16);
    }
}
