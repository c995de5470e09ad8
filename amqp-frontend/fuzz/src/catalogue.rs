//! The catalogue's log. A fuzzer cannot guess checksums, so that they are made here: the data are taken as they are, and as the bodies
//! of records in a file that is whole.

use engine_catalogue::Placement;
use engine_catalogue::log::{Log, Recovered, recover};

/// Begins the checksums.
const SEED: u64 = 7;

/// Records, each of which says how long its body is, in two octets behind kind and flags.
fn file(data: &[u8]) -> Vec<u8> {
    let mut out = b"HDLCATLG\x01\0\0\0".to_vec();
    out.extend(SEED.to_le_bytes());
    out.extend(crc32c::crc32c(&out).to_le_bytes());
    let (mut rest, mut version) = (data, 1_u64);
    while let [kind, flags, high, low, behind @ ..] = rest {
        let bytes = usize::from(u16::from_be_bytes([*high, *low])).min(behind.len());
        let (body, behind) = behind.split_at(bytes);
        rest = behind;
        let mut header = u32::try_from(bytes).unwrap_or_default().to_le_bytes().to_vec();
        // The top bit of a kind says that it must be understood.
        header.extend((u16::from(kind & 0x7f) | u16::from(kind & 0x80) << 8).to_le_bytes());
        header.extend(u16::from(flags & 7).to_le_bytes());
        header.extend(version.to_le_bytes());
        let seed = crc32c::crc32c(&SEED.to_le_bytes());
        header.extend(crc32c::crc32c_append(crc32c::crc32c_append(seed, &header), body).to_le_bytes());
        header.extend(crc32c::crc32c_append(seed, &header).to_le_bytes());
        out.extend(header);
        out.extend(body);
        version += u64::from(flags & 1);
    }
    out
}

/// A log is read or refused; what is read is written so that it reads the same, and goes on.
pub fn catalogue(data: &[u8]) {
    let placement = Placement::new(2);
    // Only that it ends.
    let _ = recover(placement, data);
    let bytes = file(data);
    let Ok(Recovered { catalogue, seed, whole_bytes, torn_bytes }) = recover(placement, &bytes) else { return };
    assert!(seed == SEED && whole_bytes + torn_bytes == bytes.len() as u64);
    let whole = recover(placement, &bytes[..usize::try_from(whole_bytes).unwrap_or_default()]).expect("it is whole");
    assert_eq!((whole.catalogue.version(), whole.torn_bytes), (catalogue.version(), 0));
    let mut log = Log::new(seed, 0);
    let anew = log.compact(&catalogue).expect("no larger than what it is made of");
    let again = recover(placement, &anew).expect("what is written can be read").catalogue;
    assert!(again.version() == catalogue.version() && again.definitions().eq(catalogue.definitions()));
    // Only that lookups end, whatever is defined.
    let _ = (catalogue.settings("a.b.c"), catalogue.resolve("a::b"));
}
