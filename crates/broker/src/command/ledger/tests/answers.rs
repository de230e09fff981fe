//! Answers of any kind, each with an operation it may belong to.

use naru_ledger::answer::{
    Appended, Changed, Delivered, DeviceStanding, Followed, How, Member, Members, Open, Page, Pointer,
    PointerKind, Present, Resumed, Row, Rows, Standing, Traced, Unread, Written,
};
use naru_ledger::{Answer, Follow, Op, Seq, Version};
use proptest::collection::vec;
use proptest::{option, prelude::*, sample::select};

use super::names::*;
use super::ops;

pub(super) fn any() -> impl Strategy<Value = (Op, Answer)> {
    let trace = (conversation(), ops::what());
    let mark = (conversation(), user(), seq());
    prop_oneof![
        pair(ops::append().prop_map(Op::Send), appended().prop_map(Answer::Appended)),
        pair(ops::deliver().prop_map(Op::Deliver), vec(delivered(), 0..4).prop_map(Answer::Delivered)),
        pair(done(), seq().prop_map(Answer::Done)),
        pair(ops::sweep().prop_map(Op::Sweep), vec(open(), 0..4).prop_map(Answer::Open)),
        pair(ops::resume().prop_map(Op::Resume), resumed().prop_map(Answer::Resumed)),
        pair(ops::rows(), rows().prop_map(Answer::Rows)),
        pair(ops::ack().prop_map(Op::Ack), useq().prop_map(Answer::Acked)),
        pair(ops::read().prop_map(Op::Read), unread().prop_map(Answer::Unread)),
        pair(ops::history().prop_map(Op::History), page().prop_map(Answer::Page)),
        pair(ops::membership().prop_map(Op::Membership), changed().prop_map(Answer::Changed)),
        pair(
            conversation().prop_map(|conversation| Op::Members { conversation, after: None, limit: 9 }),
            members().prop_map(Answer::Members)
        ),
        pair(
            mark.prop_map(|(conversation, user, seq)| Op::Mark { conversation, user, seq }),
            seq().prop_map(Answer::Marked)
        ),
        pair(
            trace.prop_map(|(conversation, what)| Op::Trace { conversation, what }),
            traced().prop_map(Answer::Traced)
        ),
        pair(
            (user(), conversation()).prop_map(|(user, conversation)| Op::Standing { user, conversation }),
            standing().prop_map(Answer::Standing)
        ),
        of_routes(),
    ]
}

/// On the heap: together they are more than a stack holds.
fn pair(
    op: impl Strategy<Value = Op> + 'static,
    answer: impl Strategy<Value = Answer> + 'static,
) -> BoxedStrategy<(Op, Answer)> {
    (op, answer).boxed()
}

fn of_routes() -> BoxedStrategy<(Op, Answer)> {
    let both = (ops::routes(), vec(present(), 0..4)).prop_map(|(op, present)| {
        let answer = if matches!(op, Op::Presence { .. }) { Answer::Present(present) } else { Answer::Ok };
        (op, answer)
    });
    both.boxed()
}

fn done() -> impl Strategy<Value = Op> {
    (conversation(), seq()).prop_map(|(conversation, seq)| Op::Done { conversation, seq })
}

fn version() -> impl Strategy<Value = Version> {
    number().prop_map(Version)
}

prop_compose! {
    fn appended()(
        (seq, at, prev, count) in (seq(), at(), seq(), number()),
        (repeat, version, mode, level) in (prop::bool::ANY, version(), mode(), level()),
    ) -> Appended {
        Appended { seq, at, prev, count, repeat, version, mode, level }
    }
}

prop_compose! {
    fn delivered()(user in user(), useq in useq(), after in seq(), servers in vec(server(), 0..3)) -> Delivered {
        Delivered { user, useq, after, servers }
    }
}

prop_compose! {
    fn open()(conversation in conversation(), from in seq(), to in seq(), version in version()) -> Open {
        Open { conversation, from, to, version }
    }
}

prop_compose! {
    fn resumed()(
        (epoch, cursor, head, start) in (epoch(), useq(), useq(), useq()),
        (how, more) in (select(How::ALL), prop::bool::ANY),
        pointers in vec(pointer(), 0..4),
        channels in vec((conversation(), number()), 0..3),
    ) -> Resumed {
        let channels = channels.into_iter().map(|(conversation, read)| Followed { conversation, read }).collect();
        Resumed { epoch, cursor, head, start, how, more, pointers, channels }
    }
}

prop_compose! {
    fn pointer()(
        useq in useq(), conversation in conversation(), after in seq(), seq in seq(),
        kind in prop_oneof![
            kind().prop_map(PointerKind::Entry),
            Just(PointerKind::Read),
            Just(PointerKind::Mention),
        ],
    ) -> Pointer {
        Pointer { useq, conversation, after, seq, kind }
    }
}

prop_compose! {
    fn row()(
        conversation in conversation(), (from, head) in (seq(), seq()),
        (count, read, mentions) in (number(), number(), number()), useq in useq(), follow in select(Follow::ALL),
    ) -> Row {
        Row { conversation, from, head, count, read, mentions, useq, follow }
    }
}

fn rows() -> impl Strategy<Value = Rows> {
    (prop::bool::ANY, vec(row(), 0..4)).prop_map(|(more, rows)| Rows { more, rows })
}

fn unread() -> impl Strategy<Value = Unread> {
    (useq(), number(), number(), number(), select(Follow::ALL))
        .prop_map(|(useq, count, read, mentions, follow)| Unread { useq, count, read, mentions, follow })
}

fn page() -> impl Strategy<Value = Page> {
    (seq(), seq(), prop::bool::ANY, vec(entry(), 0..4)).prop_map(|(trimmed, head, more, entries)| Page {
        trimmed,
        head,
        more,
        entries,
    })
}

prop_compose! {
    fn written()(
        (seq, at, prev, count) in (seq(), at(), seq(), number()), switched in option::of(1..9u64),
    ) -> Written {
        Written { seq, at, prev, count, switched: switched.map(Seq) }
    }
}

fn changed() -> impl Strategy<Value = Changed> {
    (version(), mode(), option::of(written())).prop_map(|(version, mode, written)| Changed {
        version,
        mode,
        written,
    })
}

prop_compose! {
    fn members()(
        version in version(), mode in mode(), more in prop::bool::ANY,
        members in vec((user(), role(), seq(), seq()), 0..4),
    ) -> Members {
        let member = |(user, role, since, read)| Member { user, role, since, read };
        Members { version, mode, more, members: members.into_iter().map(member).collect() }
    }
}

fn present() -> impl Strategy<Value = Present> {
    (user(), vec(server(), 0..3)).prop_map(|(user, servers)| Present { user, servers })
}

prop_compose! {
    fn traced()(
        (head, fanned_out, trimmed) in (seq(), seq(), seq()), version in version(), mode in mode(),
        done in prop::bool::ANY, entry in option::of(entry()),
    ) -> Traced {
        Traced { head, fanned_out, trimmed, version, mode, done, entry }
    }
}

prop_compose! {
    fn standing()(
        (epoch, head, ring) in (epoch(), useq(), useq()), row in option::of(row()),
        devices in vec((device(), useq(), at(), seq()), 0..4), servers in vec(server(), 0..3),
    ) -> Standing {
        let device = |(device, cursor, seen, from)| DeviceStanding { device, cursor, seen, from };
        Standing { epoch, head, ring, row, devices: devices.into_iter().map(device).collect(), servers }
    }
}
