//! How much one answer tells, with its reason and what happens when it is reached.

/// Rows of one answer: links of as many rows make some two megabytes. Tools ask for 500 at a time. A query that would have more is refused,
/// and says that it is to name `offset` and `count`: an answer that is cut would look like a whole one.
pub const ROWS_MAX: usize = 5000;

/// Names of columns that a query may ask for: more than all types have together. Further ones are a fault of the request.
pub const COLUMNS_MAX: usize = 1000;

/// Connectors, and listeners, that management may have made at a time: as many as a file of the program's own has at most, since each takes
/// descriptors that connections have else. A further one is refused (409).
pub const MADE_ENDS_MAX: usize = 64;

/// Sections of a type that management may have made at a time: as many as a file of the program's own has at most. A further one is refused (409).
pub const MADE_MAX: usize = 10_000;
