//! A message with properties, for selectors to look at.

use engine_message::encode::{self, Compound, finish_map};
use engine_selector::View;

/// What applications ask for most.
pub const EQUALITY: &str = "color = 'red'";

/// Application properties of about 100 octets, the one that is asked for among the last, and a small body.
#[must_use]
pub fn message() -> Vec<u8> {
    let mut kept = Vec::new();
    encode::descriptor(&mut kept, 0x74);
    let mut map = Compound::map(&mut kept);
    for (key, value) in [("customer", "4711-0815"), ("region", "north-west"), ("kind", "order"), ("currency", "EUR")] {
        map.put(|out| encode::string(out, key)).put(|out| encode::string(out, value));
    }
    map.put(|out| encode::string(out, "quantity")).put(|out| encode::uint(out, 5));
    map.put(|out| encode::string(out, "color")).put(|out| encode::string(out, "red"));
    finish_map(map);
    encode::descriptor(&mut kept, 0x75);
    encode::binary(&mut kept, &[7; 16]);
    kept
}

/// What selectors see of it.
#[must_use]
pub fn view(kept: &[u8]) -> View<'_> {
    View { durable: false, priority: 4, delivery_count: 0, expiry_ms: 0, address: "orders", kept }
}
