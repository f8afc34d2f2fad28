//! What a frozen teacher makes of the same sound: its features at each column of patches, from the mean of the
//! column's patches; and their mean and deviation over the sound, from the tokens that the head pools.
//!
//! Both are squared distances, means over features; the teacher's are standardised, so that guessing their mean costs 1.

use super::{Into, Outcome, Result, View, WeightsByName, linear};

pub(super) fn outcome(
    view: &View<'_>,
    weight: f64,
    weights: &WeightsByName<'_>,
    mut into: Into<'_, '_>,
) -> Result<Outcome> {
    let columns = columns(view, weight, weights, into.as_mut().map(|(a, b)| (&mut **a, &mut **b)))?;
    let clip = clip(view, weight, weights, into)?;
    let terms = columns.terms + clip.terms;
    let score = (columns.score * columns.terms + clip.score * clip.terms) / terms.max(1.0);
    Ok(Outcome { loss: columns.loss + clip.loss, score, terms })
}

/// Squared distance of predictions from targets, both (rows, features), as a mean, with its gradient.
fn distance(predicted: &[f32], targets: &[f32], weight: f64) -> (f64, f64, Vec<f32>) {
    let n = predicted.len().max(1) as f64;
    let (mut error, mut size) = (0.0, 0.0);
    let scale = (2.0 * weight / n) as f32;
    let gradient = predicted
        .iter()
        .zip(targets)
        .map(|(p, t)| {
            error += f64::from(p - t).powi(2);
            size += f64::from(*t).powi(2);
            scale * (p - t)
        })
        .collect();
    (error / n, size / n, gradient)
}

fn outcome_of(error: f64, size: f64, rows: usize) -> Outcome {
    let score = if size > 0.0 { 1.0 - error / size } else { 0.0 };
    Outcome { loss: error, score, terms: rows as f64 }
}

fn columns(view: &View<'_>, weight: f64, weights: &WeightsByName<'_>, into: Into<'_, '_>) -> Result<Outcome> {
    let (d, sounds) = (view.hidden, view.sounds);
    let all = sounds.teacher.len() / view.batch().max(1);
    let features = weights.get("distill.columns.bias")?.len();
    let (width, kept) = (all / features.max(1), view.kept);
    // Patches of each column that has any and is sound: (clip, column) with their tokens.
    let mut places: Vec<(usize, usize, Vec<usize>)> = Vec::new();
    for clip in 0..view.batch() {
        let mut own = vec![Vec::new(); width];
        for (i, [_, column]) in sounds.selection.patches[clip * kept..(clip + 1) * kept].iter().enumerate() {
            if *column < sounds.columns[clip].min(width) {
                own[*column].push(view.first + i);
            }
        }
        let shown = own.into_iter().enumerate().filter(|(_, tokens)| !tokens.is_empty());
        places.extend(shown.map(|(column, tokens)| (clip, column, tokens)));
    }
    let mut means = vec![0.0; places.len() * d];
    let mut targets = Vec::with_capacity(places.len() * features);
    for ((clip, column, tokens), out) in places.iter().zip(means.chunks_exact_mut(d)) {
        for token in tokens {
            out.iter_mut().zip(&view.tokens[view.at(*clip, *token)]).for_each(|(sum, x)| *sum += x);
        }
        out.iter_mut().for_each(|sum| *sum /= tokens.len() as f32);
        let from = clip * all + column * features;
        targets.extend_from_slice(&sounds.teacher[from..from + features]);
    }
    let predicted = linear::forward(weights, "distill.columns", &means, d)?;
    let (error, size, dpredicted) = distance(&predicted, &targets, weight);
    if let Some((gradients, dtokens)) = into {
        let dmeans = linear::backward(weights, gradients, "distill.columns", &means, &dpredicted, d)?;
        for ((clip, _, tokens), dmean) in places.iter().zip(dmeans.chunks_exact(d)) {
            for token in tokens {
                let out = &mut dtokens[view.at(*clip, *token)];
                out.iter_mut().zip(dmean).for_each(|(sum, x)| *sum += x / tokens.len() as f32);
            }
        }
    }
    Ok(outcome_of(error, size, places.len()))
}

fn clip(view: &View<'_>, weight: f64, weights: &WeightsByName<'_>, into: Into<'_, '_>) -> Result<Outcome> {
    let (d, sounds) = (view.hidden, view.sounds);
    let all = sounds.teacher.len() / view.batch().max(1);
    let features = weights.get("distill.clip.bias")?.len() / 2;
    let mut targets = vec![0.0f32; view.batch() * 2 * features];
    for (clip, out) in targets.chunks_exact_mut(2 * features).enumerate() {
        let valid = sounds.columns[clip].clamp(1, (all / features.max(1)).max(1));
        let own = &sounds.teacher[clip * all..clip * all + valid * features];
        let (mean, deviation) = out.split_at_mut(features);
        for column in own.chunks_exact(features) {
            mean.iter_mut().zip(column).for_each(|(sum, x)| *sum += x / valid as f32);
        }
        for column in own.chunks_exact(features) {
            let spread = deviation.iter_mut().zip(column).zip(mean.iter());
            spread.for_each(|((sum, x), mean)| *sum += (x - mean).powi(2) / valid as f32);
        }
        deviation.iter_mut().for_each(|variance| *variance = variance.sqrt());
    }
    let pooled = view.pooled();
    let predicted = linear::forward(weights, "distill.clip", &pooled, d)?;
    let (error, size, dpredicted) = distance(&predicted, &targets, weight);
    if let Some((gradients, dtokens)) = into {
        let dpooled = linear::backward(weights, gradients, "distill.clip", &pooled, &dpredicted, d)?;
        view.add_pooled(&dpooled, dtokens);
    }
    Ok(outcome_of(error, size, view.batch()))
}
