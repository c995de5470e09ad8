//! One line of a configuration file: what kind of line it is, and the value in it.

use super::environment::expanded;
use super::section::{Environment, Node};
use crate::fault::{Doubt, Findings, shown};
use crate::limits::VALUE_OCTETS_MAX;

/// What kind of line one is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// Nothing, or a comment.
    Blank,
    /// `name {`
    Open(&'a str),
    /// `}`
    Close,
    /// `name: value`
    Attribute(&'a str, &'a str),
    /// `name { name: value, name: value }`, an extension; what is between the braces.
    Whole(&'a str, &'a str),
    /// Something else.
    Unread,
}

impl<'a> Line<'a> {
    /// What kind of line this is; it has no line feed.
    pub fn of(line: &'a str) -> Self {
        let line = line.trim();
        if is_nothing(line) {
            return Self::Blank;
        }
        if let Some(rest) = line.strip_prefix('}') {
            return if is_nothing(behind_commas(rest)) { Self::Close } else { Self::Unread };
        }
        let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || "_-.$".contains(c))).unwrap_or(line.len());
        let (name, rest) = line.split_at(end);
        let rest = rest.trim_start();
        if name.is_empty() {
            return Self::Unread;
        }
        if let Some(value) = rest.strip_prefix(':') {
            return Self::Attribute(name, value.trim());
        }
        match rest.strip_prefix('{').map(str::trim) {
            Some(within) if is_nothing(within) => Self::Open(name),
            Some(within) => end_of_whole(within).map_or(Self::Unread, |within| Self::Whole(name, within)),
            None => Self::Unread,
        }
    }
}

/// Whether this is nothing, or a comment.
pub(super) fn is_nothing(text: &str) -> bool {
    let text = text.trim_start();
    text.is_empty() || text.starts_with('#')
}

/// What comes behind commas that nobody needs.
pub(super) fn behind_commas(text: &str) -> &str {
    text.trim_start_matches(|c: char| c == ',' || c.is_whitespace())
}

/// What comes before the first brace that ends a section of one line, if one does.
fn end_of_whole(within: &str) -> Option<&str> {
    let (mut is_quoted, mut is_escaped, mut variables) = (false, false, 0_u32);
    let mut last = ' ';
    for (at, letter) in within.char_indices() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' if is_quoted || last == ' ' || last == ':' => is_quoted = !is_quoted,
            '{' if !is_quoted && last == '$' => variables += 1,
            '}' if !is_quoted && variables > 0 => variables -= 1,
            '}' if !is_quoted => {
                let (before, rest) = within.split_at(at);
                if is_nothing(behind_commas(rest.strip_prefix('}').unwrap_or_default())) {
                    return Some(before.trim());
                }
            }
            _ => {}
        }
        last = letter;
    }
    None
}

/// The attributes of a section of one line: they are divided by commas or semicolons that a name and a colon follow.
pub(super) fn attributes_of_whole(within: &str) -> Vec<Line<'_>> {
    let mut found = Vec::new();
    let (mut start, mut is_quoted, mut is_escaped, mut last) = (0, false, false, ' ');
    for (at, letter) in within.char_indices() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' if is_quoted || last == ' ' || last == ':' => is_quoted = !is_quoted,
            ',' | ';' if !is_quoted => {
                let rest = within.get(at + 1..).unwrap_or_default();
                if starts_attribute(rest) {
                    found.push(Line::of(within.get(start..at).unwrap_or_default()));
                    start = at + 1;
                }
            }
            _ => {}
        }
        last = letter;
    }
    found.push(Line::of(within.get(start..).unwrap_or_default().trim_end().trim_end_matches([',', ';'])));
    found
}

/// Whether text begins with a name and a colon.
fn starts_attribute(text: &str) -> bool {
    let behind = text.trim_start().trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "_-".contains(c));
    behind.len() < text.trim_start().len() && behind.trim_start().starts_with(':')
}

/// A name in camel case: a hyphen makes the letter behind it large.
pub(crate) fn folded(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut is_large = false;
    for letter in name.chars() {
        match letter {
            '-' => is_large = true,
            letter if is_large => {
                out.push(letter.to_ascii_uppercase());
                is_large = false;
            }
            letter => out.push(letter),
        }
    }
    out
}

/// Attributes whose value a number sign belongs to.
const WITH_NUMBER_SIGN: [&str; 3] = ["pattern", "bindingKey", "hostname"];

/// The value of an attribute with this name in camel case; `None` if there is a fault in it.
pub(super) fn value(
    key: &str,
    text: &str,
    line: u32,
    environment: Environment<'_>,
    findings: &mut Findings,
) -> Option<Node> {
    let plain = match text.starts_with('"') {
        true => quoted(text).map_err(|wrong| {
            findings.fault(line, || {
                let advice = r#"end it with a quotation mark, with \" and \\ for those within, and nothing behind it"#;
                (format!("the value of {} {wrong}", shown(key)), advice.to_owned())
            });
        }),
        false => Ok(unquoted(key, text, line, findings)),
    };
    match expanded(plain.ok()?, environment) {
        Ok(text) if too_long(&text, line, findings) => None,
        Ok(text) => Some(Node::Text(text)),
        Err((wrong, advice)) => {
            findings.fault(line, || (wrong, advice));
            None
        }
    }
}

