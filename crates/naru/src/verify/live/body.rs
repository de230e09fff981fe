//! What messages say: known from their ids, so that every byte that comes back can be checked.

use serde_json::{Value, json};

/// One in this many is larger than what servers tell each other in one go, and is read from the log instead.
const LARGE_ONE_IN: u64 = 40;

const LARGE_BYTES: usize = 6_000;

/// The body that belongs to an id.
pub(super) fn body(id: &str) -> Value {
    let sum = id.bytes().fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let bytes = if sum % LARGE_ONE_IN == 0 { LARGE_BYTES } else { (sum % 150) as usize };
    let pattern = format!("{id} 나루 \"\\\n ");
    let text: String = pattern.chars().cycle().take(bytes.max(1)).collect();
    json!({"text": text, "id": id})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_differ_and_some_are_large() {
        let all: Vec<String> = (0..1000).map(|number| body(&format!("c{number}")).to_string()).collect();
        assert!(all.windows(2).all(|pair| pair[0] != pair[1]));
        let large = all.iter().filter(|body| body.len() > LARGE_BYTES).count();
        assert!((5..100).contains(&large), "{large}");
    }
}
