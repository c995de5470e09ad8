//! Files that stay open because they are used again soon: few, however many there are.
//!
//! Guarantees: never more than the bound; the one that was used longest ago is closed for the next. Whoever still works with a file that is
//! closed here keeps it until they are done.

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;

/// Open files by number.
#[derive(Debug)]
pub(crate) struct OpenFiles {
    files_max: usize,
    uses: u64,
    open: HashMap<u64, (Arc<File>, u64)>,
}

impl OpenFiles {
    /// At most `files_max` of them.
    pub fn new(files_max: usize) -> Self {
        Self { files_max, uses: 0, open: HashMap::new() }
    }

    /// A file that is open.
    pub fn find(&mut self, number: u64) -> Option<Arc<File>> {
        self.uses += 1;
        let (file, used) = self.open.get_mut(&number)?;
        *used = self.uses;
        Some(Arc::clone(file))
    }

    /// Keeps a file that was opened.
    pub fn keep(&mut self, number: u64, file: File) -> Arc<File> {
        if self.open.len() >= self.files_max
            && let Some(oldest) = self.open.iter().min_by_key(|(_, (_, used))| *used).map(|(&number, _)| number)
        {
            self.open.remove(&oldest);
        }
        let file = Arc::new(file);
        self.uses += 1;
        self.open.insert(number, (Arc::clone(&file), self.uses));
        file
    }

    /// Closes a file.
    pub fn forget(&mut self, number: u64) {
        self.open.remove(&number);
    }

    /// A file has another number from now on.
    pub fn rename(&mut self, older: u64, number: u64) {
        if let Some(file) = self.open.remove(&older) {
            self.open.insert(number, file);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_was_used_longest_ago_goes() {
        let mut files = OpenFiles::new(2);
        let file = || tempfile::tempfile().unwrap();
        files.keep(1, file());
        files.keep(2, file());
        assert!(files.find(1).is_some());
        files.keep(3, file());
        assert!(files.find(2).is_none() && files.find(1).is_some() && files.find(3).is_some());
        files.rename(1, 9);
        assert!(files.find(1).is_none() && files.find(9).is_some());
        files.forget(9);
        assert!(files.find(9).is_none());
    }
}
