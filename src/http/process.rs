//! What the system says of this process: from `/proc/self`, which is there wherever io_uring is. What cannot be read is 0.

use std::fs;

/// Ticks of the times in `/proc/self/stat` and `/proc/stat`, in a second: fixed for what Linux shows to programs (USER_HZ).
const TICKS: f64 = 100.0;

/// The process, as it is now.
#[derive(Clone, Debug)]
pub struct Process {
    /// Time on cores, of user and system, seconds.
    pub cpu_seconds: f64,
    /// Memory that is resident, bytes.
    pub resident_bytes: u64,
    /// Memory that is mapped, bytes.
    pub virtual_bytes: u64,
    /// Files, sockets and rings together.
    pub open_descriptors: u64,
    /// Descriptors that may be open.
    pub descriptors_max: u64,
    /// Shards, disks and helpers together.
    pub threads: u64,
    /// When it was started, seconds since 1970.
    pub started_seconds: f64,
}

impl Process {
    /// Looks at this process.
    pub fn look() -> Self {
        let file = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let stat = file("/proc/self/stat");
        // The name of the program comes second, in brackets, and may hold anything: fields are counted behind it, from the third.
        let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        let ticks = |field: usize| number(fields.get(field - 3).copied()) as f64 / TICKS;
        let status = file("/proc/self/status");
        let kib = |name: &str| number(of_line(&status, name)) * 1024;
        Self {
            cpu_seconds: ticks(14) + ticks(15),
            resident_bytes: kib("VmRSS:"),
            virtual_bytes: kib("VmSize:"),
            // The one that counts them is among them.
            open_descriptors: fs::read_dir("/proc/self/fd")
                .map_or(0, |entries| entries.count() as u64)
                .saturating_sub(1),
            descriptors_max: number(of_line(&file("/proc/self/limits"), "Max open files")),
            threads: number(of_line(&status, "Threads:")),
            started_seconds: number(of_line(&file("/proc/stat"), "btime")) as f64 + ticks(22),
        }
    }
}

/// The first word behind the beginning of a line.
fn of_line<'a>(text: &'a str, beginning: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(beginning)?.split_whitespace().next())
}

fn number(text: Option<&str>) -> u64 {
    match text {
        Some("unlimited") => u64::MAX,
        text => text.and_then(|text| text.parse().ok()).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive() {
        let before = Process::look();
        let _file = fs::File::open("/proc/self/stat").unwrap();
        let process = Process::look();
        assert!(process.resident_bytes > 1 << 20 && process.virtual_bytes >= process.resident_bytes, "{process:?}");
        assert!(process.open_descriptors > 0 && process.descriptors_max >= process.open_descriptors, "{process:?}");
        assert!(process.threads >= 1 && process.cpu_seconds >= before.cpu_seconds, "{process:?}");
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
        assert!((0.0..86_400.0).contains(&(now - process.started_seconds)), "{process:?} at {now}");
    }
}
