//! What can happen, in the words of those it happens to.

use proptest::prelude::*;
use proptest::sample::Index;

use super::words::*;
use super::world::*;

/// Names that would be mistaken for one another if ids were put together carelessly.
pub(crate) const USERS: [&str; 5] = ["a", "a:a", "a%3Aa", "%", "나루 *"];
pub(crate) const DEVICES: [&str; 4] = ["default", "phone", "a:a", "%"];
pub(crate) const ROOMS: [&str; 2] = ["room:a", "room:a:a"];
pub(crate) const SERVERS: [&str; 2] = ["one", "two"];

/// What can happen.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "whoever takes histories of steps need not know of what kinds there are")]
pub enum Step {
    Say { place: Index, who: Index, id: u8, mentions: u8, way: Way },
    Burst { place: Index, who: Index, count: u8 },
    React { place: Index, who: Index, id: u8, back: u64 },
    Edit { place: Index, who: Index, id: u8, back: u64 },
    Delete { place: Index, who: Index, id: u8, back: u64 },
    Member { room: Index, who: Index, change: u8 },
    Deliver { job: Index, to: Index },
    Finish { job: Index },
    Die { job: Index },
    Sweep { server: Index, older_than: u64, dies: bool },
    Read { place: Index, who: Index, back: u64 },
    Mark { place: Index, who: Index, back: u64 },
    ComeBack { who: Index, device: Index, budget: usize, acks: bool },
    TearDown { who: Index, device: Index },
    Clock { step: i64 },
    Save,
    Lose,
    Restart,
}

/// How a message is sent.
#[derive(Debug, Clone)]
pub enum Way {
    /// In one step.
    Send,
    /// Written only; the fan-out is a job of a server's.
    Append,
}

/// Any step, the likelier the more there should be of it.
pub fn step() -> impl Strategy<Value = Step> {
    let index = any::<Index>;
    let way = prop_oneof![Just(Way::Send), Just(Way::Append)];
    let changes = || (index(), index(), 0u8..6, 0u64..4);
    prop_oneof![
        12 => (index(), index(), 0u8..8, any::<u8>(), way)
            .prop_map(|(place, who, id, mentions, way)| Step::Say { place, who, id, mentions, way }),
        1 => (index(), index(), 3u8..12).prop_map(|(place, who, count)| Step::Burst { place, who, count }),
        1 => changes().prop_map(|(place, who, id, back)| Step::React { place, who, id, back }),
        1 => changes().prop_map(|(place, who, id, back)| Step::Edit { place, who, id, back }),
        1 => changes().prop_map(|(place, who, id, back)| Step::Delete { place, who, id, back }),
        6 => (index(), index(), 0u8..8).prop_map(|(room, who, change)| Step::Member { room, who, change }),
        6 => (index(), index()).prop_map(|(job, to)| Step::Deliver { job, to }),
        6 => index().prop_map(|job| Step::Finish { job }),
        1 => index().prop_map(|job| Step::Die { job }),
        2 => (index(), prop_oneof![Just(0), 0..2 * DAY], any::<bool>())
            .prop_map(|(server, older_than, dies)| Step::Sweep { server, older_than, dies }),
        5 => (index(), index(), 0u64..6).prop_map(|(place, who, back)| Step::Read { place, who, back }),
        1 => (index(), index(), 0u64..6).prop_map(|(place, who, back)| Step::Mark { place, who, back }),
        6 => (index(), index(), 0usize..12, any::<bool>())
            .prop_map(|(who, device, budget, acks)| Step::ComeBack { who, device, budget, acks }),
        1 => (index(), index()).prop_map(|(who, device)| Step::TearDown { who, device }),
        1 => (-3 * HOUR as i64..30 * HOUR as i64).prop_map(|step| Step::Clock { step }),
        1 => (-3 * DAY as i64..40 * DAY as i64).prop_map(|step| Step::Clock { step }),
        1 => Just(Step::Save),
        1 => Just(Step::Lose),
        1 => Just(Step::Restart),
    ]
}

pub(crate) fn pick<'a>(from: &[&'a str], index: &Index) -> &'a str {
    from[index.index(from.len())]
}

pub(crate) fn who(index: &Index) -> User {
    user(pick(&USERS, index))
}

/// One of the rooms, or a direct conversation.
pub(crate) fn place(index: &Index) -> Conversation {
    let n = index.index(ROOMS.len() * 5 + USERS.len() * USERS.len());
    match n.checked_sub(ROOMS.len() * 5) {
        None => conversation(ROOMS[n % ROOMS.len()]),
        Some(pair) => Direct::between(&user(USERS[pair / 5]), &user(USERS[pair % 5])).into(),
    }
}
