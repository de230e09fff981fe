//! A broker of any kind, that keeps what it has answered when it ends.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use naru_broker::{Options, Storage};
use naru_bus::{Keeping, Line, Target};
use naru_fanout::Listener;

use crate::server::{self, Server, in_the_end};

pub(crate) enum Broker {
    Naru { running: Option<naru_broker::Broker>, port: u16, folder: tempfile::TempDir },
    Other(Server),
}

/// Calls something with a new broker of each kind that there is.
pub(crate) fn each(test: impl Fn(Broker)) {
    for program in [server::redis(), server::valkey()].into_iter().flatten() {
        println!("on {}", program.display());
        test(Broker::other(&program));
    }
    println!("on Naru's");
    test(Broker::naru());
}

impl Broker {
    pub(crate) fn naru() -> Broker {
        let folder = tempfile::tempdir().unwrap();
        let (running, port) = naru(Storage::Folder(folder.path().to_owned()));
        Broker::Naru { running: Some(running), port, folder }
    }

    pub(crate) fn other(program: &Path) -> Broker {
        Broker::Other(Server::start(program, &["--appendonly", "yes", "--appendfsync", "always"]))
    }

    pub(crate) fn target(&self) -> Target {
        match self {
            Broker::Naru { port, .. } => Target::Url(format!("redis://127.0.0.1:{port}")),
            Broker::Other(server) => server.target(),
        }
    }

    /// A connection beside the gateways'.
    pub(crate) async fn line(&self) -> Line {
        match self {
            Broker::Naru { .. } => Line::connect(self.target(), &Keeping::default()).await.unwrap(),
            Broker::Other(server) => server.line().await,
        }
    }

    pub(crate) fn end(&mut self) {
        match self {
            Broker::Naru { running, .. } => running.take().unwrap().stop(),
            Broker::Other(server) => server.kill(),
        }
    }

    /// Where it was, with what it had.
    pub(crate) fn come_back(&mut self) {
        match self {
            Broker::Naru { running, port, folder } => {
                let folder: PathBuf = folder.path().to_owned();
                // Somebody else may have the port for a moment.
                let listener = in_the_end(|| bind(*port).ok());
                *running = Some(start(listener, Storage::Folder(folder)));
            }
            Broker::Other(server) => server.start_again(),
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Broker::Naru { running, .. } = self
            && let Some(running) = running.take()
        {
            running.stop();
        }
    }
}

/// One of ours on loopback, on a free port.
pub(crate) fn naru(storage: Storage) -> (naru_broker::Broker, u16) {
    let listener = bind(0).unwrap();
    let port = listener.address().port();
    (start(listener, storage), port)
}

fn bind(port: u16) -> io::Result<Listener> {
    Listener::bind(SocketAddr::from(([127, 0, 0, 1], port)))
}

fn start(listener: Listener, storage: Storage) -> naru_broker::Broker {
    naru_broker::Broker::start(Options::new(vec![listener], storage, 2)).unwrap()
}
