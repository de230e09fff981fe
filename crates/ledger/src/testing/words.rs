//! What the tests speak of. Not the whole crate: the first form has the same names for other things.

pub(crate) use crate::answer::*;
pub(crate) use crate::op::*;
pub(crate) use crate::{
    Answer, Body, ClientId, Conversation, Device, Direct, Epoch, Generation, Level, Limits, Millis, Mode,
    Model, Op, Position, Role, Room, Seq, Server, Useq, User, Version,
};
#[cfg(test)]
pub(crate) use crate::{Follow, JUMP};
