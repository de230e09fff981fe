//! Wrong, each in its way.

use super::super::super::history::{Ask, Entry, Event, Reads, What};
use super::super::{Verdict, check};
use super::story::{ALICE, BOB, CAROL, DM, LAPTOP, Story};

/// A story with three messages that everybody has.
fn three() -> Story {
    let mut story = Story::begin();
    for id in ["a1", "a2", "a3"] {
        story.says(id);
    }
    story
}

#[test]
fn an_acknowledged_message_is_lost() {
    let mut story = Story::begin();
    story.says("a1");
    let call = story.sends(ALICE, "a2");
    story.is_answered(ALICE, call, 2);
    story.fails_with(&[Verdict::Lost]);
}

#[test]
fn an_acknowledged_message_is_lost_that_others_have_seen() {
    let mut story = three();
    story.log.pop();
    story.fails_with(&[Verdict::Lost, Verdict::Vanished, Verdict::Vanished, Verdict::Vanished]);
}

#[test]
fn a_message_is_lost_whose_number_another_has_got() {
    let mut story = Story::begin();
    let call = story.sends(ALICE, "a1");
    story.is_answered(ALICE, call, 1);
    let call = story.sends(BOB, "b1");
    let seq = story.is_stored("bob", "b1");
    story.is_answered(BOB, call, seq);
    story.all_get(seq);
    story.fails_with(&[Verdict::Lost, Verdict::Overtaken]);
}

#[test]
fn a_message_is_not_where_it_was_answered_to_be() {
    let mut story = Story::begin();
    story.says("a1");
    let call = story.sends(ALICE, "a2");
    let seq = story.is_stored("alice", "a2");
    story.is_answered(ALICE, call, seq + 5);
    story.all_get(seq);
    story.fails_with(&[Verdict::Moved]);
}

#[test]
fn a_retry_is_stored_a_second_time() {
    let mut story = Story::begin();
    let first = story.sends(ALICE, "a1");
    let seq = story.is_stored("alice", "a1");
    story.hears_nothing(ALICE, first);
    story.all_get(seq);
    let again = story.sends(ALICE, "a1");
    let seq = story.is_stored("alice", "a1");
    story.is_answered(ALICE, again, seq);
    story.all_get(seq);
    story.fails_with(&[Verdict::Doubled]);
}

#[test]
fn a_retry_is_answered_another_number() {
    let mut story = Story::begin();
    let seq = story.says("a1");
    let again = story.sends(ALICE, "a1");
    story.is_answered_to(ALICE, again, seq + 1, true);
    story.fails_with(&[Verdict::Answers]);
}

#[test]
fn a_retry_is_answered_as_if_it_were_new() {
    let mut story = Story::begin();
    let seq = story.says("a1");
    let again = story.sends(ALICE, "a1");
    story.is_answered(ALICE, again, seq);
    story.fails_with(&[Verdict::Answers]);
}

#[test]
fn a_log_has_what_nobody_said() {
    let mut story = three();
    let seq = story.is_stored("alice", "made up");
    story.all_get(seq);
    story.fails_with(&[Verdict::Stranger]);
}

#[test]
fn a_log_has_what_was_said_to_somebody_else() {
    let mut story = Story::begin();
    let call = story.invokes(ALICE, Ask::message("dm:alice:carol", "secret"));
    let seq = story.is_stored("alice", "secret");
    story.is_answered(ALICE, call, seq);
    story.all_get(seq);
    story.fails_with(&[Verdict::Lost, Verdict::Stranger, Verdict::Answers]);
}

#[test]
fn what_was_refused_is_there() {
    let mut story = Story::begin();
    let call = story.sends(ALICE, "large");
    story.is_refused(ALICE, call);
    let seq = story.is_stored("alice", "large");
    story.all_get(seq);
    story.fails_with(&[Verdict::Refused]);
}

