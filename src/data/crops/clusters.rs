//! Which patches are hidden.

use super::PATCH;
use crate::random::KeyedRng;

/// SSAST's cluster masking (arXiv 2110.09784) of a grid of `columns` columns: squares of 3 to 5 patches, until exactly this
/// share of the patches that hold sound is covered, and no others.
pub(super) fn clusters(columns: usize, share: f32, holds_sound: &[bool], rng: &mut KeyedRng) -> Vec<bool> {
    let sound: Vec<usize> = (0..holds_sound.len()).filter(|&patch| holds_sound[patch]).collect();
    let wanted = ((share * sound.len() as f32).round() as usize).min(sound.len());
    let (side, rows) = (3 + rng.below(3), holds_sound.len() / columns.max(1));
    let mut covered = vec![false; holds_sound.len()];
    let mut count = 0;
    while count < wanted {
        let corner = sound[rng.below(sound.len())];
        let (top, left) = (corner / columns, corner % columns);
        let square = (top..(top + side).min(rows)).flat_map(|row| (left..left + side).map(move |c| (row, c)));
        for (row, column) in square.filter(|(_, column)| *column < columns) {
            let patch = row * columns + column;
            if count < wanted && holds_sound[patch] && !covered[patch] {
                covered[patch] = true;
                count += 1;
            }
        }
    }
    covered
}

/// Which patches of a crop (frames, bins) hold sound: those where anything changes over the frames in any of the mel bins.
/// Padding, digital silence and what is above a cut-off do not change: patches of them are all alike, and none can be
/// distinguished from another.
pub(super) fn sound_patches(crop: &[f32], bins: usize) -> Vec<bool> {
    let (rows, columns) = (bins / PATCH, crop.len() / bins.max(1) / PATCH);
    let holds_sound = |patch: usize| {
        let (row, first) = (patch / columns, patch % columns * PATCH);
        let line = |frame: usize| &crop[frame * bins + row * PATCH..frame * bins + (row + 1) * PATCH];
        (first + 1..first + PATCH).any(|frame| line(frame) != line(first))
    };
    (0..rows * columns).map(holds_sound).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_cover_exactly_their_share_of_what_holds_sound() {
        for (rows, columns) in [(8, 8), (8, 32)] {
            for sound in [columns, 3, 0] {
                let holds: Vec<bool> = (0..rows * columns).map(|patch| patch % columns < sound).collect();
                let covered = clusters(columns, 0.78, &holds, &mut KeyedRng::new(1, "test", 0, 0));
                let count = covered.iter().filter(|&&covered| covered).count();
                assert_eq!(count, (0.78 * (rows * sound) as f32).round() as usize);
                assert!(covered.iter().zip(&holds).all(|(covered, holds)| !covered || *holds));
            }
        }
    }
}
