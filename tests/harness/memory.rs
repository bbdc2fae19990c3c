//! How much memory a backend holds.

use std::fs;

use crate::Cluster;

/// The memory of a process that no other process shares, in bytes: what a leak would grow.
pub fn private_memory(pid: u32) -> u64 {
    of_process(pid, "RssAnon:").unwrap()
}

/// Lets a backend of the server have so much address space beyond what it has, in bytes. False where it is gone, or this
/// account may not limit processes.
pub fn limit_memory(cluster: &Cluster, pid: u32, headroom: u64) -> bool {
    let Some(size) = of_process(pid, "VmSize:") else {
        return false;
    };
    let limit = size + headroom;
    // As the account of the server: even root may not where it has no CAP_SYS_RESOURCE.
    let command = format!("prlimit --pid {pid} --as={limit}");
    cluster.shell(&command, &[]).status.success()
}

fn of_process(pid: u32, what: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let value = status.lines().find_map(|line| line.strip_prefix(what))?;
    let kilobytes: u64 = value.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}
