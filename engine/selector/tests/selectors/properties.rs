//! Selectors and their index beside an evaluation of the definition: trees of any shape, written as people write them (parentheses only
//! where they are needed), for messages with any properties.

use crate::support::{Message, string, value, with};
use engine_message::value::Value;
use engine_selector::{Index, Selector};
use proptest::collection::vec;
use proptest::prelude::*;

/// What a tree can have in the place of a value.
#[derive(Clone, Debug)]
enum Tree {
    Name(usize),
    Number(i64),
    Half(i32),
    Text(&'static str),
    Boolean(bool),
    Negate(Box<Tree>),
    Compute(char, Box<Tree>, Box<Tree>),
    Compare(&'static str, Box<Tree>, Box<Tree>),
    Between(bool, Box<[Tree; 3]>),
    In(bool, usize, Vec<&'static str>),
    Like(bool, usize, &'static str),
    IsNull(bool, Box<Tree>),
    Not(Box<Tree>),
    And(Box<Tree>, Box<Tree>),
    Or(Box<Tree>, Box<Tree>),
}

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
const TEXTS: [&str; 4] = ["", "x", "xy", "it's"];
const PATTERNS: [&str; 4] = ["%", "x_", "%y%", "x"];

/// What a property, or a part of a tree, is.
#[derive(Clone, Debug, PartialEq)]
enum Thing {
    Null,
    Boolean(bool),
    Number(i64),
    Double(f64),
    Text(&'static str),
}

impl Thing {
    fn condition(&self) -> Option<bool> {
        match self {
            Self::Null => None,
            Self::Boolean(value) => Some(*value),
            _ => Some(false),
        }
    }

    fn double(&self) -> Option<f64> {
        match self {
            Self::Number(value) => Some(*value as f64),
            Self::Double(value) => Some(*value),
            _ => None,
        }
    }

    fn encoded(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Boolean(value) => Value::Boolean(*value),
            Self::Number(value) => Value::Long(*value),
            Self::Double(value) => Value::Double(*value),
            Self::Text(text) => string(text),
        }
    }
}

fn from(condition: Option<bool>) -> Thing {
    condition.map_or(Thing::Null, Thing::Boolean)
}

fn compare(operator: &str, left: &Thing, right: &Thing) -> Option<bool> {
    if [left, right].contains(&&Thing::Null) {
        return None;
    }
    let numbers = left.double().zip(right.double());
    let exact = match (left, right) {
        (Thing::Number(left), Thing::Number(right)) => Some((left, right)),
        _ => None,
    };
    let is_equal = match (exact, numbers) {
        (Some((left, right)), _) => left == right,
        (None, Some((left, right))) => left == right,
        (None, None) => left == right,
    };
    let is_less = match (exact, numbers) {
        (Some((left, right)), _) => left < right,
        (None, Some((left, right))) => left < right,
        (None, None) => false,
    };
    let has_order = numbers.is_some_and(|(left, right)| left.partial_cmp(&right).is_some());
    Some(match operator {
        "=" => is_equal,
        "<>" => !is_equal,
        "<" => is_less,
        "<=" => has_order && (is_less || is_equal),
        ">" => has_order && !is_less && !is_equal,
        _ => has_order && !is_less,
    })
}

fn opposite(value: Option<bool>, is_negated: bool) -> Option<bool> {
    value.map(|value| value != is_negated)
}

/// Both sides are always looked at, and every case of the tables is written out.
fn and(left: Option<bool>, right: Option<bool>) -> Option<bool> {
    if left == Some(false) || right == Some(false) { Some(false) } else { left.and(right) }
}

fn compute(operator: char, left: &Thing, right: &Thing) -> Thing {
    let Some((x, y)) = left.double().zip(right.double()) else { return Thing::Null };
    let exact = match (left, right) {
        (Thing::Number(x), Thing::Number(y)) => match operator {
            '+' => x.checked_add(*y),
            '-' => x.checked_sub(*y),
            '*' => x.checked_mul(*y),
            _ => None,
        },
        _ => None,
    };
    let approximate = match operator {
        '+' => x + y,
        '-' => x - y,
        '*' => x * y,
        '/' => x / y,
        _ => x % y,
    };
    exact.map_or(Thing::Double(approximate), Thing::Number)
}

fn evaluate(tree: &Tree, things: &[Thing]) -> Thing {
    let side = |tree: &Tree| evaluate(tree, things);
    let condition = |tree: &Tree| evaluate(tree, things).condition();
    match tree {
        Tree::Name(index) => things[*index].clone(),
        Tree::Number(value) => Thing::Number(*value),
        Tree::Half(halves) => Thing::Double(f64::from(*halves) / 2.0),
        Tree::Text(text) => Thing::Text(text),
        Tree::Boolean(value) => Thing::Boolean(*value),
        Tree::Negate(tree) => match side(tree) {
            Thing::Number(value) => value.checked_neg().map_or(Thing::Double(-(value as f64)), Thing::Number),
            Thing::Double(value) => Thing::Double(-value),
            _ => Thing::Null,
        },
        Tree::Compute(operator, left, right) => compute(*operator, &side(left), &side(right)),
        Tree::Compare(operator, left, right) => from(compare(operator, &side(left), &side(right))),
        Tree::Between(is_negated, parts) => {
            let [value, lower, upper] = parts.each_ref().map(side);
            if *is_negated {
                let or = |left: Option<bool>, right: Option<bool>| {
                    opposite(and(opposite(left, true), opposite(right, true)), true)
                };
                return from(or(compare("<", &value, &lower), compare(">", &value, &upper)));
            }
            from(and(compare(">=", &value, &lower), compare("<=", &value, &upper)))
        }
        Tree::In(is_negated, index, elements) => match &things[*index] {
            Thing::Text(text) => Thing::Boolean(elements.contains(text) != *is_negated),
            _ => Thing::Null,
        },
        Tree::Like(is_negated, index, pattern) => match &things[*index] {
            Thing::Null => Thing::Null,
            Thing::Text(text) => {
                let is_like = match *pattern {
                    "%" => true,
                    "x_" => text.len() == 2 && text.starts_with('x'),
                    "%y%" => text.contains('y'),
                    _ => *text == "x",
                };
                Thing::Boolean(is_like != *is_negated)
            }
            _ => Thing::Boolean(*is_negated),
        },
        Tree::IsNull(is_negated, tree) => Thing::Boolean((side(tree) == Thing::Null) != *is_negated),
        Tree::Not(tree) => from(opposite(condition(tree), true)),
        Tree::And(left, right) => from(and(condition(left), condition(right))),
        Tree::Or(left, right) => {
            from(opposite(and(opposite(condition(left), true), opposite(condition(right), true)), true))
        }
    }
}

/// How close the outermost operator binds.
fn precedence(tree: &Tree) -> u8 {
    match tree {
        Tree::Or(..) => 1,
        Tree::And(..) => 2,
        Tree::Not(_) => 3,
        Tree::Compare(..) | Tree::Between(..) | Tree::In(..) | Tree::Like(..) | Tree::IsNull(..) => 4,
        Tree::Compute('+' | '-', ..) => 5,
        Tree::Compute(..) => 6,
        Tree::Negate(_) => 7,
        _ => 8,
    }
}

/// The tree as text, in parentheses if its operator binds less than `least`.
fn written(tree: &Tree, least: u8) -> String {
    let own = precedence(tree);
    let not = |is_negated: bool| if is_negated { "NOT " } else { "" };
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let text = match tree {
        Tree::Name(index) => NAMES[*index].to_owned(),
        Tree::Number(value) => value.to_string(),
        Tree::Half(halves) => format!("{:?}", f64::from(*halves) / 2.0),
        Tree::Text(text) => quoted(text),
        Tree::Boolean(value) => value.to_string(),
        Tree::Negate(tree) => format!("- {}", written(tree, own)),
        Tree::Compute(operator, left, right) => format!("{}{operator}{}", written(left, own), written(right, own + 1)),
        Tree::Compare(operator, left, right) => format!("{}{operator}{}", written(left, own), written(right, own + 1)),
        Tree::Between(is_negated, parts) => {
            let [value, lower, upper] = parts.as_ref();
            let (value, lower, upper) = (written(value, own), written(lower, own + 1), written(upper, own + 1));
            format!("{value} {}between {lower} AND {upper}", not(*is_negated))
        }
        Tree::In(is_negated, index, elements) => {
            let elements: Vec<_> = elements.iter().map(|text| quoted(text)).collect();
            format!("{} {}in ({})", NAMES[*index], not(*is_negated), elements.join(", "))
        }
        Tree::Like(is_negated, index, pattern) => {
            format!("{} {}LIKE '{pattern}'", NAMES[*index], not(*is_negated))
        }
        Tree::IsNull(is_negated, tree) => format!("{} IS {}NULL", written(tree, own), not(*is_negated)),
        Tree::Not(tree) => format!("NOT {}", written(tree, own)),
        Tree::And(left, right) => format!("{} AND {}", written(left, own), written(right, own + 1)),
        Tree::Or(left, right) => format!("{} OR {}", written(left, own), written(right, own + 1)),
    };
    if own < least { format!("({text})") } else { text }
}

fn numbers() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        4 => (0..NAMES.len()).prop_map(Tree::Name),
        2 => (-3..4_i64).prop_map(Tree::Number),
        1 => prop_oneof![Just(i64::MAX), Just(i64::MIN)].prop_map(Tree::Number),
        1 => (0..6).prop_map(Tree::Half),
    ];
    leaf.prop_recursive(3, 12, 2, |inner| {
        let inner = inner.prop_map(Box::new);
        let operator = prop::sample::select(vec!['+', '-', '*', '/', '%']);
        prop_oneof![
            inner.clone().prop_map(Tree::Negate),
            (operator, inner.clone(), inner).prop_map(|(operator, left, right)| Tree::Compute(operator, left, right)),
        ]
    })
}

fn conditions() -> impl Strategy<Value = Tree> {
    let order = prop::sample::select(vec!["=", "<>", "<", "<=", ">", ">="]);
    let name = 0..NAMES.len();
    let texts = prop::sample::select(TEXTS.to_vec());
    let leaf = prop_oneof![
        name.clone().prop_map(Tree::Name),
        any::<bool>().prop_map(Tree::Boolean),
        (order, numbers(), numbers())
            .prop_map(|(operator, left, right)| { Tree::Compare(operator, Box::new(left), Box::new(right)) }),
        (prop::sample::select(vec!["=", "<>"]), name.clone(), texts.clone()).prop_map(|(operator, name, text)| {
            Tree::Compare(operator, Box::new(Tree::Name(name)), Box::new(Tree::Text(text)))
        }),
        (any::<bool>(), numbers(), numbers(), numbers()).prop_map(|(is_negated, value, lower, upper)| {
            Tree::Between(is_negated, Box::new([value, lower, upper]))
        }),
        (any::<bool>(), name.clone(), vec(texts, 1..4))
            .prop_map(|(is_negated, name, texts)| { Tree::In(is_negated, name, texts) }),
        (any::<bool>(), name, prop::sample::select(PATTERNS.to_vec()))
            .prop_map(|(is_negated, name, pattern)| { Tree::Like(is_negated, name, pattern) }),
    ];
    leaf.prop_recursive(4, 24, 2, |inner| {
        let inner = inner.prop_map(Box::new);
        let equality = prop::sample::select(vec!["=", "<>"]);
        prop_oneof![
            inner.clone().prop_map(Tree::Not),
            (inner.clone(), inner.clone()).prop_map(|(left, right)| Tree::And(left, right)),
            (inner.clone(), inner.clone()).prop_map(|(left, right)| Tree::Or(left, right)),
            (equality, inner.clone(), inner.clone())
                .prop_map(|(operator, left, right)| Tree::Compare(operator, left, right)),
            (any::<bool>(), inner).prop_map(|(is_negated, tree)| Tree::IsNull(is_negated, tree)),
        ]
    })
}

fn things() -> impl Strategy<Value = Vec<Thing>> {
    let thing = prop_oneof![
        Just(Thing::Null),
        any::<bool>().prop_map(Thing::Boolean),
        (-3..4_i64).prop_map(Thing::Number),
        prop_oneof![Just(i64::MAX), Just(i64::MIN)].prop_map(Thing::Number),
        (-6..6).prop_map(|halves| Thing::Double(f64::from(halves) / 2.0)),
        Just(Thing::Double(f64::NAN)),
        prop::sample::select(TEXTS.to_vec()).prop_map(Thing::Text),
    ];
    vec(thing, NAMES.len())
}

fn message(things: &[Thing]) -> Message {
    let entries: Vec<_> = NAMES.into_iter().zip(things.iter().map(Thing::encoded)).collect();
    with(&entries)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn selectors_say_what_their_trees_say(tree in conditions(), things in things()) {
        let text = written(&tree, 0);
        prop_assert_eq!(value(&text, &message(&things)), evaluate(&tree, &things).condition(), "{}", text);
    }

    #[test]
    fn texts_of_any_characters_are_taken_or_refused(text in "\\PC{0,40}") {
        let said = Selector::parse(&text).map(|selector| selector.matches(&with(&[]).view()));
        if let Err(error) = said {
            prop_assert!(error.to_string().chars().count() <= 200);
            prop_assert!((1..=text.chars().count() + 1).contains(&error.position), "{}", error);
        }
    }

    #[test]
    fn words_in_any_order_are_taken_or_refused(
        words in vec(prop::sample::select(vec![
            "a", "'x'", "5", "2.5", "(", ")", "AND", "OR", "NOT", "BETWEEN", "IN", "LIKE", "ESCAPE", "IS", "NULL", "TRUE", "=", "<>", "<",
            "+", "-", "*", ",", "('x')", "9223372036854775808",
        ]), 0..14),
    ) {
        let text = words.join(" ");
        if let Ok(selector) = Selector::parse(&text) {
            let message = with(&[("a", Value::Boolean(true))]);
            // Not both of them, and none of them fails.
            let opposite = Selector::parse(&format!("NOT ({text})")).expect("what is taken is taken in parentheses");
            prop_assert!(!(selector.matches(&message.view()) && opposite.matches(&message.view())), "{}", text);
        }
    }

    #[test]
    fn messages_of_any_octets_have_a_value(kept in vec(any::<u8>(), 0..60), start in 0..3_usize) {
        let start = [&[][..], &[0, 0x53, 0x74, 0xc1], &[0, 0x53, 0x73, 0xc0]][start];
        let message = Message { kept: [start, &kept].concat(), ..Message::default() };
        value("a = 1 OR JMSMessageID LIKE '%x' OR JMSCorrelationID = 'x' OR \"m.x\" = 2 OR JMSXUserID = 'y'", &message);
    }

    #[test]
    fn the_index_has_whatever_matches_and_of_equalities_only_that(
        trees in vec(factors(), 0..12),
        removed in vec(any::<bool>(), 12),
        things in things(),
    ) {
        let message = message(&things);
        let texts: Vec<_> = trees.iter().map(|tree| written(tree, 0)).collect();
        let selectors: Vec<_> = texts.iter().map(|text| Selector::parse(text).expect("well-formed")).collect();
        let mut index = Index::default();
        selectors.iter().enumerate().for_each(|(key, selector)| index.insert(key, selector));
        let gone = |key: &usize| removed[*key];
        selectors.iter().enumerate().filter(|(key, _)| gone(key)).for_each(|(key, selector)| index.retain(selector, |other| other != key));
        prop_assert_eq!(index.is_empty(), selectors.iter().enumerate().all(|(key, _)| gone(&key)));
        let mut candidates = Vec::new();
        index.candidates(&message.view(), |key| candidates.push(key));
        candidates.sort_unstable();
        prop_assert!(candidates.windows(2).all(|pair| pair[0] < pair[1]) && !candidates.iter().any(gone));
        for (key, (selector, tree)) in selectors.iter().zip(&trees).enumerate().filter(|(key, _)| !gone(key)) {
            let is_candidate = candidates.contains(&key);
            prop_assert!(is_candidate || !selector.matches(&message.view()), "{}", texts[key]);
            if let Tree::Compare("=", left, right) = tree
                && matches!((left.as_ref(), right.as_ref()), (Tree::Name(_), Tree::Text(_) | Tree::Half(_) | Tree::Boolean(_)))
            {
                prop_assert_eq!(is_candidate, selector.matches(&message.view()), "{}", &texts[key]);
            }
        }
    }
}

/// Selectors as applications write them for subscriptions: mostly equalities, alone or with more.
fn factors() -> impl Strategy<Value = Tree> {
    let literal = prop_oneof![
        prop::sample::select(TEXTS.to_vec()).prop_map(Tree::Text),
        (-3..4_i64).prop_map(Tree::Number),
        (0..6).prop_map(Tree::Half),
        any::<bool>().prop_map(Tree::Boolean),
    ];
    let equality = (0..NAMES.len(), literal)
        .prop_map(|(name, literal)| Tree::Compare("=", Box::new(Tree::Name(name)), Box::new(literal)));
    let combined = (equality.clone(), conditions(), any::<bool>()).prop_map(|(equality, condition, is_first)| {
        let (left, right) = if is_first { (equality, condition) } else { (condition, equality) };
        Tree::And(Box::new(left), Box::new(right))
    });
    prop_oneof![3 => equality, 2 => combined, 1 => conditions()]
}

#[test]
fn equalities_are_found() {
    let found = |text: &str| {
        let selector = Selector::parse(text).expect("well-formed");
        selector.equality().map(|(name, literal)| format!("{name} {literal:?}"))
    };
    for (text, expected) in [
        ("a = 'x'", Some("a Text(\"x\")")),
        ("'x' = a", Some("a Text(\"x\")")),
        ("(a = -5)", Some("a Exact(-5)")),
        ("a = 2.5 AND b > 1", Some("a Approximate(2.5)")),
        ("b > 1 AND a = TRUE", Some("a Boolean(true)")),
        ("b > 1 AND a = 1 AND c IS NULL", Some("a Exact(1)")),
        ("b = 1 AND c > 2 AND a = 1", Some("a Exact(1)")),
        ("b > 1 AND (c < 2 OR d) AND a = 1 AND e LIKE 'x'", Some("a Exact(1)")),
        ("JMSPriority = 4 AND a = 1", Some("a Exact(1)")),
        ("a <> 1", None),
        ("a = 1 OR b = 2", None),
        ("NOT a = 1", None),
        ("a = b", None),
        ("1 = 1", None),
        ("JMSPriority = 4", None),
        ("\"m.a\" = 4", None),
        ("convert_string_expressions:a = 1", None),
    ] {
        assert_eq!(found(text).as_deref(), expected, "{text}");
    }
}
