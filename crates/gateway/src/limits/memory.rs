//! How much memory this process may use: what Linux says in `/proc` and `/sys/fs/cgroup`.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Bytes, if that can be found out: those of the machine, or of the control groups it is in, as containers and systemd's `MemoryMax`
/// make them.
pub(super) fn usable() -> Option<u64> {
    usable_under(Path::new("/"))
}

fn usable_under(root: &Path) -> Option<u64> {
    let read = |path: PathBuf| fs::read_to_string(path).unwrap_or_default();
    let machine = total(&read(root.join("proc/meminfo")));
    let groups = read(root.join("proc/self/cgroup"));
    let limits = groups.lines().filter_map(Limit::of).flat_map(|limit| limit.files());
    // Where there is none, a number that no memory has, or `max`.
    let limits = limits.filter_map(|file| read(root.join(file)).trim().parse::<u64>().ok());
    machine.into_iter().chain(limits).min()
}

/// `MemTotal:       24684084 kB`
fn total(meminfo: &str) -> Option<u64> {
    let rest = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    rest.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

/// Where a control group says how much memory it may have.
struct Limit<'a> {
    mount: &'static str,
    file: &'static str,
    group: &'a Path,
}

impl Limit<'_> {
    /// Of a line such as `0::/system.slice/naru.service`, or of version 1 `4:memory:/docker/1f3a`; other lines have none.
    fn of(line: &str) -> Option<Limit<'_>> {
        let (_, line) = line.split_once(':')?;
        let (controllers, group) = line.split_once(':')?;
        let group = Path::new(group.strip_prefix('/')?);
        if controllers.is_empty() {
            return Some(Limit { mount: "sys/fs/cgroup", file: "memory.max", group });
        }
        let has_memory = controllers.split(',').any(|controller| controller == "memory");
        let (mount, file) = ("sys/fs/cgroup/memory", "memory.limit_in_bytes");
        has_memory.then_some(Limit { mount, file, group })
    }

    /// Of the group and all that it is in. Inside a container the mount is the group itself, whatever its name is outside.
    fn files(&self) -> Vec<PathBuf> {
        self.group.ancestors().map(|group| Path::new(self.mount).join(group).join(self.file)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// What is usable where these files are there.
    fn of(files: &[(&str, &str)]) -> Option<u64> {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        usable_under(root.path())
    }

    const MEMINFO: (&str, &str) = (
        "proc/meminfo",
        "MemTotal:        8388608 kB\nMemFree:         7799308 kB\nMemAvailable:   22213336 kB\n",
    );
    const OF_SYSTEMD: (&str, &str) = ("proc/self/cgroup", "0::/system.slice/naru.service\n");
    const OF_VERSION_1: (&str, &str) = (
        "proc/self/cgroup",
        "9:name=systemd:/docker/1f3a\n5:hugetlb,memory:/docker/1f3a\n4:cpu,cpuacct:/docker/1f3a\n0::/docker/1f3a\n",
    );

    #[test]
    fn the_least_of_machine_and_control_groups_is_usable() {
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[MEMINFO]), Some(8192 * MIB));
        assert_eq!(of(&[("proc/meminfo", "MemTotal: much\n")]), None);
        let own = "sys/fs/cgroup/system.slice/naru.service/memory.max";
        let slice = "sys/fs/cgroup/system.slice/memory.max";
        for (limits, mib) in [
            (&[(own, "536870912\n"), (slice, "max\n")][..], 512),
            (&[(own, "max\n"), (slice, "1073741824\n")], 1024),
            (&[(own, "2147483648\n"), (slice, "1073741824\n")], 1024),
            (&[(own, "max\n"), (slice, "max\n")], 8192),
            // More than there is.
            (&[(own, "17179869184\n")], 8192),
            // A container, which sees itself as the root of a mount.
            (&[("sys/fs/cgroup/memory.max", "268435456\n")], 256),
        ] {
            assert_eq!(of(&[&[MEMINFO, OF_SYSTEMD], limits].concat()), Some(mib * MIB), "{limits:?}");
        }
    }

    #[test]
    fn control_groups_of_version_1_count_as_well() {
        let own = "sys/fs/cgroup/memory/docker/1f3a/memory.limit_in_bytes";
        let mount = "sys/fs/cgroup/memory/memory.limit_in_bytes";
        for (limits, mib) in [
            (&[(own, "536870912\n"), (mount, "9223372036854771712\n")][..], 512),
            (&[(own, "9223372036854771712\n")], 8192),
            // A container.
            (&[(mount, "268435456\n")], 256),
            // Another controller's.
            (&[("sys/fs/cgroup/cpu/docker/1f3a/memory.limit_in_bytes", "1\n")], 8192),
        ] {
            assert_eq!(of(&[&[MEMINFO, OF_VERSION_1], limits].concat()), Some(mib * MIB), "{limits:?}");
        }
    }
}
