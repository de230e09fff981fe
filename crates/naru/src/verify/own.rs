//! A broker that is started here: it may be killed at any moment, and started again on what it has written.

use std::env;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

/// What a redis-server or valkey-server is started with. What is answered has been handed to the system, which outlives a kill. Not
/// so with everysec: while a sync is under way it keeps writes to itself for up to two seconds.
pub(super) const KEEPING: [&str; 6] = ["--save", "", "--appendonly", "yes", "--appendfsync", "no"];

/// A broker in a folder of its own, which keeps what it has answered when it is killed.
pub(super) struct Own {
    program: PathBuf,
    folder: tempfile::TempDir,
    port: u16,
    child: Child,
}

impl Own {
    pub(super) fn start(program: PathBuf) -> Result<Own> {
        let folder = tempfile::tempdir().context("a folder for the broker")?;
        let port = TcpListener::bind(("127.0.0.1", 0)).and_then(|free| free.local_addr());
        let port = port.context("a port for the broker")?.port();
        let child = start(&program, &folder, port)?;
        Ok(Own { program, folder, port, child })
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(super) fn restart(&mut self) -> Result<()> {
        self.kill();
        self.child = start(&self.program, &self.folder, self.port)?;
        Ok(())
    }

    /// An error if it has ended by itself.
    pub(super) fn check(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!(
                "{} ended at once ({status}); --start takes naru, a redis-server or a valkey-server",
                self.program.display()
            );
        }
        Ok(())
    }

    fn kill(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.kill();
    }
}

fn start(program: &Path, folder: &tempfile::TempDir, port: u16) -> Result<Child> {
    let mut command = if program.file_stem().is_some_and(|name| name == "naru") {
        naru(program, folder)?
    } else {
        redis(program, folder)
    };
    command.arg("--port").arg(port.to_string()).arg("--bind").arg("127.0.0.1");
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.spawn().with_context(|| {
        format!(
            "cannot start {}; give --start naru, or the path of a redis-server or valkey-server (embedded goes with --live)",
            program.display()
        )
    })
}

/// This very program, if it is not said where another is. What is answered has been handed to the system, which outlives a kill.
fn naru(program: &Path, folder: &tempfile::TempDir) -> Result<Command> {
    let mut command = match program.components().count() {
        1 => Command::new(env::current_exe().context("where this program is")?),
        _ => Command::new(program),
    };
    command.arg("--log").arg("error").arg("broker").arg("--data").arg(folder.path().join("data"));
    command.args(["--fsync", "no", "--cores", "1"]);
    Ok(command)
}

fn redis(program: &Path, folder: &tempfile::TempDir) -> Command {
    let mut command = Command::new(program);
    command.arg("--dir").arg(folder.path()).args(KEEPING);
    command
}
