//! Operations of any kind.

use naru_ledger::Op;
use naru_ledger::op::{
    Ack, Append, Change, Delete, Deliver, Edit, From, History, Membership, Read, Recipient, Resume, Run,
    Said, ServerIs, Sweep, What, Within,
};
use naru_ledger::{Position, Seq, Useq};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::{option, prelude::*};

use super::names::*;

pub(super) fn any() -> impl Strategy<Value = Op> {
    prop_oneof![
        append().prop_map(Op::Append),
        append().prop_map(Op::Send),
        edit().prop_map(Op::Edit),
        delete().prop_map(Op::Delete),
        deliver().prop_map(Op::Deliver),
        (conversation(), seq()).prop_map(|(conversation, seq)| Op::Done { conversation, seq }),
        sweep().prop_map(Op::Sweep),
        resume().prop_map(Op::Resume),
        rows(),
        ack().prop_map(Op::Ack),
        read().prop_map(Op::Read),
        (conversation(), user(), seq()).prop_map(|(conversation, user, seq)| Op::Mark {
            conversation,
            user,
            seq
        }),
        history().prop_map(Op::History),
        membership().prop_map(Op::Membership),
        (conversation(), option::of(user()), limit()).prop_map(|(conversation, after, limit)| Op::Members {
            conversation,
            after,
            limit
        }),
        routes(),
        (conversation(), what()).prop_map(|(conversation, what)| Op::Trace { conversation, what }),
        (user(), conversation()).prop_map(|(user, conversation)| Op::Standing { user, conversation }),
    ]
}

fn said() -> impl Strategy<Value = Said> {
    prop_oneof![
        (body(), btree_set(user(), 0..4)).prop_map(|(body, mentions)| Said::Message { body, mentions }),
        (seq(), body()).prop_map(|(target, body)| Said::Reaction { target, body }),
        body().prop_map(|body| Said::System { body }),
    ]
}

prop_compose! {
    pub(super) fn append()(
        conversation in conversation(), sender in user(), client_id in client_id(), said in said(), level in level(),
    ) -> Append {
        Append { conversation, sender, client_id, said, level }
    }
}

prop_compose! {
    fn edit()(
        conversation in conversation(), sender in user(), client_id in client_id(), target in seq(), body in body(),
        level in level(),
    ) -> Edit {
        Edit { conversation, sender, client_id, target, body, level }
    }
}

prop_compose! {
    fn delete()(
        conversation in conversation(), sender in user(), client_id in client_id(), target in seq(), level in level(),
    ) -> Delete {
        Delete { conversation, sender, client_id, target, level }
    }
}

prop_compose! {
    pub(super) fn deliver()(
        conversation in conversation(), seq in seq(), count in number(), sender in user(), kind in kind(),
        mode in mode(), to in btree_map(user(), prop::bool::ANY, 0..5),
    ) -> Deliver {
        let to = to.into_iter().map(|(user, mentioned)| Recipient { user, mentioned }).collect();
        Deliver { conversation, seq, count, sender, kind, mode, to }
    }
}

prop_compose! {
    pub(super) fn sweep()(
        server in server(), older_than in duration(), limit in limit(), lease in duration(),
    ) -> Sweep {
        Sweep { server, older_than, limit, lease }
    }
}

prop_compose! {
    pub(super) fn resume()(
        user in user(), device in device(), from in option::of((epoch(), useq())), limit in limit(),
    ) -> Resume {
        let from = from.map(|(epoch, useq)| Position { epoch, useq });
        Resume { user, device, from, limit }
    }
}

pub(super) fn rows() -> impl Strategy<Value = Op> {
    prop_oneof![
        (user(), device(), useq(), limit()).prop_map(|(user, device, after, limit)| Op::Changed {
            user,
            device,
            after,
            limit
        }),
        (user(), useq(), limit()).prop_map(|(user, before, limit)| {
            // 0 is spelled as none.
            Op::Conversations { user, before: Some(before).filter(|before| *before > Useq::ZERO), limit }
        }),
    ]
}

prop_compose! {
    pub(super) fn ack()(
        user in user(), device in device(), useq in useq(), within in option::of((conversation(), seq())),
    ) -> Ack {
        let within = within.map(|(conversation, seq)| Within { conversation, seq });
        Ack { user, device, useq, within }
    }
}

prop_compose! {
    pub(super) fn read()(user in user(), conversation in conversation(), seq in seq(), count in number()) -> Read {
        Read { user, conversation, seq, count }
    }
}

fn from() -> impl Strategy<Value = From> {
    prop_oneof![
        Just(From::Newest),
        seq().prop_map(|seq| From::Before(Seq(seq.0.max(1)))),
        seq().prop_map(From::After),
    ]
}

prop_compose! {
    pub(super) fn history()(
        conversation in conversation(), reader in option::of(user()), from in from(), limit in limit(),
        bytes in option::of(limit()),
    ) -> History {
        History { conversation, reader, from, limit, bytes }
    }
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        Just(Change::Make),
        role().prop_map(Change::Join),
        Just(Change::Leave),
        role().prop_map(Change::Role),
    ]
}

prop_compose! {
    pub(super) fn membership()(room in room(), user in user(), change in change()) -> Membership {
        Membership { room, user, change }
    }
}

fn run() -> impl Strategy<Value = Run> {
    (server(), epoch()).prop_map(|(server, epoch)| Run { server, epoch })
}

pub(super) fn routes() -> impl Strategy<Value = Op> {
    prop_oneof![
        (run(), option::of(duration())).prop_map(|(run, lease)| Op::Server(ServerIs { run, lease })),
        (run(), vec(user(), 0..4)).prop_map(|(run, users)| Op::Route { run, users }),
        (run(), vec(user(), 0..4)).prop_map(|(run, users)| Op::Unroute { run, users }),
        vec(user(), 0..4).prop_map(|users| Op::Presence { users }),
    ]
}

pub(super) fn what() -> impl Strategy<Value = What> {
    prop_oneof![
        seq().prop_map(What::Seq),
        (user(), client_id()).prop_map(|(sender, client_id)| What::Sent { sender, client_id }),
    ]
}
