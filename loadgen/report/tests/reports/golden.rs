//! Comparison with the files of `tests/golden`.

use std::path::Path;
use std::{env, fs};

/// Panics at the first line that differs from the file's.
pub fn check(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if env::var("HEDDLE_GOLDEN").is_ok_and(|wanted| wanted == "write") {
        fs::write(&path, text).expect("the file can be written");
    }
    let wanted = fs::read_to_string(&path).expect("there is a file of that name");
    for (number, (line, wanted)) in text.lines().zip(wanted.lines()).enumerate() {
        assert_eq!(line, wanted, "{name}, line {}", number + 1);
    }
    assert_eq!(text.len(), wanted.len(), "{name} has a different length");
}
