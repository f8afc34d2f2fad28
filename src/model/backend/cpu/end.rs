//! The final norm, and the mean of the tokens that are pooled: what a clip's sound is to the head.

use rayon::prelude::*;

use crate::ops::{
    Mat,
    block::{Linear, Shape},
    columns,
    layer_norm::{self, LayerNorm},
    parallel::{Buffer, Rows, with_scratch},
};

/// What the backward pass needs of the forward pass; small beside a block's.
#[derive(Debug, Default)]
pub(super) struct Pool {
    /// The pooled tokens before the final norm, those of one clip after another, (.., D).
    tokens: Buffer,
    /// Of each clip, which of the (keep, D) they came from, ascending.
    places: Vec<Vec<usize>>,
    /// The gradient of what came in, (batch, keep, D).
    dtokens: Buffer,
}

impl Pool {
    /// `pooled` (batch, D) from tokens (batch, keep, D): of each clip the mean over its places, after the final
    /// norm.
    pub(super) fn forward(
        &mut self,
        norm: LayerNorm<'_>,
        tokens: &[f32],
        shape: &Shape,
        places: Vec<Vec<usize>>,
        pooled: &mut [f32],
    ) {
        let d = shape.hidden;
        let rows: usize = places.iter().map(Vec::len).sum();
        let mut kept = Rows::new(self.tokens.get(rows * d), d);
        let clips = tokens.chunks_exact(shape.keep * d).zip(pooled.chunks_exact_mut(d)).zip(&places);
        let work: Vec<_> =
            clips.map(|((clip, pooled), places)| (clip, places, kept.take(places.len()), pooled)).collect();
        work.into_par_iter().for_each(|(clip, places, kept, pooled)| {
            for (kept, place) in kept.chunks_exact_mut(d).zip(places) {
                kept.copy_from_slice(&clip[place * d..(place + 1) * d]);
            }
            with_scratch([kept.len()], |[normed]| {
                layer_norm::forward(norm, kept, normed);
                pooled.fill(0.0);
                columns::add_sums(pooled, Mat::new(normed, d), 0);
            });
            let share = 1.0 / places.len() as f32;
            pooled.iter_mut().for_each(|mean| *mean *= share);
        });
        self.places = places;
    }

    /// From the gradient of `pooled` (batch, D) adds those of the final norm, where it trains, and gives that of the
    /// tokens, (batch, keep, D).
    pub(super) fn backward(
        &mut self,
        norm: LayerNorm<'_>,
        shape: &Shape,
        dpooled: &[f32],
        gradients: &mut Linear<Option<Vec<f32>>>,
    ) -> &[f32] {
        let d = shape.hidden;
        let norm_trains = gradients.weight.is_some() || gradients.bias.is_some();
        let rows: usize = self.places.iter().map(Vec::len).sum();
        let mut tokens = self.tokens.kept(rows * d);
        let mut work = Vec::with_capacity(shape.batch);
        let dtokens = self.dtokens.get(shape.batch * shape.keep * d);
        for ((dclip, dpooled), places) in
            dtokens.chunks_exact_mut(shape.keep * d).zip(dpooled.chunks_exact(d)).zip(&self.places)
        {
            let (clip, rest) = tokens.split_at(places.len() * d);
            tokens = rest;
            work.push((clip, dclip, dpooled, places));
        }
        let of_norm: Vec<_> = work
            .into_par_iter()
            .map(|(clip, dclip, dpooled, places)| {
                with_scratch([clip.len(), clip.len()], |[dnormed, dkept]| {
                    // Every pooled token has an equal share of the mean's gradient.
                    let share = 1.0 / places.len() as f32;
                    for row in dnormed.chunks_exact_mut(d) {
                        row.iter_mut().zip(dpooled).for_each(|(row, gradient)| *row = gradient * share);
                    }
                    dclip.fill(0.0);
                    dkept.fill(0.0);
                    layer_norm::backward(norm, clip, dnormed, dkept);
                    for (dkept, place) in dkept.chunks_exact(d).zip(places) {
                        dclip[place * d..(place + 1) * d].copy_from_slice(dkept);
                    }
                    norm_trains.then(|| of_weights(norm, clip, dnormed))
                })
            })
            .collect();
        of_norm.iter().flatten().for_each(|parts| add_norm(gradients, parts));
        dtokens
    }
}

/// Every token after the final norm, on all cores.
pub(super) fn normed(norm: LayerNorm<'_>, tokens: &[f32]) -> Vec<f32> {
    let mut normed = vec![0.0; tokens.len()];
    let piece = 256 * norm.weight.len();
    let pieces = tokens.par_chunks(piece).zip(normed.par_chunks_mut(piece));
    pieces.for_each(|(x, out)| layer_norm::forward(norm, x, out));
    normed
}

/// From the gradient of [`normed`] adds those of the norm, where it trains, and gives that of the tokens, clips of `rows`
/// values at a time.
pub(super) fn normed_back(
    norm: LayerNorm<'_>,
    rows: usize,
    tokens: &[f32],
    dnormed: &[f32],
    gradients: &mut Linear<Option<Vec<f32>>>,
) -> Vec<f32> {
    add_norm(gradients, &of_weights(norm, tokens, dnormed));
    let mut dtokens = vec![0.0; tokens.len()];
    let clips = dtokens.par_chunks_exact_mut(rows).zip(tokens.par_chunks_exact(rows));
    clips.zip(dnormed.par_chunks_exact(rows)).for_each(|((dx, x), dy)| layer_norm::backward(norm, x, dy, dx));
    dtokens
}

/// Gradients of a norm's weight and bias, (D) each.
fn of_weights(norm: LayerNorm<'_>, x: &[f32], dy: &[f32]) -> [Vec<f32>; 2] {
    let [mut weight, mut bias] = [vec![0.0; norm.weight.len()], vec![0.0; norm.weight.len()]];
    layer_norm::backward_weights(norm.eps, x, dy, &mut weight, &mut bias);
    [weight, bias]
}

fn add_norm(gradients: &mut Linear<Option<Vec<f32>>>, [weight, bias]: &[Vec<f32>; 2]) {
    for (gradient, part) in [(&mut gradients.weight, weight), (&mut gradients.bias, bias)] {
        if let Some(gradient) = gradient {
            columns::add(gradient, part);
        }
    }
}
