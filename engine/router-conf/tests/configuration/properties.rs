//! What holds for any text, and for any configuration that the table allows.
//!
//! Both are made of a sequence of choices, which proptest makes and shortens: which attributes, which values, which changes of a file.

use engine_router_conf::schema::{Access, Attribute, EntityType, GROUP, Kind, Presence, Standing, TYPES};
use proptest::prelude::*;

use super::{configuration_both_ways, read};

/// A sequence of choices; behind its end the first of each is chosen.
struct Choices {
    left: std::vec::IntoIter<u8>,
    numbers: usize,
}

impl Choices {
    fn new(choices: Vec<u8>) -> Self {
        Self { left: choices.into_iter(), numbers: 0 }
    }

    /// A number that was not there before.
    fn number(&mut self) -> usize {
        self.numbers += 1;
        self.numbers
    }

    /// A number below another one, which is not 0.
    fn below(&mut self, end: usize) -> usize {
        let high = usize::from(self.left.next().unwrap_or(0));
        let low = usize::from(self.left.next().unwrap_or(0));
        (high * 256 + low) % end
    }

    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}

/// Texts that are easily taken for something else.
const TEXTS: [&str; 18] = [
    "a", "", " a ", "a#b", "# a", "\"a\"", "{", "{}", "}", "a,", "a, b", "${user}", "$${HOST}", "é\n\t", "a: b", "\\",
    "$default", "yes",
];

/// A value of an attribute, as a file has it in quotation marks where it needs some.
fn value(of: &EntityType, attribute: &Attribute, choices: &mut Choices) -> String {
    let quoted = |text: String| serde_json::Value::String(text).to_string();
    match (of.section, attribute.name) {
        ("router", "id") => return choices.one(&["a", "\"a#b\"", "ü,x", "\"{\""]).to_owned(),
        (_, "host") => return choices.one(&["a", "::1", "10.0.0.1", "\"\"", "${HOST}"]).to_owned(),
        (_, "aliases") => return format!("h{}, h{}", choices.number(), choices.number()),
        (_, "hostname") => return quoted(format!("{}{}", choices.one(&TEXTS), choices.number())),
        (_, "prefix" | "pattern") => return quoted(format!("a{}{}", choices.number(), choices.one(&TEXTS))),
        (_, "port") => return (1 + choices.below(60_000)).to_string(),
        (_, "sslProfile") => return "known".to_owned(),
        (_, "saslPlugin") => return "known".to_owned(),
        ("connector", "role") => {
            return choices.one(&["normal", "route-container", "on-demand", "inter-router"]).to_owned();
        }
        (_, "protocols") => return choices.one(&["TLSv1.2", "TLSv1.1 TLSv1.2", " TLSv1.3   TLSv1 "]).to_owned(),
        (_, "uidFormat") => return choices.one(&["c", "c;s;l;o;u;n", "1", "n; 5"]).to_owned(),
        (_, "enable") => {
            return choices.one(&["trace+", "info,error", "none", "default", "debug, warning+"]).to_owned();
        }
        (_, "outputFile") => return choices.one(&["stderr", "syslog", "\"a b#\"", "/var/log/a"]).to_owned(),
        (_, "policyVhost") if of.section == "connector" => return "known".to_owned(),
        (_, "users") => return format!("u{}, v{}", choices.number(), choices.number()),
        _ => {}
    }
    match attribute.kind {
        Kind::Switch => choices.one(&["yes", "no", "TRUE", "off"]).to_owned(),
        Kind::Integer { least, most } => {
            let near = i64::try_from(choices.below(1000)).expect("it is small");
            choices.one(&[&least, &most, &(least + near).min(most)]).to_string()
        }
        Kind::Word(words) => choices.one(words).to_owned(),
        Kind::Secret => {
            quoted(format!("{}{}", choices.one(&["pass:", "", "env:A", "file:/a", "literal:"]), choices.one(&TEXTS)))
        }
        Kind::Map => choices
            .one(&[
                "{}",
                "{\"a\": {\"b\": \"$${HOST}\"}, \"#\": [\"${HOST}\", 1e300, null]}",
                "{ \"${HOST}\": \"\\\"}\" }",
            ])
            .to_owned(),
        Kind::Text | Kind::Path | Kind::Tokens | Kind::Commas | Kind::Groups | Kind::List => {
            quoted(choices.one(&TEXTS).to_owned())
        }
    }
}

/// Attributes that may not stand beside each other.
const EXCLUSIVE: [(&str, &str); 9] = [
    ("prefix", "pattern"),
    ("connection", "containerId"),
    ("enableFallback", "waypoint"),
    ("enableFallback", "ingressPhase"),
    ("enableFallback", "egressPhase"),
    ("passwordFile", "password"),
    ("sources", "sourcePattern"),
    ("targets", "targetPattern"),
    ("role", "openProperties"),
];

/// Attributes that have to stand there for others.
const NEEDED: [(&str, &str); 4] =
    [("address", "prefix"), ("linkRoute", "prefix"), ("listener", "sslProfile"), ("authServicePlugin", "host")];

