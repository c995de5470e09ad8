//! How much a peer's values may ask of whoever reads them. What exceeds it is refused as malformed (`DecodeError`).

/// Deepest nesting of values that is accepted. Clients nest five or six levels; a peer that nests more wants our stack.
pub const DEPTH_MAX: usize = 32;

/// Array elements without any octets (nulls, trues, empty lists) that one value may have: each takes memory and no bytes.
pub const EMPTY_ELEMENTS_MAX: usize = 1024;
