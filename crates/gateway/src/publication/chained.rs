//! Publications for who has agreed on deltas: each is the difference to the one before, where it asks for that and is smaller so.
//!
//! In JSON the data of such a client is a text: the payload's, or the delta's.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use naru_bus::StreamPosition;

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
pub(super) struct Chained {
    number: u64,
    whole: [OnceLock<Option<Bytes>>; Flavour::COUNT],
    /// Nearly all of them have got the same one before. Only which one that was: it is not kept for this one's sake.
    difference: [OnceLock<(Which, Option<Bytes>)>; Flavour::COUNT],
}

/// Which publication of its channel one is.
enum Which {
    /// Wherever it was read: live, or again for who recovers.
    At(StreamPosition),
    /// One that is not kept.
    Number(u64),
}

/// What a client got last in a channel.
#[derive(Clone)]
pub(crate) struct Previous(Arc<Content>);

impl Default for Chained {
    fn default() -> Chained {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        Chained {
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            whole: Default::default(),
            difference: Default::default(),
        }
    }
}

impl Publication {
    /// The frame for a client that got `previous` before; none if it cannot have it. What it got last is this one then.
    pub(crate) fn chained_frame(&self, flavour: Flavour, previous: &mut Option<Previous>) -> Option<Bytes> {
        let content = self.content.as_ref()?;
        let before = previous.replace(Previous(content.clone()));
        let chained = content.chained();
        let made = |before: Option<&Previous>| {
            let push = content.told(flavour.encoding(), before)?;
            Some(flavour.frame(&push))
        };
        match before.filter(|_| content.delta) {
            None => chained.whole[flavour as usize].get_or_init(|| made(None)).clone(),
            Some(before) => {
                let (of, frame) = chained.difference[flavour as usize]
                    .get_or_init(|| (before.0.which(), made(Some(&before))));
                if before.0.is(of) { frame.clone() } else { made(Some(&before)) }
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
    fn chained(&self) -> &Chained {
        self.chained.get_or_init(Box::default)
    }

    fn which(&self) -> Which {
        match &self.position {
            Some(position) => Which::At(position.clone()),
            None => Which::Number(self.chained().number),
        }
    }

    /// The same without a copy: it is asked for every client.
    fn is(&self, which: &Which) -> bool {
        match (&self.position, which) {
            (Some(position), Which::At(other)) => position == other,
            (None, Which::Number(number)) => self.chained().number == *number,
            (Some(_), Which::Number(_)) | (None, Which::At(_)) => false,
        }
    }

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
    use std::sync::Weak;

    use naru_ledger::Epoch;

    use super::*;
    use crate::publication::{Envelope, Payload, Published, Said, live};

    fn published(text: &str, delta: bool) -> Publication {
        published_at(None, text, delta)
    }

    fn published_at(offset: Option<u64>, text: &str, delta: bool) -> Publication {
        let data = Payload::of(Bytes::copy_from_slice(text.as_bytes()));
        let what = Said::Published(Published { delta, ..Published::from(data) });
        let position = offset.map(|offset| StreamPosition { offset, epoch: Epoch::parse("e").unwrap() });
        live("a", position, Envelope { sender: None, what }.write()).unwrap()
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

    #[test]
    fn who_has_read_the_one_before_again_got_the_same() {
        let long = |end: &str| format!("\"{}{end}\"", "x".repeat(200));
        let second = published_at(Some(2), &long("2"), true);
        let flavour = Flavour::WebSocketJson;
        // Each makes its own of what it recovers.
        let frame = |offset| {
            let mut previous = None;
            published_at(Some(offset), &long("1"), true).chained(Encoding::Json, &mut previous).unwrap();
            second.chained_frame(flavour, &mut previous).unwrap()
        };
        assert_eq!(frame(1).as_ptr(), frame(1).as_ptr());
        assert_ne!(frame(1).as_ptr(), frame(0).as_ptr(), "another one is not the same");
    }

    #[test]
    fn what_was_delivered_is_not_kept_for_what_comes_after_it() {
        for is_kept in [false, true] {
            let mut previous = None;
            let mut contents = Vec::new();
            for offset in 1..=20_000 {
                let publication = published_at(is_kept.then_some(offset), "\"abc\"", true);
                publication.chained_frame(Flavour::WebSocketJson, &mut previous).unwrap();
                contents.push(Arc::downgrade(publication.content.as_ref().unwrap()));
            }
            let alive =
                |contents: &[Weak<Content>]| contents.iter().filter(|it| it.strong_count() > 0).count();
            assert_eq!(alive(&contents), 1, "what the client got last, and none before it");
            // With all of them behind it, this would take more stack than there is.
            drop(previous);
            assert_eq!(alive(&contents), 0);
        }
    }
}
