//! Odd, and allowed.

use super::super::super::history::{Answer, Ask};
use super::super::super::history::{Entry, Unread};
use super::super::check;
use super::story::{ALICE, BOB, DM, LAPTOP, Story};

#[test]
fn everybody_gets_everything_at_once() {
    let mut story = Story::begin();
    story.says("a1");
    story.says("a2");
    story.acks(BOB, 2);
    story.says("a3");
    let repeats = story.passes();
    assert_eq!((repeats.pushes, repeats.again, repeats.replayed), (9, 0, 0));
}

#[test]
fn a_send_without_an_answer_may_be_there_or_not() {
    let mut story = Story::begin();
    let first = story.sends(ALICE, "a1");
    story.hears_nothing(ALICE, first);
    let again = story.sends(ALICE, "a1");
    let seq = story.is_stored("alice", "a1");
    story.is_answered(ALICE, again, seq);
    story.all_get(1);
    let lost = story.sends(ALICE, "a2");
    let seq = story.is_stored("alice", "a2");
    story.hears_nothing(ALICE, lost);
    story.all_get(seq);
    let again = story.sends(ALICE, "a2");
    story.is_answered_to(ALICE, again, seq, true);
    story.passes();
}

#[test]
fn what_was_answered_may_be_sent_again() {
    let mut story = Story::begin();
    let seq = story.says("a1");
    story.says("a2");
    let again = story.sends(ALICE, "a1");
    story.is_answered_to(ALICE, again, seq, true);
    story.passes();
}

/// The gateway has asked its broker a second time by itself.
#[test]
fn the_first_answer_may_say_that_it_was_there_before() {
    let mut story = Story::begin();
    let call = story.sends(ALICE, "a1");
    let seq = story.is_stored("alice", "a1");
    story.is_answered_to(ALICE, call, seq, true);
    story.all_get(seq);
    story.passes();
}

#[test]
fn what_is_sent_at_the_same_time_has_any_order() {
    let mut story = Story::begin();
    let (alices, bobs) = (story.sends(ALICE, "a1"), story.sends(BOB, "b1"));
    let (first, second) = (story.is_stored("bob", "b1"), story.is_stored("alice", "a1"));
    story.is_answered(ALICE, alices, second);
    story.is_answered(BOB, bobs, first);
    story.all_get(first);
    story.all_get(second);
    story.passes();
}

/// The first of two sends met a broker that was away, and was tried again after the second.
#[test]
fn a_retry_comes_after_what_was_sent_behind_it() {
    let mut story = Story::begin();
    let (first, second) = (story.sends(ALICE, "a1"), story.sends(ALICE, "a2"));
    story.hears_nothing(ALICE, first);
    let seq = story.is_stored("alice", "a2");
    story.is_answered(ALICE, second, seq);
    story.all_get(seq);
    let again = story.sends(ALICE, "a1");
    let seq = story.is_stored("alice", "a1");
    story.is_answered(ALICE, again, seq);
    story.all_get(seq);
    story.passes();
}

#[test]
fn a_push_may_come_before_the_senders_answer() {
    let mut story = Story::begin();
    let call = story.sends(ALICE, "a1");
    let seq = story.is_stored("alice", "a1");
    story.all_get(seq);
    story.is_answered(ALICE, call, seq);
    story.passes();
}

#[test]
fn what_was_not_acknowledged_comes_again_after_a_cut() {
    let mut story = Story::begin();
    for id in ["a1", "a2", "a3"] {
        story.says(id);
    }
    story.acks(BOB, 1);
    story.loses(BOB);
    // Its memory is lost as well: from the cursor.
    story.connects(BOB, None, 1);
    story.gets(BOB, 2);
    story.gets(BOB, 3);
    let repeats = story.passes();
    assert_eq!((repeats.again, repeats.replayed), (2, 0));
}

/// The client's position is lost, and the acknowledgement of what it had is not answered.
#[test]
fn an_acknowledgement_without_an_answer_may_count_or_not() {
    for start in [0, 1] {
        let mut story = Story::begin();
        story.says("a1");
        let call = story.invokes(BOB, Ask::Ack { offset: 1, within: None });
        story.hears_nothing(BOB, call);
        story.loses(BOB);
        story.connects(BOB, None, start);
        if start == 0 {
            story.gets(BOB, 1);
        }
        story.passes();
    }
}

#[test]
fn what_was_missed_comes_later_in_order() {
    let mut story = Story::begin();
    story.says("a1");
    story.loses(BOB);
    for id in ["a2", "a3"] {
        let seq = story.says_unheard(id);
        story.gets(ALICE, seq);
        story.gets(LAPTOP, seq);
    }
    story.comes_back(BOB);
    story.gets(BOB, 2);
    story.gets(BOB, 3);
    story.passes();
}

