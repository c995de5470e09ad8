//! Why what a journal has was not read to its end: it could not be, or whoever took it (`E` says why) went no further.

use storage_disk::DirectoryError;
use storage_journal::Fault;

pub(super) enum Stopped<E> {
    Read(DirectoryError),
    Taking(E),
}

impl<E> From<DirectoryError> for Stopped<E> {
    fn from(error: DirectoryError) -> Self {
        Self::Read(error)
    }
}

impl From<Fault> for Stopped<Fault> {
    fn from(fault: Fault) -> Self {
        Self::Taking(fault)
    }
}
