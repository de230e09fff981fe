use serde::{Deserialize, Serialize};

/// Bytes of a string that takes no memory beside its key's.
const SHORT_BYTES_MAX: usize = 22;

/// What is under a key that holds a string.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Text {
    Short {
        bytes: u8,
        text: [u8; SHORT_BYTES_MAX],
    },
    /// Grows by itself, and takes a pointer here.
    #[expect(clippy::box_collection, reason = "a vector would make every key larger")]
    Long(Box<Vec<u8>>),
}

/// Counters are short.
const _: () = assert!(size_of::<Text>() == 24);

impl Text {
    pub(crate) fn new(value: &[u8]) -> Self {
        let mut text = [0; SHORT_BYTES_MAX];
        match text.get_mut(..value.len()) {
            Some(short) => {
                short.copy_from_slice(value);
                Text::Short { bytes: value.len() as u8, text }
            }
            None => Text::Long(Box::new(value.to_vec())),
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Text::Short { bytes, text } => text.get(..usize::from(*bytes)).unwrap_or_default(),
            Text::Long(text) => text,
        }
    }

    /// Bytes of memory it takes beside its key's.
    pub(crate) fn memory_bytes(&self) -> usize {
        match self {
            Text::Short { .. } => 0,
            Text::Long(text) => text.len(),
        }
    }

    /// Puts `bytes` there, with zeros before it if that is beyond the end.
    pub(crate) fn write(&mut self, offset: usize, bytes: &[u8]) {
        if let Text::Long(text) = self {
            write_into(text, offset, bytes);
            return;
        }
        let mut text = self.as_bytes().to_vec();
        write_into(&mut text, offset, bytes);
        *self = Text::new(&text);
    }
}

fn write_into(text: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    text.resize(text.len().max(end), 0);
    text[offset..end].copy_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_what_was_written_to_it() {
        let mut text = Text::new(b"");
        let mut value = Vec::new();
        for (offset, bytes) in
            [(0, "0123456789"), (10, "0123456789ab"), (22, "c"), (5, "xyz"), (40, ""), (45, "end")]
        {
            text.write(offset, bytes.as_bytes());
            value.resize(value.len().max(offset + bytes.len()), 0);
            value[offset..offset + bytes.len()].copy_from_slice(bytes.as_bytes());
            assert_eq!(text.as_bytes(), value);
            assert_eq!(text, Text::new(&value));
        }
    }
}