#[test]
fn what_was_taken_is_refused_when_it_is_sent_again() {
    let mut story = Story::begin();
    let seq = story.says("a1");
    let call = story.sends(ALICE, "a1");
    story.is_refused(ALICE, call);
    story.fails_with(&[Verdict::Refused]);
    // The answer was lost, but all had got it.
    let mut story = Story::begin();
    let call = story.sends(ALICE, "a1");
    let stored = story.is_stored("alice", "a1");
    assert_eq!(stored, seq);
    story.all_get(stored);
    story.hears_nothing(ALICE, call);
    let call = story.sends(ALICE, "a1");
    story.is_refused(ALICE, call);
    story.fails_with(&[Verdict::Refused]);
}

#[test]
fn what_was_refused_at_each_attempt_is_there() {
    let mut story = Story::begin();
    for _ in 0..2 {
        let call = story.sends(ALICE, "large");
        story.is_refused(ALICE, call);
    }
    let seq = story.is_stored("alice", "large");
    story.all_get(seq);
    story.fails_with(&[Verdict::Refused]);
}

#[test]
fn a_logs_numbers_go_back() {
    let mut story = three();
    story.log.swap(1, 2);
    let verdicts: Vec<_> = story.faults().iter().map(|fault| fault.verdict).collect();
    assert_eq!(verdicts[0], Verdict::Numbers);
}

#[test]
fn an_entry_names_another_before_it_than_there_is() {
    let mut story = three();
    story.log[2].prev = Some(1);
    story.fails_with(&[Verdict::Numbers]);
}

#[test]
fn a_body_is_another_in_the_log() {
    let mut story = three();
    story.log[1].altered = true;
    story.fails_with(&[Verdict::Altered]);
}

#[test]
fn a_body_is_another_in_a_push() {
    let mut story = Story::begin();
    let seq = story.says_unheard("a1");
    story.gets(ALICE, seq);
    story.gets(LAPTOP, seq);
    story.gets_entry(BOB, 1, Entry { altered: true, ..Story::entry("alice", "a1", seq) });
    story.fails_with(&[Verdict::Altered]);
}

#[test]
fn a_push_has_another_message_under_this_number() {
    let mut story = Story::begin();
    story.says("a1");
    let seq = story.says_unheard("a2");
    story.gets(ALICE, seq);
    story.gets(LAPTOP, seq);
    story.gets_entry(BOB, 2, Story::entry("alice", "a1", seq));
    // What the number belongs to has not come.
    story.fails_with(&[Verdict::Altered, Verdict::Undelivered]);
}

#[test]
fn what_somebody_has_seen_is_gone() {
    let mut story = Story::begin();
    let call = story.sends(ALICE, "a1");
    story.gets(BOB, 1);
    story.hears_nothing(ALICE, call);
    let again = story.sends(ALICE, "a1");
    story.is_refused(ALICE, again);
    story.fails_with(&[Verdict::Vanished]);
}

#[test]
fn what_is_sent_after_an_answer_stands_before_it() {
    let mut story = Story::begin();
    let first = story.sends(ALICE, "a1");
    story.is_answered(ALICE, first, 2);
    let second = story.sends(BOB, "b1");
    story.is_answered(BOB, second, 1);
    story.is_stored("bob", "b1");
    story.is_stored("alice", "a1");
    story.all_get(1);
    story.all_get(2);
    story.fails_with(&[Verdict::Overtaken]);
}

#[test]
fn what_is_sent_after_something_was_seen_stands_before_it() {
    let mut story = Story::begin();
    let first = story.sends(ALICE, "a1");
    story.gets_entry(BOB, 2, Story::entry("alice", "a1", 2));
    story.loses(BOB);
    let second = story.sends(BOB, "b1");
    story.is_stored("bob", "b1");
    story.is_stored("alice", "a1");
    story.is_answered(BOB, second, 1);
    story.is_answered(ALICE, first, 2);
    for device in [ALICE, LAPTOP] {
        story.gets(device, 1);
        story.gets(device, 2);
    }
    story.connects(BOB, None, 0);
    story.gets(BOB, 1);
    story.gets(BOB, 2);
    story.fails_with(&[Verdict::Overtaken, Verdict::Order]);
}

