//! `naru doctor salvage`

use std::{
    ffi::OsString,
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf, absolute},
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Context, anyhow, bail};
use naru_broker::{SalvageError, SalvageReport, salvage};
use naru_store::{OpenError, RealFs};

use super::{EXIT_DAMAGED, EXIT_LOST, in_use, place, refuse_other_folders};
use crate::printed::say;

/// Lines of the report that are printed as well.
const LINES_MAX: usize = 200;

pub(super) fn run(data: &Path, into: &Path) -> anyhow::Result<ExitCode> {
    refuse_other_folders(data)?;
    refuse_filled(into)?;
    refuse_inside(data, into)?;
    let report_file = beside(into)?;
    match salvage(Arc::new(RealFs), data, into) {
        Ok(report) => {
            tell(data, into, &report_file, &report)?;
            Ok(if report.is_complete() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_LOST) })
        }
        Err(SalvageError::Source(OpenError::InUse { .. })) => Err(in_use(data)),
        Err(SalvageError::Source(OpenError::Damaged(damage))) => {
            say!("{}", place(&damage))?;
            say!("nothing can be salvaged, and nothing was written. Restore a backup")?;
            Ok(ExitCode::from(EXIT_DAMAGED))
        }
        Err(SalvageError::Source(error)) => {
            Err(error).with_context(|| format!("{} cannot be read", data.display()))
        }
        Err(error) => Err(error).with_context(|| {
            format!(
                "{data} is as it was, but {into} could not be finished; no broker starts with it. Remove it and try again, \
                 perhaps on another disk",
                data = data.display(),
                into = into.display()
            )
        }),
    }
}

fn refuse_filled(into: &Path) -> anyhow::Result<()> {
    let mut names = match fs::read_dir(into) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        names => names.with_context(|| format!("{} cannot be used as NEW_DIR", into.display()))?,
    };
    // A new file system has this.
    match names.find(|name| !name.as_ref().is_ok_and(|name| name.file_name() == "lost+found")) {
        None => Ok(()),
        Some(_) => bail!("{} is not empty: give a new or empty folder to --into", into.display()),
    }
}

/// Nothing is written into the damaged folder, whatever it is called.
fn refuse_inside(data: &Path, into: &Path) -> anyhow::Result<()> {
    let data = fs::canonicalize(data).with_context(|| data.display().to_string())?;
    let into = absolute(into).with_context(|| into.display().to_string())?;
    let existing = into.ancestors().find_map(|folder| fs::canonicalize(folder).ok());
    let is_inside = existing.is_some_and(|folder| folder.starts_with(&data));
    if is_inside {
        bail!(
            "{} is in {}, which is not to be changed: give a folder elsewhere",
            into.display(),
            data.display()
        );
    }
    Ok(())
}

/// Where the report is written: beside the new folder, where no broker takes it for its own.
fn beside(into: &Path) -> anyhow::Result<PathBuf> {
    let into = absolute(into).with_context(|| into.display().to_string())?;
    let name = into.file_name().ok_or_else(|| anyhow!("{} is no folder to make", into.display()))?;
    let name = [name, ".salvage.txt".as_ref()].into_iter().collect::<OsString>();
    Ok(into.with_file_name(name))
}

/// Prints the report, all of it if it is short, and writes it to a file.
fn tell(data: &Path, into: &Path, report_file: &Path, report: &SalvageReport) -> io::Result<()> {
    let heading = format!("{} salvaged into {}", data.display(), into.display());
    let text = format!("{heading}\n{report}");
    let written = write(report_file, &text);
    text.lines().take(LINES_MAX).try_for_each(|line| say!("{line}"))?;
    let more = text.lines().count().saturating_sub(LINES_MAX);
    match written {
        Ok(()) if more > 0 => say!("… and {more} lines more in {}", report_file.display())?,
        Ok(()) => say!("this report is also in {}", report_file.display())?,
        Err(error) => {
            text.lines().skip(LINES_MAX).try_for_each(|line| say!("{line}"))?;
            eprintln!("naru: the report cannot be written to {}: {error}", report_file.display());
        }
    }
    say!("start with: naru broker --data {}", into.display())?;
    if !report.is_complete() {
        say!("keep {} until nobody misses anything, and check the disk it is on", data.display())?;
    }
    Ok(())
}

/// For its owner only, since it names keys.
fn write(file: &Path, text: &str) -> io::Result<()> {
    // Not through a link, and not into what somebody else may read.
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    file.write_all(text.as_bytes())
}
