use std::{io, rc::Rc, sync::Arc, sync::atomic::Ordering, time::Duration};

use naru_fanout::{Core, HandshakeError, Incoming, Link, Peer, Socket};
use naru_resp::{Limits, RequestParser};
use socket2::{SockRef, TcpKeepalive};

use crate::{
    acl::Access,
    addresses::Visit,
    class::Class,
    client::Client,
    command::{self, Context, Flow},
    config::Config,
    keeper::{Job, Task},
    limits::{
        LINGER, OUTBOX_BYTES_READ_MAX, QUERY_BYTES_UNAUTHENTICATED_MAX, REFUSED_PASSWORD_PAUSE,
        REFUSED_PASSWORDS_MAX, REPLIES_OWED_MAX,
    },
    monitors::Monitors,
    profile::Profile,
    strangers::Stranger,
    wire::Resp,
};

/// What a peer from another machine gets while there is no password: Redis's protected mode, in our words for our
/// options.
const DENIED: &[u8] = b"-DENIED Naru is running in protected mode because no password is set. In this mode \
connections are only accepted from the loopback interface. Connect from the same machine, or start the broker with \
--requirepass.\r\n";

/// What a peer gets when there are `maxclients` already; Redis's text.
const FULL: &[u8] = b"-ERR max number of clients reached\r\n";

/// The life of one connection. What is waited for only once is boxed, so that a silent connection is small.
pub(crate) async fn serve(core: Rc<Core<Resp>>, incoming: Incoming) {
    let Some(_visit) = enter(&core, &incoming) else { return core.released() };
    if let Some(client) = Box::pin(welcome(&core, incoming)).await {
        Conversation::new(core.clone(), client.clone()).hold().await;
        Box::pin(end(&core, &client)).await;
    }
    core.released();
}

/// Lets a connection in unless its address has as many as it may. Before anything is agreed on, since that would cost
/// more than what is refused.
fn enter(core: &Rc<Core<Resp>>, incoming: &Incoming) -> Option<Visit> {
    let address = match incoming {
        Incoming::Tcp(stream) | Incoming::Tls(stream, _) => stream.peer_addr().ok()?.ip(),
        Incoming::Unix(_) => return Some(Visit::uncounted()),
    };
    let visit = core.shared().addresses.enter(address, core.shared().config.address_limits());
    if visit.is_none() {
        core.shared().counters.of(core.id()).refused_connections.add(1);
        tracing::warn!(%address, "refused: as many connections as one address may have, or open in a second");
    }
    visit
}

/// Agrees with a peer on how to talk; none if it does not come to that.
async fn welcome(core: &Rc<Core<Resp>>, incoming: Incoming) -> Option<Rc<Client>> {
    let config = core.shared().config.clone();
    keep_alive(&incoming, &config);
    let socket = incoming.into_socket().ok()?;
    if let Err(error) = socket.handshake().await {
        no_handshake(core, &socket, &error);
        return None;
    }
    match admit(core, socket, config) {
        Ok(client) => Some(client),
        Err((link, why)) => {
            refuse(core, &link, why).await;
            None
        }
    }
}

/// Says why a connection ends before it began.
fn no_handshake(core: &Rc<Core<Resp>>, socket: &Socket, error: &HandshakeError) {
    let address = socket.peer_name();
    match (error, core.shared().config.port()) {
        (HandshakeError::Plain, Some(port)) => {
            tracing::warn!(
                address,
                "closed: it speaks no TLS, and this port is for TLS; without it, use port {port}"
            );
        }
        (HandshakeError::Plain, None) => {
            tracing::warn!(address, "closed: it speaks no TLS, and this broker has no port without");
        }
        (HandshakeError::Lost(error), _) => tracing::debug!(address, %error, "lost in the TLS handshake"),
        (error, _) => tracing::warn!(address, %error, "closed: no agreement on TLS"),
    }
}

