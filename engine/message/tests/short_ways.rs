//! `section::front`, which looks for what stands before the sections that travel, against `scan`, which locates all of them.

use engine_message::section::{Front, Sections, front, scan};
use proptest::prelude::*;

/// A section in one of its encodings, with so many octets in it.
fn section(code: u8, size: usize, encoding: u8) -> Vec<u8> {
    let mut bytes = vec![0];
    match encoding % 3 {
        0 => bytes.extend_from_slice(&[0x53, code]),
        1 => bytes.extend_from_slice(&[0x80, 0, 0, 0, 0, 0, 0, 0, code]),
        _ => {
            let symbol: &[u8] = match code {
                0x70 => b"amqp:header:list",
                0x71 => b"amqp:delivery-annotations:map",
                0x72 => b"amqp:message-annotations:map",
                0x73 => b"amqp:properties:list",
                0x74 => b"amqp:application-properties:map",
                0x75 => b"amqp:data:binary",
                0x76 => b"amqp:amqp-sequence:list",
                0x77 => b"amqp:amqp-value:*",
                _ => b"amqp:footer:map",
            };
            bytes.extend_from_slice(&[0xa3, symbol.len() as u8]);
            bytes.extend_from_slice(symbol);
        }
    }
    let (short, long) = match code {
        0x70 | 0x73 | 0x76 => (0xc0, 0xd0),
        0x75 => (0xa0, 0xb0),
        0x77 => (0xa1, 0xb1),
        _ => (0xc1, 0xd1),
    };
    // Lists and maps say how many elements there are, here so many nulls; data and strings are octets.
    let compound = !matches!(code, 0x75 | 0x77);
    let size = if compound { size & !1 } else { size };
    if encoding < 128 {
        bytes.extend_from_slice(&[short, (size + usize::from(compound)) as u8]);
        bytes.extend(compound.then_some(size as u8));
    } else {
        bytes.push(long);
        bytes.extend_from_slice(&((size + if compound { 4 } else { 0 }) as u32).to_be_bytes());
        bytes.extend((size as u32).to_be_bytes().into_iter().filter(|_| compound));
    }
    bytes.resize(bytes.len() + size, if compound { 0x40 } else { b'x' });
    bytes
}

/// What `front` should say.
fn expected(sections: &Sections) -> Front {
    let described = !sections.message_annotations.is_empty() || !sections.application_properties.is_empty();
    let properties = sections.properties.clone();
    Front { header_end: sections.header.end, kept: sections.kept(), properties, described }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn front_says_of_a_message_what_scan_does(
        there in any::<[bool; 9]>(), sizes in any::<[u8; 9]>(), encodings in any::<[u8; 9]>(), several in 1..4_usize,
        swap in proptest::option::weighted(0.1, (0..9_usize, 0..9_usize)), flip in proptest::option::weighted(0.3, any::<(u16, u8)>()),
        cut in proptest::option::weighted(0.1, any::<u16>()),
    ) {
        let mut codes: Vec<u8> = (0x70..0x79).collect();
        if let Some((one, other)) = swap {
            codes.swap(one, other);
        }
        // A body is of one kind.
        let body = 0x75 + sizes[0] % 3;
        let mut message = Vec::new();
        for (place, code) in codes.into_iter().enumerate() {
            let is_body = (0x75..0x78).contains(&code);
            let times = if code == body && body != 0x77 { several } else { 1 };
            if there[place] && (!is_body || code == body) {
                let section = section(code, usize::from(sizes[place]) % 100, encodings[place]);
                message.extend(section.repeat(times));
            }
        }
        let is_whole = swap.is_none() && flip.is_none() && cut.is_none();
        if let Some((place, value)) = flip.filter(|_| !message.is_empty()) {
            let place = usize::from(place) % message.len();
            message[place] = value;
        }
        message.truncate(cut.map_or(message.len(), |cut| usize::from(cut) % (message.len() + 1)));
        let found = scan(&message);
        prop_assert!(!is_whole || found.is_ok(), "{:?}: {:x?}", found, message);
        prop_assert_eq!(front(&message), found.as_ref().map(expected).map_err(Clone::clone));
    }

    #[test]
    fn front_says_of_any_octets_what_scan_does(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        prop_assert_eq!(front(&bytes), scan(&bytes).map(|sections| expected(&sections)));
    }
}
