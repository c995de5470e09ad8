//! What happened in a run, in numbers: whether the seeds come to everything that they are there for.

/// What counts of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages that were sent.
    pub sent: u64,
    /// Copies that came, again and again.
    pub came: u64,
    /// Copies that came more often than once.
    pub again: u64,
    /// Crashes of the node.
    pub crashes: u64,
    /// Transactions that were committed.
    pub committed: u64,
    /// Transactions that were rolled back.
    pub rolled_back: u64,
    /// Messages of groups that came.
    pub grouped: u64,
    /// Messages that came behind a time that they named.
    pub delayed: u64,
    /// Messages that were rejected or expired, and came to where such go.
    pub buried: u64,
    /// Versions of the catalogue that came while it ran.
    pub versions: u64,
    /// Addresses that changed hands by one.
    pub handed_over: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.sent += other.sent;
        self.came += other.came;
        self.again += other.again;
        self.crashes += other.crashes;
        self.committed += other.committed;
        self.rolled_back += other.rolled_back;
        self.grouped += other.grouped;
        self.delayed += other.delayed;
        self.buried += other.buried;
        self.versions += other.versions;
        self.handed_over += other.handed_over;
    }
}
