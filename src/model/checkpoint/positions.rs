//! Position embeddings for another length or stride, by the rule of the model's family.
//!
//! Gong's, for AST and SSAST, along each axis by itself: fewer patches are cut around the middle, from column `source / 2 -
//! wanted / 2`; more are interpolated linearly, corners not aligned (PyTorch's bilinear). CED and Dasheng count columns from
//! the front and interpolate more of them in the same way. Whisper's sinusoids count from the front and have an end.

use crate::model::{
    ModelConfig, Positions,
    spec::{AXES, POSITIONS},
};

/// Whether a parameter of ours codes positions.
pub(in crate::model) fn are(name: &str) -> bool {
    name == POSITIONS || AXES.contains(&name)
}

/// The positions of this name for a model of this shape, from those of a `source` grid; row-major.
pub(super) fn for_shape(name: &str, values: &[f32], source: [usize; 2], to: &ModelConfig) -> Vec<f32> {
    let (d, wanted) = (to.hidden, to.grid());
    match to.facts().positions {
        Positions::Tokens => fit(values, to.class_tokens(), d, source, wanted),
        Positions::Sinusoids => values[..(wanted[1] * d).min(values.len())].to_vec(),
        Positions::Axes => {
            let axis = usize::from(name == AXES[1]);
            if wanted[axis] <= source[axis] {
                return values[..(wanted[axis] * d).min(values.len())].to_vec();
            }
            line(values, d, wanted[axis])
        }
    }
}

/// Fits patch positions of a `source` grid to a `wanted` one (frequency, time). `values` is (1, class tokens +
/// patches, hidden), row-major, with class tokens first; they stay as they are.
fn fit(values: &[f32], class_tokens: usize, hidden: usize, source: [usize; 2], wanted: [usize; 2]) -> Vec<f32> {
    let (class, patches) = values.split_at((class_tokens * hidden).min(values.len()));
    let [rows, columns] = source;
    // Time: each row is a line of `columns` vectors.
    let timed: Vec<f32> = (0..rows)
        .flat_map(|row| line(&patches[row * columns * hidden..(row + 1) * columns * hidden], hidden, wanted[1]))
        .collect();
    // Frequency: a line of `rows` vectors, each a whole row.
    let all = line(&timed, wanted[1] * hidden, wanted[0]);
    [class, &all].concat()
}

/// A line of vectors of `size` values, cut or stretched to `wanted` vectors.
fn line(values: &[f32], size: usize, wanted: usize) -> Vec<f32> {
    let length = values.len() / size.max(1);
    let vector = |i: usize| &values[i * size..(i + 1) * size];
    if wanted <= length {
        let first = length / 2 - wanted / 2;
        return values[first * size..(first + wanted) * size].to_vec();
    }
    let scale = length as f32 / wanted as f32;
    (0..wanted)
        .flat_map(|i| {
            let at = ((i as f32 + 0.5) * scale - 0.5).max(0.0);
            let before = (at as usize).min(length - 1);
            let after = (before + 1).min(length - 1);
            let share = at - before as f32;
            vector(before).iter().zip(vector(after)).map(move |(a, b)| a * (1.0 - share) + b * share)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_are_cut_around_the_middle() {
        // One row of 101 columns to 12: from column 50 - 6.
        let source: Vec<f32> = (0..103).map(|i| i as f32 - 2.0).collect();
        let fitted = fit(&source, 2, 1, [1, 101], [1, 12]);
        assert_eq!(fitted[..2], [-2.0, -1.0]);
        assert_eq!(fitted[2..], (44..56).map(|i| i as f32).collect::<Vec<_>>());
    }

    /// torch.nn.functional.interpolate([0, 1, 2, 4], size=6, mode="linear", align_corners=False).
    #[test]
    fn more_are_interpolated() {
        let expected = [0.0, 0.5, 1.166_666_7, 1.833_333_4, 3.0, 4.0];
        for (got, want) in line(&[0.0, 1.0, 2.0, 4.0], 1, 6).into_iter().zip(expected) {
            assert!((got - want).abs() < 1e-6, "{got} is not {want}");
        }
    }

    #[test]
    fn the_same_grid_is_left_alone() {
        let source: Vec<f32> = (0..2 * 3 * 4 * 5 + 10).map(|i| (i as f32).sin()).collect();
        assert_eq!(fit(&source[..10 + 60], 2, 5, [3, 4], [3, 4]), source[..70]);
    }

    /// A shorter CED takes the first columns, where Gong's rule would take those around the middle.
    #[test]
    fn columns_of_axes_count_from_the_front() {
        let ast = ModelConfig::ast("tiny", 128, [16, 16], 2).unwrap_or_else(|| unreachable!());
        let stem = crate::model::Stem::Patches { mel_bins: 64, frames: 80, patch: [16, 16], stride: [16, 16] };
        let ced = ModelConfig { hidden: 2, stem, family: Some(crate::model::Family::Ced), ..ast };
        let columns: Vec<f32> = (0..20).map(|i| i as f32).collect();
        assert_eq!(for_shape("pos_embed.time", &columns, [4, 10], &ced), columns[..10]);
        assert_eq!(for_shape("pos_embed.freq", &columns[..8], [4, 10], &ced), columns[..8]);
        // A longer one interpolates, as its makers' code does in a model that is built longer.
        assert_eq!(for_shape("pos_embed.time", &[0.0, 0.0, 4.0, 4.0], [4, 2], &ced).len(), 10);
    }

    #[test]
    fn rows_are_stretched_as_columns_are() {
        let column: Vec<f32> = vec![0.0, 1.0, 2.0, 4.0];
        assert_eq!(fit(&column, 0, 1, [4, 1], [6, 1]), fit(&column, 0, 1, [1, 4], [1, 6]));
    }
}
