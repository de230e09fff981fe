//! What channels keep, and that what is older than the last version stays out behind it.

use naru_ledger::channel::{self, Answer as Answered, Channel, Page, Publish, StreamPosition, Version};

use super::*;
use crate::keeper::channels::{Said as Come, ask};

/// Where a channel stands, and what it keeps.
type Kept = (StreamPosition, Vec<(u64, String)>);

impl Desk {
    fn ask_channel(&mut self, op: &channel::Op) -> Come {
        let come = ask(&mut self.store, op).unwrap();
        self.wait();
        come
    }

    /// Publishes something with a version: whether it is published, or was behind the last one.
    fn publish(&mut self, channel: &str, number: u64, epoch: &str) -> bool {
        let hour = Duration::from_secs(3600);
        let publish = channel::Op::Publish(Publish {
            channel: Channel::parse(channel).unwrap(),
            payload: format!("{channel} at {number}").into(),
            keep: channel::Keep { size: 4, ttl: hour, meta_ttl: hour },
            once: None,
            version: Some(Version { number, epoch: epoch.into() }),
        });
        match self.ask_channel(&publish) {
            Come::Publication(_) => true,
            Come::Answer(Answered::Published(published)) => !published.repeat,
            Come::Answer(other) => panic!("{other:?}"),
        }
    }

    fn page(&mut self, channel: &str) -> Kept {
        let history = channel::Op::History(channel::History {
            channel: Channel::parse(channel).unwrap(),
            meta_ttl: Duration::from_secs(3600),
            since: None,
            limit: None,
            bytes: None,
            reverse: false,
        });
        let Come::Answer(Answered::Page(Page { top, publications })) = self.ask_channel(&history) else {
            panic!("a page")
        };
        let text = |(offset, payload): (u64, Bytes)| (offset, String::from_utf8(payload.to_vec()).unwrap());
        (top, publications.into_iter().map(text).collect())
    }
}

/// A channel whose publications have versions of an epoch, and one whose versions have none; the log was closed.
fn versioned(has_checkpoint: bool) -> (Disk, [Kept; 2]) {
    let disk = Disk::new(1);
    let mut desk = Desk::open(&disk, DATA).unwrap();
    desk.begin();
    for number in 11..=16 {
        assert!(desk.publish("prices", number, "e") && desk.publish("rates", number << 40, ""));
    }
    let before = ["prices", "rates"].map(|channel| desk.page(channel));
    if has_checkpoint {
        desk.checkpoint();
    }
    desk.close();
    disk.power_on(Keep::Everything);
    (disk, before)
}

/// What is not newer than the last ones was stays out, and what is comes behind them.
fn check_versions(desk: &mut Desk) {
    for number in [1, 15, 16] {
        assert!(!desk.publish("prices", number, "e") && !desk.publish("prices", number, ""), "{number}");
        assert!(!desk.publish("rates", number << 40, ""), "{number}");
    }
    assert!(desk.publish("prices", 17, "e") && desk.publish("rates", (16 << 40) + 1, ""));
    assert!(desk.publish("prices", 1, "another"), "of another epoch nothing is known");
    assert!(!desk.publish("prices", 1, "another"));
}

#[test]
fn channels_of_a_whole_folder_keep_what_they_kept_and_their_versions() {
    for has_checkpoint in [false, true] {
        let (disk, before) = versioned(has_checkpoint);
        let (report, mut desk) = salvaged(&disk);
        assert!(report.is_complete(), "{report}");
        assert_eq!(["prices", "rates"].map(|channel| desk.page(channel)), before);
        check_versions(&mut desk);
        assert_eq!((desk.page("prices").0.offset, desk.page("rates").0.offset), (8, 7));
    }
}

#[test]
fn a_publication_that_is_lost_below_a_checkpoint_takes_no_version_along() {
    let (disk, before) = versioned(true);
    flip(&disk, "prices at 14");
    // That of the last version.
    flip(&disk, &format!("rates at {}", 16_u64 << 40));
    let (report, mut desk) = salvaged(&disk);
    let said = report.to_string();
    assert!(!report.is_complete() && !report.has_lost_changes(), "{said}");
    assert!(
        said.contains("channel \"prices\": publication 4 (") && said.contains("2 publications"),
        "{said}"
    );
    let [prices, rates] = before;
    // What is kept has no gap, and where they stand nothing has changed.
    assert_eq!(desk.page("prices"), (prices.0, prices.1[2..].to_vec()));
    assert_eq!(desk.page("rates"), (rates.0, Vec::new()));
    check_versions(&mut desk);
}

#[test]
fn a_channel_begins_anew_with_its_versions_where_a_record_is_lost() {
    let (disk, before) = versioned(false);
    flip(&disk, "prices at 16");
    let (report, mut desk) = salvaged(&disk);
    assert!(report.has_lost_changes(), "{report}");
    // Nobody knows what was the last: who published it may say again what is.
    for (channel, (top, _)) in ["prices", "rates"].into_iter().zip(before) {
        assert!(desk.publish(channel, 7, "e") && !desk.publish(channel, 7, "e"), "{channel}");
        let (now, kept) = desk.page(channel);
        assert_eq!(kept, [(1, format!("{channel} at 7"))]);
        assert_ne!(now.epoch, top.epoch, "who followed it learns that it is another one");
    }
}
