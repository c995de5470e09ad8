//! Selectors: any text, on any message.

use engine_selector::{Index, Selector, View};

/// A text is taken or refused with a short sentence, and a selector is true, false or unknown for any message; the index agrees. The
/// text stands before the first line feed, what is behind it is the message, without header and delivery annotations.
pub fn selector(data: &[u8]) {
    let at = data.iter().position(|octet| *octet == b'\n').unwrap_or(data.len());
    let Ok(text) = std::str::from_utf8(&data[..at]) else { return };
    let kept = data.get(at + 1..).unwrap_or_default();
    let view = View { durable: false, priority: 4, delivery_count: 0, expiry_ms: 0, address: "orders", kept };
    let selector = match Selector::parse(text) {
        Ok(selector) => selector,
        Err(error) => {
            assert!(error.to_string().chars().count() <= 200, "a short sentence: {error}");
            assert!(error.position <= text.chars().count() + 1, "an error is within the text: {error}");
            return;
        }
    };
    let matches = selector.matches(&view);
    let mut index = Index::default();
    index.insert((), &selector);
    let mut is_candidate = false;
    index.candidates(&view, |()| is_candidate = true);
    assert!(is_candidate || !matches, "whatever matches is a candidate");
    // Behind a prefix it is another text.
    if let Ok(opposite) = Selector::parse(&format!("NOT ({text})")) {
        assert!(!(matches && opposite.matches(&view)), "not both");
    }
}