/// Lets a peer in, unless it may not; with what it is told then.
fn admit(
    core: &Rc<Core<Resp>>,
    socket: Socket,
    config: Arc<Config>,
) -> Result<Rc<Client>, (Rc<Link>, &'static [u8])> {
    let access = Access::new(&core.shared().acl);
    let denied = !socket.is_local() && access.user().needs_no_password() && config.is_protected();
    let (address, local_address) = (socket.peer_name(), core.local().shared_name(socket.local_name()));
    let link = core.link(socket, config.output_limit(Class::Normal));
    let profile = Arc::new(Profile::new(core.next_peer(), core.id(), address, local_address));
    if denied {
        tracing::warn!(address = profile.address, "refused: not from this machine, and no password is set");
        return Err((link, DENIED));
    }
    if !core.shared().profiles.add(profile.clone(), config.clients_max()) {
        tracing::warn!(address = profile.address, "refused: as many clients as there may be (maxclients)");
        return Err((link, FULL));
    }
    let client = Client::new(link, profile, config, access);
    core.insert(client.clone());
    Ok(client)
}

/// Has the kernel find out when the peer's machine is gone.
fn keep_alive(incoming: &Incoming, config: &Config) {
    let (Incoming::Tcp(stream) | Incoming::Tls(stream, _)) = incoming else { return };
    if let Some(after) = config.keepalive() {
        let every = (after / 3).max(Duration::from_secs(1));
        let keepalive = TcpKeepalive::new().with_time(after).with_interval(every).with_retries(3);
        // Without it the connection works as well.
        let _ = SockRef::from(stream).set_tcp_keepalive(&keepalive);
    }
}

async fn refuse(core: &Rc<Core<Resp>>, link: &Rc<Link>, why: &'static [u8]) {
    core.shared().counters.of(core.id()).refused_connections.add(1);
    // It is short; whoever limits replies to less does without.
    let _ = link.write(|writer| writer.copy(why));
    link.flushed().await;
    link.close();
}

/// Gives the client what it is still owed, if it takes it, then forgets it.
async fn end(core: &Rc<Core<Resp>>, client: &Rc<Client>) {
    let owed = async {
        client.answered_down_to(0).await;
        client.link().flushed().await;
    };
    // Who does not read its last replies in time does without.
    let _ = tokio::time::timeout(LINGER, owed).await;
    Monitors::forget(core, client);
    core.remove(client, client.topics());
    let id = client.profile().id;
    core.shared().profiles.remove(id);
    if client.is_held_by_keeper() {
        // The keeper is gone only when the broker stops, and then holds nothing for anybody.
        let _ = core.local().handover.send(Job::gone(id)).await;
    }
}

struct Conversation {
    core: Rc<Core<Resp>>,
    client: Rc<Client>,
    parser: RequestParser,
    /// As the parser knows them.
    limits: Limits,
    /// What was read and not executed yet.
    input: Vec<u8>,
    /// Nothing was read yet.
    is_fresh: bool,
    /// While the client has not signed in.
    stranger: Option<Rc<Stranger>>,
    /// Wrong passwords that it has been made to wait for.
    paused_for: u32,
}

/// Why executing commands stopped.
enum Pause {
    /// All complete commands are done.
    Hungry,
    /// The next command waits for the keeper to answer all before it.
    Blocked,
    /// The next command waits for all before it to be answered, which will be soon.
    Settling,
    /// The next command waits until clients are no longer paused.
    Paused,
    /// The keeper's queue is full; this is what did not fit.
    Full(Box<Job>),
    /// Enough is under way for now.
    Busy,
    /// The client gave a wrong password, and may try again later.
    Refused,
    /// The connection ends once the client has its replies.
    Ended,
}

/// Whether a connection begins as TLS does (RFC 8446, 5.1); no command does.
fn is_tls_hello(input: &[u8]) -> bool {
    input.starts_with(&[22, 3])
}

