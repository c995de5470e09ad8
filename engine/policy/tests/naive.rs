//! What is allowed, against matchers that are short and slow.

use engine_policy::{Addresses, Name, UserPattern};
use proptest::prelude::*;

/// Whether a text fits a name of `*` at the end and of the user.
fn fits_name(name: &str, user: &str, address: &str) -> bool {
    if address.is_empty() {
        return false;
    }
    let (name, is_open) = match name.strip_suffix('*') {
        Some(name) => (name, true),
        None => (name, false),
    };
    let whole = name.replace("${user}", user);
    if is_open { address.starts_with(&whole) } else { address == whole }
}

/// Whether words fit words of a pattern.
fn fits_words(pattern: &[&str], words: &[&str]) -> bool {
    match (pattern, words) {
        ([], []) => true,
        (["#", rest @ ..], _) => (0..=words.len()).any(|skipped| fits_words(rest, &words[skipped..])),
        (["*", rest @ ..], [_, words @ ..]) => fits_words(rest, words),
        ([word, rest @ ..], [first, words @ ..]) => word == first && fits_words(rest, words),
        _ => false,
    }
}

fn words(text: &str) -> Vec<&str> {
    text.split(['.', '/']).collect()
}

/// Whether a text fits a pattern, of whose words the user is one. The user has no dividers here, so that it is a word of the address, too.
fn fits_pattern(pattern: &str, user: &str, address: &str) -> bool {
    let has_user = pattern.contains("${user}");
    let named = pattern.replace("${user}", user);
    !address.is_empty() && (!has_user || !user.is_empty()) && fits_words(&words(&named), &words(address))
}

const USER: &str = "(u|v|uu|)";
const WORD: &str = "(a|b|u|uu|\\*|#)";

proptest! {
    #[test]
    fn names_are_as_they_read(
        before in "[ab.*u]{0,4}", middle in "(\\$\\{user\\})?", behind in "[ab.u]{0,4}\\*?", user in USER, address in "[abuv.*]{0,8}",
    ) {
        let text = format!("{before}{middle}{behind}");
        prop_assume!(!text.is_empty());
        let name = Name::new(&text).expect("a name");
        prop_assert_eq!(name.allows(&user, &address), fits_name(&text, &user, &address), "{} {} {}", text, user, address);
    }

    #[test]
    fn names_that_are_filled_in_are_allowed(before in "[ab.]{0,4}", behind in "[ab.]{0,4}", user in "[a-z.*]{0,4}", rest in "[ab*]{0,3}") {
        let whole = format!("{before}{user}{behind}");
        prop_assume!(!whole.is_empty());
        let exact = Name::new(&format!("{before}${{user}}{behind}")).expect("a name");
        prop_assert!(exact.allows(&user, &whole));
        let longer = format!("{whole}{rest}");
        prop_assert_eq!(exact.allows(&user, &longer), rest.is_empty());
        let open = Name::new(&format!("{before}${{user}}{behind}*")).expect("a name");
        prop_assert!(open.allows(&user, &longer));
    }

    #[test]
    fn patterns_are_as_they_read(
        texts in proptest::collection::vec((proptest::collection::vec(WORD, 1..4), 0..3u8), 0..6),
        user in USER, address in "(a|b|u|v|uu)([./](a|b|u|v|uu)){0,4}",
    ) {
        let written = |(words, user): &(Vec<String>, u8)| match user {
            0 => words.join("."),
            1 => format!("${{user}}.{}", words.join("/")),
            _ => format!("{}/${{user}}", words.join(".")),
        };
        let texts: Vec<String> = texts.iter().map(written).collect();
        let wanted = texts.iter().any(|text| fits_pattern(text, &user, &address));
        let single = texts.iter().any(|text| UserPattern::new(text).expect(text).allows(&user, &address));
        prop_assert_eq!(single, wanted, "{:?} {} {}", texts, user, address);
        let together = Addresses::of_patterns(texts.iter().map(String::as_str)).expect("patterns");
        prop_assert_eq!(together.allow(&user, &address), wanted, "{:?} {} {}", texts, user, address);
    }

    #[test]
    fn nothing_that_is_written_panics(text in "\\PC{0,40}", user in "\\PC{0,8}", address in "\\PC{0,40}") {
        if let Ok(name) = Name::new(&text) {
            let _ = name.allows(&user, &address);
        }
        if let Ok(pattern) = UserPattern::new(&text) {
            let _ = pattern.allows(&user, &address);
        }
        drop(engine_policy::Host::new(&text));
    }
}
