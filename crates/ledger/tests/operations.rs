//! The corners of each operation.
#![allow(clippy::unwrap_used, reason = "a test, its helpers included")]

use naru_ledger::limits::{BATCH_ENTRIES_MAX, BODY_BYTES_MAX, DEVICES_MAX, PAGE_BYTES_MAX};
use naru_ledger::*;

const HOUR: u64 = 60 * 60 * 1000;
const DAY: u64 = 24 * HOUR;
const NOW: Millis = Millis(20_000 * DAY);
const ALL: Portion = Portion { entries_max: usize::MAX, bytes_max: usize::MAX };

fn user(name: &str) -> User {
    User::parse(name).unwrap()
}

fn device(name: &str) -> Device {
    Device::parse(name).unwrap()
}

fn epoch(name: &str) -> Epoch {
    Epoch::parse(name).unwrap()
}

fn server(name: &str) -> Server {
    Server::parse(name).unwrap()
}

fn days(days: u64) -> Millis {
    Millis(NOW.0 + days * DAY)
}

fn from(epoch_name: &str, useq: u64) -> Option<Position> {
    Some(Position { epoch: epoch(epoch_name), useq: Useq(useq) })
}

fn message(from: &str, to: &str, id: &str) -> Append {
    Append {
        conversation: Direct::between(&user(from), &user(to)),
        sender: user(from),
        client_id: ClientId::parse(id).unwrap(),
        body: Body::from(&b"hello"[..]),
    }
}

/// A ledger and what it has recorded.
struct Fixture {
    ledger: Ledger,
    effects: Vec<Effect>,
}

impl Fixture {
    fn new() -> Fixture {
        let ledger = Ledger::new(epoch("e1"));
        Fixture { effects: vec![ledger.birth()], ledger }
    }

    fn send(&mut self, from: &str, to: &str, id: &str, now: Millis) -> Sent {
        self.ledger.send(message(from, to, id), now, &mut self.effects).unwrap()
    }

    fn send_many(&mut self, from: &str, to: &str, count: usize) {
        for id in 0..count {
            self.send(from, to, &format!("m{id}"), NOW);
        }
    }

    fn resume(&mut self, user_name: &str, device_name: &str, from: Option<Position>, now: Millis) -> Resume {
        let (user, device) = (user(user_name), device(device_name));
        self.ledger.resume(&user, &device, from.as_ref(), ALL, now, &mut self.effects)
    }

    fn ack(&mut self, user_name: &str, device_name: &str, useq: u64, now: Millis) -> Useq {
        self.ledger.ack(&user(user_name), &device(device_name), Useq(useq), now, &mut self.effects)
    }

    /// What was recorded since the last time.
    fn recorded(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }
}

fn useqs(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.useq.unwrap().0).collect()
}

fn seqs(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.seq.0).collect()
}

#[test]
fn a_message_comes_into_both_inboxes_and_names_the_servers_that_hold_them() {
    let mut f = Fixture::new();
    f.ledger.route(&user("bob"), &server("two"));
    let sent = f.send("alice", "bob", "1", NOW);
    assert_eq!((sent.seq, sent.at, sent.duplicate), (Seq(1), NOW, false));
    let [to_alice, to_bob] = &sent.deliveries[..] else { panic!("{:?}", sent.deliveries) };
    assert_eq!((&to_alice.user, to_alice.servers.len()), (&user("alice"), 0));
    assert_eq!((&to_bob.user, &to_bob.servers[..]), (&user("bob"), &[server("two")][..]));
    assert_eq!((&to_bob.entry.from, &to_bob.entry.to), (&user("alice"), &user("bob")));
    assert_eq!(to_bob.entry.useq, Some(Useq(1)));
    assert_eq!(to_bob.entry.body.as_bytes(), b"hello");
    assert!(f.ledger.pending(Millis(u64::MAX), 10).is_empty());
}

#[test]
fn a_note_to_oneself_is_delivered_once() {
    let mut f = Fixture::new();
    let sent = f.send("alice", "alice", "1", NOW);
    assert_eq!(sent.deliveries.len(), 1);
    assert_eq!(sent.deliveries[0].entry.to, user("alice"));
    assert_eq!(f.resume("alice", "a", None, NOW).head, Useq(1));
}

