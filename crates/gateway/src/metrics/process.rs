//! What the operating system knows of this process: `/proc/self`, where there is one.

use std::{
    fs,
    sync::OnceLock,
    time::{SystemTime, UNIX_EPOCH},
};

/// What is known.
#[derive(Default)]
pub(crate) struct Process {
    pub(crate) cpu_seconds: f64,
    pub(crate) resident_bytes: u64,
    pub(super) open_files: u64,
    pub(super) open_files_max: u64,
}

impl Process {
    pub(crate) fn read() -> Process {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // The name, in brackets, may have anything in it.
        let fields: Vec<u64> = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_ascii_whitespace()
            .map(|field| field.parse().unwrap_or(0))
            .collect();
        let field = |place: usize| fields.get(place).copied().unwrap_or(0);
        Process {
            // utime and stime are the 14th and 15th of all, and the third is the first behind the name. Linux tells user space of
            // 100 ticks a second, whatever its own are.
            cpu_seconds: (field(11) + field(12)) as f64 / 100.0,
            resident_bytes: resident_bytes(),
            open_files: fs::read_dir("/proc/self/fd").map_or(0, |files| files.count() as u64),
            open_files_max: open_files_max(),
        }
    }
}

/// When the process was started, in seconds since 1970: when it was asked first, which a chat server does at its own start.
pub(super) fn started() -> f64 {
    static STARTED: OnceLock<f64> = OnceLock::new();
    *STARTED.get_or_init(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64())
}

/// From `status`, which says it in kB; elsewhere it is in pages, of whatever size they are.
fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    first_number(&status, "VmRSS:") << 10
}

fn open_files_max() -> u64 {
    first_number(&fs::read_to_string("/proc/self/limits").unwrap_or_default(), "Max open files")
}

fn first_number(text: &str, line: &str) -> u64 {
    let rest = text.lines().find_map(|it| it.strip_prefix(line));
    rest.and_then(|rest| rest.split_ascii_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_files() {
        let process = Process::read();
        assert!((1 << 20..1 << 36).contains(&process.resident_bytes), "{}", process.resident_bytes);
        assert!(process.open_files >= 3 && process.open_files_max >= process.open_files);
    }
}
