//! What the tests speak of. Not the whole crate: the first form has the same names for other things.

pub(crate) use naru_ledger::answer::*;
pub(crate) use naru_ledger::op::*;
pub(crate) use naru_ledger::{
    Answer, Body, ClientId, Conversation, Device, Direct, Epoch, Follow, Generation, JUMP, Level, Limits,
    Millis, Mode, Model, Op, Position, Role, Room, Seq, Server, Useq, User, Version,
};
