//! Facts of this machine that decide what a figure means.

use std::fs;
use std::path::Path;

use load_model::result::Machine;

/// What is to be seen of this machine; what is not is empty or 0.
pub fn machine() -> Machine {
    let cpuinfo = read("/proc/cpuinfo");
    let kernel = format!("{} {}", read("/proc/sys/kernel/ostype"), read("/proc/sys/kernel/osrelease"));
    Machine {
        host: read("/proc/sys/kernel/hostname"),
        processor: processor(&cpuinfo).unwrap_or(std::env::consts::ARCH).to_owned(),
        cores: engine_rt::allowed_cores(),
        cores_online: count(&read("/sys/devices/system/cpu/online")),
        memory_bytes: memory(&read("/proc/meminfo")),
        kernel: kernel.trim().to_owned(),
        congestion_control: read("/proc/sys/net/ipv4/tcp_congestion_control"),
        governor: read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        virtualization: virtualization(&cpuinfo),
    }
}

/// A file of the system without the white space around it; empty when there is none.
fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default()
}

/// The value of the first line that begins with `key`, in the manner of `/proc/cpuinfo`.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.split(':').next().is_some_and(|name| name.trim() == key))?;
    line.split_once(':').map(|(_, value)| value.trim())
}

fn processor(cpuinfo: &str) -> Option<&str> {
    ["model name", "Model", "Processor", "cpu"].into_iter().find_map(|key| value(cpuinfo, key))
}

/// How many cores a list such as `0-3,8` names.
pub(super) fn count(list: &str) -> usize {
    let ranges = list.split(',').filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        last.checked_sub(first).map(|distance| distance + 1)
    });
    ranges.sum()
}

fn memory(meminfo: &str) -> u64 {
    let kib = value(meminfo, "MemTotal").and_then(|text| text.strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.map_or(0, |kib| kib * 1024)
}

/// A hypervisor by its flag and its name, and a container by the marks that its makers leave.
fn virtualization(cpuinfo: &str) -> String {
    let flagged = value(cpuinfo, "flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor"));
    let named =
        [read("/sys/hypervisor/type"), read("/sys/class/dmi/id/sys_vendor"), read("/sys/class/dmi/id/product_name")];
    let mut names = named.into_iter().filter(|name| !name.is_empty()).collect::<Vec<_>>().join(" ");
    names = match (flagged, names.is_empty()) {
        (true, true) => "virtual machine".to_owned(),
        (true, false) => format!("virtual machine: {names}"),
        // Without the flag the names are those of real hardware.
        (false, _) => String::new(),
    };
    let contained = Path::new("/.dockerenv").exists() || Path::new("/run/.containerenv").exists();
    match (contained, names.is_empty()) {
        (true, true) => "container".to_owned(),
        (true, false) => format!("{names}, in a container"),
        (false, _) => names,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_writes_is_understood() {
        let cpuinfo = "processor\t: 0\nmodel name\t: Some CPU @ 3 GHz\nflags\t\t: fpu hypervisor sse\n";
        assert_eq!(processor(cpuinfo), Some("Some CPU @ 3 GHz"));
        assert!(virtualization(cpuinfo).starts_with("virtual machine"));
        assert!(!virtualization("flags : fpu sse").contains("machine"));
        assert_eq!(memory("MemFree: 3 kB\nMemTotal:  2048 kB\n"), 2 << 20);
        assert_eq!((count("0-3,8"), count("0"), count(""), count("3-1")), (5, 1, 0, 0));
    }

    #[test]
    fn this_machine_has_cores_memory_and_a_kernel() {
        let machine = machine();
        assert!(!machine.cores.is_empty() && machine.cores_online >= machine.cores.len(), "{machine:?}");
        assert!(machine.memory_bytes > 0 && machine.kernel.starts_with("Linux"), "{machine:?}");
    }
}
