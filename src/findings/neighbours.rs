//! Clips that are nearly the same, and clips unlike all others: by the angle between their vectors.

use nalgebra::DMatrix;
use rayon::prelude::*;

use crate::train::median;

/// Neighbours that decide how far a clip is from the others.
const NEAREST: usize = 5;
/// Clips at most that are compared, each with every other: what half a minute on two cores allows.
const MOST: usize = 20_000;
/// Rows that are compared at once.
const BLOCK: usize = 128;

/// Two clips and the cosine of the angle between their vectors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// The row of the first.
    pub a: usize,
    /// The row of the second.
    pub b: usize,
    /// The cosine: 1 for equal vectors.
    pub similarity: f32,
}

/// What comparing all clips found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Neighbours {
    /// Clips that are nearly the same, most similar first.
    pub pairs: Vec<Pair>,
    /// Rows of clips far from all others, farthest first, each with the mean cosine to its nearest ones.
    pub outliers: Vec<(usize, f32)>,
    /// Clips that were not compared, since there are too many.
    pub left_out: usize,
}

/// Vectors of length 1 with columns of the same spread, (rows, width).
fn unit(vectors: &[f32], width: usize) -> DMatrix<f32> {
    let rows = vectors.len() / width.max(1);
    let mut x = DMatrix::from_row_slice(rows, width, vectors);
    for mut column in x.column_iter_mut() {
        let mean = column.mean();
        let deviation = column.variance().sqrt().max(1e-9);
        column.apply(|value| *value = (*value - mean) / deviation);
    }
    for mut row in x.row_iter_mut() {
        let norm = row.norm().max(1e-9);
        row.apply(|value| *value /= norm);
    }
    x
}

/// The clips most like the one in this row, at most so many, the most alike first, each with its cosine. It is not among them.
pub fn most_like(vectors: &[f32], width: usize, row: usize, count: usize) -> Vec<(usize, f32)> {
    let x = unit(vectors, width);
    if row >= x.nrows() {
        return Vec::new();
    }
    let similarities = &x * x.row(row).transpose();
    let mut all: Vec<(usize, f32)> =
        similarities.iter().copied().enumerate().filter(|(other, _)| *other != row).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    all.truncate(count);
    all
}

/// Compares every clip with every other: pairs at least as similar as `same`, and outliers: clips whose mean cosine to their
/// nearest ones is more than five deviations (by the median) below the median.
pub fn neighbours(vectors: &[f32], width: usize, same: f32) -> Neighbours {
    let rows = (vectors.len() / width.max(1)).min(MOST);
    if rows < 2 {
        return Neighbours::default();
    }
    let x = unit(&vectors[..rows * width], width);
    let across = x.transpose();
    let blocks: Vec<usize> = (0..rows).step_by(BLOCK).collect();
    let found: Vec<(Vec<Pair>, Vec<f32>)> = blocks
        .into_par_iter()
        .map(|first| {
            let block = x.rows(first, BLOCK.min(rows - first)) * &across;
            let (mut pairs, mut near) = (Vec::new(), Vec::with_capacity(block.nrows()));
            for (i, row) in block.row_iter().enumerate() {
                let a = first + i;
                let mut nearest = [f32::NEG_INFINITY; NEAREST];
                for (b, &similarity) in row.iter().enumerate().filter(|(b, _)| *b != a) {
                    if b > a && similarity >= same {
                        pairs.push(Pair { a, b, similarity });
                    }
                    if similarity > nearest[NEAREST - 1] {
                        let place = nearest.partition_point(|other| *other >= similarity);
                        nearest[place..].rotate_right(1);
                        nearest[place] = similarity;
                    }
                }
                let known: Vec<f32> = nearest.into_iter().filter(|one| one.is_finite()).collect();
                near.push(known.iter().sum::<f32>() / known.len().max(1) as f32);
            }
            (pairs, near)
        })
        .collect();
    let (pairs, near): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    let mut pairs: Vec<Pair> = pairs.into_iter().flatten().collect();
    pairs.sort_by(|a, b| b.similarity.total_cmp(&a.similarity).then((a.a, a.b).cmp(&(b.a, b.b))));
    let near: Vec<f32> = near.into_iter().flatten().collect();
    let middle_of = |values: &mut dyn Iterator<Item = f64>| median(values.collect()).unwrap_or(0.0);
    let middle = middle_of(&mut near.iter().map(|one| f64::from(*one)));
    // The deviation of a normal distribution with this median distance.
    let deviation = 1.4826 * middle_of(&mut near.iter().map(|one| (f64::from(*one) - middle).abs()));
    let is_far = |one: &f32| f64::from(*one) < middle - 5.0 * deviation;
    let mut outliers: Vec<(usize, f32)> = near.iter().copied().enumerate().filter(|(_, one)| is_far(one)).collect();
    outliers.sort_by(|a, b| a.1.total_cmp(&b.1));
    Neighbours { pairs, outliers, left_out: vectors.len() / width.max(1) - rows }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::KeyedRng;

    #[test]
    fn twins_and_outliers_are_found() {
        let mut rng = KeyedRng::of_seed(5);
        let (width, rows) = (32, 300);
        let centres: Vec<Vec<f32>> = (0..6).map(|_| (0..width).map(|_| 3.0 * rng.normal()).collect()).collect();
        let mut vectors: Vec<f32> =
            (0..rows).flat_map(|row| centres[row % 6].iter().map(|c| c + rng.normal()).collect::<Vec<f32>>()).collect();
        // Clip 7 is nearly clip 200; clip 11 is like nothing else.
        let twin: Vec<f32> =
            vectors[200 * width..201 * width].iter().map(|value| value + 0.01 * rng.normal()).collect();
        vectors[7 * width..8 * width].copy_from_slice(&twin);
        for value in &mut vectors[11 * width..12 * width] {
            *value = 3.0 * rng.normal();
        }
        let found = neighbours(&vectors, width, 0.995);
        assert_eq!(found.pairs.iter().map(|pair| (pair.a, pair.b)).collect::<Vec<_>>(), [(7, 200)]);
        let like = most_like(&vectors, width, 200, 20);
        assert_eq!((like.len(), like[0].0), (20, 7), "{like:?}");
        assert!(like.iter().all(|one| one.0 % 6 == 200 % 6 || one.0 == 7), "clips of the same centre: {like:?}");
        assert!(most_like(&vectors, width, rows, 5).is_empty());
        assert_eq!(found.outliers.first().map(|one| one.0), Some(11));
        assert!(found.outliers.len() < 4, "{:?}", found.outliers);
    }
}
