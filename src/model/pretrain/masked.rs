//! SSAST's masked patches (arXiv 2110.09784): from the token of a hidden patch, find it among the clip's hidden
//! patches (InfoNCE) and redraw it (squared error, ten times). Two-layer heads with a rectifier, as in its code.

use super::{GradientsByName, Into, Outcome, Result, View, WeightsByName, linear};
use crate::ops::{
    Mat, MatMut,
    mat::{self, product},
    softmax::{argmax, cross_entropy},
};

/// Weight of redrawing beside finding (SSAST, section 2.2).
const DRAW: f64 = 10.0;

/// A head's answer, and what its backward pass needs.
struct Answer {
    inner: Vec<f32>,
    out: Vec<f32>,
}

fn answer(weights: &WeightsByName<'_>, name: &str, x: &[f32], d: usize) -> Result<Answer> {
    let mut inner = linear::forward(weights, &format!("{name}.0"), x, d)?;
    inner.iter_mut().for_each(|x| *x = x.max(0.0));
    let out = linear::forward(weights, &format!("{name}.1"), &inner, d)?;
    Ok(Answer { inner, out })
}

fn answer_backward(
    weights: &WeightsByName<'_>,
    gradients: &mut GradientsByName<'_>,
    name: &str,
    x: &[f32],
    answer: &Answer,
    dy: &[f32],
    d: usize,
) -> Result<Vec<f32>> {
    let mut dinner = linear::backward(weights, gradients, &format!("{name}.1"), &answer.inner, dy, d)?;
    dinner.iter_mut().zip(&answer.inner).filter(|(_, inner)| **inner <= 0.0).for_each(|(dx, _)| *dx = 0.0);
    linear::backward(weights, gradients, &format!("{name}.0"), x, &dinner, d)
}

/// `pixels` are those of every chosen patch, (batch, kept, size).
pub(super) fn outcome(
    view: &View<'_>,
    pixels: &[f32],
    weight: f64,
    weights: &WeightsByName<'_>,
    into: Into<'_, '_>,
) -> Result<Outcome> {
    let (d, kept) = (view.hidden, view.kept);
    let size = pixels.len() / (view.batch() * kept).max(1);
    let hidden: Vec<Vec<usize>> = view
        .sounds
        .selection
        .hidden
        .chunks(kept.max(1))
        .map(|clip| (0..clip.len()).filter(|&i| clip[i]).collect())
        .collect();
    let (mut tokens, mut targets) = (Vec::new(), Vec::new());
    for (clip, hidden) in hidden.iter().enumerate() {
        for &i in hidden {
            tokens.extend_from_slice(&view.tokens[view.at(clip, view.first + i)]);
            targets.extend_from_slice(&pixels[(clip * kept + i) * size..(clip * kept + i + 1) * size]);
        }
    }
    let count = tokens.len() / d;
    if count == 0 {
        return Ok(Outcome { loss: 0.0, score: 0.0, terms: 0.0 });
    }
    let found = answer(weights, "ssast.find", &tokens, d)?;
    let drawn = answer(weights, "ssast.draw", &tokens, d)?;

    let (mut finding, mut right) = (0.0, 0usize);
    let mut dfound = vec![0.0; found.out.len()];
    let mut from = 0;
    for n in hidden.iter().map(Vec::len).filter(|n| *n > 0) {
        let range = from * size..(from + n) * size;
        from += n;
        let (own, others) = (Mat::new(&found.out[range.clone()], size), Mat::new(&targets[range.clone()], size));
        // Row i: how well patch i's answer fits each hidden patch of the clip.
        let mut fits = vec![0.0f32; n * n];
        product(MatMut::new(&mut fits, n), mat::Into::Set, 1.0, own, others.t());
        let mut dfits = vec![0.0f32; n * n];
        for (i, (row, drow)) in fits.chunks_exact(n).zip(dfits.chunks_exact_mut(n)).enumerate() {
            // Among patches that are all alike one is found by chance, not each of them: SSAST's code counts by argmax, too.
            right += usize::from(argmax(row) == i);
            finding += cross_entropy(row, i, weight / count as f64, drow) / count as f64;
        }
        product(MatMut::new(&mut dfound[range], size), mat::Into::Set, 1.0, Mat::new(&dfits, n), others);
    }

    let values = targets.len().max(1) as f64;
    let mut error = 0.0;
    let scale = (2.0 * DRAW * weight / values) as f32;
    let ddrawn: Vec<f32> = drawn
        .out
        .iter()
        .zip(&targets)
        .map(|(drawn, target)| {
            error += f64::from(drawn - target).powi(2) / values;
            scale * (drawn - target)
        })
        .collect();

    if let Some((gradients, dtokens)) = into {
        let of_found = answer_backward(weights, gradients, "ssast.find", &tokens, &found, &dfound, d)?;
        let of_drawn = answer_backward(weights, gradients, "ssast.draw", &tokens, &drawn, &ddrawn, d)?;
        let rows = hidden.iter().enumerate().flat_map(|(clip, hidden)| hidden.iter().map(move |&i| (clip, i)));
        for ((clip, i), (a, b)) in rows.zip(of_found.chunks_exact(d).zip(of_drawn.chunks_exact(d))) {
            let out = &mut dtokens[view.at(clip, view.first + i)];
            out.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a + b);
        }
    }
    Ok(Outcome { loss: finding + DRAW * error, score: right as f64 / count as f64, terms: count as f64 })
}
