use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::keyspace::{Body, Place};

/// Bytes of an element that is kept with its list: what fits beside the length where a place would be.
const INLINE_BYTES_MAX: usize = 14;

/// An element of a list. The order of the variants is the format of checkpoints. It is itself, if it is short, or the place of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Element {
    Inline {
        bytes: u8,
        text: [u8; INLINE_BYTES_MAX],
    },
    /// A [`Place`] in parts, since it has room for the mark of which this is so.
    Stored {
        bytes: u32,
        address: u64,
    },
}

/// Long lists are made of many.
const _: () = assert!(size_of::<Element>() == 16);

impl Element {
    /// What is short enough to be kept with its list.
    pub(crate) fn inline(text: &[u8]) -> Option<Self> {
        let mut kept = [0; INLINE_BYTES_MAX];
        kept.get_mut(..text.len())?.copy_from_slice(text);
        Some(Element::Inline { bytes: text.len() as u8, text: kept })
    }

    /// What a change brings along for it.
    pub(crate) fn body(text: Bytes) -> Body {
        if text.len() <= INLINE_BYTES_MAX { Body::Short(text) } else { Body::New(text) }
    }

    pub(crate) fn stored(Place { address, bytes }: Place) -> Self {
        Element::Stored { bytes, address }
    }

    /// How long it is.
    pub(crate) fn len(&self) -> usize {
        match self {
            Element::Inline { bytes, .. } => usize::from(*bytes),
            Element::Stored { bytes, .. } => *bytes as usize,
        }
    }

    /// Itself, if it is kept with its list.
    pub(crate) fn as_inline(&self) -> Option<&[u8]> {
        match self {
            Element::Inline { bytes, text } => text.get(..usize::from(*bytes)),
            Element::Stored { .. } => None,
        }
    }

    /// Where its body is, if it has one.
    pub(crate) fn place(&self) -> Option<Place> {
        match *self {
            Element::Inline { .. } => None,
            Element::Stored { bytes, address } => Some(Place { address, bytes }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_short_is_kept_and_what_is_long_is_not() {
        for length in 0..=INLINE_BYTES_MAX {
            let text = vec![b'x'; length];
            let element = Element::inline(&text).unwrap();
            assert_eq!((element.as_inline(), element.len(), element.place()), (Some(&*text), length, None));
        }
        assert_eq!(Element::inline(&[0; INLINE_BYTES_MAX + 1]), None);
        let place = Place { address: 1 << 40, bytes: 7 };
        let element = Element::stored(place);
        assert_eq!((element.as_inline(), element.len(), element.place()), (None, 7, Some(place)));
    }
}
