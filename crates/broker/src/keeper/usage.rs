use bytes::Bytes;

use crate::streams::{Fields, Stream, StreamId};

/// What the store takes for an entry beside the bytes of its fields: id and list of fields, in a tree that is three
/// quarters full.
const ENTRY_BYTES: usize = (size_of::<StreamId>() + size_of::<Fields>()) * 4 / 3;

/// About how many bytes a stream takes, by the first `samples` entries.
pub(super) fn stream_bytes(key: &Bytes, stream: &Stream, samples: usize) -> usize {
    let sampled = stream.range(StreamId::MIN, StreamId::MAX).take(samples);
    let (mut count, mut bytes) = (0, 0);
    for (_, fields) in sampled {
        count += 1;
        bytes += ENTRY_BYTES + fields.iter().map(|field| size_of::<Bytes>() + field.len()).sum::<usize>();
    }
    let entries = if count == stream.len() { bytes } else { bytes / count.max(1) * stream.len() };
    key.len() + size_of::<Bytes>() + size_of::<Stream>() + entries
}
