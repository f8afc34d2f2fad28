//! Tokens instead of answers: what pretraining trains, and what a teacher shows.

use candle_core::Tensor;
use rayon::prelude::*;

use super::{Fast, Result, biases::Biases, block, blocks, tensors, weights::Weights};
use crate::{
    model::{
        ModelConfig, ParamStore,
        tokens::{GradientsByName, MASK_TOKEN, Places, TokenEngine, TokenLook, TokenLoss},
    },
    ops::{
        Mat, MatMut,
        block::{Gradients, Shape},
        columns,
        layer_norm::{self, LayerNorm},
        mat::{Into, product},
        parallel,
    },
};

impl TokenEngine for Fast {
    fn shape(&self) -> &ModelConfig {
        &self.config
    }

    fn token_step(&mut self, store: &ParamStore, of: &Places<'_>, loss: TokenLoss<'_>) -> Result<(f32, Vec<Tensor>)> {
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
        let shape = self.token_shape(of.batch, of.first + of.kept);
        let total = parallel::install(|| -> Result<f32> {
            embed(&self.config, &weights, of, self.stack.tokens(&shape))?;
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
                embed_backward(of, shape.hidden, dtokens, &mut gradients);
            }
            Ok(total)
        })?;
        drop((gradients, of_blocks));
        Ok((total, tensors(store, buffers)?))
    }

    fn tokens(&mut self, store: &ParamStore, of: &Places<'_>, look: TokenLook<'_>) -> Result<()> {
        let weights = Weights::of(store);
        let weights = weights.view()?;
        let (config, extras) = (self.config.clone(), self.extras);
        let biases = Biases::of(&config, &weights)?;
        let blocks = blocks(&config, &extras, &weights, &biases)?;
        let shape = self.token_shape(of.batch, of.first + of.kept);
        let normed = parallel::install(|| -> Result<Vec<f32>> {
            embed(&self.config, &weights, of, self.stack.tokens(&shape))?;
            let tokens = self.stack.forward(&shape, &blocks, false, &mut []);
            let mut normed = vec![0.0; tokens.len()];
            layer_norm::forward(final_norm(&self.config, &weights)?, tokens, &mut normed);
            Ok(normed)
        })?;
        look(&normed, &weights)
    }
}

impl Fast {
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
    let (d, first, kept) = (config.hidden, places.first, places.kept);
    let matrix = Mat::new(weights.get("patch.weight")?, places.size);
    let (bias, position) = (weights.get("patch.bias")?, weights.get("pos_embed")?);
    let class = [weights.get("cls_token")?, weights.get("dist_token")?];
    let mask = if places.all_hidden().contains(&true) { weights.get(MASK_TOKEN)? } else { &[] };
    let row = |at: usize| &position[at * d..(at + 1) * d];
    out.par_chunks_exact_mut((first + kept) * d).enumerate().for_each(|(clip, out)| {
        let (class_out, out) = out.split_at_mut(first * d);
        for (i, (out, class)) in class_out.chunks_exact_mut(d).zip(class).enumerate() {
            out.copy_from_slice(class);
            columns::add(out, row(i));
        }
        product(MatMut::new(out, d), Into::Set, 1.0, Mat::new(places.pixels(clip), places.size), matrix.t());
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
    let (first, kept) = (places.first, places.kept);
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
    let batch = places.batch;
    if let Some(gradient) = gradients.get_mut("patch.bias") {
        (0..batch).for_each(|clip| columns::add_sums(gradient, of_patches(clip), 0));
    }
    if let Some(gradient) = gradients.get_mut("patch.weight") {
        let size = places.size;
        gradient.par_chunks_mut(48 * size).enumerate().for_each(|(i, gradient)| {
            let outputs = gradient.len() / size;
            for clip in 0..batch {
                let dy = of_patches(clip).columns_at(i * 48, outputs);
                product(MatMut::new(gradient, size), Into::Add, 1.0, dy.t(), Mat::new(places.pixels(clip), size));
            }
        });
    }
}
