//! What survives: a durable log with group commit and recovery.
//!
//! A [`Log`] takes records (bytes; what they mean is the caller's) and says when they are on disk. One thread, the
//! executor, owns the `Log` and the state that its records describe; a second one, the writer, does one write and
//! one sync for everything that gathered while it was busy (a short frame the executor may write itself); a third writes
//! checkpoints and unlinks what is dead. After a crash [`Log::open`]
//! hands every stored record back, in order, or the newest checkpoint and what is behind it. Each record has an
//! [`Address`], under which [`Log::read`] finds its bytes, so a state can refer to bodies instead of holding them.
//!
//! # Invariants
//!
//! - A record is reported durable only after its frame was written and, at [`Level::Always`], synced; in order,
//!   without gaps.
//! - At [`Level::Always`] at most one frame is not synced, so a crash can tear at most one: the last, which nobody was
//!   told of. At the other levels a power cut can take what was written in the last second, or since the last sync;
//!   the death of the process takes nothing that was acknowledged.
//! - What recovery hands back has been synced again first, so what a caller shows after a restart stays.
//! - A segment is unlinked only when nothing in it is live, what made it dead is on disk, and two checkpoints cover it.
//! - A checkpoint has its name only once it and every record that it may know of are on disk.
//! - Damage to what was acknowledged is never passed over: opening is refused, and the file and place are named.
//! - After a failed write or sync nothing more is ever acknowledged, since the kernel may have dropped the data and
//!   reported success for it next time. The caller fails what waits, and exits; the next start recovers.
//!
//! # On disk
//!
//! ```text
//! data/
//!   FORMAT  LOCK
//!   UNFINISHED                 while the folder is filled from another: until it has everything, it does not open
//!   shard-00/
//!     0000000000000001.seg       sealed
//!     0000000000000002.seg       the tail
//!     0000000000000003.seg       the next one, already allocated: a full disk shows here, not in a commit
//!     ckpt-00000000000000000040  a checkpoint at record 40; the newest two are kept
//!     RESERVE                    becomes a segment when there is no space for one
//!     torn-0000000000000042      what recovery cut off, kept to be looked at (newest four)
//! ```
//!
//! One hole is known: damage to the *very last* frame looks as if it had been torn, and is cut and reported; if all of
//! the end is turned into zeros, it looks as if it had never been written. A clean [`Log::close`], and [`Log::mark`]
//! when idle, write a mark behind the last frame, which leaves only the mark to be lost unless it goes with its sector.
//! A checkpoint proves all before its end, too. At the weaker levels the hole is what was written since the last sync.
//! Below the newest checkpoint a start reads no bodies: damage there shows when a body is read, by the checksum that its
//! owner keeps with it, or in [`verify()`].
//!
//! # Absent on purpose, for now
//!
//! One shard.
//!
//! # Where to start
//!
//! [`Log`], then `writer` and `tail` (writing), `recovery`, `inventory` and `repair` (opening), `segments` (reading by
//! address, live bytes), `checkpointing` and `checkpoint` (what a start begins with), [`verify()`], [`Salvage`], [`Backup`], and
//! `frame` and `segment` (the bytes). [`Vfs`] is the disk: [`RealFs`], [`MemoryFs`], and `faults` for tests.

#![forbid(unsafe_code)]

mod address;
mod backup;
mod batch;
mod checkpoint;
mod checkpointing;
mod desk;
mod error;
#[cfg(any(test, feature = "faults"))]
pub mod faults;
mod folder;
mod frame;
mod inventory;
mod level;
mod listed;
mod log;
mod lsn;
mod memory_fs;
mod priority;
mod real_fs;
mod recovery;
mod repair;
mod salvage;
mod segment;
mod segments;
mod tail;
mod verify;
mod vfs;
mod writer;

#[cfg(test)]
mod tests;

pub use address::Address;
pub use backup::Backup;
pub use checkpointing::Checkpoint;
pub use error::{AppendError, Damage, OpenError, ReadError, WriteError};
pub use level::Level;
pub use listed::Listed;
pub use log::{Log, OnDurable, Options};
pub use lsn::Lsn;
pub use memory_fs::MemoryFs;
pub use real_fs::RealFs;
pub use recovery::{Load, Recovery, Torn};
pub use salvage::{Rescue, Salvage, Salvaged, Target};
pub use segments::{Hold, Sealed};
pub use verify::{Verified, verify};
pub use vfs::{Vfs, VfsFile};
