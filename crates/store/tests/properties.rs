//! Whatever becomes of a data folder: it is opened or refused, never in silence with less in it, and in bounded memory.

mod laws;

use std::{fs, path::Path};

use proptest::prelude::*;

#[global_allocator]
static MEMORY: naru_measured::Measured = naru_measured::Measured;

#[test]
fn the_laws_hold_for_every_seed_of_the_fuzzer() {
    for (target, law) in
        [("damaged", laws::damaged::hold as fn(&[u8])), ("forged", laws::forged::hold as fn(&[u8]))]
    {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
        let seeds: Vec<_> = fs::read_dir(seeds).unwrap().map(|seed| seed.unwrap().path()).collect();
        assert!(!seeds.is_empty());
        for seed in seeds {
            println!("{}", seed.display());
            law(&fs::read(seed).unwrap());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn no_damage_is_passed_over(data in prop::collection::vec(any::<u8>(), 0..12)) {
        laws::damaged::hold(&data);
    }

    #[test]
    fn nothing_that_is_said_reaches_a_panic(folder: u8, edits in prop::collection::vec(edit(), 1..4)) {
        laws::forged::hold(&[&[folder][..], &edits.concat()].concat());
    }
}

/// Other bytes at a place in a file, mostly where something is said that is read.
fn edit() -> impl Strategy<Value = Vec<u8>> {
    let head = prop::sample::select(&[8_u16, 12, 16, 24, 32, 40, 48, 52][..]);
    let frame = prop::sample::select(&[0_u16, 4, 8, 12, 20, 28, 36, 40][..]).prop_map(|at| 4096 + at);
    let foot = prop::sample::select(&[0_u16, 8, 16, 24, 32, 40][..]).prop_map(|at| 8192 - 64 + at);
    let place = prop_oneof![head, frame, foot, 0_u16..400, any::<u16>()];
    let number =
        prop_oneof![Just(0), Just(u64::MAX), 0_u64..100, (1_u64 << 63..).prop_map(|n| !n), any::<u64>()];
    (0_u8..11, place, 1_u8..=8, number).prop_map(|(file, place, count, number)| {
        let bytes = &number.to_le_bytes()[..usize::from(count)];
        [&[file], &place.to_le_bytes()[..], &[count - 1], bytes].concat()
    })
}
