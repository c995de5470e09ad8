//! The form of qdrouterd: sections of lines between braces, each line by itself.

use super::json::Source;
use super::line::{Line, attributes_of_whole, behind_commas, folded, is_nothing, value};
use super::section::{Entry, Environment, Node, Section, Sections};
use crate::fault::{Findings, shown};
use crate::limits::{DEPTH_MAX, SHOWN_MAX};
use crate::schema;

/// Attributes whose maps may stand there as JSON.
const JSON_MAPS: [&str; 2] = ["openProperties", "groups"];

/// Reads a file into sections.
pub(super) fn read_file(text: &str, environment: Environment<'_>, findings: &mut Findings, sections: &mut Sections) {
    let mut reader = Reader { rest: text, line: 0, open: Vec::new(), environment, findings, sections };
    while let Some(line) = reader.next_line() {
        reader.handle(line);
    }
    reader.close_all("the file ends");
}

/// A section or a map whose closing brace has not come yet.
struct Open {
    name: String,
    line: u32,
    entries: Vec<Entry>,
}

struct Reader<'a, 'f> {
    /// What was not looked at yet.
    rest: &'a str,
    /// The last line that was.
    line: u32,
    /// The section, and the maps within.
    open: Vec<Open>,
    environment: Environment<'a>,
    findings: &'f mut Findings,
    sections: &'f mut Sections,
}

impl<'a> Reader<'a, '_> {
    fn next_line(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() {
            return None;
        }
        let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
        self.rest = rest;
        self.line = self.line.saturating_add(1);
        Some(line)
    }

    fn handle(&mut self, text: &'a str) {
        match Line::of(text) {
            Line::Blank => {}
            Line::Open(name) => self.open_section(name),
            Line::Close => self.close(),
            Line::Attribute(name, value) => self.attribute(name, value),
            Line::Whole(name, within) => self.whole(name, within),
            Line::Unread => self.fault(|| (format!("this line is not understood: {}", shown_line(text)), advice(text))),
        }
    }

    /// A fault of the last line.
    fn fault(&mut self, words: impl FnOnce() -> (String, String)) {
        self.findings.fault(self.line, words);
    }

    fn open_section(&mut self, name: &str) {
        let name = folded(name);
        if !self.open.is_empty() {
            if schema::section(&name).is_some() {
                self.close_all(&format!("{} begins", shown(&name)));
            } else {
                let text = format!("a map has a colon: write `{name}: {{`");
                self.fault(|| (format!("{} is no section, and stands within one", shown(&name)), text));
            }
        }
        self.push(name);
    }

    fn push(&mut self, name: String) {
        if self.open.len() == DEPTH_MAX {
            self.fault(|| {
                (
                    format!("maps are more than {DEPTH_MAX} deep"),
                    "a closing brace is missing above, or one is too many".to_owned(),
                )
            });
        }
        self.open.push(Open { name, line: self.line, entries: Vec::new() });
    }

    fn close(&mut self) {
        let Some(closed) = self.open.pop() else {
            let advice = "leave it out, or look above for a section that lost its first line";
            self.fault(|| ("this brace closes nothing".to_owned(), advice.to_owned()));
            return;
        };
        let is_too_deep = self.open.len() >= DEPTH_MAX;
        match self.open.last_mut() {
            // Deeper ones were told of, and are not kept: what walks over them need not fear their depth.
            Some(_) if is_too_deep => {}
            Some(outer) => {
                let (key, line) = (closed.name, closed.line);
                outer.entries.push(Entry { key, line, node: Node::Map(closed.entries) });
            }
            None => {
                let section = Section { name: closed.name, line: closed.line, entries: closed.entries };
                self.sections.add(section, self.findings);
            }
        }
    }

    /// Closes whatever is open, which is a fault if something is.
    fn close_all(&mut self, why: &str) {
        if let Some(innermost) = self.open.last() {
            let (name, line) = (innermost.name.clone(), innermost.line);
            self.findings.fault(self.line, || {
                let wrong = format!("{why} before {} of line {line} is closed", shown(&name));
                (wrong, "write `}` on a line of its own behind its last attribute".to_owned())
            });
        }
        while !self.open.is_empty() {
            self.close();
        }
    }

    fn attribute(&mut self, name: &str, text: &'a str) {
        // Names of groups and of properties stay as they are.
        let key = if self.open.len() > 1 { name.to_owned() } else { folded(name) };
        let map = text.strip_prefix('{');
        if self.open.is_empty() {
            let opens = map.is_some_and(is_nothing);
            self.fault(|| {
                let advice = match opens {
                    true => format!("a section has no colon: write `{name} {{`"),
                    false => "write it between the braces of a section, or look above for a brace too many".to_owned(),
                };
                (format!("the attribute {} stands in no section", shown(name)), advice)
            });
            // What is within would only be told of again.
            if opens {
                self.push(key);
            }
            return;
        }
        match map {
            Some(within) if JSON_MAPS.contains(&key.as_str()) && self.is_json(within) => self.json(key, text),
            Some(within) if is_nothing(within) => self.push(key),
            _ => self.plain(key, text),
        }
    }

    fn plain(&mut self, key: String, text: &str) {
        if let Some(node) = value(&key, text, self.line, self.environment, self.findings) {
            let line = self.line;
            if let Some(open) = self.open.last_mut() {
                open.entries.push(Entry { key, line, node });
            }
        }
    }

    /// Whether what follows an opening brace is JSON: a name in quotation marks, or nothing before the end of the line.
    fn is_json(&self, within: &str) -> bool {
        let lines = std::iter::once(within).chain(self.rest.split('\n'));
        let said = lines.map(str::trim).find(|line| !is_nothing(line));
        let is_on_line = !is_nothing(within);
        said.is_some_and(|line| line.starts_with('"') || (is_on_line && line.starts_with('}')))
    }

    /// Reads a map of JSON that begins with this text, over as many lines as its braces take.
    fn json(&mut self, key: String, first: &'a str) {
        let first_line = self.line;
        let mut object = String::new();
        let mut depth = 0_usize;
        let mut line = first;
        loop {
            match end_of_object(line, &mut depth) {
                Some(end) => {
                    let (within, rest) = line.split_at(end);
                    object.push_str(within);
                    if !is_nothing(behind_commas(rest)) {
                        let wrong = format!("{} goes on behind its closing brace", shown(&key));
                        self.fault(|| (wrong, "write what follows on a line of its own".to_owned()));
                    }
                    break;
                }
                None => object.push_str(line),
            }
            object.push('\n');
            let Some(next) = self.next_line() else {
                let wrong = format!("the braces of {} are not closed", shown(&key));
                self.findings.fault(first_line, || (wrong, "write a `}` for each `{` of its map".to_owned()));
                return;
            };
            line = if next.trim_start().starts_with('#') { "" } else { next };
        }
        let depth = self.open.len() + 1;
        if let Some(entries) = Source::new(&object, first_line, self.environment).object(depth, self.findings)
            && let Some(open) = self.open.last_mut()
        {
            open.entries.push(Entry { key, line: first_line, node: Node::Map(entries) });
        }
    }

    fn whole(&mut self, name: &str, within: &'a str) {
        if !self.open.is_empty() {
            self.close_all(&format!("{} begins", shown(name)));
        }
        self.push(folded(name));
        for line in attributes_of_whole(within) {
            match line {
                Line::Attribute(name, value) => self.plain(folded(name), value),
                Line::Blank => {}
                _ => self.fault(|| {
                    let advice = "write `name: value`, with commas between attributes";
                    (format!("{} has something else than attributes", shown(name)), advice.to_owned())
                }),
            }
        }
        self.close();
    }
}

