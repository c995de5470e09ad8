//! Tables for a terminal: columns as wide as they need to be, and together no wider than the terminal.
//!
//! Guarantees: text of others is shown, not obeyed (`load_model::shown`); a line is never broken by the terminal: names are shortened
//! first, the longest first, and what still is too wide is cut at its end, with a mark.

use load_model::shown;

/// Columns that a name keeps when there is no room for more.
const NAME_COLUMNS_MIN: usize = 8;
/// Columns of a name at most, however wide the terminal is: a line is read as a whole.
const NAME_COLUMNS_MAX: usize = 60;
/// What stands between two columns.
const GAP: &str = "  ";

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text of others, which may be shortened; it begins at the left.
    Name,
    /// A word of ours.
    Word,
    /// A figure, which ends at the right.
    Figure,
}

/// A table: the title and kind of each column, and the cells of each row.
pub struct Table {
    pub head: Vec<(&'static str, Kind)>,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// The table in `columns_max` columns of a terminal.
    pub fn render(&self, columns_max: usize) -> String {
        let widths = self.widths(columns_max);
        let titles = self.head.iter().map(|(title, _)| (*title).to_owned()).collect();
        let mut text = String::new();
        for row in std::iter::once(&titles).chain(&self.rows) {
            let mut line = String::new();
            for ((cell, &(_, kind)), &width) in row.iter().zip(&self.head).zip(&widths) {
                let cell = shown::name(cell).at_most(width).to_string();
                let blank = " ".repeat(width - shown::columns(&cell));
                let gap = if line.is_empty() { "" } else { GAP };
                line +=
                    &if kind == Kind::Figure { [gap, &blank, &cell].concat() } else { [gap, &cell, &blank].concat() };
            }
            text += &shown::sentence(line.trim_end()).at_most(columns_max).to_string();
            text.push('\n');
        }
        text
    }

    /// How wide each column is.
    fn widths(&self, columns_max: usize) -> Vec<usize> {
        let mut widths: Vec<usize> = self.head.iter().map(|(title, _)| shown::columns(title)).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                let shown = shown::name(cell).at_most(NAME_COLUMNS_MAX).to_string();
                *width = shown::columns(&shown).max(*width);
            }
        }
        let mut over = (widths.iter().sum::<usize>() + GAP.len() * (widths.len() - 1)).saturating_sub(columns_max);
        while over > 0 {
            let names = widths.iter_mut().zip(&self.head).filter(|(_, (_, kind))| *kind == Kind::Name);
            let longest =
                names.map(|(width, _)| width).filter(|width| **width > NAME_COLUMNS_MIN).max_by_key(|width| **width);
            let Some(longest) = longest else { break };
            *longest -= 1;
            over -= 1;
        }
        widths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(names: &[&str]) -> Table {
        let head = vec![("name", Kind::Name), ("kind", Kind::Word), ("count", Kind::Figure)];
        let row =
            |(index, name): (usize, &&str)| vec![(*name).to_owned(), "any".to_owned(), (index * 1000).to_string()];
        Table { head, rows: names.iter().enumerate().map(row).collect() }
    }

    #[test]
    fn columns_line_up() {
        assert_eq!(table(&["a", "long"]).render(80), "name  kind  count\na     any       0\nlong  any    1000\n");
        assert_eq!(table(&["😀", "ab"]).render(80), "name  kind  count\n😀    any       0\nab    any    1000\n");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let evil = ["z".repeat(2048), "e\u{1b}[31m\nvil\u{202e}".to_owned(), "😀".repeat(500), String::new()];
        let table = table(&evil.each_ref().map(String::as_str));
        for columns_max in [10, 24, 80, 200, usize::MAX] {
            let text = table.render(columns_max);
            assert_eq!(text.lines().count(), 5, "{text}");
            for line in text.lines() {
                assert!(shown::columns(line) <= columns_max.min(80), "{columns_max}: {line}");
                assert!(!line.contains(char::is_control) && !line.contains('\u{202e}'), "{line}");
            }
        }
        assert!(table.render(40).contains("zzz…  any"), "{}", table.render(40));
    }
}
