//! Frames (part 2.3): eight octets of header, perhaps an extended header, a body.

use engine_message::encode;
use std::fmt;

/// The header's length, octets.
pub const HEADER_BYTES: usize = 8;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// A performative of part 2, or nothing: a heartbeat.
    Amqp,
    /// A frame of part 5.3.
    Sasl,
}

/// A frame, cut out of the input: header read, extended header skipped, body not looked at yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it carries.
    pub kind: FrameKind,
    /// Its channel; without meaning for SASL.
    pub channel: u16,
    /// What follows header and extended header.
    pub body: &'a [u8],
}

/// What [`split`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split<'a> {
    /// A whole frame.
    Frame {
        /// It, borrowed from the input.
        frame: Frame<'a>,
        /// Its length with its header, octets.
        bytes: usize,
    },
    /// The start of a frame.
    Partial {
        /// The length that it has, or at least has, octets.
        bytes: usize,
    },
}

/// Bytes that are no frame (`amqp:connection:framing-error`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// A size below that of the header.
    TooSmall(u32),
    /// A size above the maximum.
    TooLarge {
        /// The size.
        bytes: u32,
        /// The maximum.
        max: u32,
    },
    /// A data offset below 2 words or beyond the frame.
    DataOffset(u8),
    /// A type other than AMQP and SASL.
    Kind(u8),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooSmall(bytes) => write!(f, "a frame of {bytes} bytes is smaller than its own header"),
            Self::TooLarge { bytes, max } => write!(f, "a frame of {bytes} bytes exceeds the maximum of {max}"),
            Self::DataOffset(words) => write!(f, "a data offset of {words} words lies outside the frame"),
            Self::Kind(kind) => write!(f, "frames of type {kind} are not known"),
        }
    }
}

impl std::error::Error for FrameError {}

/// Cuts one frame off the front of `buf`, whose frames may have up to `max` octets.
///
/// # Errors
/// As soon as the header shows that no valid frame can come of it.
#[inline]
pub fn split(buf: &[u8], max: u32) -> Result<Split<'_>, FrameError> {
    let Some(&[a, b, c, d, offset, kind, channel_high, channel_low]) = buf.first_chunk::<HEADER_BYTES>() else {
        return Ok(Split::Partial { bytes: HEADER_BYTES });
    };
    let size = u32::from_be_bytes([a, b, c, d]);
    let bytes = size as usize;
    if bytes < HEADER_BYTES {
        return Err(FrameError::TooSmall(size));
    }
    if size > max {
        return Err(FrameError::TooLarge { bytes: size, max });
    }
    let start = usize::from(offset) * 4;
    if start < HEADER_BYTES || start > bytes {
        return Err(FrameError::DataOffset(offset));
    }
    let kind = match kind {
        0 => FrameKind::Amqp,
        1 => FrameKind::Sasl,
        other => return Err(FrameError::Kind(other)),
    };
    match buf.get(start..bytes) {
        Some(body) => {
            let channel = u16::from_be_bytes([channel_high, channel_low]);
            Ok(Split::Frame { frame: Frame { kind, channel, body }, bytes })
        }
        None => Ok(Split::Partial { bytes }),
    }
}

/// Appends an AMQP frame on `channel` whose body `write` appends.
pub fn amqp(out: &mut Vec<u8>, channel: u16, write: impl FnOnce(&mut Vec<u8>)) {
    frame(out, 0, channel, write);
}

/// Appends a SASL frame whose body `write` appends.
pub fn sasl(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    frame(out, 1, 0, write);
}

fn frame(out: &mut Vec<u8>, kind: u8, channel: u16, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    let [high, low] = channel.to_be_bytes();
    out.extend_from_slice(&[0, 0, 0, 0, 2, kind, high, low]);
    write(out);
    let size = u32::try_from(out.len() - start).expect("a frame is smaller than 4 GiB");
    encode::patch_u32(out, start, size);
}

/// The eight octets that open each layer (parts 2.2, 5.2.1, 5.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolHeader {
    /// AMQP 1.0.0 itself.
    Amqp,
    /// TLS 1.0.0 inside this connection.
    Tls,
    /// SASL 1.0.0.
    Sasl,
}

impl ProtocolHeader {
    /// The octets.
    pub const fn bytes(self) -> [u8; 8] {
        let id = match self {
            Self::Amqp => 0,
            Self::Tls => 2,
            Self::Sasl => 3,
        };
        [b'A', b'M', b'Q', b'P', id, 1, 0, 0]
    }

    /// The header that `octets` are, `None` if they are none that is known.
    pub fn parse(octets: [u8; 8]) -> Option<Self> {
        [Self::Amqp, Self::Tls, Self::Sasl].into_iter().find(|header| header.bytes() == octets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_header_field_at_its_extremes() {
        let header = |size: u32, offset: u8, kind: u8| {
            let mut bytes = size.to_be_bytes().to_vec();
            bytes.extend_from_slice(&[offset, kind, 0x12, 0x34]);
            bytes
        };
        for size in 0..8 {
            assert_eq!(split(&header(size, 2, 0), 512), Err(FrameError::TooSmall(size)));
        }
        assert_eq!(split(&header(513, 2, 0), 512), Err(FrameError::TooLarge { bytes: 513, max: 512 }));
        assert_eq!(split(&header(u32::MAX, 2, 0), 512), Err(FrameError::TooLarge { bytes: u32::MAX, max: 512 }));
        assert_eq!(split(&header(8, 0, 0), 512), Err(FrameError::DataOffset(0)));
        assert_eq!(split(&header(8, 1, 0), 512), Err(FrameError::DataOffset(1)));
        assert_eq!(split(&header(8, 3, 0), 512), Err(FrameError::DataOffset(3)));
        assert_eq!(split(&header(8, 2, 2), 512), Err(FrameError::Kind(2)));
        assert_eq!(split(&header(512, 2, 0), 512), Ok(Split::Partial { bytes: 512 }));
        let empty = Frame { kind: FrameKind::Amqp, channel: 0x1234, body: &[] };
        assert_eq!(split(&header(8, 2, 0), 512), Ok(Split::Frame { frame: empty, bytes: 8 }));
        let mut extended = header(13, 3, 0);
        extended.extend_from_slice(&[9, 9, 9, 9, 7]);
        let frame = Frame { kind: FrameKind::Amqp, channel: 0x1234, body: &[7] };
        assert_eq!(split(&extended, 512), Ok(Split::Frame { frame, bytes: 13 }));
    }
}
