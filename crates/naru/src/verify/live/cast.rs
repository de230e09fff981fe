//! Who takes part in a live run, and who talks to whom.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use naru_ledger::{Direct, User};

use super::super::random::Random;
use super::history::{Device, Members};

/// How many others a person talks to, besides those everybody does.
const FRIENDS: usize = 3;

/// People that everybody talks to: their inboxes get more than a ring holds while they are away.
const POPULAR: usize = 2;

/// How many take part in each room; with fewer people, all of them.
const ROOMS: [usize; 5] = [3, 5, 8, 30, 6];

/// In the last one people come and go.
pub(super) const DOOR: &str = "room:verify-5";

/// In the large ones only some talk.
const TALKERS: usize = 5;

/// The devices of one person in two, and of those everybody talks to.
const NAMES: [&str; 2] = ["phone", "laptop"];

pub(super) struct Cast {
    pub(super) devices: Vec<Device>,
    /// Each device's.
    pub(super) tokens: Vec<String>,
    pub(super) conversations: Vec<Members>,
    /// Each device's conversations, by their place among those; the more popular ones more than once.
    pub(super) talks: Vec<Vec<usize>>,
}

impl Cast {
    /// People made up. `mark` tells them from those of another run on the same store; `sign` makes the token of one.
    pub(super) fn make(
        users: u32,
        mark: &str,
        sign: impl Fn(&User) -> String,
        random: &mut Random,
    ) -> Result<Cast> {
        let signed = (1..=users).map(|number| {
            let name = format!("u{number:02}{mark}");
            let token = sign(&User::parse(&name)?);
            Ok((name, token))
        });
        let signed: Vec<_> = signed.collect::<Result<_>>()?;
        Cast::of(&signed, random)
    }

    /// Those whose tokens are in a file.
    pub(super) fn read(text: &str, random: &mut Random) -> Result<Cast> {
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        let signed = lines.map(|line| {
            let (user, token) =
                line.trim().split_once(' ').context("a line is a user's name, a space, and a token")?;
            Ok((user.to_owned(), token.trim().to_owned()))
        });
        let signed: Vec<_> = signed.collect::<Result<_>>()?;
        if signed.len() < 3 {
            bail!(
                "it has tokens of {} people, and three at least have to talk; `naru token` makes some",
                signed.len()
            );
        }
        Cast::of(&signed, random)
    }

    fn of(signed: &[(String, String)], random: &mut Random) -> Result<Cast> {
        let mut pairs = BTreeSet::new();
        for user in 0..signed.len() {
            let popular = (0..POPULAR).filter(|other| *other != user).take(1 + user % POPULAR);
            let friends = (0..FRIENDS).map(|_| random.below(signed.len()));
            let others: Vec<usize> = popular.chain(friends).filter(|other| *other != user).collect();
            pairs.extend(others.into_iter().map(|other| (user.min(other), user.max(other))));
        }
        let mut conversations = Vec::new();
        for (one, other) in &pairs {
            let (one, other) = (User::parse(&signed[*one].0)?, User::parse(&signed[*other].0)?);
            let users = vec![one.as_str().to_owned(), other.as_str().to_owned()];
            let conversation = Direct::between(&one, &other).to_string();
            conversations.push(Members { conversation, users, from: 0, is_broadcast: false });
        }
        let mut cast = Cast { devices: Vec::new(), tokens: Vec::new(), conversations, talks: Vec::new() };
        for (number, (user, token)) in signed.iter().enumerate() {
            let count = if number < POPULAR || number % 2 == 0 { 2 } else { 1 };
            let mut talks: Vec<usize> = Vec::new();
            for (place, (one, other)) in pairs.iter().enumerate() {
                if *one == number || *other == number {
                    let times = if *one < POPULAR { 3 } else { 1 };
                    talks.extend(std::iter::repeat_n(place, times));
                }
            }
            for device in &NAMES[..count] {
                cast.devices.push(Device { user: user.clone(), device: (*device).to_owned() });
                cast.tokens.push(token.clone());
                cast.talks.push(talks.clone());
            }
        }
        Ok(cast)
    }

    /// Adds rooms in which some of them talk. They are still to be made.
    pub(super) fn add_rooms(&mut self, mark: &str, random: &mut Random) {
        let mut all: Vec<String> = self.devices.iter().map(|device| device.user.clone()).collect();
        all.dedup();
        for (number, size) in ROOMS.into_iter().enumerate() {
            let mut rest = all.clone();
            let size = size.min(rest.len());
            let users: Vec<String> = (0..size).map(|_| rest.swap_remove(random.below(rest.len()))).collect();
            let place = self.conversations.len();
            for (device, talks) in self.devices.iter().zip(&mut self.talks) {
                if users[..size.min(TALKERS)].contains(&device.user) {
                    talks.extend([place; 4]);
                }
            }
            let conversation = format!("room:verify-{}{mark}", number + 1);
            self.conversations.push(Members { conversation, users, from: 0, is_broadcast: false });
        }
    }

    /// Whether a device's user takes part in a conversation.
    pub(super) fn takes_part(&self, device: usize, conversation: usize) -> bool {
        self.conversations[conversation].users.contains(&self.devices[device].user)
    }

    /// How a conversation is called when `device` sends to it.
    pub(super) fn address(&self, device: usize, conversation: usize) -> String {
        let Members { conversation, users, .. } = &self.conversations[conversation];
        let own = &self.devices[device].user;
        match users.iter().find(|user| *user != own) {
            Some(other) if conversation.starts_with("dm:") => format!("@{other}"),
            _ => conversation.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::history::people;
    use super::*;

    #[test]
    fn everybody_talks_to_somebody_who_talks_back() {
        for users in [3, 4, 24] {
            let mut cast = Cast::make(users, "", |_| String::new(), &mut Random::new(7)).unwrap();
            cast.add_rooms("", &mut Random::new(8));
            assert_eq!(people(&cast.devices), users as usize);
            for (device, talks) in cast.talks.iter().enumerate() {
                assert!(!talks.is_empty());
                for conversation in talks {
                    assert!(cast.takes_part(device, *conversation));
                    let (address, own) = (cast.address(device, *conversation), &cast.devices[device].user);
                    assert!(address.starts_with("room:") || address.starts_with('@') && address[1..] != *own);
                }
            }
        }
    }

    #[test]
    fn ready_tokens_are_a_name_and_a_token_a_line() {
        let cast = Cast::read("alice t1\nbob t2\n\ncarol t3\n", &mut Random::new(1)).unwrap();
        assert_eq!(people(&cast.devices), 3);
        assert_eq!(cast.tokens.last().map(String::as_str), Some("t3"));
        assert!(cast.conversations.iter().any(|it| it.conversation == "dm:alice:bob"));
        for text in ["", "alice t1\nbob t2", "alice\nbob\ncarol"] {
            assert!(Cast::read(text, &mut Random::new(1)).is_err());
        }
    }
}
