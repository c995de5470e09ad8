//! A command line in words, as a shell would split it; nothing else of a shell: no variables, no patterns, no pipes.

/// The words of a line. Blanks separate; `'…'` is taken as it is, in `"…"` a backslash takes `"` and `\` as they are, elsewhere anything.
///
/// # Errors
/// When there is none, or a quote is not closed; for people.
pub fn split(line: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word) = (Vec::new(), None::<String>);
    let mut chars = line.chars();
    while let Some(char) = chars.next() {
        match char {
            ' ' | '\t' | '\n' => words.extend(word.take()),
            '\'' | '"' => quoted(char, &mut chars, word.get_or_insert_default())
                .ok_or_else(|| format!("command {line:?}: a quote {char} is not closed"))?,
            '\\' => match chars.next() {
                Some(char) => word.get_or_insert_default().push(char),
                None => return Err(format!("command {line:?}: there is nothing behind its last backslash")),
            },
            _ => word.get_or_insert_default().push(char),
        }
    }
    words.extend(word);
    if words.is_empty() { Err("the command is empty: write one such as 'artemis run'".to_owned()) } else { Ok(words) }
}

/// Takes what stands before the closing quote; nothing if there is none.
fn quoted(quote: char, chars: &mut std::str::Chars<'_>, word: &mut String) -> Option<()> {
    loop {
        let char = chars.next()?;
        match (quote, char) {
            _ if char == quote => return Some(()),
            ('"', '\\') => match chars.next()? {
                escaped @ ('"' | '\\') => word.push(escaped),
                other => word.extend(['\\', other]),
            },
            _ => word.push(char),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_a_shell() {
        for (line, words) in [
            ("a  b\tc ", &["a", "b", "c"][..]),
            (r#"run '--name=two words' "and \"these\" \n""#, &["run", "--name=two words", r#"and "these" \n"#]),
            (r"one\ word x''y ''", &["one word", "xy", ""]),
            ("$HOME *", &["$HOME", "*"]),
        ] {
            assert_eq!(split(line).expect(line), words);
        }
        for (line, told) in
            [("a 'b", "is not closed"), ("a \"b\\\"", "is not closed"), ("a\\", "nothing behind"), (" ", "is empty")]
        {
            assert!(split(line).expect_err(line).contains(told), "{line}");
        }
    }
}
