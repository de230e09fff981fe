//! What the kernel says of this process and machine.

use std::fs;

/// Ticks of the clock that processor times are counted in, a second: 100 on every Linux.
const TICKS_A_SECOND: f64 = 100.0;

/// Processor time in seconds.
#[derive(Default)]
pub(crate) struct Processor {
    pub(crate) system: f64,
    pub(crate) user: f64,
}

impl Processor {
    /// Of this process; 0 where the kernel does not say.
    pub(crate) fn used() -> Processor {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // The name, in parentheses, may hold anything; user and system time are the 12th and 13th field behind it.
        let behind_name = stat.rsplit(')').next().unwrap_or_default();
        let mut ticks = behind_name.split_whitespace().skip(11).map(|field| field.parse().unwrap_or(0.0));
        let mut seconds = || ticks.next().unwrap_or(0.0) / TICKS_A_SECOND;
        let user = seconds();
        Processor { user, system: seconds() }
    }
}

/// Bytes of memory; 0 where the kernel does not say.
pub(crate) struct Memory {
    pub(crate) resident: u64,
    pub(crate) resident_peak: u64,
    /// Of the machine.
    pub(crate) machine: u64,
}

impl Memory {
    pub(crate) fn now() -> Memory {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let machine = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        Memory {
            resident: kilobytes(&status, "VmRSS:"),
            resident_peak: kilobytes(&status, "VmHWM:"),
            machine: kilobytes(&machine, "MemTotal:"),
        }
    }
}

/// The line `name: number kB`, in bytes.
fn kilobytes(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse::<u64>().ok()).unwrap_or(0) * 1024
}
