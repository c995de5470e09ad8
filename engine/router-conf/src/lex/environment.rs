//! Variables of the environment in values: `${NAME}`, an extension that qdrouterd does not have.
//!
//! Names are of capital letters, digits and underscores, so that `${user}` of a policy stays what it is. `$${` stands for `${`.

use super::section::Environment;
use crate::limits::VALUE_OCTETS_MAX;

/// Whether a variable can have this name.
fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
        && name.bytes().all(|octet| octet.is_ascii_uppercase() || octet.is_ascii_digit() || octet == b'_')
}

/// The name, if text begins with a variable, and what comes behind it.
fn variable(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.strip_prefix("${")?.split_once('}')?;
    is_variable(name).then_some((name, rest))
}

/// The text with its variables put in.
///
/// # Errors
/// What is wrong and what to do: a variable is not set, or they make the text longer than `VALUE_OCTETS_MAX`.
pub(super) fn expanded(text: String, environment: Environment<'_>) -> Result<String, (String, String)> {
    if !text.contains("${") {
        return Ok(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        if let Some(behind) = from.strip_prefix("$${") {
            out.push_str("${");
            rest = behind;
        } else if let Some((name, behind)) = variable(from) {
            let value = environment(name).ok_or_else(|| {
                let wrong = format!("the environment has no variable {name}");
                (wrong, format!("set it, or write $${{{name}}} if the text itself is meant"))
            })?;
            out.push_str(&value);
            rest = behind;
        } else {
            out.push('$');
            rest = from.strip_prefix('$').unwrap_or_default();
        }
        if out.len() > VALUE_OCTETS_MAX {
            let wrong = format!("with its variables the value is longer than {VALUE_OCTETS_MAX} octets");
            return Err((wrong, "set them to less".to_owned()));
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// The text that `expanded` makes this text of.
pub(crate) fn protected(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        // What would be read as a variable, or as one that is protected.
        if variable(from).is_some() || out.ends_with('$') {
            out.push('$');
        }
        out.push_str("${");
        rest = from.strip_prefix("${").unwrap_or_default();
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> Option<String> {
        match name {
            "HOST" => Some("a.example".to_owned()),
            "MONEY" => Some("${HOST}".to_owned()),
            "LONG" => Some("x".repeat(VALUE_OCTETS_MAX)),
            _ => None,
        }
    }

    #[test]
    fn variables_are_put_in_once() {
        for (text, value) in [
            ("${HOST}", "a.example"),
            ("x-${HOST}-${HOST}$", "x-a.example-a.example$"),
            ("${MONEY}", "${HOST}"),
            ("$${HOST}", "${HOST}"),
            ("$$${HOST}", "$${HOST}"),
            ("${user}-a", "${user}-a"),
            ("$coordinator ${ ${}", "$coordinator ${ ${}"),
        ] {
            assert_eq!(expanded(text.to_owned(), &of).unwrap(), value, "{text}");
        }
        assert!(expanded("${NOTHING}".to_owned(), &of).unwrap_err().0.contains("no variable NOTHING"));
        assert!(expanded("${LONG}${LONG}".to_owned(), &of).unwrap_err().0.contains("longer than"));
    }

    #[test]
    fn what_is_protected_stays() {
        for text in ["${HOST}", "$${HOST}", "$$$${user}${", "${user}", "$${user}", "a$", "$${", "${HOST", "${${HOST}"] {
            assert_eq!(expanded(protected(text), &of).unwrap(), text, "{text}");
        }
        assert_eq!(protected("${user}/$default"), "${user}/$default");
    }
}