/// What is read of a client at this time.
fn limits(core: &Core<Resp>, client: &Client) -> Limits {
    let bulk_bytes_max = core.shared().config.bulk_bytes_max();
    Limits { bulk_bytes_max, unauthenticated: !client.is_signed_in(), ..Limits::authenticated() }
}

impl Conversation {
    fn new(core: Rc<Core<Resp>>, client: Rc<Client>) -> Self {
        let limits = limits(&core, &client);
        let parser = RequestParser::new(limits);
        let (input, stranger) = (Vec::new(), None);
        let mut conversation =
            Conversation { core, client, parser, limits, input, is_fresh: true, stranger, paused_for: 0 };
        conversation.follow_sign_in();
        conversation
    }

    /// Converses until one side ends it. What is waited for rarely is boxed, so that a silent connection is small.
    async fn hold(&mut self) {
        // What a client has sent that was closed meanwhile is not executed.
        while !self.client.link().is_closed() {
            self.client.keeps_input(&self.input);
            let pause = if self.input.is_empty() {
                match self.read().await {
                    Ok(pause) => pause,
                    Err(_) => return,
                }
            } else {
                self.execute_input()
            };
            match pause {
                Pause::Hungry if self.input.is_empty() => {}
                Pause::Hungry if self.input.len() > self.query_bytes_max() => {
                    self.say_too_long();
                    return;
                }
                Pause::Hungry => match self.read_more().await {
                    Ok(0) | Err(_) => return,
                    // Slow, but not idle.
                    Ok(_) => self.client.profile().active(),
                },
                Pause::Blocked => {
                    if !Box::pin(self.blocked(Self::unblocked)).await {
                        return;
                    }
                }
                Pause::Paused => {
                    if !Box::pin(self.blocked(Self::resumed)).await {
                        return;
                    }
                }
                Pause::Settling => {
                    if !Box::pin(self.settle()).await {
                        return;
                    }
                }
                Pause::Full(job) => {
                    if !Box::pin(self.send(*job)).await {
                        return;
                    }
                }
                Pause::Busy => Box::pin(self.relieved()).await,
                Pause::Refused => Box::pin(self.let_time_pass()).await,
                Pause::Ended => return,
            }
        }
    }

