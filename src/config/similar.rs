//! The name that was probably meant: by the fewest letters that were added, left out, changed or swapped with their neighbour.

/// Longest name that is compared, characters.
const LENGTH_MAX: usize = 40;

/// The most similar of `known`, if one is similar enough to be what was meant.
pub fn most_similar<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = name.chars().count();
    if length > LENGTH_MAX {
        return None;
    }
    let lower = name.to_lowercase();
    let near = known.into_iter().map(|known| (distance(&lower, &known.to_lowercase()), known));
    let (steps, nearest) = near.min_by_key(|(steps, _)| *steps)?;
    // A third of the letters may be wrong; of a short name one.
    (steps <= (length / 3).max(1)).then_some(nearest)
}

fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    let mut last = None;
    for (index, letter) in one.chars().enumerate() {
        let mut next = vec![index + 1];
        for (column, &wanted) in other.iter().enumerate() {
            let changed = row[column] + usize::from(letter != wanted);
            let mut steps = changed.min(row[column + 1] + 1).min(next[column] + 1);
            if column > 0 && last == Some(wanted) && other[column - 1] == letter {
                steps = steps.min(before[column - 1] + 1);
            }
            next.push(steps);
        }
        before = std::mem::replace(&mut row, next);
        last = Some(letter);
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_found_and_nothing_else() {
        let known = ["cores", "shards", "data_dir", "segment_mib"];
        for (name, meant) in
            [("corse", "cores"), ("core", "cores"), ("Data-Dir", "data_dir"), ("segmentmib", "segment_mib")]
        {
            assert_eq!(most_similar(name, known), Some(meant), "{name}");
        }
        for name in ["", "x", "listen", "ports", &"cores".repeat(100)] {
            assert_eq!(most_similar(name, known), None, "{name}");
        }
        assert_eq!(distance("ab", "ba"), 1);
        assert_eq!(distance("", "abc"), 3);
    }
}
