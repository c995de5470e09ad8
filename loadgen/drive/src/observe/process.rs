//! What one process has taken so far, by what the system tells of it.
//!
//! Processor time has a grain of 10 ms, written octets are those that the process caused to go to a device: with direct writes
//! exactly, with others when pages are dirtied.

use std::fs;
use std::path::{Path, PathBuf};

use super::machine;

/// Ticks of processor time in a second, as `/proc` counts them: fixed for programs on every architecture of Linux.
const TICKS: f64 = 100.0;

/// Totals of a process at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// Processor time of all its threads, seconds.
    pub cpu_s: f64,
    /// Memory in use, octets.
    pub memory_bytes: u64,
    /// The most that was in use since it started.
    pub memory_peak_bytes: u64,
    /// Octets written to devices; absent where only its owner may know.
    pub written_bytes: Option<u64>,
}

/// Where the system tells of a process.
fn folder(pid: u32) -> PathBuf {
    Path::new("/proc").join(pid.to_string())
}

/// Totals of process `pid`; `None` when there is none, or no more.
pub fn totals(pid: u32) -> Option<Totals> {
    let folder = folder(pid);
    let status = fs::read_to_string(folder.join("status")).ok()?;
    let memory_bytes = kib(&status, "VmRSS:").unwrap_or(0) * 1024;
    Some(Totals {
        cpu_s: processor_time(&fs::read_to_string(folder.join("stat")).ok()?)?,
        memory_bytes,
        // The system counts both on each processor by itself, and the peak is the later one to be brought together.
        memory_peak_bytes: memory_bytes.max(kib(&status, "VmHWM:").unwrap_or(0) * 1024),
        written_bytes: fs::read_to_string(folder.join("io")).ok().and_then(|io| number(&io, "write_bytes:")),
    })
}

/// Processor time of those threads of a process whose names begin so, seconds; those that ended are not in it any more.
pub fn threads_cpu(pid: u32, names: &[&str]) -> f64 {
    let tasks = fs::read_dir(folder(pid).join("task")).into_iter().flatten().flatten();
    let times = tasks.filter_map(|task| {
        let name = fs::read_to_string(task.path().join("comm")).ok()?;
        let is_meant = names.iter().any(|beginning| name.starts_with(beginning));
        if is_meant { processor_time(&fs::read_to_string(task.path().join("stat")).ok()?) } else { None }
    });
    times.sum()
}

/// A thread of a process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thread {
    /// The system's number of it.
    pub number: u32,
    /// Its processor time, seconds.
    pub cpu_s: f64,
    /// The core that it ran on last.
    pub core: usize,
}

/// The threads of a process whose names begin so; all of them where no name is given.
pub fn threads(pid: u32, names: &[&str]) -> Vec<Thread> {
    let tasks = fs::read_dir(folder(pid).join("task")).into_iter().flatten().flatten();
    let threads = tasks.filter_map(|task| {
        let number = task.file_name().to_str()?.parse().ok()?;
        if !names.is_empty() {
            let name = fs::read_to_string(task.path().join("comm")).ok()?;
            names.iter().find(|beginning| name.starts_with(**beginning))?;
        }
        let stat = fs::read_to_string(task.path().join("stat")).ok()?;
        Some(Thread { number, cpu_s: processor_time(&stat)?, core: last_core(&stat)? })
    });
    threads.collect()
}

/// The name of a process, as the system shows it; empty when there is none.
pub fn name(pid: u32) -> String {
    fs::read_to_string(folder(pid).join("comm")).unwrap_or_default().trim().to_owned()
}

/// How many cores a process may use.
pub fn cores(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(folder(pid).join("status")).ok()?;
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    u32::try_from(machine::count(list)).ok()
}

/// What a process was started with, its own name first.
pub fn arguments(pid: u32) -> Vec<String> {
    let line = fs::read(folder(pid).join("cmdline")).unwrap_or_default();
    let parts = line.split(|byte| *byte == 0).filter(|part| !part.is_empty());
    parts.map(|part| String::from_utf8_lossy(part).into_owned()).collect()
}

/// Files and sockets that a process holds, by number; those that nobody else may see are absent.
pub fn descriptors(pid: u32) -> impl Iterator<Item = (PathBuf, PathBuf)> {
    let entries = fs::read_dir(folder(pid).join("fd")).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some((entry.path(), fs::read_link(entry.path()).ok()?)))
}

/// The flags that a descriptor was opened with.
pub fn open_flags(pid: u32, descriptor: &Path) -> Option<u32> {
    let info = fs::read_to_string(folder(pid).join("fdinfo").join(descriptor.file_name()?)).ok()?;
    let line = info.lines().find_map(|line| line.strip_prefix("flags:"))?;
    u32::from_str_radix(line.trim(), 8).ok()
}

/// User and system time of a line of `/proc/PID/stat`. The name in parentheses may have spaces and parentheses itself, so that
/// fields are counted behind the last one.
fn processor_time(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS)
}

/// The core of a line of `/proc/PID/task/TID/stat`, which is its 39th field; the third is the first behind the name.
fn last_core(stat: &str) -> Option<usize> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(36)?.parse().ok()
}

fn number(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key))?.trim().parse().ok()
}

fn kib(status: &str, key: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix(key))?.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_writes_is_understood() {
        let stat = "12 (a ) (b) R 1 1 1 0 -1 4194304 100 0 0 0 250 150 0 0 20 0 1 0 1 3133440 408";
        assert_eq!(processor_time(stat), Some(4.0));
        assert_eq!(processor_time("12 (a) R 1"), None);
        let whole = "12 (a) S 1 1 1 0 -1 64 0 0 0 0 2 3 0 0 20 0 1 0 9 1 1 18 0 0 0 0 0 0 0 0 0 0 0 0 17 5 0 0 0 0 0 0";
        assert_eq!(last_core(whole), Some(5));
        assert_eq!(kib("VmHWM:\t  20 kB\nVmRSS:\t  12 kB\n", "VmRSS:"), Some(12));
        assert_eq!(number("wchar: 7\nwrite_bytes: 4096\n", "write_bytes:"), Some(4096));
    }

    #[test]
    fn this_process_has_totals_and_a_name_and_no_process_has_none() {
        let own = totals(std::process::id()).expect("it runs");
        assert!(own.memory_bytes > 0 && own.memory_peak_bytes >= own.memory_bytes, "{own:?}");
        assert!(!name(std::process::id()).is_empty() && !arguments(std::process::id()).is_empty());
        assert!(cores(std::process::id()).is_some_and(|cores| cores > 0));
        assert!(descriptors(std::process::id()).count() > 0);
        let all = threads_cpu(std::process::id(), &[""]);
        assert!(all <= totals(std::process::id()).expect("it runs").cpu_s + 0.1, "threads are a part of their process");
        assert_eq!(threads_cpu(std::process::id(), &["no such thread"]), 0.0);
        let own = threads(std::process::id(), &[]);
        assert!(own.iter().any(|thread| thread.number == std::process::id()), "{own:?}");
        assert!(threads(std::process::id(), &["no such thread"]).is_empty());
        // Process numbers end below 2^22.
        assert_eq!(totals(u32::MAX), None);
    }
}
