//! The state at the end of a history: all that can be asked of it.

use naru_ledger::op::{From, History, Resume, What};
use naru_ledger::{Answer, Device, Op, Seq, User};

use super::cast;
use super::world::World;

/// More than any page has.
const ALL: usize = 10_000;

/// Questions whose answers are the whole state.
pub(super) fn questions(world: &mut World<'_>) -> Vec<Op> {
    let mut questions = Vec::new();
    for conversation in cast::conversations() {
        let (reader, bytes) = (None, None);
        let mut after = Seq::ZERO;
        loop {
            let (conversation, from) = (conversation.clone(), From::After(after));
            let op = Op::History(History { conversation, reader: reader.clone(), from, limit: ALL, bytes });
            let now = world.now;
            let page = world.model().run(&op, now);
            questions.push(op);
            match page {
                Ok(Answer::Page(page)) if page.more => {
                    let Some(last) = page.entries.last() else { break };
                    after = last.seq;
                }
                _ => break,
            }
        }
        let what = What::Seq(world.entry(&conversation, 0).0);
        questions.push(Op::Trace { conversation: conversation.clone(), what });
        questions.push(Op::Members { conversation: conversation.clone(), after: None, limit: ALL });
        let standing = |user| Op::Standing { user, conversation: conversation.clone() };
        questions.extend(cast::users().into_iter().map(standing));
    }
    for user in cast::users() {
        questions.push(Op::Conversations { user: user.clone(), before: None, limit: ALL });
        for device in known(world, &user) {
            let after = naru_ledger::Useq::ZERO;
            questions.push(Op::Changed { user: user.clone(), device: device.clone(), after, limit: ALL });
            questions.push(Op::Resume(Resume { user: user.clone(), device, from: None, limit: ALL }));
        }
    }
    questions.push(Op::Presence { users: cast::users() });
    questions
}

fn known(world: &mut World<'_>, user: &User) -> Vec<Device> {
    let now = world.now;
    let op = Op::Standing { user: user.clone(), conversation: cast::conversation(0) };
    match world.model().run(&op, now) {
        Ok(Answer::Standing(standing)) => standing.devices.into_iter().map(|one| one.device).collect(),
        _ => Vec::new(),
    }
}
