//! Lines on a terminal, or in a file: colours where they are wanted, sentences broken between words where the paper ends.
//!
//! Guarantees: a word is never cut, nor a number from its unit; what goes on in the next line is indented to where its text began;
//! without a width nothing is broken, so that what is piped can be searched line by line. Rows of tables are never broken: they are
//! made to fit 80 columns.

use crate::number;

/// Whether a terminal's colours are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// ANSI colours.
    Ansi,
    /// Text alone.
    Plain,
}

/// What text is printed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paper {
    /// Whether colours are used.
    pub colour: Colour,
    /// Its width, characters; absent where lines have no end.
    pub columns: Option<usize>,
}

impl Paper {
    /// Text alone, in lines without end.
    pub const PLAIN: Self = Self { colour: Colour::Plain, columns: None };
}

/// What a piece of text is, which decides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    Good,
    Bad,
    Faint,
    Strong,
}

impl Colour {
    /// Text in its colour.
    pub(crate) fn paint(self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Good => 32,
            Ink::Bad => 31,
            Ink::Faint => 2,
            Ink::Strong => 1,
        };
        match self {
            Self::Ansi => format!("\x1b[{code}m{text}\x1b[0m"),
            Self::Plain => text.to_owned(),
        }
    }
}

/// Where the first column ends.
pub(super) const NAME: usize = 12;
/// Longest line of words: longer ones are hard to follow, however wide the window is.
const WIDEST: usize = 120;
/// The least that a line has for its words, however narrow the paper and however deep the indentation.
const NARROWEST: usize = 20;

/// What is written so far.
pub(super) struct Sheet {
    paper: Paper,
    out: String,
}

impl Sheet {
    pub(super) fn new(paper: Paper) -> Self {
        Self { paper, out: String::new() }
    }

    pub(super) fn finish(self) -> String {
        self.out
    }

    pub(super) fn paint(&self, ink: Ink, text: &str) -> String {
        self.paper.colour.paint(ink, text)
    }

    /// An empty line.
    pub(super) fn gap(&mut self) {
        self.out.push('\n');
    }

    /// Words from the edge on.
    pub(super) fn line(&mut self, text: &str) {
        self.hanging(0, text);
    }

    /// Words whose further lines are indented.
    pub(super) fn hanging(&mut self, indent: usize, text: &str) {
        let lines = match self.paper.columns {
            Some(columns) => wrapped(text, columns.min(WIDEST), indent),
            None => vec![text.to_owned()],
        };
        for line in lines {
            self.cells(&line);
        }
    }

    /// Words behind a mark.
    pub(super) fn item(&mut self, mark: &str, text: &str) {
        self.hanging(mark.chars().count(), &format!("{mark}{text}"));
    }

    /// Words behind a name.
    pub(super) fn row(&mut self, name: &str, text: &str) {
        self.hanging(NAME, &format!("{name:NAME$}{text}"));
    }

    /// The same, all of it in one colour.
    pub(super) fn row_in(&mut self, ink: Ink, name: &str, text: &str) {
        let text = self.paint(ink, &format!("{name:NAME$}{text}"));
        self.hanging(NAME, &text);
    }

    /// A row of a table, as it is.
    pub(super) fn cells(&mut self, text: &str) {
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }

    /// The same, all of it in one colour.
    pub(super) fn cells_in(&mut self, ink: Ink, text: &str) {
        let text = self.paint(ink, text.trim_end());
        self.cells(&text);
    }
}

/// A sentence in lines that fit the paper.
pub fn fitted(text: &str, paper: Paper) -> String {
    let fit = |line: &str| match paper.columns {
        Some(columns) => wrapped(line, columns, 0).join("\n"),
        None => line.to_owned(),
    };
    text.lines().map(fit).collect::<Vec<_>>().join("\n")
}

/// Text in lines of at most so many columns, where its words allow that; blanks at its beginning and within it stay.
pub(crate) fn wrapped(text: &str, columns: usize, indent: usize) -> Vec<String> {
    let columns = columns.max(indent + NARROWEST);
    let (mut lines, mut line) = (Vec::new(), String::new());
    // A line does not end before there was a word: blanks at its beginning are words of no letters.
    let (mut is_first, mut has_words) = (true, false);
    for piece in pieces(text) {
        // What is too long for a line of its own, such as a path, gains nothing by one.
        let fits_next = indent + width(&piece) <= columns;
        if has_words && fits_next && width(&line) + 1 + width(&piece) > columns {
            lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
        } else if !is_first {
            line.push(' ');
        }
        line.push_str(&piece);
        (is_first, has_words) = (false, has_words || !piece.is_empty());
    }
    lines.push(line);
    lines
}

/// The words of a text, those that belong together in one.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match pieces.last_mut() {
            Some(before) if number::is_unit_of(before, word) => {
                before.push(' ');
                before.push_str(word);
            }
            _ => pieces.push(word.to_owned()),
        }
    }
    pieces
}

/// Columns that a text takes: what sets colours takes none.
fn width(text: &str) -> usize {
    let mut is_code = false;
    let is_seen = |letter: &char| {
        let was_code = is_code || *letter == '\x1b';
        is_code = was_code && *letter != 'm';
        !was_code
    };
    text.chars().filter(is_seen).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_between_words_and_go_on_where_the_text_began() {
        let text = "  - The p99 rose by 12.3 ms in the measured time: it was not steady.";
        let lines = wrapped(text, 24, 4);
        assert_eq!(
            lines,
            ["  - The p99 rose by", "    12.3 ms in the", "    measured time: it", "    was not steady."]
        );
        assert_eq!(
            wrapped("rates       due 1.49 M/s, sent 20,000 /s", 34, 12),
            ["rates       due 1.49 M/s, sent", "            20,000 /s"]
        );
        let long = "/tmp/a-name-that-is-longer-than-the-paper-is-wide";
        let row = format!("written     {long}");
        assert_eq!(wrapped(&row, 40, 12), vec![row], "a path is not cut, and gains nothing by a line of its own");
    }

    #[test]
    fn colours_take_no_room_and_no_width_breaks_nothing() {
        let red = Colour::Ansi.paint(Ink::Bad, "twelve more and more");
        assert_eq!(width(&red), 20);
        assert_eq!(wrapped(&red, 20, 0).len(), 1);
        assert_eq!(wrapped(&red, 12, 0).len(), 1, "no paper is narrower than a sentence needs");
        let mut sheet = Sheet::new(Paper::PLAIN);
        sheet.line(&"word ".repeat(100));
        assert_eq!(sheet.finish().lines().count(), 1);
    }
}
