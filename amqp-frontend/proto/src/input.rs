//! Bytes that were received, read frame by frame.

/// Received bytes; what is not consumed in the end is the start of a frame, which the host keeps and gives again.
#[derive(Debug)]
pub struct Input<'a> {
    bytes: &'a [u8],
    consumed: usize,
}

impl<'a> Input<'a> {
    /// Input that starts at a frame's start.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, consumed: 0 }
    }

    /// How many octets were used up.
    #[inline]
    pub fn consumed(&self) -> usize {
        self.consumed
    }

    #[inline]
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.consumed..).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn consume(&mut self, bytes: usize) {
        self.consumed += bytes;
    }

    /// Gives octets back that were used up last: they are read again.
    pub(crate) fn give_back(&mut self, bytes: usize) {
        self.consumed -= bytes;
    }

    pub(crate) fn discard(&mut self) {
        self.consumed = self.bytes.len();
    }
}
