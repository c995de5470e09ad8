//! Where a data tool writes: standard output, or a file that is there whole or not at all.
//!
//! Guarantees: a file gets its name when all of it is on stable storage. Until then it is beside it, under a name that says so; a
//! failure removes that, and what had the name before stays as it was. Two tools do not write the same file at once.
//!
//! What a kill leaves under the other name is written over by the next try.

use std::fs::{self, File, TryLockError};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Ending of the name of a file that is not whole yet.
const UNFINISHED: &str = ".unfinished";

/// What to do with a file that has the name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and nothing is written.
    Keep,
    /// It goes, once the new one is whole.
    Replace,
}

/// Why there is no output.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// There is a file already.
    #[error("{} is there already: name another file with --output, or add --force to replace it", .0.display())]
    Exists(PathBuf),
    /// Somebody else writes it.
    #[error("{} is written by another process", .0.display())]
    InUse(PathBuf),
    /// The system refused.
    #[error("cannot {what} {}: {error}", path.display())]
    System {
        /// What was to be done.
        what: &'static str,
        /// As it was named.
        path: PathBuf,
        /// Why it was not.
        #[source]
        error: io::Error,
    },
}

fn system<'a>(what: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> OutputError + 'a {
    move |error| OutputError::System { what, path: path.to_owned(), error }
}

/// A file on its way, or something that is written as it comes.
pub enum Output {
    /// Standard output, or a device or pipe that was named.
    Stream(BufWriter<Box<dyn Write>>),
    /// A file, which has its name once it is whole.
    File(Unfinished),
}

/// A file that has not its name yet.
pub struct Unfinished {
    out: BufWriter<File>,
    path: PathBuf,
    target: PathBuf,
    existing: Existing,
    is_finished: bool,
}

impl Output {
    /// Begins to write to `name`; `-` is standard output.
    ///
    /// # Errors
    /// When there is something already, or the system refuses.
    pub fn begin(name: &str, existing: Existing) -> Result<Self, OutputError> {
        if name == "-" {
            return Ok(Self::Stream(BufWriter::new(Box::new(io::stdout()))));
        }
        // What a link leads to is replaced, not the link.
        let target = fs::canonicalize(name).unwrap_or_else(|_| PathBuf::from(name));
        match fs::metadata(&target) {
            Ok(found) if !found.is_file() => {
                let open = File::options().write(true).open(&target).map_err(system("write to", &target))?;
                return Ok(Self::Stream(BufWriter::new(Box::new(open))));
            }
            Ok(_) if existing == Existing::Keep => return Err(OutputError::Exists(target)),
            _ => {}
        }
        let path = PathBuf::from(format!("{}{UNFINISHED}", target.display()));
        let out = BufWriter::new(take(&path)?);
        Ok(Self::File(Unfinished { out, path, target, existing, is_finished: false }))
    }

    /// Everything was written.
    ///
    /// # Errors
    /// When it does not get to stable storage: there is no file then.
    pub fn finish(self) -> Result<(), OutputError> {
        match self {
            Self::Stream(mut out) => out.flush().map_err(system("write to", Path::new("standard output"))),
            Self::File(file) => file.finish(),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stream(out) => out.write(bytes),
            Self::File(file) => file.out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stream(out) => out.flush(),
            Self::File(file) => file.out.flush(),
        }
    }
}

/// Opens a file that nobody else writes, and empties it.
fn take(path: &Path) -> Result<File, OutputError> {
    let options = File::options().create(true).truncate(false).write(true).clone();
    let file = options.open(path).map_err(system("make", path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(OutputError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => return Err(system("lock", path)(error)),
    }
    // Whoever had it may have given it its name since it was opened here.
    let is_ours = |found: fs::Metadata| file.metadata().is_ok_and(|own| own.ino() == found.ino());
    if !fs::metadata(path).is_ok_and(is_ours) {
        return Err(OutputError::InUse(path.to_owned()));
    }
    file.set_len(0).map_err(system("empty", path))?;
    Ok(file)
}

impl Unfinished {
    fn finish(mut self) -> Result<(), OutputError> {
        self.out.flush().map_err(system("write", &self.path))?;
        self.out.get_ref().sync_all().map_err(system("sync", &self.path))?;
        match self.existing {
            Existing::Replace => self.rename()?,
            // Unlike a rename it does not take the place of a file that came meanwhile.
            Existing::Keep => match fs::hard_link(&self.path, &self.target) {
                Ok(()) => fs::remove_file(&self.path).map_err(system("remove", &self.path))?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return Err(OutputError::Exists(self.target.clone()));
                }
                // Some file systems have no second names.
                Err(_) => self.rename()?,
            },
        }
        self.is_finished = true;
        let folder = self.target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(system("sync", folder))
    }
}

impl Unfinished {
    fn rename(&self) -> Result<(), OutputError> {
        fs::rename(&self.path, &self.target).map_err(system("rename", &self.path))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.is_finished {
            // The failure that led here is what is told.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_whole_or_not_at_all() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("messages.jsonl");
        let name = file.display().to_string();
        let entries = || fs::read_dir(folder.path()).expect("the folder").count();
        let mut first = Output::begin(&name, Existing::Keep).expect("it is new");
        first.write_all(b"good").expect("room");
        assert!(!file.exists(), "it has no name yet");
        assert!(matches!(Output::begin(&name, Existing::Keep), Err(OutputError::InUse(_))));
        first.finish().expect("it gets its name");
        assert_eq!((fs::read(&file).expect("it is there"), entries()), (b"good".to_vec(), 1));
        assert!(matches!(Output::begin(&name, Existing::Keep), Err(OutputError::Exists(_))));
        let mut second = Output::begin(&name, Existing::Replace).expect("it may be replaced");
        second.write_all(b"half").expect("room");
        drop(second);
        assert_eq!(
            (fs::read(&file).expect("it is there"), entries()),
            (b"good".to_vec(), 1),
            "a failure changes nothing"
        );
        fs::write(folder.path().join("messages.jsonl.unfinished"), "what a kill left").expect("a file");
        let mut third = Output::begin(&name, Existing::Replace).expect("it may be replaced");
        third.write_all(b"better").expect("room");
        third.finish().expect("it takes its place");
        assert_eq!((fs::read(&file).expect("it is there"), entries()), (b"better".to_vec(), 1));
    }

    #[test]
    fn a_file_that_came_meanwhile_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("messages.jsonl");
        let out = Output::begin(&file.display().to_string(), Existing::Keep).expect("it is new");
        fs::write(&file, "another one's").expect("a file");
        assert!(matches!(out.finish(), Err(OutputError::Exists(_))));
        assert_eq!(fs::read(&file).expect("it is there"), b"another one's");
        assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 1);
    }
}