#[test]
fn a_retry_gets_the_first_answer_and_records_nothing() {
    let mut f = Fixture::new();
    let first = f.send("alice", "bob", "1", NOW);
    f.send("bob", "alice", "1", NOW);
    f.recorded();
    let again = f.send("alice", "bob", "1", Millis(NOW.0 + 10 * HOUR));
    assert_eq!((again.seq, again.at, again.duplicate), (first.seq, first.at, true));
    assert!(again.deliveries.is_empty());
    assert!(f.recorded().is_empty());
}

#[test]
fn a_retry_finishes_a_fan_out_that_ended_half_way() {
    let mut f = Fixture::new();
    f.ledger.append(message("alice", "bob", "1"), NOW, &mut f.effects).unwrap();
    f.ledger.append(message("alice", "bob", "2"), NOW, &mut f.effects).unwrap();
    let conversation = Direct::between(&user("alice"), &user("bob"));
    f.ledger.deliver(&conversation, Seq(1), &[user("alice")], &mut f.effects).unwrap();

    let sent = f.send("alice", "bob", "2", NOW);
    assert!(sent.duplicate);
    let delivered: Vec<_> = sent.deliveries.iter().map(|d| (d.user.as_str(), d.entry.seq.0)).collect();
    assert_eq!(delivered, [("alice", 2), ("bob", 1), ("bob", 2)]);
    assert!(f.ledger.pending(Millis(u64::MAX), 10).is_empty());
}

#[test]
fn a_conversation_is_pending_until_it_is_done_to_its_head() {
    let mut f = Fixture::new();
    for (from, id, now) in [("alice", "1", 0), ("carol", "1", 5), ("alice", "2", 9)] {
        f.ledger.append(message(from, "bob", id), Millis(now), &mut f.effects).unwrap();
    }
    let alice = Direct::between(&user("alice"), &user("bob"));
    let carol = Direct::between(&user("carol"), &user("bob"));
    let waiting = |f: &Fixture, before: u64, limit: usize| -> Vec<(Direct, u64)> {
        f.ledger.pending(Millis(before), limit).into_iter().map(|p| (p.conversation, p.seq.0)).collect()
    };
    assert_eq!(waiting(&f, 0, 10), []);
    assert_eq!(waiting(&f, 5, 10), [(alice.clone(), 2)]);
    assert_eq!(waiting(&f, 6, 10), [(alice.clone(), 2), (carol.clone(), 1)]);
    assert_eq!(waiting(&f, 6, 1), [(alice.clone(), 2)]);

    f.ledger.done(&alice, Seq(1), &mut f.effects).unwrap();
    assert_eq!(waiting(&f, 10, 10), [(carol.clone(), 1), (alice.clone(), 2)]);
    f.recorded();
    f.ledger.done(&alice, Seq(1), &mut f.effects).unwrap();
    assert!(f.recorded().is_empty());
    f.ledger.done(&alice, Seq(2), &mut f.effects).unwrap();
    assert_eq!(waiting(&f, 10, 10), [(carol, 1)]);
}

#[test]
fn a_repeated_delivery_does_nothing() {
    let mut f = Fixture::new();
    let sent = f.send("alice", "bob", "1", NOW);
    f.recorded();
    let again = f.ledger.deliver(
        &sent.conversation,
        Seq(1),
        &[user("bob"), user("alice"), user("bob")],
        &mut f.effects,
    );
    assert_eq!(again, Ok(Vec::new()));
    assert!(f.recorded().is_empty());
}

#[test]
fn what_may_not_be_done_is_refused_and_records_nothing() {
    let mut f = Fixture::new();
    let sent = f.send("alice", "bob", "1", NOW);
    f.recorded();
    let dm = &sent.conversation;
    let ledger = &mut f.ledger;

    let stranger = Append { sender: user("eve"), ..message("alice", "bob", "2") };
    assert_eq!(ledger.append(stranger, NOW, &mut f.effects), Err(Refused::NotAMember));
    assert_eq!(ledger.deliver(dm, Seq(1), &[user("eve")], &mut f.effects), Err(Refused::NotAMember));
    assert_eq!(ledger.history(&user("eve"), dm, None, 10), Err(Refused::NotAMember));

    let bytes = BODY_BYTES_MAX + 1;
    let large = Append { body: Body::from(&vec![0; bytes][..]), ..message("alice", "bob", "2") };
    assert_eq!(ledger.send(large, NOW, &mut f.effects), Err(Refused::BodyTooLarge { bytes }));

    let elsewhere = Direct::between(&user("alice"), &user("carol"));
    for (conversation, seq) in [(dm, 2), (dm, u64::MAX), (&elsewhere, 1)] {
        let delivered = ledger.deliver(conversation, Seq(seq), &[user("alice")], &mut f.effects);
        assert_eq!(delivered, Err(Refused::NoSuchMessage));
        assert_eq!(ledger.done(conversation, Seq(seq), &mut f.effects), Err(Refused::NoSuchMessage));
    }
    assert!(f.recorded().is_empty());

    let largest = Append { body: Body::from(&vec![0; BODY_BYTES_MAX][..]), ..message("alice", "bob", "2") };
    f.ledger.send(largest, NOW, &mut f.effects).unwrap();
}

