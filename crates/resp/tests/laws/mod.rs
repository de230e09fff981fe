//! What must hold for any bytes at all: run here on made-up bytes, in `fuzz/` on those that libFuzzer finds.
#![allow(dead_code, reason = "each of those who share this uses a part")]

pub(crate) mod lines;
pub(crate) mod replies;
pub(crate) mod requests;

/// The same bytes in pieces: the end of each, the last at the end of all. `shape` 0 is one byte at a time.
fn cuts(bytes: &[u8], shape: u8) -> impl Iterator<Item = usize> {
    let all = bytes.len();
    let mut state = u32::from(shape);
    let mut end = 0;
    std::iter::from_fn(move || {
        if end == all {
            return None;
        }
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let step = if shape == 0 { 1 } else { 1 + (state >> 16) as usize % (2 * usize::from(shape)) };
        end = all.min(end + step);
        Some(end)
    })
}