/// The lines of a section's attributes; as what it is the so-manieth, for its name.
fn attributes(of: &EntityType, index: usize, choices: &mut Choices) -> Vec<String> {
    let mut lines = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    for attribute in of.own {
        let is_set = attribute.access != Access::Told && !matches!(attribute.standing, Standing::Refused(_));
        let is_needed = attribute.presence == Presence::Required || NEEDED.contains(&(of.section, attribute.name));
        let excludes = |(one, other): &(&str, &str)| {
            (attribute.name == *other && names.contains(one)) || (attribute.name == *one && names.contains(other))
        };
        let is_excluded = EXCLUSIVE.iter().any(excludes);
        if !is_set || is_excluded || attribute.kind == Kind::Groups || (!is_needed && choices.below(3) > 0) {
            continue;
        }
        names.push(attribute.name);
        let written = attribute.former.first().map_or(attribute.name, |former| former.name);
        let is_former = attribute.kind != Kind::Switch && choices.below(4) == 1;
        let name = if is_former { written } else { attribute.name };
        lines.push(format!("{name}: {}", value(of, attribute, choices)));
    }
    if !["router", "policy"].contains(&of.section) && of.section != GROUP.section {
        lines.push(format!("name: \"{}{index}\"", choices.one(&["n", " n#", "x/"])));
    }
    lines
}

/// A file that the table allows.
fn allowed(choices: &mut Choices) -> String {
    let mut file = String::from("sslProfile {\n name: known\n}\nauthServicePlugin {\n name: known\n host: a\n}\n");
    file.push_str("vhost {\n hostname: known\n groups: {\n $connector: {\n }\n }\n}\nrouter {\n mode: interior\n");
    let router = TYPES.iter().find(|of| of.section == "router").expect("it is there");
    let lines = attributes(router, 0, choices).into_iter().filter(|line| !line.starts_with("mode:"));
    file.push_str(&format!("{}\n}}\n", lines.collect::<Vec<_>>().join("\n")));
    let several: Vec<&&EntityType> = TYPES
        .iter()
        .filter(|of| of.standing == Standing::Current && !["router", "log"].contains(&of.section))
        .collect();
    let mut has_policy = false;
    for index in 0..choices.below(8) {
        let of = several[choices.below(several.len())];
        if of.section == "policy" && std::mem::replace(&mut has_policy, true) {
            continue;
        }
        file.push_str(&format!("{} {{\n{}\n", of.section, attributes(of, index, choices).join("\n")));
        if of.section == "vhost" {
            file.push_str("groups: {\n");
            for group in 0..choices.below(3) {
                file.push_str(&format!("g{index}-{group}: {{\n{}\n}}\n", attributes(GROUP, group, choices).join("\n")));
            }
            file.push_str("}\n");
        }
        file.push_str("}\n");
    }
    let module = TYPES.iter().find(|of| of.section == "log").expect("it is there");
    file.push_str(&format!("log {{\n{}\n}}\n", attributes(module, 0, choices).join("\n")));
    file
}

/// Files that are changed.
const FILES: [(&str, &str); 8] = [
    ("standalone.conf", include_str!("../../testdata/standalone.conf")),
    ("interior.conf", include_str!("../../testdata/interior.conf")),
    ("edge.conf", include_str!("../../testdata/edge.conf")),
    ("waypoint.conf", include_str!("../../testdata/waypoint.conf")),
    ("link-routes.conf", include_str!("../../testdata/link-routes.conf")),
    ("former.conf", include_str!("../../testdata/former.conf")),
    ("policy.conf", include_str!("../../testdata/policy.conf")),
    ("variant.json", include_str!("../../testdata/variant.json")),
];

/// What is put into files.
const PARTS: [&str; 20] = [
    "\"",
    "{",
    "}",
    "\n",
    ":",
    "#",
    ",",
    "\\",
    "${",
    "$${HOST}",
    "[",
    "]",
    "\u{0}",
    "ü",
    " ",
    "groups: {\n",
    "openProperties: {\"",
    "x {\n",
    "}\n",
    "-1",
];

/// One of the files with some changes.
fn changed(choices: &mut Choices) -> (&'static str, String) {
    let (name, text) = FILES[choices.below(FILES.len())];
    let mut text: Vec<char> = text.chars().collect();
    for _ in 0..choices.below(6) {
        let at = choices.below(text.len() + 1);
        match choices.below(4) {
            0 => drop(text.splice(at..at, choices.one(&PARTS).chars())),
            1 => drop(text.drain(at..(at + choices.below(40)).min(text.len()))),
            2 => text.truncate(at),
            _ => {
                let to = choices.below(text.len() + 1);
                let (start, end) = (at.min(to), at.max(to).min(at.min(to) + 60));
                let part: Vec<char> = text[start..end].to_vec();
                text.extend(part);
            }
        }
    }
    (name, text.into_iter().collect())
}

/// It is read or refused; what is read is the same when it is printed, and each fault and warning has its file.
fn check(name: &str, text: &str) {
    let reading = read(name, text);
    for warning in reading.warnings.iter() {
        assert_eq!(&*warning.place.file, name);
        assert!(warning.place.line as usize <= text.lines().count() + 1);
    }
    match reading.configuration {
        Ok(_) => drop(configuration_both_ways(name, text)),
        Err(faults) => {
            assert!(faults.count() > 0);
            for fault in faults.iter() {
                assert!(
                    !fault.wrong.is_empty() && !fault.advice.is_empty() && !fault.to_string().contains('\n'),
                    "{fault}"
                );
                assert!(fault.place.line as usize <= text.lines().count() + 1, "{fault}");
            }
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC*|[ -~\n]*|([a-z-]{0,8}(: | \\{|\\})[ -~]{0,8}\n)*") {
        check("a.conf", &text);
        check("a.json", &text);
    }

    #[test]
    fn any_changed_file_is_read_or_refused(choices in prop::collection::vec(any::<u8>(), 0..64)) {
        let (name, text) = changed(&mut Choices::new(choices));
        check(name, &text);
    }

    #[test]
    fn whatever_the_table_allows_is_read_and_is_the_same_when_printed(choices in prop::collection::vec(any::<u8>(), 0..1500)) {
        configuration_both_ways("a.conf", &allowed(&mut Choices::new(choices)));
    }
}
