//! Who and what the histories are about: few, so that they meet, and with names that are hard to handle.

use std::cell::RefCell;

use naru_ledger::op::Run;
use naru_ledger::{ClientId, Conversation, Device, Direct, Epoch, Room, Server, User};

const USERS: [&str; 6] = ["alice", "b:ob", "c%\"ar\\l", "d d", "한국", "frank"];
const DEVICES: [&str; 4] = ["phone", "web", "tab:1", "한"];
const SERVERS: [&str; 3] = ["one", "two", "three"];
const RUNS: [&str; 2] = ["first", "second"];
const ROOMS: [&str; 2] = ["general", "a \"room\": {1}\\"];

pub(super) const USER_COUNT: usize = USERS.len();
pub(super) const DEVICE_COUNT: usize = DEVICES.len();
pub(super) const SERVER_COUNT: usize = SERVERS.len();
pub(super) const RUN_COUNT: usize = RUNS.len();
pub(super) const ROOM_COUNT: usize = ROOMS.len();
/// The rooms, and then direct ones.
pub(super) const CONVERSATION_COUNT: usize = ROOM_COUNT + 3;

thread_local! {
    /// What all names have at their end, where several histories are in one ledger.
    static MARK: RefCell<String> = const { RefCell::new(String::new()) };
}

/// From here on names end so.
pub(super) fn mark(mark: &str) {
    MARK.with_borrow_mut(|now| mark.clone_into(now));
}

fn marked(name: &str) -> String {
    MARK.with_borrow(|mark| format!("{name}{mark}"))
}

const VALID: &str = "the cast has valid names";

pub(super) fn user(i: usize) -> User {
    User::parse(&marked(USERS[i % USERS.len()])).expect(VALID)
}

pub(super) fn users() -> Vec<User> {
    (0..USER_COUNT).map(user).collect()
}

pub(super) fn device(i: usize) -> Device {
    Device::parse(DEVICES[i % DEVICES.len()]).expect(VALID)
}

pub(super) fn server(i: usize) -> Server {
    Server::parse(&marked(SERVERS[i % SERVERS.len()])).expect(VALID)
}

pub(super) fn run(of: usize, i: usize) -> Run {
    Run { server: server(of), epoch: Epoch::parse(RUNS[i % RUNS.len()]).expect(VALID) }
}

pub(super) fn room(i: usize) -> Room {
    Room::named(&marked(ROOMS[i % ROOMS.len()])).expect(VALID)
}

pub(super) fn conversation(i: usize) -> Conversation {
    match i % CONVERSATION_COUNT {
        i if i < ROOM_COUNT => room(i).into(),
        i if i == ROOM_COUNT => Direct::between(&user(0), &user(1)).into(),
        i if i == ROOM_COUNT + 1 => Direct::between(&user(1), &user(2)).into(),
        _ => Direct::between(&user(2), &user(2)).into(),
    }
}

pub(super) fn conversations() -> Vec<Conversation> {
    (0..CONVERSATION_COUNT).map(conversation).collect()
}

pub(super) fn client_id(i: usize) -> ClientId {
    ClientId::parse(&format!("id {i}")).expect(VALID)
}
