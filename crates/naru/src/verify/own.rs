//! A broker that is started here: it may be killed at any moment, and started again on what it has written.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

/// A Redis or Valkey in a folder of its own, which keeps what it has answered when it is killed.
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
                "{} ended at once ({status}); --start takes a redis-server or valkey-server",
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

/// What a redis-server or valkey-server is started with, to keep in `folder` all that it has answered.
pub(super) fn arguments(port: u16, folder: &Path) -> Vec<String> {
    let (port, folder) = (port.to_string(), folder.display().to_string());
    let place = ["--port", &port, "--bind", "127.0.0.1", "--dir", &folder];
    // What is answered has been handed to the system, which outlives a kill. Not so with everysec: while a sync is under way
    // it keeps writes to itself for up to two seconds.
    let keeping = ["--save", "", "--appendonly", "yes", "--appendfsync", "no"];
    place.into_iter().chain(keeping).map(str::to_owned).collect()
}

fn start(program: &PathBuf, folder: &tempfile::TempDir, port: u16) -> Result<Child> {
    let mut command = Command::new(program);
    command.args(arguments(port, folder.path())).stdin(Stdio::null()).stdout(Stdio::null());
    command.spawn().with_context(|| {
        format!(
            "cannot start {}; give --start the path of a redis-server or valkey-server (embedded and naru go with --live)",
            program.display()
        )
    })
}
