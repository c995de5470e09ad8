//! A configuration file, read: settings with the places that they come from, and everything that is wrong with it by itself.
//!
//! Unknown tables and keys, wrong types and values outside their bounds are found all at once, and so are faults of the syntax as far as
//! the parser goes on behind them. What values mean together is not looked at here. The cost is linear in the file's size, which is
//! bounded, for any content.

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use engine_catalogue::Area;
use engine_catalogue::limits::{DECLARED_MAX, OTHERS_MAX};
use engine_catalogue::setting::{Setting, Shape, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::addresses::{AddressEntry, DivertEntry, QueueEntry, respelled};
use super::bounds::{AUTO_LINKS_MAX, CONNECTORS_MAX, FILE_MAX, LISTENERS_MAX, ROUTES_MAX, SHOWN_MAX};
use super::fault::{Faults, Origin, Place};
use super::files;
use super::origins::Origins;
use super::settings::{
    AutoLink, Config, Connector, Http, Limits, LinkRoute, Listener, Log, Node, Route, Router, Storage, Users,
};
use super::similar::{called_otherwise, most_similar};

/// Tables and their settings, in the order of the documentation.
pub const AREAS: [(&str, &[Setting]); 15] = [
    (Node::NAME, Node::SETTINGS),
    (Listener::NAME, Listener::SETTINGS),
    (Connector::NAME, Connector::SETTINGS),
    (AddressEntry::NAME, AddressEntry::SETTINGS),
    (QueueEntry::NAME, QueueEntry::SETTINGS),
    (DivertEntry::NAME, DivertEntry::SETTINGS),
    (Router::NAME, Router::SETTINGS),
    (Route::NAME, Route::SETTINGS),
    (AutoLink::NAME, AutoLink::SETTINGS),
    (LinkRoute::NAME, LinkRoute::SETTINGS),
    (Storage::NAME, Storage::SETTINGS),
    (Users::NAME, Users::SETTINGS),
    (Http::NAME, Http::SETTINGS),
    (Limits::NAME, Limits::SETTINGS),
    (Log::NAME, Log::SETTINGS),
];

/// Those of which there may be several.
pub const LISTS: [&str; 8] = [
    Listener::NAME,
    Connector::NAME,
    AddressEntry::NAME,
    QueueEntry::NAME,
    DivertEntry::NAME,
    Route::NAME,
    AutoLink::NAME,
    LinkRoute::NAME,
];

type Entry<'i> = (&'i Spanned<Cow<'i, str>>, &'i Spanned<DeValue<'i>>);

/// Reads a file into `config`, notes where values come from, and adds what is wrong to `faults`.
pub fn read_file(path: &Path, config: &mut Config, origins: &mut Origins, faults: &mut Faults) {
    match files::read(path, FILE_MAX) {
        Ok(bytes) => match std::str::from_utf8(&bytes) {
            Ok(text) => read_text(path, text, config, origins, faults),
            Err(error) => {
                let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
                let line = 1 + before.iter().filter(|&&octet| octet == b'\n').count();
                let file = Arc::new(path.to_owned());
                let text = "this is not UTF-8, so no configuration: write it anew as text";
                faults.add(Origin::File(Place { file, line, column: Some(1) }), text);
            }
        },
        Err(why) => faults.add(Origin::Default, format!("the configuration file {why}")),
    }
}

fn read_text(path: &Path, text: &str, config: &mut Config, origins: &mut Origins, faults: &mut Faults) {
    let (document, errors) = DeTable::parse_recoverable(text);
    let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let broken = errors.iter().filter_map(|error| error.span());
    let mut reader = Reader { file: Arc::new(path.to_owned()), text, starts, broken: Vec::new(), origins, faults };
    reader.broken = broken.map(|span| reader.line(span.start)).collect();
    reader.broken.sort_unstable();
    for error in &errors {
        let place = reader.place(error.span().unwrap_or(0..0));
        reader.faults.add(place, format!("this is no TOML: {}", error.message().replace('\n', ", ")));
    }
    for (key, value) in document.get_ref() {
        reader.read_table((key, value), config);
    }
}

struct Reader<'a> {
    file: Arc<std::path::PathBuf>,
    text: &'a str,
    /// Where lines start.
    starts: Vec<usize>,
    /// Lines that are no TOML, in order: what the parser made of them means nothing.
    broken: Vec<usize>,
    origins: &'a mut Origins,
    faults: &'a mut Faults,
}

