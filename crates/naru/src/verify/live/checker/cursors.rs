//! Where devices stand, as servers say.

use std::collections::HashMap;

use super::super::history::{Answer, Ask, Event, History, What};
use super::fault::{About, Fault, Verdict};

#[derive(Default)]
struct Device {
    /// The highest cursor that was answered.
    answered: u64,
    /// The highest offset that was ever acknowledged, or stood at when the run began.
    asked: u64,
    has_connected: bool,
    /// What the connection that is being made has said, and what had been answered by then.
    position: Option<u64>,
    answered_before: u64,
    /// Acknowledgements under way: what was asked, and what had been answered before.
    calls: HashMap<u64, (u64, u64)>,
}

pub(super) fn check(history: &History, faults: &mut Vec<Fault>) {
    let mut devices: Vec<Device> = history.run.devices.iter().map(|_| Device::default()).collect();
    // Of each user's inbox; others may be kept elsewhere.
    let mut epochs: HashMap<&str, &str> = HashMap::new();
    for event in &history.events {
        let Some((number, is_connected)) = taken(event, &mut devices) else { continue };
        let named = &history.run.devices[number];
        let name = format!("{}'s {}", named.user, named.device);
        let mut fault = |verdict, text| faults.push(Fault { verdict, text, about: About::device(number) });
        let device = &mut devices[number];
        match &event.what {
            What::Connected { epoch: now, start, recovered, .. } if is_connected => {
                let known = epochs.insert(&named.user, now).unwrap_or(now);
                if known != now {
                    fault(
                        Verdict::Epoch,
                        format!("{name} was told epoch {now}, after {known}: the store is another one"),
                    );
                }
                // Who says to stand further back may get it again from there.
                if *start < device.answered_before.min(device.position.unwrap_or(u64::MAX)) {
                    let answered = device.answered_before;
                    let text = format!("{name} had acknowledged {answered}, and begins behind {start}");
                    fault(Verdict::CursorBack, text);
                }
                if let Some(position) = device.position
                    && *recovered
                    && *start > position
                {
                    let text = format!(
                        "{name} came with {position}, and was told that it is recovered, and begins behind {start}"
                    );
                    fault(Verdict::Recovered, text);
                }
                let highest = device.asked.max(device.position.unwrap_or(0));
                if !device.has_connected {
                    device.asked = *start;
                } else if *start > highest {
                    let text = format!("{name} begins behind {start}, and had said {highest} at most");
                    fault(Verdict::CursorAhead, text);
                }
                device.has_connected = true;
            }
            What::Ok { call, answer: Answer::Acked { offset }, .. } => {
                let Some((asked, before)) = device.calls.remove(call) else { continue };
                if *offset < asked || *offset < before {
                    let text = format!(
                        "{name} acknowledged {asked}, after {before}, and its cursor was answered to be {offset}"
                    );
                    fault(Verdict::CursorBack, text);
                } else if *offset > device.asked {
                    let text = format!(
                        "{name} acknowledged {} at most, and its cursor was answered to be {offset}",
                        device.asked
                    );
                    fault(Verdict::CursorAhead, text);
                }
                device.answered = device.answered.max(*offset);
            }
            _ => {}
        }
    }
}

/// Notes what a device asks. Returns which device an event is of, and whether it is about a connection.
fn taken(event: &Event, devices: &mut [Device]) -> Option<(usize, bool)> {
    match &event.what {
        What::Connect { device, position, .. } => {
            let it = &mut devices[*device];
            it.position = position.as_ref().map(|position| position.offset);
            it.answered_before = it.answered;
            None
        }
        What::Invoke { device, call, ask: Ask::Ack { offset, .. }, .. } => {
            let it = &mut devices[*device];
            it.asked = it.asked.max(*offset);
            it.calls.insert(*call, (*offset, it.answered));
            None
        }
        What::Connected { device, .. } => Some((*device, true)),
        What::Ok { device, .. } => Some((*device, false)),
        _ => None,
    }
}
