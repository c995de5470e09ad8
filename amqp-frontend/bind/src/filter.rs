//! The filters of a source (part 3.5.8): the selector among them, and which others a link may have that none is applied to.
//!
//! Guarantees:
//! 1. A selector is the owner's to apply, or to refuse its link: the answer has it as it was asked for.
//! 2. No-local is applied to subscriptions, and left out of the answer where the link has none.
//! 3. Any other filter that chooses messages refuses its link: its user would get others than those that were asked for.
//! 4. Where a link begins that looks at a queue is the owner's to apply; it is left out of the answer where messages are taken.
//! 5. Every other filter is left out of the answer, as the specification has it: its peer sees that it is not applied.
//!
//! Filters are told apart by their descriptors; the keys of the map are the peer's own names for them.

use amqp_codec::AmqpError;
use engine_core::{Origin, Start};
use engine_message::Condition;
use engine_message::value::{Described, Map, Value};

/// The filters of Apache's registry, all of which choose messages, have this in the upper half of their descriptors, and this
/// before their symbolic ones: selectors, no-local, the bindings of AMQP 0-10.
const APACHE: (u64, &str) = (0x468c, "apache.org:");
/// The filters of "AMQP Filter Expressions" version 1.0, which choose messages, too.
const EXPRESSIONS: [(u64, &str); 8] = [
    (0x120, "amqp:sql-filter"),
    (0x170, "amqp:header-filter"),
    (0x171, "amqp:delivery-annotations-filter"),
    (0x172, "amqp:message-annotations-filter"),
    (0x173, "amqp:properties-filter"),
    (0x174, "amqp:application-properties-filter"),
    (0x177, "amqp:value-filter"),
    (0x178, "amqp:footer-filter"),
];
/// The registry's other filters that have names.
const REGISTERED: [(u64, &str); 3] = [
    (0x0000_468c_0000_0000, "apache.org:legacy-amqp-direct-binding:string"),
    (0x0000_468c_0000_0001, "apache.org:legacy-amqp-topic-binding:string"),
    (0x0000_468c_0000_0002, "apache.org:legacy-amqp-headers-binding:map"),
];
/// Leaves out what the link's own container sends. Its value says nothing.
const NO_LOCAL: (u64, &str) = (0x0000_468c_0000_0003, "apache.org:no-local-filter:list");
/// A condition as JMS has them.
const SELECTOR: (u64, &str) = (0x0000_468c_0000_0004, "apache.org:selector-filter:string");
/// Where a link begins that looks at a queue, as clients of RabbitMQ's streams say it.
const START: &str = "rabbitmq:stream-offset-spec";
/// Characters of a peer's name for a filter that are told: what says more does not fit into a small frame.
const NAME_CHARS_MAX: usize = 64;

/// What of the filters of a source is applied.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Filters {
    /// The text of the selector.
    pub selector: Option<Box<str>>,
    /// Whether messages of the link's own container are left out.
    pub no_local: bool,
    /// Where it begins.
    pub start: Option<Start>,
}

/// What is applied among the filters of a source.
///
/// # Errors
/// What the link is refused with.
pub(crate) fn read(filters: &Map) -> Result<Filters, AmqpError> {
    let (mut selector, mut no_local, mut start) = (None, false, None);
    for (name, filter) in &filters.0 {
        if is_no_local(filter) {
            no_local = true;
            continue;
        }
        if let Some(asked) = as_start(filter) {
            start = Some(start_of(name, asked)?);
            continue;
        }
        let Some(described) = as_selector(filter) else {
            check(name, filter)?;
            continue;
        };
        let invalid =
            |text: &str| AmqpError::new(Condition::InvalidField, format!("the filter {} {text}", shown(name)));
        let text = described.value.as_text().ok_or_else(|| invalid("is a selector without a text"))?;
        if selector.replace(text.into()).is_some() {
            return Err(invalid("is a second selector"));
        }
    }
    Ok(Filters { selector, no_local, start })
}

/// Leaves of the filters of a source what is applied: what the answer says. A subscription leaves out messages of `no_local`, if any.
pub(crate) fn answer(filters: &mut Map, no_local: Option<Origin>, started: bool) {
    filters.0.retain(|(_, filter)| {
        as_selector(filter).is_some()
            || (is_no_local(filter) && no_local.is_some())
            || (as_start(filter).is_some() && started)
    });
}

