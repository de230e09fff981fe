use futures_util::FutureExt;

use super::*;
use crate::limits::Settings;

fn admission(change: impl FnOnce(&mut Settings)) -> Arc<Admission> {
    let mut settings = Settings {
        address_connection_limit: 0,
        address_connection_rate_limit: 0,
        address_refusal_limit: 0,
        ..Settings::default()
    };
    change(&mut settings);
    Admission::new(Arc::new(settings.try_into().unwrap()))
}

fn enter(admission: &Arc<Admission>, from: &str, forwarded: &str) -> Result<Pass, Full> {
    let mut headers = HeaderMap::new();
    if !forwarded.is_empty() {
        headers.insert("x-forwarded-for", forwarded.parse().unwrap());
    }
    admission.knock(Some(from.parse().unwrap()), &headers)?.enter()
}

fn is_turned_out(pass: &Pass) -> bool {
    pass.turned_out().now_or_never().is_some()
}

#[test]
fn a_place_is_had_again_when_somebody_has_gone() {
    let admission = admission(|settings| settings.connection_limit = Some(2));
    let first = enter(&admission, "10.0.0.1", "").ok().unwrap();
    let second = enter(&admission, "10.0.0.1", "").ok().unwrap();
    [&first, &second].iter().for_each(|pass| pass.signed_in());
    assert_eq!(enter(&admission, "10.0.0.1", "").err(), Some(Full::All));
    drop(first);
    assert!(enter(&admission, "10.0.0.1", "").is_ok());
}

#[test]
fn strangers_have_a_share_and_who_came_first_makes_room() {
    let admission = admission(|settings| {
        settings.connection_limit = Some(4);
        settings.stranger_limit = 2;
    });
    let come = || enter(&admission, "10.0.0.1", "").ok().unwrap();
    let known: Vec<_> = (0..3).map(|_| come()).inspect(Pass::signed_in).collect();
    let first = come();
    assert!(!is_turned_out(&first));
    // All places are taken: whoever comes takes a stranger's.
    let second = come();
    assert!(is_turned_out(&first) && !is_turned_out(&second));
    drop(first);
    let third = come();
    assert!(is_turned_out(&second) && !is_turned_out(&third));
    let fourth = come();
    assert!(is_turned_out(&third) && known.iter().all(|pass| !is_turned_out(pass)));
    // Who signs in too late has to go all the same.
    third.signed_in();
    assert!(third.is_turned_out() && !fourth.is_turned_out());
    fourth.signed_in();
    assert_eq!(enter(&admission, "10.0.0.1", "").err(), Some(Full::All), "nobody who is known makes room");
    drop((second, third));
    assert_eq!(enter(&admission, "10.0.0.1", "").err(), Some(Full::All), "they did not count any more");
    drop((known, fourth));
    assert_eq!(admission.taken.lock().strangers.len(), 0);
    assert_eq!(admission.all(&admission.taken.lock()), 0);
}

#[tokio::test(start_paused = true)]
async fn strangers_have_their_time_before_others_are_let_in() {
    let admission = admission(|settings| {
        settings.connection_limit = Some(100);
        settings.stranger_limit = 8;
    });
    let come = || enter(&admission, "10.0.0.1", "").ok().unwrap();
    let strangers: Vec<_> = (0..7).map(|_| come()).collect();
    assert!(!admission.has_room());
    strangers[0].signed_in();
    assert!(admission.has_room());
    let _another = come();
    assert!(!admission.has_room());
    tokio::time::advance(STRANGER_PATIENCE).await;
    assert!(admission.has_room());
}

#[tokio::test(start_paused = true)]
async fn the_last_of_all_places_is_not_taken_from_a_stranger_who_has_just_come() {
    let admission = admission(|settings| {
        settings.connection_limit = Some(3);
        settings.stranger_limit = 3;
    });
    let come = || enter(&admission, "10.0.0.1", "").ok().unwrap();
    let known = [come(), come()];
    known.iter().for_each(Pass::signed_in);
    let last = come();
    assert!(!admission.has_room());
    // Where nobody makes room, who comes hears that there is none.
    last.signed_in();
    assert!(admission.has_room());
    assert_eq!(enter(&admission, "10.0.0.1", "").err(), Some(Full::All));
    drop(last);
    let _last = come();
    assert!(!admission.has_room());
    tokio::time::advance(STRANGER_PATIENCE).await;
    assert!(admission.has_room());
}

#[test]
fn who_has_signed_in_and_counts_for_no_address_has_no_place_of_its_own() {
    let admission = admission(|settings| settings.address_connection_limit = 9);
    let [here, there] = ["127.0.0.1", "10.0.0.1"].map(|from| enter(&admission, from, "").ok().unwrap());
    [&here, &there].iter().for_each(|pass| pass.signed_in());
    let shares = |pass: &Pass| {
        let place = pass.0.take();
        let shares = place.as_ref().is_some_and(|place| Arc::ptr_eq(place, &admission.inside));
        pass.0.set(place);
        shares
    };
    assert!(shares(&here) && !shares(&there));
    assert_eq!(admission.all(&admission.taken.lock()), 2);
    // Once more changes nothing.
    [&here, &there].iter().for_each(|pass| pass.signed_in());
    assert_eq!(admission.all(&admission.taken.lock()), 2);
    drop((here, there));
    assert_eq!(admission.all(&admission.taken.lock()), 0);
    assert_eq!(size_of::<Pass>(), size_of::<usize>());
}

