//! `naru doctor verify`

use std::{io::Write as _, path::Path, process::ExitCode, sync::Arc};

use anyhow::Context;
use naru_broker::{Verification, verify};
use naru_store::{OpenError, RealFs, Verified};

use super::{EXIT_DAMAGED, in_use, place, refuse_other_folders};
use crate::printed::{Printed, say};

pub(super) fn run(data: &Path) -> anyhow::Result<ExitCode> {
    let found = look(data)?;
    let Verified { segments, records, bytes, checkpoints, damages, torn } = &found.stored;
    say!(
        "{}: {segments} segments with {records} whole records, {checkpoints} whole checkpoints, {bytes} bytes read",
        data.display()
    )?;
    if let Some((path, offset)) = torn {
        say!(
            "{}: byte {offset}: the last write before a crash is incomplete. This is no damage: with appendfsync always nobody \
             was told of what was in it, and the next start cuts it off",
            path.display()
        )?;
    }
    for damage in damages.iter() {
        say!("{}", place(damage))?;
    }
    if damages.more() > 0 {
        say!("and {} more places", damages.more())?;
    }
    write!(Printed, "{found}")?;
    if found.damaged() == 0 {
        say!("whole")?;
        return Ok(ExitCode::SUCCESS);
    }
    say!(
        "damaged in {}. Keep a copy of the folder as it is, check the disk, and restore the folder from a backup, or \
         keep what can still be read with: naru doctor salvage {} --into NEW_DIR",
        places(found.damaged()),
        data.display()
    )?;
    Ok(ExitCode::from(EXIT_DAMAGED))
}

fn places(count: u64) -> String {
    if count == 1 { "1 place".to_owned() } else { format!("{count} places") }
}

/// Checks a folder; what cannot be checked is said in the words of who has no broker to start.
fn look(data: &Path) -> anyhow::Result<Verification> {
    refuse_other_folders(data)?;
    match verify(Arc::new(RealFs), data) {
        Err(OpenError::InUse { .. }) => Err(in_use(data)),
        verified => verified.with_context(|| format!("{} cannot be checked", data.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_place_is_one() {
        assert_eq!((places(1), places(2)), ("1 place".to_owned(), "2 places".to_owned()));
    }
}