#[test]
fn a_clock_that_steps_back_does_not_take_the_log_with_it() {
    let mut f = Fixture::new();
    f.send("alice", "bob", "1", NOW);
    let later = f.send("bob", "alice", "1", Millis(NOW.0 - 5 * DAY));
    assert_eq!((later.seq, later.at), (Seq(2), NOW));
    assert!(f.send("alice", "bob", "1", Millis(NOW.0 - 5 * DAY)).duplicate);
}

#[test]
fn resume_starts_at_the_cursor_when_the_client_does_not_know() {
    let mut f = Fixture::new();
    f.send_many("alice", "bob", 5);
    let first = f.resume("bob", "phone", None, NOW);
    assert_eq!((first.cursor, first.head, first.start, first.recovered), (Useq(0), Useq(5), Useq(0), false));
    assert_eq!(useqs(&first.entries), [1, 2, 3, 4, 5]);

    assert_eq!(f.ack("bob", "phone", 3, NOW), Useq(3));
    for unknown in [None, from("e2", 4), from("e1", 6), from("e1", u64::MAX)] {
        let resume = f.resume("bob", "phone", unknown, NOW);
        assert_eq!((resume.start, resume.recovered), (Useq(3), false));
        assert_eq!(useqs(&resume.entries), [4, 5]);
    }
}

#[test]
fn a_position_says_where_to_read_from_and_moves_no_cursor() {
    let mut f = Fixture::new();
    f.send_many("alice", "bob", 5);
    f.ack("bob", "phone", 3, NOW);
    for (useq, read) in [(1, vec![2, 3, 4, 5]), (4, vec![5]), (5, vec![])] {
        let resume = f.resume("bob", "phone", from("e1", useq), NOW);
        assert_eq!((resume.start, resume.recovered, resume.cursor), (Useq(useq), true, Useq(3)));
        assert_eq!(useqs(&resume.entries), read);
    }
}

#[test]
fn a_position_below_what_is_kept_is_a_hole_only_for_a_forgotten_device() {
    let mut f = Fixture::new();
    f.send_many("alice", "bob", 200);
    f.ack("bob", "phone", 200, NOW);
    let known = f.resume("bob", "phone", from("e1", 10), NOW);
    assert_eq!((known.start, known.recovered, known.entries.len()), (Useq(72), true, 128));
    let unknown = f.resume("bob", "tablet", from("e1", 10), NOW);
    assert_eq!((unknown.start, unknown.recovered, unknown.entries.len()), (Useq(72), false, 128));
    let inside = f.resume("bob", "laptop", from("e1", 100), NOW);
    assert_eq!((inside.start, inside.recovered, inside.cursor), (Useq(100), true, Useq(72)));
}

#[test]
fn a_flapping_connection_writes_once_an_hour() {
    let mut f = Fixture::new();
    f.resume("bob", "phone", None, NOW);
    assert_eq!(f.recorded().len(), 2);
    f.resume("bob", "phone", None, Millis(NOW.0 + HOUR - 1));
    f.resume("bob", "phone", None, Millis(NOW.0 - DAY));
    assert!(f.recorded().is_empty());
    f.resume("bob", "phone", None, Millis(NOW.0 + HOUR));
    assert_eq!(f.recorded().len(), 1);
}

#[test]
fn an_ack_is_clamped_to_the_head_and_never_goes_back() {
    let mut f = Fixture::new();
    assert_eq!(f.ack("bob", "phone", 7, NOW), Useq(0));
    f.send_many("alice", "bob", 5);
    assert_eq!(f.ack("bob", "phone", u64::MAX, NOW), Useq(5));
    f.recorded();
    for useq in [0, 3, 5, 6] {
        assert_eq!(f.ack("bob", "phone", useq, NOW), Useq(5));
    }
    assert!(f.recorded().is_empty());
}

