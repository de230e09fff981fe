//! The programs of a live run: a broker, and chat servers at it, started here on ports that are kept for them, so that they may
//! be killed at any moment and started again.

use std::fs::OpenOptions;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use naru_ledger::Limits;
use socket2::{Domain, Socket, Type};
use tokio::time::{Instant, sleep};

use super::super::own;
use super::client::Place;
use super::leash;

/// Chat servers, those with an embedded broker included.
const SERVERS: usize = 3;

/// Members of a room that goes into everybody's inbox. What has more is followed by its channel.
const MEMBERS_MAX: usize = 12;

/// Who is in these rooms may leave them, and come back.
const OPEN_ROOMS: &str = "verify-*";

/// How long a program may take to start.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// What a live run is started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A chat server with its own broker, and others that join that.
    Embedded,
    /// `naru broker`, and chat servers at it.
    Naru,
    /// A redis-server or valkey-server, and chat servers at it.
    Redis(PathBuf),
    /// Chat servers at a broker that is running, and is left alone.
    At(String),
}

impl Kind {
    pub(super) fn of(start: &Path) -> Kind {
        match start.to_str() {
            Some("embedded") => Kind::Embedded,
            Some("naru") => Kind::Naru,
            _ => Kind::Redis(start.to_owned()),
        }
    }
}

/// A program that was started here, and ends with the stage.
pub(super) struct Program {
    pub(super) name: String,
    /// Where it listens; nobody else gets the port while it is dead.
    port: HeldPort,
    /// More ports that are its own.
    _others: Vec<HeldPort>,
    path: PathBuf,
    arguments: Vec<String>,
    secret: String,
    log: PathBuf,
    child: Option<Child>,
}

pub(super) struct Stage {
    /// Before the folder, which is removed when nobody writes there any more.
    pub(super) programs: Vec<Program>,
    folder: tempfile::TempDir,
    pub(super) servers: Vec<(String, Place)>,
    /// Members of a room that goes into everybody's inbox.
    pub(super) members_max: usize,
    /// Where the broker is.
    pub(super) broker: String,
}