impl Reader<'_> {
    fn line(&self, at: usize) -> usize {
        self.starts.partition_point(|&start| start <= at)
    }

    fn place(&self, span: Range<usize>) -> Origin {
        let line = self.line(span.start);
        let start = line.checked_sub(1).and_then(|index| self.starts.get(index)).copied().unwrap_or(0);
        // Columns cost the line's length, so only those that are told are counted.
        let column = match self.text.get(start..span.start) {
            Some(before) if !self.faults.is_full() => before.chars().count() + 1,
            _ => 1,
        };
        Origin::File(Place { file: Arc::clone(&self.file), line, column: Some(column) })
    }

    fn fault(&mut self, span: Range<usize>, text: impl FnOnce(&Self) -> String) {
        if self.broken.binary_search(&self.line(span.start)).is_ok() {
            return;
        }
        let text = if self.faults.is_full() { String::new() } else { text(self) };
        let place = self.place(span);
        self.faults.add(place, text);
    }

    fn read_table(&mut self, (key, value): Entry<'_>, config: &mut Config) {
        match key.get_ref().as_ref() {
            Node::NAME => self.read_area((key, value), &mut config.node),
            Listener::NAME => {
                let read = self.read_list((key, value), LISTENERS_MAX);
                // The default listener stands for none.
                config.listeners = if read.is_empty() { std::mem::take(&mut config.listeners) } else { read };
            }
            Connector::NAME => config.connectors = self.read_list((key, value), CONNECTORS_MAX),
            AddressEntry::NAME => config.addresses = self.read_list((key, value), DECLARED_MAX),
            QueueEntry::NAME => config.queues = self.read_list((key, value), DECLARED_MAX),
            DivertEntry::NAME => config.diverts = self.read_list((key, value), OTHERS_MAX),
            Router::NAME => self.read_area((key, value), &mut config.router),
            Route::NAME => config.routes = self.read_list((key, value), ROUTES_MAX),
            AutoLink::NAME => config.auto_links = self.read_list((key, value), AUTO_LINKS_MAX),
            LinkRoute::NAME => config.link_routes = self.read_list((key, value), ROUTES_MAX),
            Users::NAME => self.read_area((key, value), &mut config.users),
            Http::NAME => self.read_area((key, value), &mut config.http),
            Limits::NAME => self.read_area((key, value), &mut config.limits),
            Storage::NAME => self.read_area((key, value), &mut config.storage),
            Log::NAME => self.read_area((key, value), &mut config.log),
            unknown => self.fault(key.span(), |_| unknown_table(unknown, value.get_ref())),
        }
    }

    fn read_area<A: Area>(&mut self, (key, value): Entry<'_>, area: &mut A) {
        match value.get_ref() {
            DeValue::Table(table) => self.read_settings(table, 0, area),
            _ => self.fault(key.span(), |_| format!("{0} is a table: write [{0}], and its settings below", A::NAME)),
        }
    }

    fn read_list<A: Area>(&mut self, (key, value): Entry<'_>, most: usize) -> Vec<A> {
        let mut read = Vec::new();
        let name = A::NAME;
        let DeValue::Array(items) = value.get_ref() else {
            let text = format!("{name} is a list of tables: write [[{name}]] above the settings of each");
            self.fault(key.span(), |_| text);
            for (key, _) in value.get_ref().as_table().into_iter().flatten() {
                if let Some(text) = respelled(name, key.get_ref()) {
                    self.fault(key.span(), |_| text);
                }
            }
            return read;
        };
        if items.len() > most {
            let text = format!("{name} stands there {} times: it may stand there {most} times", items.len());
            self.fault(key.span(), |_| text);
            return read;
        }
        for (index, item) in items.iter().enumerate() {
            let mut area = A::default();
            match item.get_ref() {
                DeValue::Table(table) => self.read_settings(table, index, &mut area),
                _ => {
                    let text = format!("an item of {name} is a table: write [[{name}]] above its settings");
                    self.fault(item.span(), |_| text);
                }
            }
            // Of a table without settings, too, it is known where it stands.
            self.origins.note_area(name, index, self.place(item.span()));
            read.push(area);
        }
        read
    }

    fn read_settings<A: Area>(&mut self, table: &DeTable<'_>, index: usize, area: &mut A) {
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let Some(setting) = A::SETTINGS.iter().find(|setting| setting.name == name) else {
                self.fault(key.span(), |_| unknown_key(A::NAME, A::SETTINGS, name));
                continue;
            };
            let read = value_of(setting.shape, value.get_ref()).and_then(|value| {
                setting.admit(&value)?;
                area.put(setting.name, value)
            });
            // Of a wrong value, too: that it was set is known.
            self.origins.note(A::NAME, index, setting.name, self.place(value.span()));
            match read {
                Ok(()) => {}
                Err(wrong) => self.fault(value.span(), |reader| {
                    let shown = shown(reader.text.get(value.span()).unwrap_or_default());
                    refusal(&format!("{}.{name}", A::NAME), &shown, &wrong, setting)
                }),
            }
        }
    }
}

/// What is said of a value that a setting does not take.
pub fn refusal(name: &str, shown: &str, wrong: &str, setting: &Setting) -> String {
    let wrong = if wrong.is_empty() { String::new() } else { format!("{wrong}; ") };
    format!("{name} is {shown}: {wrong}it takes {}", setting.allowed())
}

