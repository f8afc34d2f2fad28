//! Chosen patches of each clip, some hidden: what pretraining shows a backbone.

use rayon::prelude::*;

use super::patches::OUTPUTS;
use crate::{
    model::tokens::Places,
    ops::{
        Mat, MatMut,
        block::Linear,
        columns,
        mat::{Into, product},
    },
};

/// A tensor's gradient, where it trains.
type Gradient = Option<Vec<f32>>;

/// Class tokens, then the chosen patches, positions added, (batch, class tokens + kept, D).
pub(super) fn forward(
    (projection, class, positions): (&Linear<&[f32]>, &[&[f32]], &[f32]),
    mask: Option<&[f32]>,
    places: &Places<'_>,
    out: &mut [f32],
) {
    let (d, first, kept) = (projection.bias.len(), places.first, places.kept);
    let matrix = Mat::new(projection.weight, places.size);
    let row = |at: usize| &positions[at * d..(at + 1) * d];
    out.par_chunks_exact_mut((first + kept) * d).enumerate().for_each(|(clip, out)| {
        let (class_out, out) = out.split_at_mut(first * d);
        for (i, (out, class)) in class_out.chunks_exact_mut(d).zip(class).enumerate() {
            out.copy_from_slice(class);
            columns::add(out, row(i));
        }
        product(MatMut::new(out, d), Into::Set, 1.0, Mat::new(places.pixels(clip), places.size), matrix.t());
        for (i, (out, hidden)) in out.chunks_exact_mut(d).zip(places.hidden(clip)).enumerate() {
            match mask.filter(|_| *hidden) {
                Some(mask) => out.copy_from_slice(mask),
                None => columns::add(out, projection.bias),
            }
            columns::add(out, row(places.position(clip, i)));
        }
    });
}

/// Adds the gradients of patch projection, tokens and positions, from that of [`forward`]'s tokens.
pub(super) fn backward(
    places: &Places<'_>,
    d: usize,
    dtokens: &[f32],
    (projection, class, positions): (&mut Linear<Gradient>, &mut [Gradient], &mut Gradient),
    mask: Option<&mut Vec<f32>>,
) {
    let (first, kept) = (places.first, places.kept);
    let clips = || dtokens.chunks_exact((first + kept) * d).enumerate();
    if let Some(gradient) = positions {
        for (clip, dtokens) in clips() {
            for (i, dtoken) in dtokens.chunks_exact(d).enumerate() {
                let at = if i < first { i } else { places.position(clip, i - first) };
                columns::add(&mut gradient[at * d..(at + 1) * d], dtoken);
            }
        }
    }
    for (token, gradient) in class.iter_mut().enumerate() {
        if let Some(gradient) = gradient {
            clips().for_each(|(_, dtokens)| columns::add(gradient, &dtokens[token * d..(token + 1) * d]));
        }
    }
    // Rows of hidden patches reach the mask token, the others the projection.
    let mut shown = dtokens.to_vec();
    let mut of_mask = vec![0.0; d];
    for (clip, dtokens) in shown.chunks_exact_mut((first + kept) * d).enumerate() {
        for (dtoken, _) in
            dtokens[first * d..].chunks_exact_mut(d).zip(places.hidden(clip)).filter(|(_, hidden)| **hidden)
        {
            columns::add(&mut of_mask, dtoken);
            dtoken.fill(0.0);
        }
    }
    if let Some(gradient) = mask {
        columns::add(gradient, &of_mask);
    }
    let of_patches = |clip: usize| {
        Mat::new(&shown[clip * (first + kept) * d..(clip + 1) * (first + kept) * d], d).rows_at(first, kept)
    };
    let batch = places.batch;
    if let Some(gradient) = &mut projection.bias {
        (0..batch).for_each(|clip| columns::add_sums(gradient, of_patches(clip), 0));
    }
    if let Some(gradient) = &mut projection.weight {
        let size = places.size;
        gradient.par_chunks_mut(OUTPUTS * size).enumerate().for_each(|(i, gradient)| {
            let outputs = gradient.len() / size;
            for clip in 0..batch {
                let dy = of_patches(clip).columns_at(i * OUTPUTS, outputs);
                product(MatMut::new(gradient, size), Into::Add, 1.0, dy.t(), Mat::new(places.pixels(clip), size));
            }
        });
    }
}
