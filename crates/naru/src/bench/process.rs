use std::{fs, time::Duration};

use anyhow::Context as _;

/// Linux reports CPU time to programs in units of this, whatever the kernel's own clock (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// A process on this machine, as `/proc` shows it.
#[derive(Clone, Copy)]
pub(super) struct Process(pub(super) u32);

/// CPU time of all threads of a process since its start, in steps of 10 ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct CpuTime {
    pub(super) user: Duration,
    pub(super) system: Duration,
}

impl CpuTime {
    pub(super) fn since(self, earlier: CpuTime) -> CpuTime {
        CpuTime {
            user: self.user.saturating_sub(earlier.user),
            system: self.system.saturating_sub(earlier.system),
        }
    }
}

impl Process {
    /// This process.
    pub(super) fn own() -> Self {
        Process(std::process::id())
    }

    pub(super) fn cpu_time(self) -> anyhow::Result<CpuTime> {
        cpu_time(&self.read("stat")?).with_context(|| format!("/proc/{}/stat is malformed", self.0))
    }

    /// The memory it has resident, in bytes.
    pub(super) fn resident_bytes(self) -> anyhow::Result<u64> {
        self.status("VmRSS:")
    }

    /// The most memory it ever had resident, in bytes.
    pub(super) fn peak_resident_bytes(self) -> anyhow::Result<u64> {
        self.status("VmHWM:")
    }

    fn status(self, field: &str) -> anyhow::Result<u64> {
        bytes(&self.read("status")?, field).with_context(|| format!("/proc/{}/status has no {field}", self.0))
    }

    fn read(self, name: &str) -> anyhow::Result<String> {
        let path = format!("/proc/{}/{name}", self.0);
        fs::read_to_string(&path)
            .with_context(|| format!("{path} cannot be read: is --pid a process of this machine?"))
    }
}

/// Fields 14 and 15 of proc_pid_stat(5); the second field, a name in parentheses, may hold anything.
fn cpu_time(stat: &str) -> Option<CpuTime> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut ticks = fields.split_ascii_whitespace().skip(11).map(|field| field.parse::<u32>().ok());
    Some(CpuTime { user: TICK * ticks.next()??, system: TICK * ticks.next()?? })
}

/// A field of proc_pid_status(5) that is a size.
fn bytes(status: &str, field: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_found_behind_any_name() {
        let stat = "42 (a) b (c) S 1 2 3 0 -1 4194560 5 0 0 0 120 34 0 0 20 0 4 0 100 0";
        let expected = CpuTime { user: Duration::from_millis(1200), system: Duration::from_millis(340) };
        assert_eq!(cpu_time(stat), Some(expected));
        assert_eq!(cpu_time("42 (short) S 1"), None);
        assert_eq!(cpu_time(""), None);
    }

    #[test]
    fn memory_is_in_bytes() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t 1 kB\n";
        assert_eq!(bytes(status, "VmHWM:"), Some(2 << 20));
        assert_eq!(bytes(status, "VmRSS:"), Some(1 << 10));
        assert_eq!(bytes("Name:\tx\n", "VmHWM:"), None);
    }

    #[test]
    fn this_process_can_be_read() {
        assert!(Process::own().cpu_time().is_ok());
        let resident = Process::own().resident_bytes().unwrap();
        assert!(resident > 0 && Process::own().peak_resident_bytes().unwrap() >= resident);
    }
}
