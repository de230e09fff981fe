//! What holds for a folder whose checksums are all right, whatever it says.

use std::path::Path;

use naru_measured::peak_bytes;

use super::damaged::Choices;
use super::stored::{Files, HEAD_BYTES, folder_of, folders, is_segment, open, verified};

/// Memory that reading a folder may take for each of its bytes, and beside that.
const BYTES_FOR_ONE: usize = 3;
const BYTES_EXTRA: usize = 256 * 1024;
const FOOT_BYTES: usize = 64;
const FRAME_EXTRA_BYTES: usize = 40;

/// Puts bytes of `data` here and there, makes the checksums fit again, and opens it: it is taken or refused, and no more
/// memory is taken than for the files.
pub(crate) fn hold(data: &[u8]) {
    let mut choices = Choices(data);
    let stored = &folders()[usize::from(choices.byte()) % 2];
    let mut files = stored.files.clone();
    while !choices.0.is_empty() {
        let path = choices.path(&files);
        let bytes = files.get_mut(&path).expect("it was chosen from these");
        let (at, count) = (choices.number() % bytes.len().max(1), 1 + choices.byte() % 8);
        for byte in bytes.iter_mut().skip(at).take(usize::from(count)) {
            *byte = choices.byte();
        }
    }
    files.iter_mut().for_each(|(path, bytes)| mend(path, bytes));
    check(&files);
}

fn check(files: &Files) {
    let fs = folder_of(files);
    let bytes: usize = files.values().map(Vec::len).sum();
    let (opened, peak) = peak_bytes(|| {
        // Whatever it finds.
        let _ = verified(&fs);
        open(&fs)
    });
    assert!(peak <= BYTES_FOR_ONE * bytes + BYTES_EXTRA, "{peak} bytes of memory for {bytes} in files");
    if let Ok((mut log, ..)) = opened {
        let _ = log.append(b"and on");
        let _ = log.close();
    }
}

/// Makes all checksums of a file fit what it holds.
fn mend(path: &Path, bytes: &mut [u8]) {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    if is_segment(path) && bytes.len() >= HEAD_BYTES + FOOT_BYTES && bytes[0] != 0 {
        put_crc(bytes, crc32c::crc32c(&bytes[..HEAD_BYTES - 4]), HEAD_BYTES - 4);
        let salt = u64_at(bytes, 24);
        let end = bytes.len() - FOOT_BYTES;
        mend_frames(&mut bytes[HEAD_BYTES..end], salt);
        if bytes[end] != 0 {
            put_crc(bytes, crc32c::crc32c(&bytes[end..end + FOOT_BYTES - 4]), end + FOOT_BYTES - 4);
        }
    } else if name.starts_with("ckpt-") && bytes.len() > 36 {
        put_crc(bytes, crc32c::crc32c(&bytes[..32]), 32);
        mend_pieces(bytes);
    }
}

fn mend_frames(frames: &mut [u8], salt: u64) {
    let (mut at, mut chain) = (0, None);
    while frames.len() >= at + FRAME_EXTRA_BYTES && frames[at..at + 4] == *b"NRF1" {
        let length = u32_at(frames, at + 4) as usize;
        if !(FRAME_EXTRA_BYTES..=frames.len() - at).contains(&length) {
            // A header that leads nowhere, but whole.
            put_crc(frames, masked(salted(salt, &frames[at..at + 32])), at + 32);
            return;
        }
        if let Some(chain) = chain {
            put_crc(frames, chain, at + 28);
        }
        put_crc(frames, masked(salted(salt, &frames[at..at + 32])), at + 32);
        let (mut record, end) = (at + 36, at + length - 4);
        while record + 9 <= end {
            let body = u32_at(frames, record) as usize;
            let Some(crc_at) = (record + 5).checked_add(body).filter(|crc_at| crc_at + 4 <= end) else {
                break;
            };
            put_crc(frames, masked(crc32c::crc32c(&frames[record..crc_at])), crc_at);
            record = crc_at + 4;
        }
        let crc = salted(salt, &frames[at..end]);
        put_crc(frames, crc, end);
        (at, chain) = (at + length, Some(crc));
    }
}

fn mend_pieces(bytes: &mut [u8]) {
    let salt = u64_at(bytes, 16);
    let mut at = 36;
    for index in 0_u64.. {
        if at + 8 > bytes.len() {
            return;
        }
        let length = u32_at(bytes, at) as usize;
        if length == 0 {
            if at + 24 <= bytes.len() {
                put_crc(bytes, salted(salt, &bytes[at + 8..at + 24]), at + 4);
            }
            return;
        }
        let Some(end) = (at + 8).checked_add(length).filter(|end| *end <= bytes.len()) else { return };
        let crc = crc32c::crc32c_append(salted(salt, &index.to_le_bytes()), &bytes[at + 8..end]);
        put_crc(bytes, crc, at + 4);
        at = end;
    }
}

fn salted(salt: u64, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&salt.to_le_bytes()), bytes)
}

/// As `frame.rs` keeps those of headers and records.
fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

fn put_crc(bytes: &mut [u8], crc: u32, at: usize) {
    bytes[at..at + 4].copy_from_slice(&crc.to_le_bytes());
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
