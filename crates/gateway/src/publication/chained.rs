//! Publications for who has agreed on deltas: each is the difference to the one before, where it asks for that and is smaller so.
//!
//! In JSON the data of such a client is a text: the payload's, or the delta's.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::{Content, Publication};
use crate::{
    delta,
    protocol::{
        encoding::Encoding,
        flavour::Flavour,
        json, message,
        push::{Push, What},
        reply::{Outcome, Reply},
    },
};

/// Frames for those who have agreed on deltas, by flavour; each is made when the first of them is to get it.
#[derive(Default)]
pub(super) struct Chained {
    whole: [OnceLock<Option<Bytes>>; Flavour::COUNT],
    /// Nearly all of them have got the same one before.
    difference: [OnceLock<(Previous, Option<Bytes>)>; Flavour::COUNT],
}

/// What a client got last in a channel.
#[derive(Clone)]
pub(crate) struct Previous(Arc<Content>);

impl Previous {
    fn is(&self, other: &Previous) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Publication {
    /// The frame for a client that got `previous` before; none if it cannot have it. What it got last is this one then.
    pub(crate) fn chained_frame(&self, flavour: Flavour, previous: &mut Option<Previous>) -> Option<Bytes> {
        let content = self.content.as_ref()?;
        let before = previous.replace(Previous(content.clone()));
        let chained = content.chained.get_or_init(Box::default);
        let made = |before: Option<&Previous>| {
            let push = content.told(flavour.encoding(), before)?;
            Some(flavour.frame(&push))
        };
        match before.filter(|_| content.delta) {
            None => chained.whole[flavour as usize].get_or_init(|| made(None)).clone(),
            Some(before) => {
                let (of, frame) = chained.difference[flavour as usize]
                    .get_or_init(|| (before.clone(), made(Some(&before))));
                if of.is(&before) { frame.clone() } else { made(Some(&before)) }
            }
        }
    }

    /// As [`Self::chained_frame`], for an answer.
    pub(crate) fn chained(
        &self,
        encoding: Encoding,
        previous: &mut Option<Previous>,
    ) -> Option<message::Publication> {
        let content = self.content.as_ref()?;
        let before = previous.replace(Previous(content.clone())).filter(|_| content.delta);
        let push = content.told(encoding, before.as_ref())?;
        match push.outcome {
            Some(Outcome::Push(Push { what: Some(What::Publication(publication)), .. })) => Some(publication),
            _ => None,
        }
    }
}

impl Content {
    /// The push, whole or as the difference to another one.
    fn told(&self, encoding: Encoding, before: Option<&Previous>) -> Option<Reply> {
        let mut push = self.push(encoding)?.clone();
        let Some(Outcome::Push(Push { what: Some(What::Publication(told)), .. })) = &mut push.outcome else {
            return Some(push);
        };
        let source = before.and_then(|before| before.0.data(encoding));
        let difference = source.and_then(|source| {
            let delta = delta::encode(source, &told.data);
            let can_be_told = encoding == Encoding::Protobuf || str::from_utf8(&delta).is_ok();
            (delta.len() < told.data.len() && can_be_told).then_some(delta)
        });
        told.delta = difference.is_some();
        let data = difference.map_or_else(|| told.data.clone(), Bytes::from);
        told.data = match encoding {
            Encoding::Protobuf => data,
            Encoding::Json => json::payload_of(&str::from_utf8(&data).ok()?),
        };
        Some(push)
    }

    fn data(&self, encoding: Encoding) -> Option<&Bytes> {
        match &self.push(encoding)?.outcome {
            Some(Outcome::Push(Push { what: Some(What::Publication(publication)), .. })) => {
                Some(&publication.data)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publication::{Envelope, Payload, Published, Said, live};

    fn published(text: &str, delta: bool) -> Publication {
        let data = Payload::of(Bytes::copy_from_slice(text.as_bytes()));
        let what = Said::Published(Published { delta, ..Published::from(data) });
        live("a", None, Envelope { sender: None, what }.write()).unwrap()
    }

    #[test]
    fn each_is_the_difference_to_the_one_before() {
        let text = |end: &str| format!("{{\"long\":\"{}\",\n\"나루\":{end}}}", "abcdefgh나".repeat(30));
        for encoding in [Encoding::Json, Encoding::Protobuf] {
            let mut previous = None;
            let mut at: Option<Vec<u8>> = None;
            for (end, asks, expected) in
                [("1", true, false), ("2", true, true), ("3", false, false), ("4", true, true)]
            {
                let told = published(&text(end), asks).chained(encoding, &mut previous).unwrap();
                assert_eq!(told.delta, expected, "{end}");
                let data = match encoding {
                    Encoding::Protobuf => told.data.to_vec(),
                    Encoding::Json => serde_json::from_slice::<String>(&told.data).unwrap().into_bytes(),
                };
                let whole = match (&at, expected) {
                    (Some(before), true) => delta::apply(before, &data).unwrap(),
                    _ => data,
                };
                assert_eq!(String::from_utf8(whole.clone()).unwrap(), text(end));
                at = Some(whole);
            }
        }
    }

    #[test]
    fn a_difference_is_made_once_for_all_who_got_the_same_before() {
        let long = |end: &str| format!("\"{}{end}\"", "x".repeat(200));
        let (first, second) = (published(&long("1"), true), published(&long("2"), true));
        let flavour = Flavour::WebSocketJson;
        let frame = || {
            let mut previous = None;
            first.chained_frame(flavour, &mut previous).unwrap();
            second.chained_frame(flavour, &mut previous).unwrap()
        };
        assert_eq!(frame().as_ptr(), frame().as_ptr());
        assert!(frame().len() < 200);
        // Who got another one before gets the difference to that.
        let mut previous = None;
        published(&long("3"), true).chained_frame(flavour, &mut previous).unwrap();
        assert_ne!(second.chained_frame(flavour, &mut previous).unwrap().as_ptr(), frame().as_ptr());
        // And who got none gets it whole.
        assert!(second.chained_frame(flavour, &mut None).unwrap().len() > 200);
    }
}