impl Stage {
    /// Starts everything; what a program logs goes to a file in the stage's folder.
    pub(super) async fn start(kind: &Kind, secret: &str) -> Result<Stage> {
        let folder =
            tempfile::Builder::new().prefix("naru-live-").tempdir().context("a folder for the programs")?;
        let mut stage = Stage {
            folder,
            programs: Vec::new(),
            servers: Vec::new(),
            members_max: if matches!(kind, Kind::At(_)) {
                Limits::default().members_max
            } else {
                MEMBERS_MAX
            },
            broker: String::new(),
        };
        let naru = std::env::current_exe().context("the path of this program")?;
        let data = stage.path("data");
        let members_max = format!("ledger-members-max={MEMBERS_MAX}");
        let url = match kind {
            Kind::At(url) => url.clone(),
            Kind::Naru => {
                let port = HeldPort::new()?;
                let url = format!("redis://127.0.0.1:{}", port.number());
                let arguments = [
                    "--log",
                    "warn",
                    "broker",
                    "--data",
                    &data,
                    "--cores",
                    "1",
                    "--port",
                    &port.number().to_string(),
                    "--set",
                    &members_max,
                ]
                .map(str::to_owned);
                stage.add("broker", port, Vec::new(), &naru, arguments.into(), secret).await?;
                url
            }
            Kind::Redis(program) => {
                let port = HeldPort::new()?;
                let url = format!("redis://127.0.0.1:{}", port.number());
                let number = port.number().to_string();
                let place =
                    ["--port", &number, "--bind", "127.0.0.1", "--dir", &stage.path("")].map(str::to_owned);
                let arguments = place.into_iter().chain(own::KEEPING.map(str::to_owned)).collect();
                stage.add("broker", port, Vec::new(), program, arguments, secret).await?;
                url
            }
            Kind::Embedded => {
                let (port, resp) = (HeldPort::new()?, HeldPort::new()?);
                let url = format!("redis://127.0.0.1:{}", resp.number());
                let embedded =
                    ["--data", &data, "--resp-port", &resp.number().to_string(), "--set", &members_max]
                        .map(str::to_owned);
                stage.serve(1, port, vec![resp], &naru, &embedded, secret).await?;
                url
            }
        };
        stage.broker.clone_from(&url);
        for number in stage.servers.len() + 1..=SERVERS {
            let mut broker = vec!["--broker".to_owned(), url.clone()];
            if matches!(kind, Kind::Redis(_)) {
                broker.extend(["--set".to_owned(), members_max.clone()]);
            }
            stage.serve(number, HeldPort::new()?, Vec::new(), &naru, &broker, secret).await?;
        }
        Ok(stage)
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    async fn serve(
        &mut self,
        number: usize,
        port: HeldPort,
        others: Vec<HeldPort>,
        naru: &Path,
        broker: &[String],
        secret: &str,
    ) -> Result<()> {
        let name = format!("server-{number}");
        let (at, number) = (Place::local(port.number()), port.number().to_string());
        let fixed = [
            "--log",
            "warn",
            "serve",
            "--cores",
            "1",
            "--port",
            &number,
            "--name",
            &name,
            "--open-rooms",
            OPEN_ROOMS,
        ]
        .map(str::to_owned);
        let arguments = fixed.into_iter().chain(broker.iter().cloned()).collect();
        self.add(&name, port, others, naru, arguments, secret).await?;
        self.servers.push((name, at));
        Ok(())
    }

    async fn add(
        &mut self,
        name: &str,
        port: HeldPort,
        others: Vec<HeldPort>,
        path: &Path,
        arguments: Vec<String>,
        secret: &str,
    ) -> Result<()> {
        let log = PathBuf::from(self.path(&format!("{name}.log")));
        let (name, path, secret) = (name.to_owned(), path.to_owned(), secret.to_owned());
        let mut program = Program { name, port, _others: others, path, arguments, secret, log, child: None };
        program.start()?;
        program.listens().await?;
        self.programs.push(program);
        Ok(())
    }

    /// Everything runs, for good.
    pub(super) async fn make_whole(&mut self) -> Result<()> {
        for program in &mut self.programs {
            if program.child.is_none() {
                program.start()?;
            }
        }
        for program in &mut self.programs {
            program.listens().await?;
        }
        Ok(())
    }

    /// An error if a program has ended by itself.
    pub(super) fn check(&mut self) -> Result<()> {
        self.programs.iter_mut().try_for_each(Program::check)
    }

    /// Leaves the programs' folder where it is. Returns its path.
    pub(super) fn keep(mut self) -> PathBuf {
        self.programs.clear();
        self.folder.keep()
    }
}

impl Program {
    pub(super) fn start(&mut self) -> Result<()> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log);
        let log = log.with_context(|| format!("cannot write {}", self.log.display()))?;
        let mut command = leash::command(&self.path, &self.arguments)?;
        command.env("NARU_TOKEN_SECRET", &self.secret);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.child = Some(command.spawn().with_context(|| format!("cannot start {}", self.name))?);
        Ok(())
    }

    /// Its process, while it runs.
    pub(super) fn process(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// SIGKILL: no last words.
    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself, which is as good.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn check(&mut self) -> Result<()> {
        let Some(child) = &mut self.child else { return Ok(()) };
        if let Some(status) = child.try_wait()? {
            let said = std::fs::read_to_string(&self.log).unwrap_or_default();
            let last: Vec<&str> = said.lines().rev().take(5).collect();
            let last: Vec<&str> = last.into_iter().rev().collect();
            bail!(
                "{} has ended by itself ({status}); --start takes embedded, naru, or the path of a redis-server or \
                 valkey-server. It said last:\n{}",
                self.name,
                last.join("\n")
            );
        }
        Ok(())
    }

    /// Waits until it takes connections.
    pub(super) async fn listens(&mut self) -> Result<()> {
        let end = Instant::now() + START_TIMEOUT;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port.number()));
        while TcpStream::connect_timeout(&address, Duration::from_millis(100)).is_err() {
            self.check()?;
            if Instant::now() > end {
                bail!("{} does not listen after {START_TIMEOUT:?}", self.name);
            }
            sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that was bound and is not listened on: whoever says that it may be used again gets it, and nobody else.
struct HeldPort {
    _socket: Socket,
    number: u16,
}

impl HeldPort {
    fn new() -> Result<HeldPort> {
        let held = || -> std::io::Result<HeldPort> {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
            socket.set_reuse_address(true)?;
            socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
            let address = socket.local_addr()?.as_socket().map_or(0, |address| address.port());
            Ok(HeldPort { _socket: socket, number: address })
        };
        held().context("a free port")
    }

    fn number(&self) -> u16 {
        self.number
    }
}
