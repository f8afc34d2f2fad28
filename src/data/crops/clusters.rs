//! Which patches are hidden.

use super::PATCH;
use crate::data::random::Dice;

/// SSAST's cluster masking (arXiv 2110.09784): squares of 3 to 5 patches until exactly this share is covered.
pub(super) fn clusters(rows: usize, columns: usize, share: f32, dice: &mut Dice) -> Vec<bool> {
    let all = rows * columns;
    let wanted = ((share * all as f32).round() as usize).min(all);
    let side = 3 + dice.below(3);
    let mut covered = vec![false; all];
    let mut count = 0;
    while count < wanted {
        let (top, left) = (dice.below(rows), dice.below(columns));
        for (row, column) in (top..(top + side).min(rows)).flat_map(|row| (left..left + side).map(move |c| (row, c))) {
            if column < columns && count < wanted && !covered[row * columns + column] {
                covered[row * columns + column] = true;
                count += 1;
            }
        }
    }
    covered
}

/// Whether anything changes over a patch's frames in any of its mel bins. Padding, digital silence and what lies above a
/// cut-off do not change: patches of them are all alike, and none can be told from another.
pub(super) fn holds_sound(crop: &[f32], bins: usize, [row, column]: [usize; 2]) -> bool {
    let frames: Vec<&[f32]> = (column * PATCH..(column + 1) * PATCH)
        .map(|frame| &crop[frame * bins + row * PATCH..frame * bins + (row + 1) * PATCH])
        .collect();
    frames.windows(2).any(|pair| pair[0] != pair[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_cover_exactly_their_share() {
        for (rows, columns) in [(8, 8), (8, 32)] {
            let covered = clusters(rows, columns, 0.78, &mut Dice::new(1, "test", 0, 0));
            let count = covered.iter().filter(|&&covered| covered).count();
            assert_eq!(count, (0.78 * (rows * columns) as f32).round() as usize);
        }
    }
}
