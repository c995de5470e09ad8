//! Curves and bars of characters.

/// Eighths of a character's height.
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Eighths of a character's width.
const PARTS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
/// The smallest factor that a logarithmic curve spans, so that noise does not look like an event.
const FACTOR_LEAST: f64 = 4.0;

/// What stands for several values where there is room for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    Largest,
    Least,
}

/// At most `columns` values, each the extreme of as many neighbours as it stands for.
pub(super) fn fewer(values: &[f64], columns: usize, keep: Keep) -> Vec<f64> {
    let each = values.len().div_ceil(columns.max(1)).max(1);
    let extreme = match keep {
        Keep::Largest => f64::max,
        Keep::Least => f64::min,
    };
    values.chunks(each).map(|neighbours| neighbours.iter().copied().fold(f64::NAN, extreme)).collect()
}

/// A curve from 0 to its largest value.
pub(super) fn from_zero(values: &[f64]) -> String {
    let largest = values.iter().copied().fold(0.0, f64::max);
    values.iter().map(|value| level(value / largest)).collect()
}

/// A curve from its least value to its largest, on a logarithmic scale.
pub(super) fn log(values: &[f64]) -> String {
    let least = values.iter().copied().fold(f64::NAN, f64::min);
    let largest = values.iter().copied().fold(f64::NAN, f64::max).max(least * FACTOR_LEAST);
    values.iter().map(|value| level((value / least).ln() / (largest / least).ln())).collect()
}

fn level(share: f64) -> char {
    if !share.is_finite() {
        return ' ';
    }
    let eighth = (share.clamp(0.0, 1.0) * LEVELS.len() as f64) as usize;
    LEVELS.get(eighth.min(LEVELS.len() - 1)).copied().unwrap_or(' ')
}

/// How much is done, `width` characters wide with its percentage.
pub(super) fn bar(share: f64, width: usize) -> String {
    let cells = width.saturating_sub(8);
    let eighths = (share.clamp(0.0, 1.0) * cells as f64 * 8.0).round() as usize;
    let part = PARTS.get(eighths % 8).filter(|_| !eighths.is_multiple_of(8));
    let done: String = "█".repeat(eighths / 8).chars().chain(part.copied()).collect();
    let rest = "░".repeat(cells.saturating_sub(done.chars().count()));
    format!("{done}{rest} {:>3.0} %", share.clamp(0.0, 1.0) * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_span_what_they_show() {
        assert_eq!(from_zero(&[0.0, 4.0, 8.0]), "▁▅█");
        assert_eq!(log(&[100.0, 1000.0, f64::NAN, 10_000.0]), "▁▅ █");
        assert_eq!(log(&[100.0, 105.0, 100.0]), "▁▁▁", "noise is no event");
        assert_eq!(from_zero(&[0.0, 0.0]), "  ");
        assert_eq!(fewer(&[1.0, 9.0, 2.0, 3.0, 5.0], 3, Keep::Largest), [9.0, 3.0, 5.0]);
        assert_eq!(fewer(&[1.0, 9.0, 2.0, 3.0, 5.0], 3, Keep::Least), [1.0, 2.0, 5.0]);
    }

    #[test]
    fn bars_have_their_width() {
        assert_eq!(bar(0.5, 18), "█████░░░░░  50 %");
        assert_eq!(bar(0.55, 18), "█████▌░░░░  55 %");
        assert_eq!(bar(7.0, 18), "██████████ 100 %");
    }
}
