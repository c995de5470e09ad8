//! The device and the file system that a server's data is on, found by the files that it holds open for writing.

use std::fs;
use std::os::linux::fs::MetadataExt as _;
use std::path::Path;

use super::process;

/// Descriptors that are looked at; a server holds connections too, and data files are among its first.
const DESCRIPTORS_MAX: usize = 65_536;
/// Flags of a descriptor that may write: `O_WRONLY` and `O_RDWR`.
const WRITES: u32 = 0o3;

/// Device and file system of the largest file that any of `pids` writes, for people; empty when none is to be seen.
pub fn device(pids: &[u32]) -> String {
    let files = pids.iter().flat_map(|&pid| {
        let descriptors = process::descriptors(pid).take(DESCRIPTORS_MAX);
        descriptors.filter(move |(descriptor, target)| {
            target.is_absolute() && process::open_flags(pid, descriptor).is_some_and(|flags| flags & WRITES != 0)
        })
    });
    // Journals are made at their full size, so that the largest file is one of theirs rather than of a log.
    let sized = files.filter_map(|(_, path)| {
        let facts = fs::metadata(&path).ok().filter(fs::Metadata::is_file)?;
        Some((facts.len(), facts.st_dev(), path))
    });
    let Some((_, device, path)) = sized.max_by_key(|(length, ..)| *length) else { return String::new() };
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let number = format!("{}:{}", major(device), minor(device));
    let medium = fs::read_to_string(Path::new("/sys/dev/block").join(&number).join("device/model"));
    describe(&mounts, &number, &path, medium.unwrap_or_default().trim())
}

/// Numbers of a device as the C library packs them (`gnu_dev_major`).
fn major(device: u64) -> u64 {
    (device >> 8 & 0xfff) | (device >> 32 & !0xfff)
}

fn minor(device: u64) -> u64 {
    (device & 0xff) | (device >> 12 & !0xff)
}

/// What is mounted where `path` is: `ext4 on /dev/vda1`.
fn describe(mounts: &str, number: &str, path: &Path, medium: &str) -> String {
    let mut found = None;
    for line in mounts.lines() {
        let Some((left, right)) = line.split_once(" - ") else { continue };
        let left: Vec<&str> = left.split(' ').collect();
        let mut right = right.split(' ');
        let (Some(&device), Some(&place), Some(kind), Some(source)) =
            (left.get(2), left.get(4), right.next(), right.next())
        else {
            continue;
        };
        // The last of those that fit is mounted over the others.
        if path.starts_with(place) && (device == number || found.is_none()) {
            found = Some((kind, source));
        }
    }
    match found {
        Some((kind, source)) if medium.is_empty() => format!("{kind} on {source}"),
        Some((kind, source)) => format!("{kind} on {source} ({medium})"),
        None => format!("device {number}"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn the_mount_of_a_path_is_the_one_with_its_device() {
        let mounts = "1 0 254:0 / / rw - ext4 /dev/vda1 rw\n2 1 0:30 / /tmp rw - tmpfs tmpfs rw\n3 1 259:2 / /var/lib rw - xfs \
                      /dev/nvme0n1p2 rw\n";
        assert_eq!(
            describe(mounts, "259:2", Path::new("/var/lib/heddle/a"), "Disk 3"),
            "xfs on /dev/nvme0n1p2 (Disk 3)"
        );
        assert_eq!(describe(mounts, "254:0", Path::new("/home/a"), ""), "ext4 on /dev/vda1");
        assert_eq!(describe("", "8:1", Path::new("/home/a"), ""), "device 8:1");
        assert_eq!((major(0xfe05), minor(0xfe05)), (254, 5));
    }

    #[test]
    fn a_file_that_is_being_written_is_found() {
        let path = std::env::temp_dir().join(format!("heddle-load-disk-{}", std::process::id()));
        let mut file = fs::File::create(&path).expect("a file");
        file.write_all(&[0; 4096]).expect("written");
        let found = device(&[std::process::id()]);
        fs::remove_file(&path).expect("removed");
        assert!(found.contains(" on ") || found.starts_with("device"), "{found:?}");
    }
}