/// A position that is older than the cursor is moved up to it.
#[test]
fn a_position_behind_the_cursor_goes_on_from_the_cursor() {
    let mut story = Story::begin();
    story.says("a1");
    story.says("a2");
    story.acks(BOB, 2);
    story.loses(BOB);
    story.connects(BOB, Some(1), 2);
    let seq = story.says_unheard("a3");
    story.all_get(seq);
    story.passes();
}

/// Far behind: pushes carry the offset the device came with until all is there, and a cut begins them again.
#[test]
fn a_replay_by_conversation_stands_still_and_begins_again_after_a_cut() {
    let mut story = Story::begin();
    story.says("a1");
    story.acks(BOB, 1);
    story.loses(BOB);
    for number in 2..=5 {
        let seq = story.says_unheard(&format!("a{number}"));
        story.gets(ALICE, seq);
        story.gets(LAPTOP, seq);
    }
    story.connects(BOB, Some(1), 1);
    story.gets_at(BOB, 2, 1);
    story.gets_at(BOB, 3, 1);
    story.loses(BOB);
    story.connects(BOB, Some(1), 1);
    for seq in 2..=4 {
        story.gets_at(BOB, seq, 1);
    }
    story.gets_at(BOB, 5, 5);
    let repeats = story.passes();
    assert_eq!((repeats.again, repeats.replayed), (2, 0));
}

/// What left the ring before it was acknowledged comes again as long as the device is far behind.
#[test]
fn a_replay_by_conversation_may_bring_what_was_acknowledged() {
    let mut story = Story::begin();
    story.says("a1");
    story.says("a2");
    story.acks(BOB, 2);
    story.loses(BOB);
    let seq = story.says_unheard("a3");
    story.gets(ALICE, seq);
    story.gets(LAPTOP, seq);
    story.connects(BOB, None, 2);
    for seq in [2, 3] {
        story.gets_at(BOB, seq, 2);
    }
    story.gets_entry(BOB, 3, Entry { kind: "read".into(), ..Story::entry("", "", 0) });
    let repeats = story.passes();
    assert_eq!((repeats.again, repeats.replayed), (1, 0));
}

/// A replay that begins anew within a connection, as when the broker was away meanwhile.
#[test]
fn a_replay_may_begin_again_on_the_same_connection() {
    let mut story = Story::begin();
    story.loses(BOB);
    for number in 1..=3 {
        let seq = story.says_unheard(&format!("a{number}"));
        story.gets(ALICE, seq);
        story.gets(LAPTOP, seq);
    }
    story.connects(BOB, None, 0);
    for seq in [1, 2, 1, 2, 3] {
        let entry = story.log[seq - 1].clone();
        story.gets_entry(BOB, 0, entry);
    }
    let repeats = story.passes();
    assert_eq!((repeats.again, repeats.replayed), (0, 2));
}

/// Far behind within a connection: what the session has pushed comes again, from where the cursor stood, and marks say so.
#[test]
fn a_replay_may_bring_again_what_came_last() {
    let mut story = Story::begin();
    story.says("a1");
    story.gets_at(BOB, 1, 1);
    story.gets_entry(BOB, 1, Entry { kind: "read".into(), ..Story::entry("", "", 0) });
    let repeats = story.passes();
    assert_eq!((repeats.again, repeats.replayed), (0, 1));
}

#[test]
fn offsets_may_leap_over_what_is_no_message() {
    let mut story = Story::begin();
    story.says("a1");
    let read = Entry { kind: "read".into(), ..Story::entry("bob", "", 1) };
    story.gets_entry(LAPTOP, 2, read);
    story.at[BOB] = 2;
    story.says("a2");
    story.passes();
}

/// After a restart that may have lost numbers they jump ahead.
#[test]
fn numbers_may_jump() {
    let mut story = Story::begin();
    story.says("a1");
    let call = story.sends(ALICE, "a2");
    let seq = 1 + (1 << 20);
    story.log.push(Entry { prev: Some(1), ..Story::entry("alice", "a2", seq) });
    story.is_answered(ALICE, call, seq);
    for device in [ALICE, BOB, LAPTOP] {
        story.gets_at(device, seq, 1 << 20);
    }
    story.passes();
}

#[test]
fn what_was_refused_for_good_is_nowhere() {
    let mut story = Story::begin();
    let call = story.sends(ALICE, "large");
    story.is_refused(ALICE, call);
    story.passes();
}

#[test]
fn a_page_may_have_more_than_was_known() {
    let mut story = Story::begin();
    story.says("a1");
    let call = story.sends(ALICE, "a2");
    let seq = story.is_stored("alice", "a2");
    story.looks(BOB, &[1, 2]);
    story.is_answered(ALICE, call, seq);
    story.all_get(seq);
    story.passes();
}

