use std::time::Duration;

use naru_ledger::testing::{Event, Step, events, step};
use naru_ledger::{Conversation as Name, Device, Limits, User};
use proptest::prelude::*;

use super::twins::Twins;

fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 60 * 60)
}

/// So small that all are met, but for what is counted otherwise than the model does.
fn limits() -> impl Strategy<Value = Limits> {
    let log = (1..30_usize, prop_oneof![Just(90 * 24), 0..200_u64]);
    let inbox = (0..10_usize, 1..6_usize, 0..4_usize);
    let devices = (1..4_usize, 0..700_u64, 0..24_u64);
    let rest = (0..6_usize, 1..30_usize, 1..200_usize);
    (log, inbox, devices, rest).prop_map(|(log, inbox, devices, rest)| Limits {
        log_entries_max: log.0,
        log_age_max: hours(log.1),
        log_bytes_max: u64::MAX,
        ring_max: inbox.0,
        conversations_max: inbox.1,
        mentions_kept_max: inbox.2,
        devices_max: devices.0,
        device_ttl: hours(devices.1),
        seen_every: hours(devices.2),
        members_max: rest.0,
        page_entries_max: rest.1,
        page_bytes_max: rest.2,
        ..Limits::default()
    })
}

/// What is done besides what happens.
#[derive(Debug, Clone)]
enum Aside {
    Nothing,
    /// A part of a checkpoint is taken.
    Piece,
    Limit(Box<Limits>),
    Look,
}

fn aside() -> impl Strategy<Value = Aside> {
    prop_oneof![
        20 => Just(Aside::Nothing),
        3 => Just(Aside::Piece),
        1 => limits().prop_map(|limits| Aside::Limit(Box::new(limits))),
        1 => Just(Aside::Look),
    ]
}

fn check(limits: Limits, steps: &[Step], asides: &[Aside]) {
    let users = ["a", "a:a", "a%3Aa", "%", "나루 *"].map(|name| User::parse(name).unwrap());
    let names = ["room:a", "room:a:a", "dm:a:a%3Aa", "dm:a:a"].map(|name| Name::parse(name).unwrap());
    let devices = ["default", "phone"].map(|name| Device::parse(name).unwrap());
    let mut twins = Twins::new(limits);
    let look = |twins: &mut Twins| {
        twins.look(&users, &names, &devices);
        twins.check_bodies();
    };
    for (event, aside) in events(steps).iter().zip(asides.iter().cycle()) {
        match aside {
            Aside::Nothing => {}
            Aside::Piece => twins.take_piece(),
            Aside::Limit(limits) => twins.limit(Limits::clone(limits)),
            Aside::Look => look(&mut twins),
        }
        twins.happen(event);
    }
    look(&mut twins);
    twins.happen(&Event::Restarted);
    look(&mut twins);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_native_ledger_answers_as_the_model_does(
        limits in limits(),
        steps in prop::collection::vec(step(), 1..120),
        asides in prop::collection::vec(aside(), 1..120),
    ) {
        check(limits, &steps, &asides);
    }
}
