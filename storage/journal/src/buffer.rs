//! Memory that direct I/O takes: it starts at a block's boundary and keeps its place.
//!
//! Guarantees: `bytes` is aligned to [`BLOCK`] for as long as the buffer lives; it never grows beyond its capacity.

use crate::format::{BLOCK, padded};

/// Octets at a block's boundary.
#[derive(Debug)]
pub struct Buffer {
    memory: Vec<u8>,
    start: usize,
    capacity: usize,
}

impl Buffer {
    /// An empty buffer with room for `capacity` octets, rounded up to whole blocks.
    pub fn with_capacity(capacity: usize) -> Self {
        let capacity = padded(capacity);
        let mut memory: Vec<u8> = Vec::with_capacity(capacity + BLOCK);
        let start = memory.as_ptr().align_offset(BLOCK);
        assert!(start < BLOCK, "a pointer to octets can be aligned");
        memory.resize(start, 0);
        Self { memory, start, capacity }
    }

    /// A buffer of `length` zeros, to read into.
    pub fn zeroed(length: usize) -> Self {
        let mut buffer = Self::with_capacity(length);
        buffer.resize(length);
        buffer
    }

    /// Octets that it has room for.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Forgets the contents.
    pub fn clear(&mut self) {
        self.memory.truncate(self.start);
    }

    /// Makes it `length` octets long; new ones are 0.
    pub fn resize(&mut self, length: usize) {
        assert!(length <= self.capacity, "a buffer keeps its place");
        self.memory.resize(self.start + length, 0);
    }

    /// Appends octets.
    #[inline]
    pub fn extend(&mut self, bytes: &[u8]) {
        assert!(self.len() + bytes.len() <= self.capacity, "a buffer keeps its place");
        self.memory.extend_from_slice(bytes);
    }

    /// Its length, octets.
    #[inline]
    pub fn len(&self) -> usize {
        self.memory.len() - self.start
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The contents.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.memory[self.start..]
    }

    /// The contents, to change.
    #[inline]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_at_a_boundary() {
        let mut buffers: Vec<Buffer> = (1..40).map(|blocks| Buffer::with_capacity(blocks * 1000)).collect();
        for buffer in &mut buffers {
            while buffer.len() + 100 <= buffer.capacity() {
                buffer.extend(&[7; 100]);
            }
            assert_eq!(buffer.bytes().as_ptr().align_offset(BLOCK), 0);
            assert!(buffer.bytes().iter().all(|&octet| octet == 7));
            buffer.clear();
            buffer.resize(10);
            assert_eq!(buffer.bytes(), [0; 10]);
        }
    }
}
