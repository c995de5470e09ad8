//! Moments as names of folders.

use load_model::number;

/// A moment, milliseconds since 1970, as it is written in a folder's name: `2026-01-02T03-04-05Z`. No colons: they are not allowed in names
/// everywhere.
pub fn name(ms: u64) -> String {
    number::date(ms).replacen(' ', "T", 1).replace(':', "-").replace(" UTC", "Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_have_the_name_of_their_day() {
        for (seconds, expected) in [
            (0, "1970-01-01T00-00-00Z"),
            (951_782_399, "2000-02-28T23-59-59Z"),
            (951_782_400, "2000-02-29T00-00-00Z"),
            (951_868_800, "2000-03-01T00-00-00Z"),
            (1_795_654_678, "2026-11-26T00-57-58Z"),
            (4_102_444_800, "2100-01-01T00-00-00Z"),
        ] {
            assert_eq!(name(seconds * 1000), expected);
        }
    }
}
