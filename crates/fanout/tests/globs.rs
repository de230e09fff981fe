//! The matcher of patterns agrees with the plainest one, on whatever a stranger sends.

mod laws {
    pub(crate) mod globs;
}

use std::{fs, path::Path};

use laws::globs::hold;
use proptest::prelude::*;

#[test]
fn the_laws_hold_for_every_seed_of_the_fuzzer() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/globs");
    let seeds: Vec<_> = fs::read_dir(seeds).unwrap().map(|seed| seed.unwrap().path()).collect();
    assert!(!seeds.is_empty());
    for seed in seeds {
        println!("{}", seed.display());
        hold(&fs::read(seed).unwrap());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_laws_hold_for_any_glob_and_name(name in r"[abc\[\]\\^*?-]{0,12}", glob in r"[abc\[\]\\^*?-]{0,12}") {
        hold(format!("{name}\0{glob}").as_bytes());
    }

    #[test]
    fn the_laws_hold_for_any_bytes(data in prop::collection::vec(any::<u8>(), 0..60)) {
        hold(&data);
    }
}