/// The value in the shape; an error says which shape it has.
fn value_of(shape: Shape, value: &DeValue<'_>) -> Result<Value, String> {
    match (shape, value) {
        (Shape::Switch, DeValue::Boolean(on)) => Ok(Value::Switch(*on)),
        (Shape::Whole, DeValue::Integer(number)) => i128::from_str_radix(number.as_str(), number.radix())
            .ok()
            .and_then(|number| u64::try_from(number).ok())
            .map(Value::Whole)
            .ok_or_else(String::new),
        (Shape::Text, DeValue::String(text)) => Ok(Value::Text(text.to_string())),
        (Shape::List, DeValue::Array(items)) => {
            let texts = items.iter().map(|item| match item.get_ref() {
                DeValue::String(text) => Ok(text.to_string()),
                other => Err(format!("an item is {}, and not text in quotation marks", kind(other))),
            });
            texts.collect::<Result<_, _>>().map(Value::List)
        }
        (Shape::Text, other) => Err(format!("that is {}, and not text in quotation marks", kind(other))),
        (Shape::Whole, other) => Err(format!("that is {}, and not a whole number", kind(other))),
        (_, other) => Err(format!("that is {}", kind(other))),
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// A part of the file as it is shown in a fault: one line of bounded length, without what a terminal would obey.
fn shown(source: &str) -> String {
    let mut text = String::new();
    for letter in source.chars().take(SHOWN_MAX) {
        if letter.is_control() { text.extend(letter.escape_default()) } else { text.push(letter) }
    }
    if source.chars().nth(SHOWN_MAX).is_some() {
        text.push('…');
    }
    text
}

fn unknown_table(name: &str, value: &DeValue<'_>) -> String {
    let shown = shown(name);
    let similar = most_similar(name, AREAS.map(|(area, _)| area));
    if let Some(area) = similar {
        return format!("{shown} is no table of settings; did you mean {}?", brackets(area));
    }
    let known = AREAS.map(|(area, _)| area).join(", ");
    if !value.is_table()
        && let Some((area, _)) = AREAS.iter().find(|(_, settings)| settings.iter().any(|setting| setting.name == name))
    {
        return format!("{shown} stands in no table: it belongs below {}", brackets(area));
    }
    format!("{shown} is no table of settings: there are {known}")
}

/// How a table is headed.
pub fn brackets(area: &str) -> String {
    if LISTS.contains(&area) { format!("[[{area}]]") } else { format!("[{area}]") }
}

fn unknown_key(area: &str, settings: &[Setting], name: &str) -> String {
    let shown = shown(name);
    if let Some(text) = respelled(area, name).or_else(|| called_otherwise(area, name)) {
        return text;
    }
    if let Some(known) = most_similar(name, settings.iter().map(|setting| setting.name)) {
        return format!("{area}.{shown} is no setting; did you mean {area}.{known}?");
    }
    let elsewhere = AREAS.iter().find(|(_, settings)| settings.iter().any(|setting| setting.name == name));
    if let Some((elsewhere, _)) = elsewhere {
        return format!("{area}.{shown} is no setting; did you mean {elsewhere}.{name}?");
    }
    let known: Vec<&str> = settings.iter().map(|setting| setting.name).collect();
    format!("{area}.{shown} is no setting: there are {}", known.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Given;

    fn read(text: &str) -> (Config, Faults) {
        let (mut config, mut origins, mut faults) = (Config::default(), Origins::default(), Faults::default());
        read_text(Path::new("a.toml"), text, &mut config, &mut origins, &mut faults);
        (config, faults)
    }

    /// Whatever a file holds: it is read or refused, and every fault has a place in it.
    #[test]
    fn no_text_is_too_strange() {
        let whole = Given::default().to_toml();
        assert!(read(&whole).1.is_empty());
        let cuts = (0..whole.len()).filter(|&at| whole.is_char_boundary(at)).map(|at| whole[..at].to_owned());
        let strange =
            ["\"", "[", "]]", "=", "\n", "\u{0}", "ü", "'''", "#", ".", "{", "\\", "-1", "1e400", "1979-05-27"];
        let put = (0..whole.len()).step_by(7).filter(|&at| whole.is_char_boundary(at)).map(|at| {
            let (before, after) = whole.split_at(at);
            format!("{before}{}{after}", strange[at % strange.len()])
        });
        for text in cuts.chain(put) {
            let told = read(&text).1.to_string();
            assert!(
                told.lines().skip(1).all(|line| line.starts_with("  a.toml:") || line.starts_with("  …")),
                "{told}"
            );
        }
    }

    #[test]
    fn a_fault_keeps_no_other_from_being_told() {
        let text = "[node]\ncores = 1\nspin_us = 7\n[http]\nenabled = false\nx = 1\n[log]\nlevel = 3\n";
        let (config, faults) = read(text);
        assert_eq!((faults.count(), config.node.spin_us, config.http.enabled), (3, 7, false));
    }
}