#[test]
fn two_commands_of_a_connection_change_places() {
    let mut story = Story::begin();
    let (first, second) = (story.sends(ALICE, "a1"), story.sends(ALICE, "a2"));
    story.is_stored("alice", "a2");
    story.is_stored("alice", "a1");
    story.is_answered(ALICE, first, 2);
    story.is_answered(ALICE, second, 1);
    story.all_get(1);
    story.all_get(2);
    story.fails_with(&[Verdict::Commands]);
}

#[test]
fn a_page_is_older_than_what_was_known() {
    let mut story = three();
    story.looks(BOB, &[1, 2]);
    story.fails_with(&[Verdict::Page]);
}

#[test]
fn a_page_has_a_hole() {
    let mut story = three();
    story.looks(BOB, &[1, 3]);
    story.fails_with(&[Verdict::Page]);
}

#[test]
fn a_page_has_what_the_log_has_not() {
    let mut story = three();
    story.looks(BOB, &[1, 2, 3, 4]);
    story.fails_with(&[Verdict::Vanished]);
}

#[test]
fn somebody_gets_what_is_not_theirs() {
    let mut story = three();
    story.gets(CAROL, 2);
    story.fails_with(&[Verdict::Foreign]);
}

#[test]
fn a_push_comes_before_the_answer_to_connect() {
    let mut story = Story::begin();
    story.loses(BOB);
    let seq = story.says_unheard("a1");
    story.gets(ALICE, seq);
    story.gets(LAPTOP, seq);
    story.asks_in(BOB, None);
    story.gets(BOB, seq);
    story.is_in(BOB, 0);
    story.gets(BOB, seq);
    story.fails_with(&[Verdict::Premature]);
}

#[test]
fn two_pushes_change_places() {
    let mut story = Story::begin();
    story.says_unheard("a1");
    story.says_unheard("a2");
    for device in [ALICE, LAPTOP] {
        story.gets(device, 1);
        story.gets(device, 2);
    }
    story.gets(BOB, 2);
    story.gets(BOB, 1);
    story.fails_with(&[Verdict::Order]);
}

#[test]
fn a_push_is_dropped_and_the_next_one_comes() {
    let mut story = Story::begin();
    for number in 1..=3 {
        let seq = story.says_unheard(&format!("a{number}"));
        story.gets(ALICE, seq);
        story.gets(BOB, seq);
        if number != 2 {
            story.gets(LAPTOP, seq);
        }
    }
    story.fails_with(&[Verdict::Hole]);
}

#[test]
fn the_last_push_is_dropped() {
    let mut story = three();
    let seq = story.says_unheard("a4");
    story.gets(ALICE, seq);
    story.gets(BOB, seq);
    story.fails_with(&[Verdict::Undelivered]);
}

#[test]
fn nothing_comes_after_a_reconnect() {
    let mut story = three();
    story.loses(BOB);
    let seq = story.says_unheard("a4");
    story.gets(ALICE, seq);
    story.gets(LAPTOP, seq);
    story.comes_back(BOB);
    story.fails_with(&[Verdict::Undelivered]);
}

#[test]
fn a_replay_leaves_something_out() {
    let mut story = three();
    story.loses(BOB);
    for number in 4..=6 {
        let seq = story.says_unheard(&format!("a{number}"));
        story.gets(ALICE, seq);
        story.gets(LAPTOP, seq);
    }
    story.comes_back(BOB);
    story.gets_at(BOB, 4, 3);
    story.gets_at(BOB, 6, 6);
    story.fails_with(&[Verdict::Hole]);
}

#[test]
fn a_push_comes_twice() {
    let mut story = three();
    story.gets_at(BOB, 3, 3);
    story.fails_with(&[Verdict::Twice]);
}

#[test]
fn a_push_comes_again_as_if_it_were_new() {
    let mut story = three();
    story.gets(BOB, 2);
    story.fails_with(&[Verdict::Twice]);
}

#[test]
fn an_acknowledged_push_comes_again() {
    let mut story = three();
    story.acks(BOB, 2);
    story.loses(BOB);
    story.comes_back(BOB);
    // The offset is one that it has not acknowledged; the entry is one that it has.
    story.gets(BOB, 2);
    story.fails_with(&[Verdict::Acknowledged]);
}

