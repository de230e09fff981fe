//! What is asked of the node of a cluster, and of who replicates: here is one broker, by itself.

use naru_resp::Command;

use super::{
    Context, Outcome,
    arguments::{integer, timeout},
};

/// Those that ask. Those that would change a cluster do not exist.
pub(super) const SUBCOMMANDS: &[&str] = &[
    "cluster|countkeysinslot",
    "cluster|getkeysinslot",
    "cluster|help",
    "cluster|info",
    "cluster|keyslot",
    "cluster|links",
    "cluster|myid",
    "cluster|nodes",
    "cluster|replicas",
    "cluster|shards",
    "cluster|slots",
];

/// CLUSTER, READONLY, READWRITE, ASKING: what a Redis answers that is no node.
pub(super) fn disabled(_: &Context<'_>, _: &Command<'_>) -> Outcome {
    Err("ERR This instance has cluster support disabled".into())
}

/// `ROLE`: nobody replicates, and nothing is counted for who would.
pub(super) fn role(context: &Context<'_>, _: &Command<'_>) -> Outcome {
    context.reply(|writer| {
        writer.array(3);
        writer.bulk("master");
        writer.integer(0);
        writer.array(0);
    })
}

/// `WAIT numreplicas timeout`: how many have it, which is none. Redis says so when the time is up.
pub(super) fn wait(context: &Context<'_>, command: &Command<'_>) -> Outcome {
    integer(command.arg(1))?;
    timeout(command.arg(2))?;
    context.reply(|writer| writer.integer(0))
}