/// The filters of a subscription with this selector, and that leaves out messages of `no_local`, under the names that JMS clients give
/// them.
pub(crate) fn in_force(selector: Option<&str>, no_local: Option<Origin>) -> Map {
    let mut filters = Map::default();
    let mut put = |name, (_, descriptor): (u64, &'static str), value| {
        let descriptor = Value::Symbol(descriptor.into());
        filters.insert(name, Value::Described(Box::new(Described { descriptor, value })));
    };
    if let Some(text) = selector {
        put("jms-selector", SELECTOR, Value::String(text.to_owned()));
    }
    if no_local.is_some() {
        put("no-local", NO_LOCAL, Value::List(Vec::new()));
    }
    filters
}

/// Whether a described value is one of these filters.
fn is_of(described: &Described, (number, symbol): (u64, &str)) -> bool {
    match &described.descriptor {
        Value::Ulong(code) => *code == number,
        Value::Symbol(name) => *name == symbol,
        _ => false,
    }
}

/// Whether a filter asks for no-local, whatever its value is: as in Artemis, whose clients send a list, a text, or null in it.
fn is_no_local(filter: &Value) -> bool {
    matches!(filter, Value::Described(described) if is_of(described, NO_LOCAL))
}

/// A filter that is a selector, and says something.
fn as_selector(filter: &Value) -> Option<&Described> {
    let Value::Described(described) = filter else { return None };
    (is_of(described, SELECTOR) && !says_nothing(&described.value)).then_some(described)
}

/// Where a filter says that its link begins, if it says so.
fn as_start(filter: &Value) -> Option<&Value> {
    let Value::Described(described) = filter else { return None };
    let is_start = matches!(&described.descriptor, Value::Symbol(name) if *name == START);
    (is_start && described.value != Value::Null).then_some(&described.value)
}

/// Where a link begins: a word, a position, or a time.
fn start_of(name: &Value, asked: &Value) -> Result<Start, AmqpError> {
    let position = match asked {
        Value::Ulong(position) => Some(*position),
        Value::Uint(position) => Some(u64::from(*position)),
        Value::Long(position) => u64::try_from(*position).ok(),
        Value::Int(position) => u64::try_from(*position).ok(),
        Value::Timestamp(time) => return Ok(Start::Time(u64::try_from(*time).unwrap_or(0))),
        _ => None,
    };
    match (position, asked.as_text()) {
        (Some(position), _) => Ok(Start::Position(position)),
        (None, Some("first")) => Ok(Start::First),
        (None, Some("last")) => Ok(Start::Last),
        (None, Some("next")) => Ok(Start::Next),
        (None, _) => {
            let text = format!("the filter {} is neither first, last, next, a position nor a time", shown(name));
            Err(AmqpError::new(Condition::InvalidField, text))
        }
    }
}

/// Looks at a filter that is no selector.
fn check(name: &Value, filter: &Value) -> Result<(), AmqpError> {
    match filter {
        Value::Null => Ok(()),
        Value::Described(described) if says_nothing(&described.value) => Ok(()),
        Value::Described(described) => match choosing(&described.descriptor) {
            Some(kind) => {
                let text = format!(
                    "the filter {} ({kind}) is not implemented yet: attach without it, and choose messages on your side",
                    shown(name)
                );
                Err(AmqpError::new(Condition::NotImplemented, text))
            }
            None => Ok(()),
        },
        _ => {
            let text = format!("the filter {} is not a described value, as filters are", shown(name));
            Err(AmqpError::new(Condition::InvalidField, text))
        }
    }
}

/// Whether a filter has no expression, so that it chooses everything.
fn says_nothing(value: &Value) -> bool {
    matches!(value, Value::Null) || value.as_text().is_some_and(|text| text.trim().is_empty())
}

/// The name of a filter that chooses messages.
fn choosing(descriptor: &Value) -> Option<String> {
    let known = || REGISTERED.iter().chain(&EXPRESSIONS);
    match descriptor {
        Value::Ulong(code) => match known().find(|(known, _)| known == code) {
            Some((_, name)) => Some((*name).to_owned()),
            None => (code >> 32 == APACHE.0).then(|| format!("0x{code:016x}")),
        },
        Value::Symbol(name) => {
            let name = name.as_str();
            let chooses = name.starts_with(APACHE.1) || known().any(|(_, known)| *known == name);
            chooses.then(|| name.chars().take(NAME_CHARS_MAX).collect::<String>().escape_debug().to_string())
        }
        _ => None,
    }
}

