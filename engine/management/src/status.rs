//! What came of a request, as a number: those of HTTP, which AMQP Management takes over.

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It was done.
    Ok,
    /// A thing was made.
    Created,
    /// It was done, and there is nothing to be told.
    NoContent,
    /// The request is wrong.
    BadRequest,
    /// Whoever asks may not.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// What is asked for does not go with how things are.
    Conflict,
    /// Something here failed.
    Failed,
    /// The thing has no such operation.
    NotImplemented,
    /// A shard does not answer in time.
    Unavailable,
}

impl Status {
    /// As answers have it (`statusCode`).
    #[must_use]
    pub fn code(self) -> i32 {
        match self {
            Self::Ok => 200,
            Self::Created => 201,
            Self::NoContent => 204,
            Self::BadRequest => 400,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::Failed => 500,
            Self::NotImplemented => 501,
            Self::Unavailable => 503,
        }
    }
}