#[test]
fn strangers_never_take_what_is_for_others() {
    let admission = admission(|settings| {
        settings.connection_limit = Some(100);
        settings.stranger_limit = 10;
    });
    let mut all: Vec<_> = (0..50).map(|_| enter(&admission, "10.0.0.1", "").ok().unwrap()).collect();
    all.retain(|pass| !is_turned_out(pass));
    assert_eq!(all.len(), 10);
}

#[tokio::test(start_paused = true)]
async fn bad_tokens_keep_an_address_out_for_a_while_and_no_other() {
    let admission = admission(|settings| settings.address_refusal_limit = 2);
    for _ in 0..2 {
        enter(&admission, "10.0.0.1", "").ok().unwrap().refused();
    }
    assert_eq!(enter(&admission, "10.0.0.1", "").err(), Some(Full::Refusals));
    assert!(enter(&admission, "10.0.0.2", "").is_ok());
    tokio::time::advance(std::time::Duration::from_secs(31)).await;
    assert!(enter(&admission, "10.0.0.1", "").is_ok());
    // Of this machine none are counted.
    (0..9).for_each(|_| enter(&admission, "127.0.0.1", "").ok().unwrap().refused());
    assert!(enter(&admission, "127.0.0.1", "").is_ok());
}

#[tokio::test(start_paused = true)]
async fn so_many_come_from_an_address_in_a_second() {
    let admission = admission(|settings| settings.address_connection_rate_limit = 3);
    let come = |from| (0..5).filter(|_| enter(&admission, from, "").is_ok()).count();
    assert_eq!(enter(&admission, "10.0.0.1", "").err(), None);
    assert_eq!(come("10.0.0.1"), 2);
    assert_eq!(enter(&admission, "10.0.0.1", "").err(), Some(Full::AddressRate));
    assert_eq!(come("10.0.0.2"), 3);
    assert_eq!(come("127.0.0.1"), 5);
    tokio::time::advance(std::time::Duration::from_secs(1)).await;
    assert_eq!(come("10.0.0.1"), 3);
}

#[tokio::test(start_paused = true)]
async fn so_many_come_in_a_second() {
    let admission = admission(|settings| settings.connection_rate_limit = 3);
    let come = || (0..5).filter(|_| enter(&admission, "10.0.0.1", "").is_ok()).count();
    assert_eq!(come(), 3);
    tokio::time::advance(std::time::Duration::from_secs(10)).await;
    assert_eq!(come(), 3);
}

#[test]
fn an_address_has_so_many_and_this_machine_as_many_as_it_likes() {
    let admission = admission(|settings| settings.address_connection_limit = 1);
    let one = enter(&admission, "10.0.0.1", "").ok().unwrap();
    assert_eq!(enter(&admission, "10.0.0.1", "").err(), Some(Full::Address));
    // Whoever is not trusted is not believed.
    assert_eq!(enter(&admission, "10.0.0.1", "10.9.9.9").err(), Some(Full::Address));
    let _other = enter(&admission, "10.0.0.2", "").ok().unwrap();
    let _here: Vec<_> = (0..5).map(|_| enter(&admission, "127.0.0.1", "").ok().unwrap()).collect();
    drop(one);
    let _again = enter(&admission, "10.0.0.1", "").ok().unwrap();
    assert_eq!(admission.taken.lock().by_address.len(), 2);
}

#[test]
fn a_proxy_that_is_trusted_says_who_comes() {
    let admission = admission(|settings| {
        settings.address_connection_limit = 1;
        settings.trusted_proxies = vec!["10.0.0.0/8".into(), "127.0.0.1".into()];
    });
    let _one = enter(&admission, "10.0.0.1", "192.0.2.1").ok().unwrap();
    let _other = enter(&admission, "10.0.0.1", "192.0.2.2").ok().unwrap();
    assert_eq!(enter(&admission, "127.0.0.1", "192.0.2.1").err(), Some(Full::Address));
    // What stands further to the left, clients can write themselves.
    assert_eq!(enter(&admission, "10.0.0.1", "192.0.2.9, 192.0.2.1").err(), Some(Full::Address));
    assert_eq!(enter(&admission, "10.0.0.1", "192.0.2.1, 10.0.0.2").err(), Some(Full::Address));
    // A proxy that says nothing is not counted.
    assert!(enter(&admission, "10.0.0.1", "").is_ok() && enter(&admission, "10.0.0.1", "x").is_ok());
}
