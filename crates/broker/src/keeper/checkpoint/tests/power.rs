//! The power is cut, at any operation of the disk, while keys change and checkpoints are made: what was acknowledged is
//! there, and what is there is what there was at one moment.

use naru_store::faults::{Fault, Keep};

use super::*;

type Everything = BTreeMap<Vec<u8>, Vec<String>>;

/// What there was after each record, as far as it may be on the disk.
struct History {
    after: BTreeMap<Lsn, (Everything, Model)>,
    now: Millis,
    acknowledged: Lsn,
}

impl History {
    /// One life, up to a cut after so many operations.
    fn live(&mut self, disk: &Disk, steps: &[Step], cut: u64, number: &mut usize) {
        let mut desk = open(disk);
        desk.model = self.check(&mut desk);
        desk.model.restart();
        desk.now = self.now;
        desk.may_fail = true;
        desk.checkpoints.pace.log_bytes_min = 500;
        disk.plan(disk.operations() + cut, Fault::Stop);
        for step in steps {
            *number += 1;
            desk.take(step.clone(), *number);
            let everything = desk.keys();
            let is_readable = !everything.values().flatten().any(|held| held.contains("the power is off"));
            // If the log had failed before, what was to be recorded is not, and is never handed over.
            if !is_readable || desk.store.journal.log().submit().is_err() {
                break;
            }
            self.after.insert(desk.store.journal.last(), (everything, desk.model.clone()));
            self.now = desk.now;
            if desk.store.journal.log().batch_bytes() > 4000 {
                desk.turn();
            }
            self.acknowledged = self.acknowledged.max(desk.store.journal.durable());
        }
        self.acknowledged = self.acknowledged.max(desk.store.journal.durable());
    }

    /// What is there again has all that was acknowledged, and is what there was after its last record.
    fn check(&mut self, desk: &mut Desk) -> Model {
        let last = desk.store.journal.last();
        assert!(last >= self.acknowledged, "{last} of {}", self.acknowledged);
        // Marks have numbers, too.
        let (_, (there_was, model)) =
            self.after.range(..=last).next_back().expect("there was nothing at first");
        assert_eq!(&desk.keys(), there_was, "after record {last}");
        let model = model.clone();
        assert_eq!(all_of_store(&mut desk.store), all_of_model(&model), "after record {last}");
        // Numbers above are given again.
        self.after.retain(|lsn, _| *lsn <= last);
        self.acknowledged = last;
        model
    }
}

/// After how many operations the power is cut: also in a short life, and anywhere in a long one.
fn cuts() -> impl Strategy<Value = u64> {
    prop_oneof![1_u64..60, 1_u64..400]
}

fn open(disk: &Disk) -> Desk {
    Desk::open_in(Arc::new(disk.clone()), Path::new("/data"))
}

proptest! {
    #![proptest_config(cases(1_000))]

    #[test]
    fn what_was_acknowledged_is_there_after_the_power_was_cut(
        seed: u64,
        lives in prop::collection::vec((steps(120), cuts(), 0_u64..60), 2..5),
    ) {
        let disk = Disk::new(seed);
        let model = Model::new(Epoch::parse("none").unwrap(), tight());
        let after = BTreeMap::from([(Lsn::ZERO, (Everything::new(), model))]);
        let mut history = History { after, now: START, acknowledged: Lsn::ZERO };
        let mut number = 0;
        for (steps, cut, again) in lives {
            history.live(&disk, &steps, cut, &mut number);
            disk.power_on(Keep::Any);
            // And while it is opened again.
            disk.plan(disk.operations() + again, Fault::Stop);
            let mut loading = Loading::to_look();
            let options = Options { segment_bytes: 16 << 10, ..Options::default() };
            let fs: Arc<dyn Vfs> = Arc::new(disk.clone());
            drop(Log::open(fs, Path::new("/data"), options, Box::new(|_| {}), &mut loading));
            disk.power_on(Keep::Any);
        }
        history.check(&mut open(&disk));
    }
}