#[test]
fn offsets_go_back_on_a_connection() {
    let mut story = three();
    let seq = story.says_unheard("a4");
    story.gets(ALICE, seq);
    story.gets(LAPTOP, seq);
    story.gets_at(BOB, seq, 1);
    story.fails_with(&[Verdict::Offsets]);
}

#[test]
fn an_acknowledgement_is_forgotten_by_a_reconnect() {
    let mut story = three();
    story.acks(BOB, 3);
    story.loses(BOB);
    story.connects(BOB, None, 0);
    for seq in 1..=3 {
        story.gets(BOB, seq);
    }
    let again = Verdict::Acknowledged;
    story.fails_with(&[again, again, again, Verdict::CursorBack]);
}

#[test]
fn a_device_is_recovered_and_begins_further_on() {
    let mut story = three();
    story.acks(BOB, 3);
    story.loses(BOB);
    story.asks_in(BOB, Some(1));
    story.is_in_and_recovered(BOB, 3, true);
    story.fails_with(&[Verdict::Recovered]);
}

#[test]
fn a_cursor_goes_back() {
    let mut story = three();
    story.acks(BOB, 3);
    story.acks_and_hears(BOB, 2, 2);
    story.fails_with(&[Verdict::CursorBack]);
}

#[test]
fn an_acknowledgement_does_not_count() {
    let mut story = three();
    story.acks_and_hears(BOB, 3, 1);
    story.fails_with(&[Verdict::CursorBack]);
}

#[test]
fn a_cursor_is_ahead_of_what_was_acknowledged() {
    let mut story = three();
    story.acks_and_hears(BOB, 2, 3);
    story.fails_with(&[Verdict::CursorAhead]);
}

#[test]
fn one_devices_acknowledgement_moves_the_others_cursor() {
    let mut story = three();
    story.acks(BOB, 3);
    story.loses(LAPTOP);
    story.connects(LAPTOP, None, 3);
    story.fails_with(&[Verdict::CursorAhead]);
}

#[test]
fn a_send_is_never_answered() {
    let mut story = three();
    let call = story.sends(ALICE, "a4");
    story.hears_nothing(ALICE, call);
    story.fails_with(&[Verdict::Unanswered]);
}

#[test]
fn somebody_cannot_connect_any_more() {
    let mut story = three();
    story.loses(CAROL);
    story.fails_with(&[Verdict::Away]);
}

#[test]
fn the_store_is_another_one() {
    let mut story = Story::begin();
    story.loses(BOB);
    story.store_is_another();
    story.connects(BOB, None, 0);
    story.fails_with(&[Verdict::Epoch]);
}

#[test]
fn too_much_or_too_little_is_unread() {
    for (unread, is_right) in [(0, false), (1, true), (2, false)] {
        let mut story = three();
        story.reads(BOB, 2);
        story.calms_down();
        story.is_told_unread(BOB, unread);
        if is_right {
            story.passes();
        } else {
            story.fails_with(&[Verdict::Unread]);
        }
    }
}

#[test]
fn ones_own_messages_are_unread() {
    let mut story = three();
    story.calms_down();
    story.is_told_unread(ALICE, 3);
    story.fails_with(&[Verdict::Unread]);
}

#[test]
fn a_log_could_not_be_read() {
    let mut history = three().ended();
    history
        .events
        .retain(|event: &Event| !matches!(&event.what, What::Log { conversation, .. } if conversation == DM));
    let verdicts: Vec<_> = check(&history).faults.iter().map(|fault| fault.verdict).collect();
    assert_eq!(verdicts, [Verdict::Unfinished; 3]);
}

#[test]
fn an_edit_does_not_last() {
    let mut story = three();
    story.changes("edit", "a4", 1);
    story.log[0].reads = None;
    story.log[0].changed = None;
    story.fails_with(&[Verdict::Reads]);
}

#[test]
fn a_device_is_shown_an_older_text_with_the_last_edit() {
    let mut story = three();
    let seq = story.changes("edit", "a4", 1);
    story.log[seq as usize - 1].reads = Some(Reads::As("a1".into()));
    let mut history = story.ended();
    for event in &mut history.events {
        if let What::Pushed { device: BOB, entry, .. } = &mut event.what
            && entry.seq == seq
        {
            entry.reads = Some(Reads::As("a3".into()));
        }
    }
    let verdicts: Vec<_> = check(&history).faults.iter().map(|fault| fault.verdict).collect();
    assert_eq!(verdicts, [Verdict::Reads, Verdict::Reads]);
}

