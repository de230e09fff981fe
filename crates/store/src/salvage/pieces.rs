//! The whole pieces of a checkpoint that is damaged.

use std::path::Path;

use super::Rescue;
use crate::checkpoint::{HEADER_BYTES, PIECE_BYTES_MAX, PIECE_EXTRA_BYTES, file_name, piece_crc};
use crate::lsn::Lsn;
use crate::vfs::{Vfs, VfsFile};

/// Hands on the pieces that are whole, and says where others are lost. A damaged piece is passed by its length, as far as
/// that leads.
pub(super) fn read(fs: &dyn Vfs, shard: &Path, lsn: Lsn, load: &mut dyn Rescue) {
    let walked = fs.open_to_read(&shard.join(file_name(lsn))).ok().and_then(|file| walk(&*file, load));
    if walked.is_none() {
        load.lost_piece();
    }
}

/// `None` when it could not be followed to its end.
fn walk(file: &dyn VfsFile, load: &mut dyn Rescue) -> Option<()> {
    let end = file.bytes().ok()?;
    let mut header = [0; HEADER_BYTES];
    file.read_at(&mut header, 0).ok()?;
    // Right or wrong: the pieces prove it.
    let salt = u64::from_le_bytes(header[16..24].try_into().ok()?);
    let mut at = HEADER_BYTES as u64;
    let mut piece = Vec::new();
    for index in 0.. {
        let mut head = [0; PIECE_EXTRA_BYTES];
        file.read_at(&mut head, at).ok()?;
        let (length, crc) = head.split_at(4);
        let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
        if length == 0 {
            return Some(());
        }
        at += PIECE_EXTRA_BYTES as u64;
        if length > PIECE_BYTES_MAX || length as u64 > end.checked_sub(at)? {
            return None;
        }
        piece.resize(length, 0);
        let is_read = file.read_at(&mut piece, at).is_ok();
        if is_read && piece_crc(salt, index, &piece).to_le_bytes() == crc {
            load.piece(&piece);
        } else {
            load.lost_piece();
        }
        at += length as u64;
    }
    None
}
