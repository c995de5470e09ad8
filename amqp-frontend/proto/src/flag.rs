//! What frames say with one bit, each with a name of its own: two of them cannot be mixed up, and a call says what it means.

/// Whether a delivery is settled by being sent, or by what is said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It is.
    Yes,
    /// It is not: something more is to be said of it.
    No,
}

impl Settled {
    /// As the field of a frame says.
    #[inline]
    #[must_use]
    pub fn of(field: bool) -> Self {
        if field { Self::Yes } else { Self::No }
    }

    /// Whether it is.
    #[inline]
    #[must_use]
    pub fn is_yes(self) -> bool {
        self == Self::Yes
    }
}

/// Whether a receiver wants its credit used up, by messages or without (part 2.6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drain {
    /// It does: what no message uses is taken back.
    Yes,
    /// Its credit waits for messages.
    No,
}

impl Drain {
    /// As the field of a frame says.
    #[inline]
    #[must_use]
    pub fn of(field: bool) -> Self {
        if field { Self::Yes } else { Self::No }
    }

    /// Whether it does.
    #[inline]
    #[must_use]
    pub fn is_yes(self) -> bool {
        self == Self::Yes
    }
}

/// Whether a detached link is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// It is.
    Closed,
    /// It may be attached again.
    Suspended,
}

impl Closing {
    /// As the `closed` of a frame says.
    #[must_use]
    pub fn of(field: bool) -> Self {
        if field { Self::Closed } else { Self::Suspended }
    }

    /// Whether it is.
    #[must_use]
    pub fn is_closed(self) -> bool {
        self == Self::Closed
    }
}