#[test]
fn a_portion_ends_at_its_entries_or_bytes_but_holds_one_at_least() {
    let mut f = Fixture::new();
    f.send_many("alice", "bob", 5);
    let bytes = f.resume("bob", "phone", None, NOW).entries[0].bytes();
    for (entries_max, bytes_max, read) in
        [(2, usize::MAX, 2), (9, bytes * 3, 3), (9, bytes * 3 - 1, 2), (0, 9999, 1), (9, 0, 1)]
    {
        let portion = Portion { entries_max, bytes_max };
        let batch = f.ledger.entries(&user("bob"), Useq(0), portion);
        assert_eq!((batch.entries.len(), batch.more), (read, true));
    }
    let rest = f.ledger.entries(&user("bob"), Useq(3), ALL);
    assert_eq!((useqs(&rest.entries), rest.more), (vec![4, 5], false));
    assert_eq!(f.ledger.entries(&user("bob"), Useq(u64::MAX), ALL), Batch::default());
    assert_eq!(f.ledger.entries(&user("nobody"), Useq(0), ALL), Batch::default());
}

#[test]
fn no_portion_is_larger_than_a_batch() {
    let mut f = Fixture::new();
    f.send_many("alice", "bob", BATCH_ENTRIES_MAX + 1);
    let batch = f.ledger.entries(&user("bob"), Useq(0), ALL);
    assert_eq!((batch.entries.len(), batch.more), (BATCH_ENTRIES_MAX, true));
}

#[test]
fn a_device_away_for_30_days_holds_nothing_back_and_starts_over() {
    let mut f = Fixture::new();
    f.resume("bob", "drawer", None, NOW);
    f.resume("bob", "phone", None, NOW);
    f.send_many("alice", "bob", 200);
    f.ack("bob", "phone", 200, days(30));
    assert_eq!(f.resume("bob", "drawer", None, days(30)).entries.len(), 200);
    f.send("alice", "bob", "next", days(61));
    f.ack("bob", "phone", 201, days(61));
    let back = f.resume("bob", "drawer", from("e1", 0), days(61));
    assert_eq!((back.cursor, back.entries.len(), back.recovered), (Useq(73), 128, false));
}

#[test]
fn one_device_too_many_and_the_longest_unseen_is_forgotten() {
    let mut f = Fixture::new();
    f.send_many("alice", "bob", 200);
    for n in 0..=DEVICES_MAX as u64 {
        let name = format!("d{n}");
        f.resume("bob", &name, None, Millis(NOW.0 + n));
        assert_eq!(f.ack("bob", &name, 200, Millis(NOW.0 + n)), Useq(200));
    }
    let forgotten: Vec<_> = f.effects.iter().filter(|e| matches!(e, Effect::Forgotten { .. })).collect();
    assert_eq!(forgotten, [&Effect::Forgotten { user: user("bob"), device: device("d0") }]);
    // The one that came last kept its place, though a clock that stepped back makes it look the oldest.
    let late = f.resume("bob", "late", None, Millis(0));
    assert_eq!(late.cursor, Useq(72));
    f.ack("bob", "late", 200, Millis(0));
    assert_eq!(f.resume("bob", "late", None, Millis(0)).cursor, Useq(200));
}

#[test]
fn history_pages_backwards_and_each_page_reads_forwards() {
    let mut f = Fixture::new();
    f.send_many("alice", "bob", 250);
    let dm = Direct::between(&user("alice"), &user("bob"));
    let page = |before: Option<u64>, limit: usize| {
        f.ledger.history(&user("bob"), &dm, before.map(Seq), limit).unwrap()
    };
    assert_eq!((seqs(&page(None, 3).entries), page(None, 3).more), (vec![248, 249, 250], true));
    assert_eq!(seqs(&page(Some(248), 2).entries), [246, 247]);
    assert_eq!((seqs(&page(Some(3), 2).entries), page(Some(3), 2).more), (vec![1, 2], false));
    assert_eq!(page(None, 0).entries.len(), 1);
    assert_eq!(page(Some(u64::MAX), 1000).entries.len(), 100);
    for before in [0, 1] {
        assert_eq!(page(Some(before), 10), Batch::default());
    }
    assert_eq!(page(None, 1).entries[0].useq, None);

    let empty = Direct::between(&user("bob"), &user("carol"));
    assert_eq!(f.ledger.history(&user("bob"), &empty, None, 10), Ok(Batch::default()));
}