/// Where the object ends in a line of JSON, given how many braces are open before it.
fn end_of_object(line: &str, depth: &mut usize) -> Option<usize> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, octet) in line.bytes().enumerate() {
        match octet {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b'{' if !is_quoted => *depth += 1,
            b'}' if !is_quoted => {
                *depth = depth.saturating_sub(1);
                if *depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// What a line says that is not understood; not a password.
fn shown_line(line: &str) -> String {
    let line = line.trim();
    let first = line.split([' ', '\t', '=']).next().unwrap_or_default();
    if line.to_ascii_lowercase().contains("password") { format!("{}…", shown(first)) } else { shown(line) }
}

/// What to write instead of it.
fn advice(line: &str) -> String {
    let line = line.trim();
    let name = line.split_once('=').map(|(name, _)| name.trim_end()).unwrap_or_default();
    if !name.is_empty()
        && name.len() < SHOWN_MAX
        && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
    {
        return format!("an attribute has a colon: write `{name}: VALUE`");
    }
    let advice = match line.bytes().next() {
        Some(b'}') => "a closing brace stands alone on its line",
        Some(b'{') => "an opening brace ends the line of its section's name: write `router {`",
        _ if line.contains('{') => "the opening brace ends its line, and the closing one stands alone on its own",
        _ => "write `name {` to begin a section, `name: value` for an attribute, `}` to end a section",
    };
    advice.to_owned()
}
