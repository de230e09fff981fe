//! Random histories: several servers that write, fan out and die in between, devices that come back and are cut off, a store
//! that loses its newest records. Whatever happens, what is unread is the truth and no device misses anything.

use proptest::prelude::*;

use super::history::History;
use super::steps::*;
use super::words::*;
use super::world::*;

impl History {
    /// When all is quiet: nothing is open, logs are as they were written, inboxes have got to their ends, nothing that is
    /// not is unread, and every device has everything.
    fn settle(&mut self) {
        self.world.now = Millis(self.world.now.0.max(START.0) + 400 * DAY);
        self.sweep("three", 0, false);
        assert_eq!(self.world.sweep("three", 0), []);
        let conversations: Vec<Conversation> = self.truth.logs.keys().cloned().collect();
        for conversation in &conversations {
            let page = self.world.history(conversation.as_str(), "", From::After(Seq::ZERO), 1000).unwrap();
            self.truth.check_log(conversation, &page);
            let members = Op::Members { conversation: conversation.clone(), after: None, limit: 1000 };
            let Answer::Members(members) = self.world.run(members).unwrap() else { panic!() };
            self.truth.rooms.check(conversation, &members);
            for Member { user, .. } in members.members {
                let row = self.world.row(user.as_str(), conversation.as_str());
                match members.mode {
                    Mode::FanOut => {
                        let row = row.unwrap();
                        assert_eq!((row.head, row.follow), (page.head, Follow::Inbox));
                    }
                    // What is trimmed before it is fanned out does not come, and in this mode nothing follows.
                    Mode::Broadcast if page.trimmed > Seq::ZERO => {}
                    Mode::Broadcast => assert_eq!(row.unwrap().follow, Follow::Channel),
                }
            }
        }
        self.check_unread();
        for (user, device) in self.clients.keys().cloned().collect::<Vec<_>>() {
            self.come_back(&user, &device, (usize::MAX, true));
            self.clients[&(user.clone(), device.clone())].check(&self.truth, &user, &device);
        }
    }

    fn check_unread(&mut self) {
        for user in USERS.map(user) {
            let op = Op::Conversations { user: user.clone(), before: None, limit: 1000 };
            let Answer::Rows(Rows { rows, more }) = self.world.run(op).unwrap() else { panic!() };
            assert_eq!((rows.len(), more), (self.truth.conversations(&user), false));
            rows.iter().for_each(|row| self.truth.check_row(&user, row, self.limits.mentions_kept_max));
        }
    }
}

fn check(limits: Limits, steps: &[Step]) {
    let mut history = History::new(limits);
    for step in steps {
        history.take(step);
        history.check_unread();
    }
    history.settle();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]

    #[test]
    fn unread_is_the_truth_and_no_device_misses_anything(steps in prop::collection::vec(step(), 1..150)) {
        check(Limits { log_entries_max: 1000, page_entries_max: 1000, page_bytes_max: 1 << 20, ..tight() }, &steps);
    }

    #[test]
    fn what_is_missed_by_retention_is_said_to_be(steps in prop::collection::vec(step(), 1..150)) {
        let limits = Limits { log_entries_max: 5, page_entries_max: 1000, page_bytes_max: 1 << 20, ..tight() };
        check(limits, &steps);
    }
}
