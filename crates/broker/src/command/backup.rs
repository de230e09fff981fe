//! `NARU.BACKUP`: a copy of the data folder while work goes on, for `naru backup`.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use naru_fanout::{Peer as _, PeerId};
use naru_resp::Command;
use tokio::sync::oneshot;

use super::{Context, Outcome, beside::beside};
use crate::{keeper::Job, wire::Shared};

/// `NARU.BACKUP directory`
pub(super) fn backup(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    let target = PathBuf::from(OsStr::from_bytes(command.arg(1)));
    if !context.core.shared().config.is_durable() {
        return Err("ERR this broker keeps everything in memory: there is no data folder to copy".into());
    }
    if !target.is_absolute() {
        return Err("ERR the directory must be given by its absolute path on the broker's machine".into());
    }
    let client = context.client.id();
    let work = move |shared: &Shared| {
        copy(shared, client, &target).inspect_err(|error| tracing::warn!("NARU.BACKUP: {error}"))
    };
    beside(context, work, |_, copied| Ok(copied?))
}

/// Works on a thread that may wait.
fn copy(shared: &Shared, client: PeerId, target: &Path) -> Result<(), String> {
    let shown = target.display();
    if target.symlink_metadata().is_ok() {
        return Err(format!("ERR {shown} is there already: a backup goes where nothing is"));
    }
    let (begun, backup) = oneshot::channel();
    let stopping = "IOERR the broker is stopping, and nothing was copied";
    shared.keeper.blocking_send(Job::backup(client, begun)).map_err(|_| stopping)?;
    let backup = backup.blocking_recv().map_err(|_| stopping)?;
    let record = backup.last().number();
    let bytes = backup.run(target).map_err(|error| {
        format!("IOERR {error}. What is in {shown} by now is no whole copy, and will not open: remove it")
    })?;
    tracing::info!(folder = %shown, record, bytes, "backup made");
    Ok(())
}
