//! Levels of the log: one, or several by area, such as `info,heddle::net=debug`.

use super::similar::most_similar;

/// Levels, from silence to everything.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
/// The areas that log lines of the program name.
const AREAS: [&str; 4] = ["heddle", "heddle::net", "heddle::program", "heddle::storage"];

/// What is expected, for people.
pub const EXPECTED: &str =
    "off, error, warn, info, debug or trace, and levels of areas behind it, such as \"info,heddle::net=debug\"";

/// Whether a text is a list of levels. What is taken here, the log's filter takes as well: not the other way round, as that takes every
/// word for an area.
pub fn is_list(list: &str) -> Result<(), String> {
    list.split(',').try_for_each(|part| match part.split_once('=') {
        None => is_level(part),
        Some((area, level)) => is_area(area).and_then(|()| is_level(level)),
    })
}

fn is_level(level: &str) -> Result<(), String> {
    if LEVELS.iter().any(|known| known.eq_ignore_ascii_case(level)) {
        return Ok(());
    }
    let advice = match most_similar(level, LEVELS) {
        Some(known) => format!("; did you mean {known}?"),
        None if is_area(level).is_ok() => format!("; for an area write {level}=debug"),
        None => String::new(),
    };
    Err(format!("{level:?} is no level{advice}"))
}

fn is_area(area: &str) -> Result<(), String> {
    let letters = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'_' || octet == b':';
    if area.is_empty() || !area.bytes().all(letters) {
        return Err(format!("{area:?} is no area"));
    }
    if area.starts_with("heddle") && !AREAS.contains(&area) {
        return Err(format!("{area:?} is no area: there are {}", AREAS.join(", ")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn levels_are_those_that_there_are() {
        for list in ["info", "WARN", "off", "info,heddle::net=debug", "warn,heddle::storage=trace", "heddle=info"] {
            is_list(list).unwrap();
            tracing_subscriber::EnvFilter::try_new(list).unwrap();
        }
        for (list, said) in [
            ("", "no level"),
            ("inof", "did you mean info?"),
            ("loud", "no level"),
            ("info,", "no level"),
            ("info, debug", "no level"),
            ("heddle::net", "heddle::net=debug"),
            ("heddle::nte=debug", "heddle::net"),
            ("=debug", "no area"),
            ("info,heddle::net=", "no level"),
            ("heddle::net=5", "no level"),
            ("[x]=info", "no area"),
        ] {
            let error = is_list(list).expect_err(list);
            assert!(error.contains(said), "{list}: {error}");
        }
    }

    /// Every area that a line of the log names is known here.
    #[test]
    fn areas_are_those_of_the_sources() {
        let mut folders: Vec<_> =
            ["src", "amqp-frontend", "engine", "storage"].map(Path::new).map(Path::to_owned).to_vec();
        let mut found = 0;
        while let Some(path) = folders.pop() {
            for entry in std::fs::read_dir(path).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let text = std::fs::read_to_string(&path).unwrap();
                    for (_, rest) in text.match_indices("target: \"").map(|(at, mark)| text.split_at(at + mark.len())) {
                        let area = rest.split('"').next().unwrap();
                        assert!(!area.starts_with("heddle") || AREAS.contains(&area), "{}: {area}", path.display());
                        found += 1;
                    }
                }
            }
        }
        assert!(found > 10, "there are log lines");
    }
}
