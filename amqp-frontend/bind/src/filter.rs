//! The filters of a source (part 3.5.8): which of them a link may have that none is applied to.
//!
//! Guarantees:
//! 1. A filter that chooses messages refuses its link: its user would get others than those that were asked for.
//! 2. Every other filter is left out of the answer, as the specification has it: its peer sees that it is not applied.
//!
//! Filters are told apart by their descriptors; the keys of the map are the peer's own names for them.

use amqp_codec::AmqpError;
use engine_message::Condition;
use engine_message::value::{Map, Value};

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
/// The registry's filters that have names.
const REGISTERED: [(u64, &str); 5] = [
    (0x0000_468c_0000_0000, "apache.org:legacy-amqp-direct-binding:string"),
    (0x0000_468c_0000_0001, "apache.org:legacy-amqp-topic-binding:string"),
    (0x0000_468c_0000_0002, "apache.org:legacy-amqp-headers-binding:map"),
    (0x0000_468c_0000_0003, "apache.org:no-local-filter:list"),
    (0x0000_468c_0000_0004, "apache.org:selector-filter:string"),
];
/// Characters of a peer's name for a filter that are told: what says more does not fit into a small frame.
const NAME_CHARS_MAX: usize = 64;

/// Looks at the filters of a source.
///
/// # Errors
/// What the link is refused with.
pub(crate) fn check(filters: &Map) -> Result<(), AmqpError> {
    filters.0.iter().try_for_each(|(name, filter)| match filter {
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
    })
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
    use engine_message::value::Described;

    use super::*;

    fn refusal(descriptor: Value, value: Value) -> Option<String> {
        let mut filters = Map::default();
        filters.insert("mine", Value::Described(Box::new(Described { descriptor, value })));
        check(&filters).err().map(|error| error.to_string())
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
    fn what_chooses_everything_and_what_is_unknown_is_left_out() {
        let selector = || Value::Symbol("apache.org:selector-filter:string".into());
        for (descriptor, value) in [
            (selector(), Value::Null),
            (selector(), Value::String(String::new())),
            (selector(), Value::String("  ".to_owned())),
            (Value::Symbol("com.example:sampling".into()), Value::Uint(7)),
            (Value::Ulong(0x0000_1234_0000_0001), Value::List(Vec::new())),
            (Value::Uint(4), Value::Null),
        ] {
            assert_eq!(refusal(descriptor, value), None);
        }
        let mut filters = Map::default();
        filters.insert("none", Value::Null);
        assert_eq!(check(&filters), Ok(()));
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        let mut filters = Map::default();
        filters.0.push((Value::String("long\n".repeat(1000)), Value::String("a = 1".to_owned())));
        let error = check(&filters).expect_err("no described value").to_string();
        assert!(error.starts_with("amqp:invalid-field") && error.len() < 300 && !error.contains('\n'), "{error}");
    }
}
