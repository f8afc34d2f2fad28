//! Places labels beside their points without overlaps.

/// A rectangle in pixels: left, top, right, bottom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rect {
    pub(super) left: i32,
    pub(super) top: i32,
    pub(super) right: i32,
    pub(super) bottom: i32,
}

impl Rect {
    /// Around a point.
    pub(super) fn around((x, y): (i32, i32), across: i32, up: i32) -> Self {
        Self { left: x - across, top: y - up, right: x + across, bottom: y + up }
    }

    fn at((left, top): (i32, i32), (width, height): (i32, i32)) -> Self {
        Self { left, top, right: left + width, bottom: top + height }
    }

    /// Pixels in both.
    fn overlap(&self, other: &Self) -> i64 {
        let across = self.right.min(other.right) - self.left.max(other.left);
        let up = self.bottom.min(other.bottom) - self.top.max(other.top);
        i64::from(across.max(0)) * i64::from(up.max(0))
    }

    /// Pixels outside of another.
    fn outside(&self, frame: &Self) -> i64 {
        self.overlap(self) - self.overlap(frame)
    }
}

/// Rounds of improvement; labels of a dozen points settle in two or three.
const ROUNDS: usize = 6;

/// A place for the label of each point: its top left corner. No label may cover the `marks` (which include the points'
/// own); labels keep `gap` pixels from their points and stay in the frame if they can.
pub(super) fn place(
    points: &[(i32, i32)],
    sizes: &[(i32, i32)],
    marks: &[Rect],
    frame: Rect,
    gap: i32,
) -> Vec<(i32, i32)> {
    let candidates = |i: usize| candidates(points[i], sizes[i], gap);
    let mut chosen: Vec<(i32, i32)> = (0..points.len()).map(|i| candidates(i)[0]).collect();
    for _ in 0..ROUNDS {
        let before = chosen.clone();
        for i in 0..points.len() {
            let cost = |(rank, at): &(usize, (i32, i32))| {
                let label = Rect::at(*at, sizes[i]);
                let others = (0..points.len()).filter(|&j| j != i).map(|j| Rect::at(chosen[j], sizes[j]));
                let covered: i64 = others.map(|other| label.overlap(&other)).sum::<i64>()
                    + marks.iter().map(|mark| label.overlap(mark)).sum::<i64>();
                (covered + 4 * label.outside(&frame), *rank)
            };
            if let Some((_, best)) = candidates(i).into_iter().enumerate().min_by_key(cost) {
                chosen[i] = best;
            }
        }
        if chosen == before {
            break;
        }
    }
    chosen
}

/// Candidate places around a point, the better ones first: right, left, above, below, the corners, flush with it; then
/// the same further away.
fn candidates((x, y): (i32, i32), (width, height): (i32, i32), gap: i32) -> Vec<(i32, i32)> {
    let ring = |far: i32| {
        let gap = gap + far;
        let (right, left, middle) = (x + gap, x - gap - width, x - width / 2);
        let (above, level, below) = (y - gap - height, y - height / 2, y + gap);
        [
            (right, level),
            (left, level),
            (middle, above),
            (middle, below),
            (right, above + height / 2),
            (right, below - height / 2),
            (left, above + height / 2),
            (left, below - height / 2),
            // Above and below, flush with the point: at the frame's edges.
            (x - width + gap, above),
            (x - width + gap, below),
            (x - gap, above),
            (x - gap, below),
        ]
    };
    [0, height / 2, height, 2 * height, 3 * height].into_iter().flat_map(ring).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(points: &[(i32, i32)]) -> (Vec<Rect>, Vec<Rect>) {
        let sizes = vec![(120, 30); points.len()];
        let marks: Vec<_> = points.iter().map(|point| Rect::around(*point, 7, 7)).collect();
        let frame = Rect { left: 0, top: 0, right: 800, bottom: 500 };
        let placed = place(points, &sizes, &marks, frame, 12);
        (placed.into_iter().zip(sizes).map(|(at, size)| Rect::at(at, size)).collect(), marks)
    }

    #[test]
    fn crowded_labels_cover_neither_one_another_nor_the_points() {
        let crowd: Vec<_> = (0..8).map(|i| (600 + 12 * i, 60 + 9 * (i % 3))).collect();
        let (labels, marks) = labels(&crowd);
        for (i, label) in labels.iter().enumerate() {
            assert!(labels[i + 1..].iter().all(|other| label.overlap(other) == 0), "{i}: {labels:?}");
            assert!(marks.iter().all(|mark| label.overlap(mark) == 0), "{i}: {labels:?}");
            assert!(label.left >= 0 && label.right <= 800 && label.top >= 0 && label.bottom <= 500, "{label:?}");
        }
    }

    #[test]
    fn a_point_with_room_has_its_label_at_its_right_and_one_at_the_edge_at_its_left() {
        let (labels, _) = labels(&[(100, 250), (790, 250)]);
        assert_eq!((labels[0].left, labels[0].top), (112, 235));
        assert_eq!(labels[1].right, 778);
    }
}
