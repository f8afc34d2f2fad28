//! Tokens instead of answers: what pretraining trains, and what a teacher shows.

use std::collections::HashMap;

use candle_core::Tensor;
use rayon::prelude::*;

use super::{Fast, Result, biases::Biases, block, blocks, tensors, weights::Weights};
use crate::{
    model::{Features, ModelConfig, ModelError, ParamStore, Stem},
    ops::{
        Mat, MatMut,
        block::{Gradients, Shape},
        columns,
        layer_norm::{self, LayerNorm},
        mat::{Into, product},
        parallel,
    },
};

/// Weights as one pass sees them, by name.
pub(in crate::model) type WeightsByName<'a> = Weights<'a>;
/// Gradients of what trains, by name.
pub(in crate::model) type GradientsByName<'a> = HashMap<&'a str, &'a mut [f32]>;

/// The parameter that stands in the place of a hidden patch's embedding, (1, 1, D).
pub(in crate::model) const MASK_TOKEN: &str = "mask_token";

/// Patches of each clip that go through the blocks, the same number for all, and which of them are hidden.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selection {
    /// Row and column in the clip's own grid, (batch, kept).
    pub patches: Vec<[usize; 2]>,
    /// Whether the mask token stands in a patch's place, (batch, kept).
    pub hidden: Vec<bool>,
    /// Column of the model's positions at which each clip begins, (batch).
    pub offsets: Vec<usize>,
}

impl Selection {
    /// Patches of each clip.
    pub fn kept(&self) -> usize {
        self.patches.len() / self.offsets.len().max(1)
    }
}

/// Where a pass reads its patches and their places.
struct Places<'a> {
    selection: &'a Selection,
    input: &'a Features,
    patch: [usize; 2],
    stride: [usize; 2],
    columns: usize,
    first: usize,
}

impl<'a> Places<'a> {
    fn new(config: &ModelConfig, input: &'a Features, selection: &'a Selection) -> Result<Self> {
        let Stem::Patches { patch, stride, mel_bins, .. } = config.stem else {
            return Err(ModelError::Shape("only a backbone of patches can be pretrained here".into()));
        };
        let [rows, columns] = config.grid();
        let places = Self { selection, input, patch, stride, columns, first: config.class_tokens() };
        let kept = selection.kept();
        let fits = input.bins == mel_bins
            && input.batch == selection.offsets.len()
            && selection.hidden.len() == selection.patches.len()
            && selection.patches.len() == input.batch * kept
            && (0..selection.patches.len()).all(|i| {
                let ([row, column], offset) = (selection.patches[i], selection.offsets[i / kept.max(1)]);
                row < rows && column + offset < columns && column * stride[1] + patch[1] <= input.frames
            });
        if fits { Ok(places) } else { Err(ModelError::Shape("patches that are not in the clip were chosen".into())) }
    }

    /// Row of the positions for patch `i` of clip `clip`.
    fn position(&self, clip: usize, i: usize) -> usize {
        let [row, column] = self.selection.patches[clip * self.selection.kept() + i];
        self.first + row * self.columns + column + self.selection.offsets[clip]
    }

    /// The pixels of a clip's patches, (kept, pixels).
    fn pixels(&self, clip: usize) -> Vec<f32> {
        let (kept, bins) = (self.selection.kept(), self.input.bins);
        let data = &self.input.data[clip * self.input.frames * bins..(clip + 1) * self.input.frames * bins];
        let mut out = Vec::with_capacity(kept * self.patch[0] * self.patch[1]);
        for [row, column] in &self.selection.patches[clip * kept..(clip + 1) * kept] {
            for bin in (0..self.patch[0]).map(|i| row * self.stride[0] + i) {
                out.extend((0..self.patch[1]).map(|i| data[(column * self.stride[1] + i) * bins + bin]));
            }
        }
        out
    }

    fn hidden(&self, clip: usize) -> &[bool] {
        let kept = self.selection.kept();
        &self.selection.hidden[clip * kept..(clip + 1) * kept]
    }
}

/// The pixels of every chosen patch, (batch, kept, pixels): what masked prediction is to find.
///
/// # Errors
/// When the selection is not of this input.
pub(in crate::model) fn pixels(config: &ModelConfig, input: &Features, selection: &Selection) -> Result<Vec<f32>> {
    let places = Places::new(config, input, selection)?;
    Ok((0..input.batch).flat_map(|clip| places.pixels(clip)).collect())
}

/// Loss of normed tokens (batch, class tokens + kept, D) with its gradient; adds the gradients of what else trains.
pub(in crate::model) type TokenLoss<'l> =
    &'l mut (dyn FnMut(&[f32], &Weights<'_>, &mut GradientsByName<'_>) -> Result<(f32, Vec<f32>)> + Send);