/// Whether a value is too long, which is a fault.
pub(super) fn too_long(text: &str, line: u32, findings: &mut Findings) -> bool {
    let is_too_long = text.len() > VALUE_OCTETS_MAX;
    if is_too_long {
        findings.fault(line, || {
            let wrong = format!("the value has {} octets, and {VALUE_OCTETS_MAX} are read at most", text.len());
            (wrong, "write a shorter one, or several sections".to_owned())
        });
    }
    is_too_long
}

/// Text in quotation marks, as in JSON: an extension that qdrouterd does not have.
fn quoted(text: &str) -> Result<String, &'static str> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<String>();
    let read = values.next().and_then(Result::ok).ok_or("begins with a quotation mark and is no quoted text")?;
    let rest = text.get(values.byte_offset()..).unwrap_or_default();
    if is_nothing(behind_commas(rest)) { Ok(read) } else { Err("goes on behind its quotation marks") }
}

/// Text as it stands there, without a comment.
fn unquoted(key: &str, text: &str, line: u32, findings: &mut Findings) -> String {
    if WITH_NUMBER_SIGN.contains(&key) {
        let (token, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        // Text behind blanks was never part of these.
        if !is_nothing(behind_commas(rest)) {
            findings.warn(line, Doubt::Ignored, || {
                format!("{} ends at its first blank; what stands behind it is ignored", shown(key))
            });
        }
        return token.trim_end_matches(',').to_owned();
    }
    let Some((before, _)) = text.split_once('#') else { return text.trim_end_matches(',').trim_end().to_owned() };
    if !before.is_empty() && !before.ends_with(char::is_whitespace) {
        findings.warn(line, Doubt::Questionable, || {
            format!(
                "the value of {} ends before the '#'; if that belongs to it, write it in quotation marks",
                shown(key)
            )
        });
    }
    before.trim_end().trim_end_matches(',').trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        for (text, line) in [
            ("", Line::Blank),
            ("  # router {", Line::Blank),
            ("router {", Line::Open("router")),
            ("ssl-profile{ # one", Line::Open("ssl-profile")),
            ("router.config.address {\r", Line::Open("router.config.address")),
            ("  }", Line::Close),
            ("}, # end", Line::Close),
            ("} }", Line::Unread),
            ("mode:interior", Line::Attribute("mode", "interior")),
            ("mode :  a b ", Line::Attribute("mode", "a b")),
            ("mode = interior", Line::Unread),
            ("{", Line::Unread),
            ("router", Line::Unread),
            ("router { mode: interior }", Line::Whole("router", "mode: interior")),
            ("router { id: ${HOST} }, # one", Line::Whole("router", "id: ${HOST}")),
            ("router { id: \"a } # b\" } # c }", Line::Whole("router", "id: \"a } # b\"")),
            ("router { mode: interior", Line::Unread),
        ] {
            assert_eq!(Line::of(text), line, "{text}");
        }
    }

    #[test]
    fn attributes_of_one_line_are_divided_before_names() {
        let pairs = |text| {
            let found = attributes_of_whole(text).into_iter();
            found
                .map(|line| match line {
                    Line::Attribute(key, value) => format!("{key}={value}"),
                    other => format!("{other:?}"),
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(pairs("module: A, enable: trace,info;source: no,"), ["module=A", "enable=trace,info", "source=no"]);
        assert_eq!(pairs("id: \"a, b: c\", mode: edge"), ["id=\"a, b: c\"", "mode=edge"]);
        assert_eq!(pairs("nonsense"), ["Unread"]);
    }

    #[test]
    fn values_end_at_comments_but_in_patterns() {
        let none = |_: &str| None;
        for (key, text, read, warnings) in [
            ("port", "amqp # here", "amqp", 0),
            ("port", "amqp,", "amqp", 0),
            ("saslPassword", "a#b", "a", 1),
            ("saslPassword", r##""a#b\"" , # here"##, "a#b\"", 0),
            ("pattern", "a/# # here", "a/#", 0),
            ("pattern", "a/#,", "a/#", 0),
            ("pattern", "a b", "a", 1),
            ("bindingKey", "#", "#", 0),
            ("metadata", "say \"a\" \\", "say \"a\" \\", 0),
            ("host", "# nothing", "", 0),
        ] {
            let mut findings = Findings::new("a.conf");
            let value = value(key, text, 1, &none, &mut findings);
            assert_eq!(value, Some(Node::Text(read.to_owned())), "{key}: {text}");
            assert_eq!(findings.conclude(()).1.count(), warnings, "{key}: {text}");
        }
        for text in ["\"", "\"a", "\"a\" b", "\"\\q\""] {
            let mut findings = Findings::new("a.conf");
            assert_eq!(value("host", text, 1, &none, &mut findings), None, "{text}");
            assert_eq!(findings.faults_count(), 1);
        }
    }

    #[test]
    fn names_are_folded() {
        let pairs = [("sasl-mechanisms", "saslMechanisms"), ("addr", "addr"), ("a--b-", "aB"), ("-x", "X")];
        for (name, camel) in pairs {
            assert_eq!(folded(name), camel);
        }
    }
}