#[test]
fn a_deletion_is_not_shown() {
    let mut story = three();
    story.changes("delete", "a4", 1);
    story.log[0].reads = Some(Reads::As("a1".into()));
    story.fails_with(&[Verdict::Reads]);
}

#[test]
fn who_is_away_gets_what_is_said_meanwhile() {
    let mut story = three();
    story.bob_goes("leave");
    let foreign = story.says("a4");
    assert_eq!(foreign, 5);
    story.fails_with(&[Verdict::Foreign, Verdict::Foreign]);
}

#[test]
fn somebody_is_in_a_room_twice_or_without_wanting() {
    let mut story = three();
    story.bob_goes("join");
    story.fails_with(&[Verdict::Doubled]);
    let mut story = three();
    let seq = story.is_stored("bob", "");
    story.log[seq as usize - 1].kind = "leave".into();
    story.all_get(seq);
    story.fails_with(&[Verdict::Stranger]);
}

#[test]
fn leaving_is_answered_and_lost() {
    let mut story = three();
    story.bob_goes("leave");
    story.log.pop();
    let found: Vec<_> = story.faults().iter().map(|fault| fault.verdict).collect();
    assert_eq!(found[0], Verdict::Lost);
}

#[test]
fn a_room_of_many_is_not_heard_to_its_end() {
    let mut story = Story::begin();
    for seq in [story.says_unheard("a1"), story.says_unheard("a2")] {
        story.gets(ALICE, seq);
        story.hears(BOB, seq);
    }
    story.hears(LAPTOP, 1);
    let found: Vec<_> = check(&story.ended_as_broadcast()).faults.iter().map(|fault| fault.verdict).collect();
    assert_eq!(found, [Verdict::Undelivered]);
}

#[test]
fn a_room_of_many_is_heard_out_of_order() {
    let mut story = Story::begin();
    for seq in [story.says_unheard("a1"), story.says_unheard("a2")] {
        story.gets(ALICE, seq);
        story.hears(BOB, seq);
    }
    story.hears(LAPTOP, 2);
    story.hears(LAPTOP, 1);
    let found: Vec<_> = check(&story.ended_as_broadcast()).faults.iter().map(|fault| fault.verdict).collect();
    assert_eq!(found, [Verdict::Order]);
}

#[test]
fn a_mention_in_a_room_of_many_is_read_and_does_not_come() {
    // The laptop's replay has come to so many messages.
    for left in [None, Some(0)] {
        let mut story = Story::begin();
        let seq = story.mentions_bob("a1");
        story.gets(ALICE, seq);
        story.gets(BOB, seq);
        if let Some(count) = left {
            story.is_left(LAPTOP, count);
        }
        story.looks(LAPTOP, &[seq]);
        let faults = check(&story.ended_as_broadcast()).faults;
        let found: Vec<_> = faults.iter().map(|fault| fault.verdict).collect();
        assert_eq!(found, [Verdict::Undelivered], "{left:?}");
    }
}

#[test]
fn an_own_reaction_in_a_room_of_many_does_not_come() {
    // The laptop's replay has not come to it, or nothing has shown it there, or it came after that.
    for (left, is_read, is_heard) in [(0, true, false), (1, false, false), (1, false, true), (1, true, true)]
    {
        let mut story = Story::begin();
        let (message, reaction) = story.bob_reacts_to_a_mention();
        story.is_left(LAPTOP, left);
        match is_read {
            true => story.looks(LAPTOP, &[message, reaction]),
            false => story.hears(LAPTOP, message),
        }
        if is_heard {
            story.hears(LAPTOP, reaction);
        }
        let faults = check(&story.ended_as_broadcast()).faults;
        let found: Vec<_> = faults.iter().map(|fault| fault.verdict).collect();
        assert_eq!(found, [Verdict::Undelivered], "{left}");
    }
}