impl Fast {
    /// Forward to the final norm's tokens, the loss of them, backward: loss and one gradient for each trainable
    /// parameter in the store's order.
    pub(in crate::model) fn token_step(
        &mut self,
        store: &ParamStore,
        input: &Features,
        selection: &Selection,
        loss: TokenLoss<'_>,
    ) -> Result<(f32, Vec<Tensor>)> {
        let places = Places::new(&self.config, input, selection)?;
        let weights = Weights::of(store);
        let weights = weights.view()?;
        let (config, extras) = (self.config.clone(), self.extras);
        let biases = Biases::of(&config, &weights)?;
        let blocks = blocks(&config, &extras, &weights, &biases)?;
        let mut buffers: Vec<Vec<f32>> = store.trainable().map(|(spec, _)| vec![0.0; spec.count()]).collect();
        let names = store.trainable().map(|(spec, _)| spec.name.as_str());
        let mut gradients: GradientsByName<'_> = names.zip(buffers.iter_mut().map(Vec::as_mut_slice)).collect();
        let mut of_blocks = (0..self.config.depth)
            .map(|i| block(&extras, i, &mut |name| Ok(gradients.remove(name))))
            .collect::<Result<Vec<Gradients<'_>>>>()?;
        let shape = self.token_shape(input.batch, self.config.class_tokens() + selection.kept());
        let total = parallel::install(|| -> Result<f32> {
            embed(&self.config, &weights, &places, self.stack.tokens(&shape))?;
            let tokens = self.stack.forward(&shape, &blocks, true, &mut []).to_vec();
            let norm = final_norm(&self.config, &weights)?;
            let mut normed = vec![0.0; tokens.len()];
            in_pieces(&tokens, &mut normed, shape.hidden, |x, out| layer_norm::forward(norm, x, out));
            let (total, dnormed) = loss(&normed, &weights, &mut gradients)?;
            let [mut dweight, mut dbias] = [vec![0.0; shape.hidden], vec![0.0; shape.hidden]];
            layer_norm::backward_weights(norm.eps, &tokens, &dnormed, &mut dweight, &mut dbias);
            for (name, gradient) in [("norm.weight", dweight), ("norm.bias", dbias)] {
                if let Some(sum) = gradients.get_mut(name) {
                    columns::add(sum, &gradient);
                }
            }
            let mut dtokens = vec![0.0; tokens.len()];
            let rows = shape.tokens * shape.hidden;
            let clips = dtokens.par_chunks_exact_mut(rows).zip(tokens.par_chunks_exact(rows));
            clips.zip(dnormed.par_chunks_exact(rows)).for_each(|((dx, x), dy)| layer_norm::backward(norm, x, dy, dx));
            if let Some(dtokens) = self.stack.backward(&shape, &blocks, &dtokens, &mut of_blocks) {
                embed_backward(&places, shape.hidden, dtokens, &mut gradients);
            }
            Ok(total)
        })?;
        drop((gradients, of_blocks));
        Ok((total, tensors(store, buffers)?))
    }

    /// The final norm's tokens of the chosen patches, (batch, class tokens + kept, D), for whoever only looks.
    pub(in crate::model) fn tokens(
        &mut self,
        store: &ParamStore,
        input: &Features,
        selection: &Selection,
        look: &mut dyn FnMut(&[f32], &Weights<'_>) -> Result<()>,
    ) -> Result<()> {
        let places = Places::new(&self.config, input, selection)?;
        let weights = Weights::of(store);
        let weights = weights.view()?;
        let (config, extras) = (self.config.clone(), self.extras);
        let biases = Biases::of(&config, &weights)?;
        let blocks = blocks(&config, &extras, &weights, &biases)?;
        let shape = self.token_shape(input.batch, self.config.class_tokens() + selection.kept());
        let normed = parallel::install(|| -> Result<Vec<f32>> {
            embed(&self.config, &weights, &places, self.stack.tokens(&shape))?;
            let tokens = self.stack.forward(&shape, &blocks, false, &mut []);
            let mut normed = vec![0.0; tokens.len()];
            layer_norm::forward(final_norm(&self.config, &weights)?, tokens, &mut normed);
            Ok(normed)
        })?;
        look(&normed, &weights)
    }

    /// The residual stream after the last block, (batch, tokens, D), before the final norm: what a teacher shows.
    ///
    /// # Errors
    /// When the input is not the model's.
    pub fn states(&mut self, store: &ParamStore, input: &Features) -> Result<Vec<f32>> {
        crate::model::stem::check(&self.config, input)?;
        let weights = Weights::of(store);
        let weights = weights.view()?;
        let (config, extras) = (self.config.clone(), self.extras);
        let biases = Biases::of(&config, &weights)?;
        let blocks = blocks(&config, &extras, &weights, &biases)?;
        let shape = self.token_shape(input.batch, config.tokens());
        parallel::install(|| {
            let tokens = self.stack.tokens(&shape);
            super::stem::forward(&config, &weights, input, &mut self.convolutions, false, tokens)?;
            Ok(self.stack.forward(&shape, &blocks, false, &mut []).to_vec())
        })
    }

    fn token_shape(&self, batch: usize, tokens: usize) -> Shape {
        Shape {
            batch,
            tokens,
            keep: tokens,
            hidden: self.config.hidden,
            heads: self.config.heads,
            eps: self.config.norm_eps as f32,
            lora_scale: 0.0,
        }
    }
}

fn final_norm<'a>(config: &ModelConfig, weights: &Weights<'a>) -> Result<LayerNorm<'a>> {
    Ok(LayerNorm { weight: weights.get("norm.weight")?, bias: weights.get("norm.bias")?, eps: config.norm_eps as f32 })
}