#[test]
fn what_was_before_the_run_is_nobodys_business() {
    let mut story = Story::begin();
    story.is_stored("mallory", "old");
    story.gets(BOB, 1);
    story.is_stored("alice", "a1");
    let mut history = story.ended();
    history.run.conversations[0].from = 2;
    assert_eq!(check(&history).faults, []);
}

#[test]
fn unread_is_what_others_said_after_what_was_read() {
    let mut story = Story::begin();
    for id in ["a1", "a2", "a3"] {
        story.says(id);
    }
    story.reads(BOB, 1);
    story.calms_down();
    story.is_told_unread(BOB, 2);
    story.is_told_unread(LAPTOP, 2);
    story.is_told_unread(ALICE, 0);
    story.passes();
}

/// A count asked for while messages come may be any.
#[test]
fn unread_counts_are_judged_when_all_is_calm() {
    let mut story = Story::begin();
    story.says("a1");
    story.is_told_unread(BOB, 0);
    let call = story.invokes(BOB, Ask::Read { conversation: DM.into(), seq: 1 });
    story.hears_nothing(BOB, call);
    story.calms_down();
    for unread in [0, 1] {
        let call = story.invokes(BOB, Ask::Unread);
        let conversations = Some(vec![Unread { conversation: DM.into(), unread, mentions: None }]);
        story.answers(BOB, call, Answer::Unread { conversations });
    }
    story.passes();
}

#[test]
fn what_retention_has_removed_is_not_missed() {
    let mut story = Story::begin();
    story.says("a1");
    story.says_unheard("a2");
    story.says("a3");
    story.trimmed = 2;
    story.passes();
}

#[test]
fn who_comes_back_further_back_gets_it_again_or_is_told_that_it_does_not() {
    let mut story = Story::begin();
    for id in ["a1", "a2", "a3"] {
        story.says(id);
    }
    story.acks(BOB, 3);
    story.loses(BOB);
    story.connects(BOB, Some(1), 3);
    story.loses(BOB);
    story.asks_in(BOB, Some(1));
    story.is_in_and_recovered(BOB, 1, true);
    story.gets(BOB, 2);
    story.gets(BOB, 3);
    story.passes();
}

#[test]
fn what_was_edited_and_deleted_reads_so() {
    let mut story = Story::begin();
    let seq = story.says("a1");
    story.changes("edit", "a2", seq);
    let first = story.changes("edit", "a3", seq);
    let deleted = story.says("a4");
    story.changes("delete", "a5", deleted);
    // Whoever comes later is shown how it reads by then.
    story.loses(BOB);
    story.connects(BOB, Some(0), 0);
    story.gets(BOB, seq);
    assert_eq!(first, 3);
    story.passes();
}

#[test]
fn who_is_away_gets_nothing_of_a_room_and_all_of_it_when_back() {
    let mut story = Story::begin();
    story.says("a1");
    story.bob_goes("leave");
    let missed = story.says_unheard("a2");
    story.gets(ALICE, missed);
    story.bob_goes("join");
    story.says("a3");
    story.passes();
}

#[test]
fn a_room_of_many_is_heard_or_read() {
    let mut story = Story::begin();
    for seq in [story.says_unheard("a1"), story.says_unheard("a2")] {
        story.gets(ALICE, seq);
    }
    story.hears(BOB, 1);
    story.looks(BOB, &[2]);
    story.hears(LAPTOP, 2);
    story.looks(LAPTOP, &[1, 2]);
    assert_eq!(check(&story.ended_as_broadcast()).faults, []);
}

#[test]
fn a_mention_in_a_room_of_many_that_a_replay_has_left_is_read() {
    let mut story = Story::begin();
    let seq = story.mentions_bob("a1");
    story.gets(ALICE, seq);
    story.gets(BOB, seq);
    story.is_left(LAPTOP, 1);
    story.looks(LAPTOP, &[seq]);
    assert_eq!(check(&story.ended_as_broadcast()).faults, []);
}

#[test]
fn an_own_reaction_right_behind_what_a_replay_has_left_is_read() {
    let mut story = Story::begin();
    let (message, reaction) = story.bob_reacts_to_a_mention();
    story.is_left(LAPTOP, 1);
    story.looks(LAPTOP, &[message, reaction]);
    assert_eq!(check(&story.ended_as_broadcast()).faults, []);
}

#[test]
fn what_was_refused_when_it_was_sent_again_is_taken_by_a_server_that_stood_still() {
    let mut story = Story::begin();
    let call = story.sends(ALICE, "late");
    story.hears_nothing(ALICE, call);
    let call = story.sends(ALICE, "late");
    story.is_refused(ALICE, call);
    let seq = story.is_stored("alice", "late");
    story.all_get(seq);
    story.passes();
}
