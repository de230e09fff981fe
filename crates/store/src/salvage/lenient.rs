//! Files that cannot be read in places.

use std::ops::Range;

use crate::vfs::VfsFile;

/// What is read at once, and, where that fails, what is given up at once.
const PIECE_BYTES: usize = 1024 * 1024;
const PAGE_BYTES: usize = 4096;

/// Reads a file from its start, with zeros for what is not there or cannot be read; answers where that is.
pub(super) fn read(file: &dyn VfsFile, buffer: &mut [u8]) -> Vec<Range<u64>> {
    let whole = buffer.len();
    let there = usize::try_from(file.bytes().unwrap_or(0)).unwrap_or(whole).min(whole);
    let mut unreadable: Vec<Range<u64>> = Vec::new();
    let mut lose = |from: usize, to: usize| match unreadable.last_mut() {
        Some(last) if last.end == from as u64 => last.end = to as u64,
        _ => unreadable.push(from as u64..to as u64),
    };
    for (index, piece) in buffer[..there].chunks_mut(PIECE_BYTES).enumerate() {
        let start = index * PIECE_BYTES;
        if file.read_at(piece, start as u64).is_ok() {
            continue;
        }
        for (index, page) in piece.chunks_mut(PAGE_BYTES).enumerate() {
            let start = start + index * PAGE_BYTES;
            if file.read_at(page, start as u64).is_err() {
                page.fill(0);
                lose(start, start + page.len());
            }
        }
    }
    if there < whole {
        buffer[there..].fill(0);
        lose(there, whole);
    }
    unreadable
}
