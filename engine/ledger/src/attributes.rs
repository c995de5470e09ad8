//! Attributes by type and length: what a record says beside its fixed fields, so that a new one needs no new format.
//!
//! Guarantees: a length that does not fit is an error, never a panic. One that is not known is told apart by its flag: it may be
//! skipped, or must be understood.

use storage_journal::Unknown;
use storage_journal::format::Fields;

/// Octets before each value: type 2, flags 2, length 4.
const HEADER: usize = 8;
/// The flag of an attribute that may be skipped.
const SKIP: u16 = 1;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Its type.
    pub kind: u16,
    /// What to do without knowing that.
    pub unknown: Unknown,
    /// Its value.
    pub value: &'a [u8],
}

impl Attribute<'_> {
    /// Appends it to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let flags = if self.unknown == Unknown::Skip { SKIP } else { 0 };
        let length = u32::try_from(self.value.len()).expect("attributes are bounded");
        out.reserve(HEADER + self.value.len());
        out.extend_from_slice(&self.kind.to_le_bytes());
        out.extend_from_slice(&flags.to_le_bytes());
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(self.value);
    }

    /// Its length, octets.
    pub fn bytes(&self) -> usize {
        HEADER + self.value.len()
    }

    /// Without its type being known: goes on, or not.
    ///
    /// # Errors
    /// When it has to be understood.
    pub fn skip(&self) -> Result<(), &'static str> {
        match self.unknown {
            Unknown::Skip => Ok(()),
            Unknown::Refuse => Err(
                "a record has an attribute that this version of Heddle does not know: a newer one wrote it, and is needed \
                     to read it",
            ),
        }
    }
}

/// The attributes of a record, as they lie in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes<'a>(pub &'a [u8]);

impl<'a> Attributes<'a> {
    /// Gives each of them.
    ///
    /// # Errors
    /// The first one of `take`; or that they are none.
    pub fn read(&self, mut take: impl FnMut(Attribute<'a>) -> Result<(), &'static str>) -> Result<(), &'static str> {
        let mut fields = Fields(self.0);
        while !fields.0.is_empty() {
            let header = (|| Some((fields.u16()?, fields.u16()?, fields.u32()?)))();
            let (kind, flags, length) = header.ok_or("an attribute is cut off")?;
            let unknown = match flags {
                0 => Unknown::Refuse,
                SKIP => Unknown::Skip,
                _ => return Err("an attribute has flags that this version of Heddle does not know"),
            };
            let value = fields.take(length as usize).ok_or("an attribute is longer than what encloses it")?;
            take(Attribute { kind, unknown, value })?;
        }
        Ok(())
    }
}