#[test]
fn a_page_of_large_messages_ends_early() {
    let mut f = Fixture::new();
    for id in 0..20 {
        let body = Body::from(&vec![0; BODY_BYTES_MAX][..]);
        let large = Append { body, ..message("alice", "bob", &id.to_string()) };
        f.ledger.send(large, NOW, &mut f.effects).unwrap();
    }
    let dm = Direct::between(&user("alice"), &user("bob"));
    let page = f.ledger.history(&user("bob"), &dm, None, 100).unwrap();
    assert!(page.more);
    assert_eq!(page.entries.last().unwrap().seq, Seq(20));
    assert!(page.entries.iter().map(Entry::bytes).sum::<usize>() <= PAGE_BYTES_MAX);
}

#[test]
fn routes_leave_no_trace_in_what_is_durable() {
    let mut f = Fixture::new();
    let before = f.ledger.clone();
    f.ledger.route(&user("bob"), &server("one"));
    f.ledger.route(&user("bob"), &server("two"));
    assert_eq!(f.ledger, before);
    f.ledger.unroute(&user("bob"), &server("one"));
    assert_eq!(f.ledger.servers(&user("bob")), [server("two")]);
    f.ledger.server_gone(&server("two"));
    assert!(f.ledger.servers(&user("bob")).is_empty());
}

#[test]
fn a_replay_keeps_the_epoch() {
    let f = Fixture::new();
    let mut reopened = Ledger::new(epoch("e2"));
    for effect in &f.effects {
        reopened.apply(effect).unwrap();
    }
    assert_eq!(reopened.epoch(), &epoch("e1"));
}

#[test]
fn an_effect_that_does_not_follow_is_refused_and_changes_nothing() {
    let mut f = Fixture::new();
    f.send("alice", "bob", "1", NOW);
    f.send("alice", "bob", "2", NOW);
    f.resume("bob", "phone", None, NOW);
    f.ack("bob", "phone", 1, NOW);
    f.ack("bob", "phone", 2, NOW);
    let effects = f.recorded();

    // Applied twice, each is refused, but for a device that is seen again.
    for effect in effects.iter().filter(|effect| !matches!(effect, Effect::Seen { .. })) {
        let mut doubled = f.ledger.clone();
        doubled.apply(effect).unwrap_err();
        assert_eq!(doubled, f.ledger, "{effect:?}");
    }

    // Left out, something after it is refused, but for what nothing depends on.
    for missing in 0..effects.len() {
        let mut holed = Ledger::new(epoch("e2"));
        let rest = effects.iter().enumerate().filter(|(index, _)| *index != missing);
        let misfit = rest.map(|(_, effect)| holed.apply(effect)).find(Result::is_err);
        let builds = matches!(effects[missing], Effect::Appended { .. })
            || matches!(effects[missing], Effect::Delivered { seq: Seq(1), .. });
        assert!(!builds || misfit.is_some(), "{:?}", effects[missing]);
    }

    let dm = Direct::between(&user("alice"), &user("bob"));
    let eve = |seq: u64| Effect::Delivered {
        user: user("eve"),
        useq: Useq(1),
        conversation: dm.clone(),
        seq: Seq(seq),
    };
    let past = Effect::Appended {
        conversation: dm.clone(),
        seq: Seq(3),
        sender: user("alice"),
        client_id: ClientId::parse("3").unwrap(),
        at: Millis(0),
        body: Body::from(&b""[..]),
    };
    let beyond = Effect::Acked { user: user("bob"), device: device("phone"), useq: Useq(3), at: NOW };
    for effect in [eve(1), past, beyond] {
        f.ledger.apply(&effect).unwrap_err();
    }
}

#[test]
fn what_a_send_writes_is_small() {
    let mut f = Fixture::new();
    f.recorded();
    f.send("alice", "bob", "018f4e9a-7a51-7c0e-b1a4-3f5d2c1b0a99", NOW);
    let bytes: usize = f.effects.iter().map(|effect| postcard::to_allocvec(effect).unwrap().len()).sum();
    assert!(bytes <= 140, "{bytes} bytes for 41 of id and body");
}
