use bytes::Bytes;
use naru_resp::Command;

use super::{Context, Outcome};
use crate::keeper::{KeyOp, Op};

pub(super) fn del(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    context.keep(Op::Keys(KeyOp::Delete(keys(command))))
}

pub(super) fn exists(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    context.keep(Op::Keys(KeyOp::Exists(keys(command))))
}

pub(super) fn kind(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    context.keep(Op::Keys(KeyOp::Type(Bytes::copy_from_slice(command.arg(1)))))
}

fn keys(command: &Command<'_>) -> Vec<Bytes> {
    command.iter().skip(1).map(Bytes::copy_from_slice).collect()
}