/// Does rows of `width` in pieces, on all cores.
fn in_pieces(x: &[f32], out: &mut [f32], width: usize, work: impl Fn(&[f32], &mut [f32]) + Sync) {
    let piece = 256 * width;
    x.par_chunks(piece).zip(out.par_chunks_mut(piece)).for_each(|(x, out)| work(x, out));
}

/// Class tokens, then the chosen patches, positions added, (batch, class tokens + kept, D).
fn embed(config: &ModelConfig, weights: &Weights<'_>, places: &Places<'_>, out: &mut [f32]) -> Result<()> {
    let (d, first, kept) = (config.hidden, places.first, places.selection.kept());
    let pixels = places.patch[0] * places.patch[1];
    let matrix = Mat::new(weights.get("patch.weight")?, pixels);
    let (bias, position) = (weights.get("patch.bias")?, weights.get("pos_embed")?);
    let class = [weights.get("cls_token")?, weights.get("dist_token")?];
    let mask = if places.selection.hidden.contains(&true) { weights.get(MASK_TOKEN)? } else { &[] };
    let row = |at: usize| &position[at * d..(at + 1) * d];
    out.par_chunks_exact_mut((first + kept) * d).enumerate().for_each(|(clip, out)| {
        let (class_out, out) = out.split_at_mut(first * d);
        for (i, (out, class)) in class_out.chunks_exact_mut(d).zip(class).enumerate() {
            out.copy_from_slice(class);
            columns::add(out, row(i));
        }
        product(MatMut::new(out, d), Into::Set, 1.0, Mat::new(&places.pixels(clip), pixels), matrix.t());
        for (i, (out, hidden)) in out.chunks_exact_mut(d).zip(places.hidden(clip)).enumerate() {
            if *hidden {
                out.copy_from_slice(mask);
            } else {
                columns::add(out, bias);
            }
            columns::add(out, row(places.position(clip, i)));
        }
    });
    Ok(())
}

/// Adds the gradients of patch projection, tokens and positions, from that of [`embed`]'s tokens.
fn embed_backward(places: &Places<'_>, d: usize, dtokens: &[f32], gradients: &mut GradientsByName<'_>) {
    let (first, kept) = (places.first, places.selection.kept());
    let clips = || dtokens.chunks_exact((first + kept) * d).enumerate();
    if let Some(gradient) = gradients.get_mut("pos_embed") {
        for (clip, dtokens) in clips() {
            for (i, dtoken) in dtokens.chunks_exact(d).enumerate() {
                let at = if i < first { i } else { places.position(clip, i - first) };
                columns::add(&mut gradient[at * d..(at + 1) * d], dtoken);
            }
        }
    }
    for (token, name) in ["cls_token", "dist_token"].into_iter().enumerate() {
        if let Some(gradient) = gradients.get_mut(name) {
            clips().for_each(|(_, dtokens)| columns::add(gradient, &dtokens[token * d..(token + 1) * d]));
        }
    }
    // Rows of hidden patches reach the mask token, the others the projection.
    let mut shown = dtokens.to_vec();
    let mut mask = vec![0.0; d];
    for (clip, dtokens) in shown.chunks_exact_mut((first + kept) * d).enumerate() {
        for (dtoken, _) in
            dtokens[first * d..].chunks_exact_mut(d).zip(places.hidden(clip)).filter(|(_, hidden)| **hidden)
        {
            columns::add(&mut mask, dtoken);
            dtoken.fill(0.0);
        }
    }
    if let Some(gradient) = gradients.get_mut(MASK_TOKEN) {
        columns::add(gradient, &mask);
    }
    let of_patches = |clip: usize| {
        Mat::new(&shown[clip * (first + kept) * d..(clip + 1) * (first + kept) * d], d).rows_at(first, kept)
    };
    let batch = places.input.batch;
    if let Some(gradient) = gradients.get_mut("patch.bias") {
        (0..batch).for_each(|clip| columns::add_sums(gradient, of_patches(clip), 0));
    }
    if let Some(gradient) = gradients.get_mut("patch.weight") {
        let size = places.patch[0] * places.patch[1];
        let pixels: Vec<Vec<f32>> = (0..batch).into_par_iter().map(|clip| places.pixels(clip)).collect();
        gradient.par_chunks_mut(48 * size).enumerate().for_each(|(i, gradient)| {
            let outputs = gradient.len() / size;
            for (clip, pixels) in pixels.iter().enumerate() {
                let dy = of_patches(clip).columns_at(i * 48, outputs);
                product(MatMut::new(gradient, size), Into::Add, 1.0, dy.t(), Mat::new(pixels, size));
            }
        });
    }
}
