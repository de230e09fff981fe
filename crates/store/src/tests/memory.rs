//! The same log in memory.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use super::Loaded;
use super::log::wait_until;
use crate::log::{Log, Options};
use crate::memory_fs::MemoryFs;
use crate::segments::Hold;

#[test]
fn a_log_in_memory_takes_what_is_live_and_needs_no_checkpoints() {
    let fs = MemoryFs::new();
    let (told, durable) = sync_channel(1000);
    let options = Options { segment_bytes: 1024 * 1024, ..Options::in_memory() };
    // Those that find it full are not missed: there are enough to be woken by.
    let on_durable = Box::new(move |outcome| drop(told.try_send(outcome)));
    let data = Path::new("/data");
    let (mut log, _) =
        Log::open(Arc::new(fs.clone()), data, options, on_durable, &mut Loaded::default()).unwrap();
    log.reclaim();
    let mut places = std::collections::VecDeque::new();
    for index in 0..3000u32 {
        let record = vec![index as u8; 10_000];
        let (_, address) = log.append(&record).unwrap();
        log.count_live(address, 10_000, Hold::Loose).unwrap();
        places.push_back((address, index as u8));
        if places.len() > 100 {
            let (address, byte) = places.pop_front().unwrap();
            let mut buffer = vec![0; 10_000];
            log.read(address, &mut buffer).unwrap();
            assert!(buffer.iter().all(|found| *found == byte));
            log.count_dead(address, 10_000, Hold::Loose);
        }
        log.submit().unwrap();
        if index % 10 == 0 {
            while log.durable() < log.last() {
                durable.recv().unwrap().unwrap();
                log.submit().unwrap();
            }
            wait_until("the memory is bounded", || {
                log.submit().unwrap();
                fs.bytes() < 8 * 1024 * 1024
            });
        }
    }
    places.drain(..).for_each(|(address, _)| log.count_dead(address, 10_000, Hold::Loose));
    log.submit().unwrap();
    wait_until("the memory is given back", || {
        log.submit().unwrap();
        fs.bytes() < 2 * 1024 * 1024
    });
    log.close().unwrap();
}
