//! Lists of cores: `all`, or numbers and ranges such as `0,2-3`.

use std::ops::RangeInclusive;

/// Highest core that a list can name: the kernel's sets have as many.
const CORE_MAX: usize = 1023;

/// Whether a text is a list of cores.
pub fn is_list(list: &str) -> Result<(), String> {
    parse(list).map(drop)
}

/// The ranges of a list; `None` for all cores.
fn parse(list: &str) -> Result<Option<Vec<RangeInclusive<usize>>>, String> {
    if list == "all" {
        return Ok(None);
    }
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        match (first.trim().parse::<usize>(), last.trim().parse::<usize>()) {
            (Ok(first), Ok(last)) if first <= last && last <= CORE_MAX => Ok(first..=last),
            (Ok(_), Ok(last)) if last > CORE_MAX => Err(format!("there is no core above {CORE_MAX}")),
            _ => Err(format!("{part:?} is neither a core nor a range such as 0-3")),
        }
    };
    list.split(',').map(range).collect::<Result<_, _>>().map(Some)
}

/// The cores of a list, in its order.
///
/// # Errors
/// When the list names one twice, or one that this process may not use.
pub fn choose(list: &str, allowed: &[usize]) -> Result<Vec<usize>, String> {
    let Some(ranges) = parse(list)? else { return Ok(allowed.to_vec()) };
    let mut cores: Vec<usize> = Vec::new();
    for core in ranges.into_iter().flatten() {
        if !allowed.contains(&core) {
            return Err(format!("core {core} is not among those that this process may use: {}", write(allowed)));
        }
        if cores.contains(&core) {
            return Err(format!(
                "core {core} stands in it twice: several shards on a core are asked for with node.shards"
            ));
        }
        cores.push(core);
    }
    Ok(cores)
}

/// Writes cores as a list, neighbours as ranges.
pub fn write(cores: &[usize]) -> String {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for &core in cores {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == core => *last = core,
            _ => ranges.push((core, core)),
        }
    }
    let range =
        |(first, last): (usize, usize)| if first == last { first.to_string() } else { format!("{first}-{last}") };
    ranges.into_iter().map(range).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_name_cores_that_are_there() {
        let allowed = [0, 1, 2, 3];
        assert_eq!(choose("0, 2-3", &allowed), Ok(vec![0, 2, 3]));
        assert_eq!(choose("all", &allowed), Ok(allowed.to_vec()));
        for (list, said) in [
            ("7", "0-3"),
            ("x", "neither"),
            ("", "neither"),
            ("3-1", "neither"),
            ("0,0", "twice"),
            ("0-99999999999", "above 1023"),
            ("-1", "neither"),
        ] {
            let error = choose(list, &allowed).expect_err(list);
            assert!(error.contains(said), "{list}: {error}");
        }
        assert_eq!(write(&[0, 1, 2, 5, 7, 8]), "0-2,5,7-8");
    }
}
