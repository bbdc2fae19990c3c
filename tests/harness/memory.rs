//! How much memory a backend holds.

use std::fs;

/// The memory of a process that no other process shares, in bytes: what a leak would grow.
pub fn private_memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let kilobytes: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .and_then(|value| value.trim().strip_suffix(" kB")?.trim().parse().ok())
        .unwrap();
    kilobytes * 1024
}