/// A peer's name for a filter, for people.
fn shown(name: &Value) -> String {
    match name.as_text() {
        Some(text) => format!("{:?}", text.chars().take(NAME_CHARS_MAX).collect::<String>()),
        None => "without a name".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filters(descriptor: Value, value: Value) -> Map {
        let mut filters = Map::default();
        filters.insert("mine", Value::Described(Box::new(Described { descriptor, value })));
        filters
    }

    fn refusal(descriptor: Value, value: Value) -> Option<String> {
        read(&filters(descriptor, value)).err().map(|error| error.to_string())
    }

    #[test]
    fn a_selector_is_found_by_either_descriptor_and_answered() {
        for descriptor in [Value::Ulong(SELECTOR.0), Value::Symbol(SELECTOR.1.into())] {
            let mut asked = filters(descriptor.clone(), Value::String("a = 1".to_owned()));
            assert_eq!(read(&asked), Ok(Filters { selector: Some("a = 1".into()), no_local: false, start: None }));
            let before = asked.clone();
            asked.insert(
                "sampling",
                Value::Described(Box::new(Described { descriptor: Value::Ulong(1), value: Value::Uint(7) })),
            );
            answer(&mut asked, None, false);
            assert_eq!(asked, before, "no other filter is in the answer");
            asked.insert(
                "other",
                Value::Described(Box::new(Described {
                    descriptor: descriptor.clone(),
                    value: Value::String("b".into()),
                })),
            );
            let second = read(&asked).expect_err("there are two").to_string();
            assert_eq!(second, "amqp:invalid-field: the filter \"other\" is a second selector");
            let number = refusal(descriptor, Value::Uint(1)).expect("it is refused");
            assert_eq!(number, "amqp:invalid-field: the filter \"mine\" is a selector without a text");
        }
    }

    #[test]
    fn what_chooses_messages_is_refused_by_name_in_both_forms() {
        let text = || Value::String("a = 1".to_owned());
        for (code, name) in REGISTERED.into_iter().chain(EXPRESSIONS) {
            for descriptor in [Value::Ulong(code), Value::Symbol(name.into())] {
                let refused = refusal(descriptor, text()).expect("it is refused");
                assert!(refused.starts_with("amqp:not-implemented: the filter \"mine\""), "{refused}");
                assert!(refused.contains(name), "{refused}");
            }
        }
        let unheard_of = refusal(Value::Ulong(0x0000_468c_0000_00ff), text()).expect("it is refused");
        assert!(unheard_of.contains("0x0000468c000000ff"), "{unheard_of}");
    }

    #[test]
    fn no_local_is_found_by_either_descriptor_and_answered_where_it_is_applied() {
        let me = Some(Origin::of("me"));
        for descriptor in [Value::Ulong(NO_LOCAL.0), Value::Symbol(NO_LOCAL.1.into())] {
            for value in [Value::List(Vec::new()), Value::Null, Value::String(String::new())] {
                let mut asked = filters(descriptor.clone(), value);
                assert_eq!(read(&asked), Ok(Filters { selector: None, no_local: true, start: None }));
                let before = asked.clone();
                answer(&mut asked, me, false);
                assert_eq!(asked, before);
                answer(&mut asked, None, false);
                assert!(asked.is_empty(), "where it is not applied");
            }
        }
        let told = in_force(Some("a = 1"), me);
        assert_eq!(read(&told), Ok(Filters { selector: Some("a = 1".into()), no_local: true, start: None }));
        assert_eq!(read(&in_force(None, None)), Ok(Filters::default()));
    }

    #[test]
    fn what_chooses_everything_and_what_is_unknown_is_left_out() {
        let blank = || Value::Symbol(SELECTOR.1.into());
        for (descriptor, value) in [
            (blank(), Value::Null),
            (blank(), Value::String(String::new())),
            (blank(), Value::String("  ".to_owned())),
            (Value::Symbol("com.example:sampling".into()), Value::Uint(7)),
            (Value::Ulong(0x0000_1234_0000_0001), Value::List(Vec::new())),
            (Value::Uint(4), Value::Null),
        ] {
            let mut asked = filters(descriptor, value);
            asked.insert("none", Value::Null);
            assert_eq!(read(&asked), Ok(Filters::default()));
            answer(&mut asked, Some(Origin::of("me")), false);
            assert!(asked.is_empty(), "{asked:?}");
        }
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        let mut filters = Map::default();
        filters.0.push((Value::String("long\n".repeat(1000)), Value::String("a = 1".to_owned())));
        let error = read(&filters).expect_err("no described value").to_string();
        assert!(error.starts_with("amqp:invalid-field") && error.len() < 300 && !error.contains('\n'), "{error}");
    }
}