    /// Makes trying passwords slow.
    async fn let_time_pass(&mut self) {
        self.paused_for = self.client.refused_passwords();
        let pause = REFUSED_PASSWORD_PAUSE * (1 << (self.paused_for - 1).min(REFUSED_PASSWORDS_MAX));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = self.client.link().closed() => {}
        }
    }

    /// Gives the keeper what did not fit, and waits for it as the command would have; false if the connection ends.
    async fn send(&mut self, job: Job) -> bool {
        let is_transaction = matches!(job.task, Task::Exec(_));
        let blocks = job.task.blocks();
        if self.core.local().handover.send(job).await.is_err() {
            return false;
        }
        if is_transaction && !self.settle().await {
            return false;
        }
        !blocks || self.blocked(Self::unblocked).await
    }

    /// Waits until less is under way.
    async fn relieved(&self) {
        if self.client.link().queued() > OUTBOX_BYTES_READ_MAX {
            self.client.link().flushed().await;
        }
        let many_bytes = self.client.owed().1 > OUTBOX_BYTES_READ_MAX;
        self.client.answered_down_to(if many_bytes { 0 } else { REPLIES_OWED_MAX / 2 }).await;
        self.core.directory().relieved().await;
    }

    /// Reads into the core's buffer and executes from there; only what is incomplete is kept by the connection.
    async fn read(&mut self) -> io::Result<Pause> {
        let core = self.core.clone();
        loop {
            self.client.link().socket().readable().await?;
            let mut buffer = core.read_buffer().borrow_mut();
            match self.client.link().socket().try_read(&mut buffer) {
                Ok(0) => return Ok(Pause::Ended),
                Ok(count) => {
                    self.heard(count);
                    if std::mem::take(&mut self.is_fresh) && is_tls_hello(&buffer[..count]) {
                        self.say_where_tls_is();
                        return Ok(Pause::Ended);
                    }
                    let (consumed, pause) = self.execute(&buffer[..count]);
                    self.input.extend_from_slice(&buffer[consumed..count]);
                    return Ok(pause);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads behind what is kept; how much.
    async fn read_more(&mut self) -> io::Result<usize> {
        loop {
            self.client.link().socket().readable().await?;
            let mut buffer = self.core.read_buffer().borrow_mut();
            match self.client.link().socket().try_read(&mut buffer) {
                Ok(count) => {
                    self.heard(count);
                    self.input.extend_from_slice(&buffer[..count]);
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn say_where_tls_is(&self) {
        let address = &self.client.profile().address;
        match self.core.shared().config.tls_port() {
            Some(port) => tracing::warn!(
                %address,
                "closed: it speaks TLS, and this port is without; with it, use port {port}"
            ),
            None => tracing::warn!(
                %address,
                "closed: it speaks TLS, and this broker has no port for it; start it with --tls-port"
            ),
        }
    }

    fn query_bytes_max(&self) -> usize {
        if self.limits.unauthenticated {
            QUERY_BYTES_UNAUTHENTICATED_MAX
        } else {
            self.core.shared().config.query_bytes_max()
        }
    }

    fn heard(&self, count: usize) {
        let counters = self.core.shared().counters.of(self.core.id());
        counters.reads.add(1);
        counters.input_bytes.add(count as u64);
    }

    fn execute_input(&mut self) -> Pause {
        let mut input = std::mem::take(&mut self.input);
        let (consumed, pause) = self.execute(&input);
        // A drained buffer is dropped: a silent connection holds none.
        if consumed < input.len() {
            input.drain(..consumed);
            self.input = input;
        }
        pause
    }

    /// Executes the complete commands at the front of `input`; how many bytes they took, and why it stopped.
    fn execute(&mut self, input: &[u8]) -> (usize, Pause) {
        let mut consumed = 0;
        let mut executed = false;
        if !self.client.follow(&self.core.shared().acl) {
            return (input.len(), Pause::Ended);
        }
        self.follow_limits();
        self.core.local().stopwatch.lap();
        let pause = loop {
            if self.is_busy() {
                break Pause::Busy;
            }
            let (command, taken) = match self.parser.next(&input[consumed..]) {
                Ok(Some(next)) => next,
                Ok(None) => break Pause::Hungry,
                Err(malformed) => {
                    Context { core: &self.core, client: &self.client }
                        .refuse(format!("ERR {malformed}").as_bytes());
                    consumed = input.len();
                    break Pause::Ended;
                }
            };
            consumed += taken;
            if command.is_empty() {
                continue;
            }
            executed = true;
            let context = Context { core: &self.core, client: &self.client };
            let flow = command::execute(&context, &command);
            if !matches!(flow, Flow::Paused) {
                self.client.executed();
            }
            self.follow_limits();
            match flow {
                Flow::Next if self.client.refused_passwords() > self.paused_for => break Pause::Refused,
                Flow::Next => {}
                Flow::Wait => break Pause::Blocked,
                Flow::Settle => break Pause::Settling,
                Flow::Paused => {
                    // It comes again.
                    consumed -= taken;
                    break Pause::Paused;
                }
                Flow::Full(job) => break Pause::Full(job),
                Flow::End => {
                    consumed = input.len();
                    break Pause::Ended;
                }
            }
        };
        if executed {
            command::count_run(&self.core);
            self.client.profile().active();
        }
        (consumed, pause)
    }

    /// Has the parser know the limits as they are now.
    fn follow_limits(&mut self) {
        let limits = limits(&self.core, &self.client);
        if limits != self.limits {
            self.limits = limits;
            self.parser.set_limits(limits);
            self.follow_sign_in();
        }
    }

    /// Has time and output limited while the client has not signed in.
    fn follow_sign_in(&mut self) {
        if self.limits.unauthenticated == self.stranger.is_some() {
            return;
        }
        let begins = self.limits.unauthenticated;
        self.stranger = begins.then(|| Stranger::new(&self.core, &self.client));
        self.client.limit_output();
    }

    fn is_busy(&self) -> bool {
        let (owed, bytes) = self.client.owed();
        owed >= REPLIES_OWED_MAX
            || bytes > OUTBOX_BYTES_READ_MAX
            || self.client.link().queued() > OUTBOX_BYTES_READ_MAX
            || self.core.directory().is_congested()
    }

    /// Waits until everything is answered, and does the core's part of a transaction; false if the connection ends
    /// with that.
    async fn settle(&mut self) -> bool {
        loop {
            self.client.settled().await;
            let Some((ticket, execution)) = self.client.take_half_done() else {
                // Its user may be gone by what it has waited for; it has its answer.
                return self.client.follow(&self.core.shared().acl);
            };
            // The time it waited is no command's.
            self.core.local().stopwatch.lap();
            let context = Context { core: &self.core, client: &self.client };
            if let Flow::End = command::finish(&context, ticket, *execution) {
                return false;
            }
        }
    }

    /// Waits as `wait` does, and counts as blocked meanwhile; not before its command has left, with the core's turn, so that who
    /// sees that it waits is behind it.
    async fn blocked(&mut self, wait: impl AsyncFnOnce(&mut Self) -> bool) -> bool {
        tokio::task::yield_now().await;
        self.client.profile().is_blocked.store(true, Ordering::Relaxed);
        let goes_on = wait(self).await;
        self.client.profile().is_blocked.store(false, Ordering::Relaxed);
        goes_on
    }

    /// Waits until a pause has changed or ended; false if the client went away meanwhile.
    async fn resumed(&mut self) -> bool {
        let core = self.core.clone();
        tokio::select! {
            () = core.shared().pause.over() => !self.client.link().is_closed(),
            read = read_beside(&self.core, &self.client) => self.keeps(read),
            () = self.client.link().closed() => false,
        }
    }

    /// Waits for a blocking command's answer; false if the client went away meanwhile.
    async fn unblocked(&mut self) -> bool {
        loop {
            tokio::select! {
                () = self.client.answered_down_to(0) => return !self.client.link().is_closed(),
                // Losing this read loses nothing: what arrives is kept as input.
                read = read_beside(&self.core, &self.client) => if !self.keeps(read) {
                    self.cancel().await;
                    return false;
                }
            }
        }
    }

    /// Keeps what was read while a command waits; false if that was the end, or more than may be kept. Reading on is
    /// the only way to notice that the client has gone.
    fn keeps(&mut self, read: io::Result<Vec<u8>>) -> bool {
        match read {
            Ok(bytes) if !bytes.is_empty() => self.input.extend_from_slice(&bytes),
            Ok(_) | Err(_) => return false,
        }
        self.client.keeps_input(&self.input);
        let fits = self.input.len() <= self.query_bytes_max();
        if !fits {
            self.say_too_long();
        }
        fits
    }

    fn say_too_long(&self) {
        tracing::warn!(
            address = %self.client.profile().address, bytes = self.input.len(),
            "closed: what it has sent ahead is longer than the query buffer may be"
        );
    }

    /// Ends what the keeper holds for the client; its blocked command is answered then.
    async fn cancel(&self) {
        // The keeper is gone only when the broker stops; then nothing is blocked any more.
        let _ = self.core.local().handover.send(Job::gone(self.client.profile().id)).await;
    }
}

/// Reads while a command blocks, so that the end of the connection is noticed. Cancel-safe: it reads only when it
/// returns.
async fn read_beside(core: &Rc<Core<Resp>>, client: &Rc<Client>) -> io::Result<Vec<u8>> {
    loop {
        client.link().socket().readable().await?;
        let mut buffer = core.read_buffer().borrow_mut();
        match client.link().socket().try_read(&mut buffer) {
            Ok(count) => return Ok(buffer[..count].to_vec()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}
