//! Lines in pixels: paths of SVG, fewer points where there are more than can be seen, and names that do not overlap.

use super::place;

/// A path through points; where one is not a number, the line is interrupted.
pub(super) fn path(points: &[(f64, f64)]) -> String {
    let mut path = String::new();
    let mut is_down = false;
    for (x, y) in points {
        if !y.is_finite() {
            is_down = false;
            continue;
        }
        path.push(if is_down { 'L' } else { 'M' });
        path.push_str(&format!("{} {}", place(*x), place(*y)));
        is_down = true;
    }
    path
}

/// The area between a line and the bottom of the plot; each uninterrupted piece is closed by itself.
pub(super) fn closed(points: &[(f64, f64)], bottom: f64) -> String {
    let pieces = points.split(|(_, y)| !y.is_finite()).filter(|piece| piece.len() > 1);
    pieces
        .filter_map(|piece| {
            let ((first, _), (last, _)) = (piece.first()?, piece.last()?);
            Some(format!("{}L{} {}L{} {}Z", path(piece), place(*last), place(bottom), place(*first), place(bottom)))
        })
        .collect()
}

/// At most two points for each pixel: the highest and the lowest in the picture, in the order in which they come.
pub(super) fn thinned(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let mut kept: Vec<(f64, f64)> = Vec::new();
    for column in points.chunk_by(|(one, _), (other, _)| one.floor() == other.floor()) {
        let by_height = |one: &&(f64, f64), other: &&(f64, f64)| one.1.total_cmp(&other.1);
        let finite = || column.iter().filter(|(_, y)| y.is_finite());
        match (finite().min_by(by_height), finite().max_by(by_height)) {
            (Some(highest), Some(lowest)) if column.len() > 2 => {
                let mut both = [*highest, *lowest];
                both.sort_by(|(one, _), (other, _)| one.total_cmp(other));
                kept.extend(both);
            }
            _ => kept.extend(column),
        }
    }
    kept
}

/// Moves places apart to at least `gap`, as little as possible and within a range where it is large enough. They grow, and stay so.
pub(super) fn spread(wanted: &[f64], gap: f64, (top, bottom): (f64, f64)) -> Vec<f64> {
    // Neighbours that would overlap become a block, which lies where its members want to be on average; blocks that meet become one.
    let mut blocks: Vec<(f64, usize)> = Vec::new();
    for place in wanted {
        blocks.push((*place, 1));
        while let [.., (upper, above), (lower, below)] = blocks.as_slice() {
            let room = gap * (*above + *below) as f64 / 2.0;
            if lower - upper >= room {
                break;
            }
            let (above_count, below_count) = (*above as f64, *below as f64);
            let middle = (upper * above_count + lower * below_count) / (above_count + below_count);
            let merged = (middle, above + below);
            blocks.truncate(blocks.len() - 2);
            blocks.push(merged);
        }
    }
    let mut places = Vec::with_capacity(wanted.len());
    for (middle, count) in blocks {
        let half = gap * (count as f64 - 1.0) / 2.0;
        let first = (middle - half).min(bottom - 2.0 * half).max(top);
        // A block that was kept from leaving the range may have come too near to the one before.
        let first = places.last().map_or(first, |above: &f64| first.max(above + gap));
        places.extend((0..count).map(|number| first + gap * number as f64));
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_interrupts_a_line_and_its_area() {
        let points = [(0.0, 1.0), (1.0, 2.25), (2.0, f64::NAN), (3.0, 4.0), (4.0, 5.0)];
        assert_eq!(path(&points), "M0 1L1 2.2M3 4L4 5");
        assert_eq!(closed(&points, 9.0), "M0 1L1 2.2L1 9L0 9ZM3 4L4 5L4 9L3 9Z");
    }

    #[test]
    fn many_points_in_a_pixel_keep_their_extremes() {
        let points: Vec<_> = (0..1000).map(|number| (f64::from(number) / 100.0, f64::from(number % 7))).collect();
        let kept = thinned(points);
        assert_eq!(kept.len(), 20);
        assert!(kept.iter().any(|(_, y)| *y == 6.0) && kept.iter().any(|(_, y)| *y == 0.0));
        assert!(kept.is_sorted_by(|(one, _), (other, _)| one <= other));
        assert_eq!(thinned(vec![(0.0, 1.0), (0.1, f64::NAN)]).len(), 2);
    }

    #[test]
    fn names_keep_their_order_and_their_distance() {
        assert_eq!(spread(&[10.0, 50.0], 15.0, (0.0, 100.0)), [10.0, 50.0]);
        assert_eq!(spread(&[50.0, 50.0], 10.0, (0.0, 100.0)), [45.0, 55.0]);
        assert_eq!(spread(&[99.0, 99.0, 99.0], 10.0, (0.0, 100.0)), [80.0, 90.0, 100.0]);
        assert_eq!(spread(&[0.0, 1.0], 10.0, (0.0, 100.0)), [0.0, 10.0]);
        assert_eq!(spread(&[0.0, 0.0, 12.0], 10.0, (0.0, 100.0)), [0.0, 10.0, 20.0]);
    }
}
