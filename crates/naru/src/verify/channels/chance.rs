//! Histories of channels made up at random.

use super::step::{Asked, Brief, Fault, Step};
use super::{CHANNELS, KEYS};
use crate::verify::random::Random;

/// Makes up a history.
pub(super) fn history(random: &mut Random, steps: usize, can_restart: bool) -> Vec<Step> {
    // With more channels hardly anything meets, with fewer nothing is apart.
    let mut chance = Chance { channels: 1 + random.below(CHANNELS), published: 0, random };
    (0..steps).map(|_| chance.step(can_restart)).collect()
}

struct Chance<'a> {
    random: &'a mut Random,
    channels: usize,
    published: usize,
}

impl Chance<'_> {
    fn step(&mut self, can_restart: bool) -> Step {
        match self.random.below(1000) {
            0..1 if can_restart => Step::Restart,
            1..6 => Step::Raise,
            6..50 => {
                let brief = self.random.one_of(&[Brief::Kept, Brief::Remembered, Brief::Once]);
                Step::Brief(self.asked(), brief)
            }
            50..250 => Step::Together(self.asked(), self.asked()),
            250..300 => Step::Ask(self.asked(), Fault::Lost),
            300..350 => Step::Ask(self.asked(), Fault::Twice),
            _ => Step::Ask(self.asked(), Fault::None),
        }
    }

    fn asked(&mut self) -> Asked {
        let at = self.random.below(self.channels);
        match self.random.below(20) {
            0 => Asked::Remove { at },
            1..8 => {
                let since = (!self.random.once_in(3)).then(|| self.random.next() % 20);
                let limit = self.random.once_in(2).then(|| self.random.one_of(&[0, 1, 2, 5]));
                let bytes = self.random.once_in(2).then(|| self.random.next() % 40);
                Asked::History { at, since, limit, bytes, reverse: self.random.once_in(2) }
            }
            _ => {
                self.published += 1;
                let size = self.random.one_of(&[0, 1, 2, 3, 20, 20, 20]);
                let once = self.random.once_in(3).then(|| self.random.below(KEYS));
                let version = self.random.once_in(3).then(|| {
                    // Numbers that a script's cannot tell apart, and of several lengths.
                    let number = self.random.one_of(&[0, 8, 9, 10, 11, (1 << 53) + 1, (1 << 53) + 2]);
                    (number, self.random.one_of(&["", "", "e", "f"]))
                });
                let (number, bytes) = (self.published, self.random.below(12));
                Asked::Publish { at, number, bytes, size, once, version }
            }
        }
    }
}
