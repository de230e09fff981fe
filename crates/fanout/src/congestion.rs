use std::{
    io,
    net::{SocketAddr, TcpStream},
};

use socket2::SockRef;

/// Every system has it, and it does not pace.
const UNPACED: &[u8] = b"reno";

/// Has what is sent to this machine itself leave at once. Where the system's congestion control is one that paces (BBR,
/// tcp(7)), each piece of a large message waits for a timer, for the sake of a network that is not between. A
/// connection that began with one goes on pacing with any other; so the listener has none, and connections from
/// elsewhere are given the system's.
pub(crate) struct Congestion {
    /// Of the system, its name; none if it stays for all.
    system: Option<Vec<u8>>,
}

impl Congestion {
    /// To be called before it listens: the system accepts by itself from then on.
    pub(crate) fn of(listener: SockRef<'_>) -> Congestion {
        let unpaced = || {
            let mut system = listener.tcp_congestion()?;
            system.truncate(system.iter().position(|&byte| byte == 0).unwrap_or(system.len()));
            listener.set_tcp_congestion(UNPACED)?;
            Ok::<_, io::Error>(system)
        };
        let system =
            unpaced().inspect_err(|error| tracing::debug!(%error, "the system's congestion control stays"));
        Congestion { system: system.ok() }
    }

    /// To be called with each connection before anything is sent. Where the system does not let it have its own choice back,
    /// it does without.
    pub(crate) fn accepted(&self, stream: &TcpStream, peer: SocketAddr) {
        if let Some(system) = &self.system
            && !peer.ip().to_canonical().is_loopback()
            && let Err(error) = SockRef::from(stream).set_tcp_congestion(system)
        {
            tracing::debug!(%error, "a connection does without the system's congestion control");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn control(socket: SockRef<'_>) -> String {
        String::from_utf8(socket.tcp_congestion().unwrap()).unwrap().trim_end_matches('\0').into()
    }

    #[test]
    fn what_is_sent_to_this_machine_is_never_paced_and_the_systems_choice_is_kept_for_others() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let system = control(SockRef::from(&listener));
        let congestion = Congestion::of(SockRef::from(&listener));
        assert_eq!(congestion.system.as_deref(), Some(system.as_bytes()));
        let _near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, peer) = listener.accept().unwrap();
        congestion.accepted(&accepted, peer);
        assert_eq!(control(SockRef::from(&accepted)), "reno");
    }
}
