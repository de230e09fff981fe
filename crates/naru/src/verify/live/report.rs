//! What is said of a history, and of what is wrong with it.

use std::collections::BTreeMap;

use anyhow::Result;

use super::checker::{Fault, Judgement, evidence};
use super::history::{Answer, Ask, History, What, people};
use crate::printed::say;

/// Faults shown with their evidence; of the others only how many there are of each kind.
const SHOWN: usize = 3;

/// Prints the verdict. Returns whether all is well.
pub(super) fn print(history: &History, judgement: &Judgement) -> Result<bool> {
    let Judgement { faults, repeats, has_unread } = judgement;
    say!("{}", counted(history))?;
    let again = repeats.again + repeats.replayed;
    let unread = if *has_unread { "" } else { " (these servers do not say what is unread)" };
    if faults.is_empty() {
        say!(
            "everything acknowledged is there, once and in one order; every device has everything; cursors only went \
             forward; {again} pushes were repeated, as after a reconnect they may be{unread}"
        )?;
        return Ok(true);
    }
    say!("{} things are wrong:", faults.len())?;
    for fault in &faults[..faults.len().min(SHOWN)] {
        say!("\n{}: {}", fault.verdict, fault.text)?;
        for line in evidence::lines(history, &fault.about) {
            say!("{line}")?;
        }
    }
    if faults.len() > SHOWN {
        say!("\nand besides: {}", besides(&faults[SHOWN..]))?;
    }
    say!(
        "\nagain: {}\n(the seed repeats who does what and when something is killed, but not how the programs take turns)",
        history.run.again
    )?;
    Ok(false)
}

/// How many there are of each kind.
fn besides(faults: &[Fault]) -> String {
    let mut kinds = BTreeMap::new();
    faults.iter().for_each(|fault| *kinds.entry(fault.verdict).or_insert(0) += 1);
    let all: Vec<String> = kinds.iter().map(|(verdict, count)| format!("{count} × {verdict}")).collect();
    all.join(", ")
}

/// What the history has.
fn counted(history: &History) -> String {
    let count = |is_it: fn(&What) -> bool| history.events.iter().filter(|event| is_it(&event.what)).count();
    let acknowledged =
        count(|what| matches!(what, What::Ok { answer: Answer::Sent { duplicate: false, .. }, .. }));
    let repeated =
        count(|what| matches!(what, What::Ok { answer: Answer::Sent { duplicate: true, .. }, .. }));
    let sends = count(|what| matches!(what, What::Invoke { ask: Ask::Send { .. }, .. }));
    let pushes = count(|what| matches!(what, What::Pushed { .. }));
    let connections = count(|what| matches!(what, What::Connected { .. }));
    let unknown = count(|what| matches!(what, What::Unknown { .. }));
    let killed = count(|what| matches!(what, What::Chaos { text } if text.ends_with("killed")));
    let stopped = count(|what| matches!(what, What::Chaos { text } if text.ends_with("stopped")));
    let rooms = history.run.conversations.iter().filter(|it| it.conversation.starts_with("room:")).count();
    let seconds = history.events.last().map_or(0.0, |event| event.at as f64 / 1e6);
    format!(
        "seed {}: {} people with {} devices in {} conversations, {rooms} of them rooms, {seconds:.1} s: {sends} sends, {acknowledged} acknowledged and {repeated} as \
         repeats, {pushes} pushes, {connections} connections, {unknown} answers lost, {killed} kills, {stopped} stops",
        history.run.seed,
        people(&history.run.devices),
        history.run.devices.len(),
        history.run.conversations.len(),
    )
}
