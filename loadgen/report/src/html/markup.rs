//! HTML and SVG that is right by construction.
//!
//! Guarantees:
//! 1. Every element is closed, in order, so that the text is well-formed XML as well as HTML.
//! 2. Text and attributes of others are escaped, and what cannot be seen is written (`shown`); only literals of this crate are taken as they are (`fixed`).

use load_model::shown;

/// A piece of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Markup(String);

/// Elements that have no content, and no closing tag in HTML.
const VOID: [&str; 3] = ["meta", "br", "hr"];

impl Markup {
    /// Text, of whomever.
    pub(crate) fn text(text: &str) -> Self {
        Self(escape(text))
    }

    /// Markup that is written in this crate.
    pub(crate) fn fixed(markup: &'static str) -> Self {
        Self(markup.to_owned())
    }

    /// Several pieces, one after the other.
    pub(crate) fn all(pieces: impl IntoIterator<Item = Self>) -> Self {
        Self(pieces.into_iter().map(|piece| piece.0).collect())
    }

    /// An element; names are ours, values of attributes and content may be of others. An attribute without a value is left out.
    pub(crate) fn element(name: &'static str, attributes: &[(&'static str, &str)], content: Self) -> Self {
        let valued = attributes.iter().filter(|(_, value)| !value.is_empty());
        let attributes: String = valued.map(|(name, value)| format!(" {name}=\"{}\"", escape(value))).collect();
        if VOID.contains(&name) {
            return Self(format!("<{name}{attributes}/>"));
        }
        Self(format!("<{name}{attributes}>{}</{name}>", content.0))
    }

    /// An element without attributes that holds text.
    pub(crate) fn holding(name: &'static str, text: &str) -> Self {
        Self::element(name, &[], Self::text(text))
    }

    /// What is to be written.
    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    // XML has no control characters, not even written as numbers; and marks of direction would turn a page around.
    for c in shown::lines(text).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_say_stays_text() {
        let hostile = "</td><script>alert('1')</script>\u{0}\u{202e}\" onload=\"x";
        let markup = Markup::element("p", &[("title", hostile)], Markup::text(hostile));
        let safe = "&lt;/td&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;\\0\\u{202e}&quot; onload=&quot;x";
        assert_eq!(markup.into_string(), format!("<p title=\"{safe}\">{safe}</p>"));
        assert_eq!(Markup::element("br", &[], Markup::default()).into_string(), "<br/>");
    }
}
