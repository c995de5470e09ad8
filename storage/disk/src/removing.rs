//! Files that nobody needs any more go slowly.
//!
//! A file system that tells its device what is free (`discard`) does so for a whole file at once, and the device takes nothing else
//! meanwhile: 11 ms for a segment of 64 MiB were measured, a third of a second for a large message. So files get shorter step by step,
//! with pauses, on a thread of their own.
//!
//! Guarantees: files go in the order in which they were given; what a crash leaves of a segment is no segment any more, and goes at the
//! next start. One that has another name, too, is as long by that as it was.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use engine_rt::pin_thread;

/// Octets that go at once.
const STEP_BYTES: u64 = 1 << 20;
/// Pause after a step, times what the step took: removing takes an eighth of the disk's time at most.
const PAUSE: u32 = 7;
/// How the name of a segment ends that is on its way out.
const ENDING: &str = "removed";

/// Where files go that are to be removed.
#[derive(Clone)]
pub(crate) struct Remover(flume::Sender<PathBuf>);

impl Remover {
    /// Starts its thread on a core; it begins with what was left in `folder`.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn start(name: String, core: usize, folder: PathBuf) -> io::Result<Self> {
        // As many as there are segments and large messages: each is a path.
        let (sender, paths) = flume::unbounded();
        thread::Builder::new().name(name).spawn(move || {
            if let Err(error) = pin_thread(core) {
                tracing::warn!(target: "heddle::storage", %error, "a disk thread runs on any core");
            }
            left(&folder).into_iter().chain(paths.iter()).for_each(|path| {
                // What cannot be removed now is at the next start.
                if let Err(error) = remove(&path) {
                    tracing::warn!(target: "heddle::storage", path = %path.display(), %error, "a file that nobody needs stays");
                }
            });
        })?;
        Ok(Self(sender))
    }

    /// Has a file removed.
    pub fn remove(&self, path: PathBuf) {
        // Without its thread the node is ending.
        let _ = self.0.send(path);
    }

    /// Has a segment removed, which is none from now on.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn remove_segment(&self, path: &Path) -> io::Result<()> {
        let removed = path.with_extension(ENDING);
        fs::rename(path, &removed)?;
        self.remove(removed);
        Ok(())
    }
}

/// Segments that were on their way out.
fn left(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    paths.filter(|path| path.extension().is_some_and(|ending| ending == ENDING)).collect()
}

fn remove(path: &Path) -> io::Result<()> {
    let file = match File::options().write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    let found = file.metadata()?;
    // Whoever has it by another name needs all of it.
    let mut bytes = if found.nlink() > 1 { 0 } else { found.len() };
    while bytes > STEP_BYTES {
        bytes -= STEP_BYTES;
        let start = Instant::now();
        file.set_len(bytes)?;
        thread::sleep(start.elapsed() * PAUSE);
    }
    fs::remove_file(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_go_and_what_a_crash_left_of_them_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for (name, length) in [("1.removed", 7), ("2.segment", 3 * STEP_BYTES + 1), ("3.segment", 0), ("4.segment", 5)]
        {
            File::create(path(name)).unwrap().set_len(length).unwrap();
        }
        let remover = Remover::start("remove".to_owned(), 0, folder.path().to_owned()).unwrap();
        remover.remove_segment(&path("2.segment")).unwrap();
        assert!(!path("2.segment").exists(), "it is no segment at once");
        remover.remove(path("3.segment"));
        remover.remove(path("nothing"));
        let until = Instant::now() + std::time::Duration::from_secs(10);
        while fs::read_dir(folder.path()).unwrap().count() > 1 && Instant::now() < until {
            thread::yield_now();
        }
        assert!(path("4.segment").exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_with_another_name_keeps_its_length_by_that() {
        let folder = tempfile::tempdir().unwrap();
        let [one, other] = ["1.large", "2.large"].map(|name| folder.path().join(name));
        File::create(&one).unwrap().set_len(3 * STEP_BYTES).unwrap();
        fs::hard_link(&one, &other).unwrap();
        remove(&one).unwrap();
        assert!(!one.exists() && fs::metadata(&other).unwrap().len() == 3 * STEP_BYTES);
        remove(&other).unwrap();
        assert!(!other.exists());
    }
}
