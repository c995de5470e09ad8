//! The name that was probably meant: the one that the fewest changes of letters lead to.

/// Longest name that is compared, in characters: those of all tables are shorter.
const LENGTH_MAX: usize = 48;

/// How many names are compared. A table has fewer; of sections that users name the first in order are looked at.
const NAMES_MAX: usize = 1000;

/// The most similar of `known`, if it is similar enough: a third of the letters may be wrong, of a short name one. Case does not count.
pub fn most_similar<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = name.chars().count();
    if length > LENGTH_MAX {
        return None;
    }
    let lower = name.to_lowercase();
    let near = known.into_iter().take(NAMES_MAX).map(|known| (distance(&lower, &known.to_lowercase()), known));
    let (steps, nearest) = near.min_by_key(|(steps, _)| *steps)?;
    (steps <= (length / 3).max(1)).then_some(nearest)
}

/// How many letters have to be added, left out or changed to get from one to the other; two swapped neighbours count as one.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut last_row: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    let mut last_letter = None;
    for (index, letter) in one.chars().enumerate() {
        let mut next = vec![index + 1];
        let mut left = index + 1;
        for (column, pair) in row.windows(2).enumerate() {
            let &[diagonal, above] = pair else { continue };
            let wanted = other.get(column).copied();
            let mut steps = (diagonal + usize::from(Some(letter) != wanted)).min(above + 1).min(left + 1);
            let before = column.checked_sub(1);
            let swapped = before.and_then(|before| other.get(before)) == Some(&letter) && last_letter == wanted;
            if let Some(&earlier) = before.and_then(|before| last_row.get(before)).filter(|_| swapped) {
                steps = steps.min(earlier + 1);
            }
            next.push(steps);
            left = steps;
        }
        last_row = std::mem::replace(&mut row, next);
        last_letter = Some(letter);
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_found_and_nothing_else() {
        let known = ["linkCapacity", "host", "port", "role"];
        for (name, meant) in [("linkCapasity", "linkCapacity"), ("LINKCAPACITY", "linkCapacity"), ("prot", "port")] {
            assert_eq!(most_similar(name, known), Some(meant), "{name}");
        }
        for name in ["", "x", "sslProfile", &"port".repeat(100)] {
            assert_eq!(most_similar(name, known), None, "{name}");
        }
        let pairs = [("ab", "ba", 1), ("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("abcd", "acbd", 1)];
        for (one, other, steps) in pairs {
            assert_eq!(distance(one, other), steps, "{one} {other}");
        }
    }
}
