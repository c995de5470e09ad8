//! The name that was probably meant: by the fewest letters that were added, left out, changed or swapped with their
//! neighbour; or what other tables and other products call it.

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

/// What is said of a setting that has its name elsewhere.
pub fn called_otherwise(area: &str, name: &str) -> Option<String> {
    let instead = match (area, name) {
        ("connectors", "host" | "port" | "address" | "addresses" | "endpoint" | "failover" | "failoverUrls") => {
            "write endpoints = [\"HOST:PORT\"], with others behind the first that are tried when it fails"
        }
        ("connectors", "sasl_password" | "password" | "saslPassword") => {
            "a password does not stand in this file: write sasl_password_file or sasl_password_env"
        }
        ("connectors", "user" | "username" | "sasl_user" | "saslUsername") => "write sasl_username",
        ("connectors", "mechanism" | "mechanisms" | "sasl_mechanisms" | "saslMechanisms") => {
            "write sasl_mechanism, which is one"
        }
        ("connectors", "sslProfile" | "tls" | "ssl") => {
            "write transport = \"tls\" and ca; certificate and key if the peer asks for them"
        }
        ("connectors", "sasl") => "write sasl_mechanism; \"none\" leaves SASL out",
        ("connectors", "idleTimeoutSeconds" | "idle_timeout_seconds") => "write idle_timeout_ms, in milliseconds",
        ("connectors", "handshake_timeout_ms") => "write connect_timeout_ms",
        ("connectors" | "listeners", "cost") => "connections between routers are not there yet: leave it out",
        _ => return None,
    };
    Some(format!("{area}.{name} is no setting: {instead}"))
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
