use crate::keyspace::{Key, Value};

/// About how many bytes of memory a key takes. What is on disk is not counted.
pub(super) fn bytes(key: &Key) -> usize {
    let value = match &key.value {
        Value::Stream(stream) => stream.memory_bytes(),
        Value::List(list) => list.memory_bytes(),
        Value::Text(text) => text.memory_bytes(),
    };
    size_of::<Key>() + key.name.len() + value
}
