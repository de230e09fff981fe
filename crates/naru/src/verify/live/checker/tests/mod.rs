//! Hand-made histories: bad ones, each with the verdict that is due, and good ones with all that is odd and allowed.

mod bad;
mod good;
mod story;

use super::super::history::{Event, What};
use super::evidence;
use story::{BOB, Story};

#[test]
fn the_evidence_is_the_message_its_neighbours_and_what_befell_the_device() {
    let mut story = Story::begin();
    for number in 1..=100 {
        story.says(&format!("a{number}"));
    }
    story.loses(BOB);
    let lost = story.says_unheard("a101");
    story.says_unheard("a102");
    story.connects(BOB, Some(100), 100);
    story.gets(BOB, lost + 1);
    for device in [super::tests::story::ALICE, super::tests::story::LAPTOP] {
        story.gets(device, 101);
        story.gets(device, 102);
    }
    let history = story.ended();
    let faults = super::check(&history).faults;
    assert_eq!(faults.len(), 1, "{faults:#?}");
    let lines = evidence::lines(&history, &faults[0].about);
    let expected = [
        "alice/phone sends a100 to dm:alice:bob",
        "it is 100 of dm:alice:bob",
        "bob/phone got 100 of dm:alice:bob, a100 of alice with offset 100",
        "bob/phone has lost connection 2: cut",
        "alice/phone sends a101",
        "it is 101",
        "alice/phone sends a102",
        "it is 102",
        "bob/phone connects to s1 standing at 100",
        "bob/phone is in, what follows begins behind 100",
        "bob/phone got 102",
        "the log of dm:alice:bob",
    ];
    assert_eq!(lines.len(), expected.len() + 2, "{lines:#?}");
    for (line, expected) in lines[2..].iter().zip(expected) {
        assert!(line.contains(expected), "{line} instead of {expected}");
    }
}

#[test]
fn long_evidence_is_shown_in_part() {
    let mut story = Story::begin();
    story.says("a1");
    for _ in 0..200 {
        story.gets_at(BOB, 1, 1);
    }
    let history = story.ended();
    let fault = super::check(&history).faults.remove(0);
    let lines = evidence::lines(&history, &fault.about);
    assert_eq!(lines.len(), 61);
    assert!(lines[30].contains("more"), "{}", lines[30]);
}

#[test]
fn a_history_that_was_cut_off_is_judged_by_what_it_has() {
    let mut story = Story::begin();
    story.says("a1");
    story.says_unheard("a2");
    let mut history = story.ended();
    history.events.retain(|event: &Event| event.what != What::End);
    let verdicts: Vec<_> = super::check(&history).faults.iter().map(|fault| fault.verdict).collect();
    assert_eq!(verdicts, [super::Verdict::Unfinished]);
}
