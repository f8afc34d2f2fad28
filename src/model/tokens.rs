//! Tokens instead of answers: what pretraining trains, from chosen patches of each clip.

use std::collections::HashMap;

use candle_core::Tensor;
use rayon::prelude::*;

use super::{Features, ModelConfig, ModelError, ParamStore, Stem};

pub(super) use super::arch::MASK_TOKEN;

type Result<T> = std::result::Result<T, ModelError>;

/// Gradients of what trains, by name.
pub(super) type GradientsByName<'a> = HashMap<&'a str, &'a mut [f32]>;

/// Weights of objectives' heads, by name.
pub(super) struct WeightsByName<'a>(HashMap<&'a str, &'a [f32]>);

impl<'a> WeightsByName<'a> {
    /// Weights that are elsewhere.
    pub fn over(weights: impl Iterator<Item = (&'a str, &'a [f32])>) -> Self {
        Self(weights.collect())
    }

    /// The weight of this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn get(&self, name: &str) -> Result<&'a [f32]> {
        self.0.get(name).copied().ok_or_else(|| ModelError::Shape(format!("the model has no parameter {name}")))
    }
}

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

/// The patches that were chosen of a batch, and their places.
pub(super) struct Places<'a> {
    selection: &'a Selection,
    /// Every patch's, (batch, kept, patch): read once, for embedding, its gradient and masked prediction.
    pixels: Vec<f32>,
    columns: usize,
    /// Clips.
    pub batch: usize,
    /// Patches of each clip.
    pub kept: usize,
    /// Pixels of a patch.
    pub size: usize,
    /// Class tokens before the patches.
    pub first: usize,
}

impl<'a> Places<'a> {
    /// # Errors
    /// When the selection is not of this input, or the model knows no patches.
    pub fn new(config: &ModelConfig, input: &'a Features, selection: &'a Selection) -> Result<Self> {
        let Stem::Patches { patch, stride, mel_bins, .. } = config.stem else {
            return Err(ModelError::Shape("only a backbone of patches can be pretrained here".into()));
        };
        let [rows, columns] = config.grid();
        let kept = selection.kept();
        let fits = input.bins == mel_bins
            && input.batch == selection.offsets.len()
            && selection.hidden.len() == selection.patches.len()
            && selection.patches.len() == input.batch * kept
            && (0..selection.patches.len()).all(|i| {
                let ([row, column], offset) = (selection.patches[i], selection.offsets[i / kept.max(1)]);
                row < rows && column + offset < columns && column * stride[1] + patch[1] <= input.frames
            });
        if !fits {
            return Err(ModelError::Shape("patches that are not in the clip were chosen".into()));
        }
        let size = patch[0] * patch[1];
        let mut pixels = vec![0.0; selection.patches.len() * size];
        let chosen = selection.patches.par_iter().enumerate();
        chosen.zip(pixels.par_chunks_exact_mut(size)).for_each(|((i, [row, column]), out)| {
            let clip = &input.data[i / kept * input.frames * input.bins..];
            for (line, out) in out.chunks_exact_mut(patch[1]).enumerate() {
                let bin = row * stride[0] + line;
                for (at, out) in out.iter_mut().enumerate() {
                    *out = clip[(column * stride[1] + at) * input.bins + bin];
                }
            }
        });
        Ok(Self { selection, pixels, columns, batch: input.batch, kept, size, first: config.class_tokens() })
    }

    /// Row of the positions for patch `i` of clip `clip`.
    pub fn position(&self, clip: usize, i: usize) -> usize {
        let [row, column] = self.selection.patches[clip * self.kept + i];
        self.first + row * self.columns + column + self.selection.offsets[clip]
    }

    /// The pixels of a clip's patches, (kept, size).
    pub fn pixels(&self, clip: usize) -> &[f32] {
        let count = self.kept * self.size;
        &self.pixels[clip * count..(clip + 1) * count]
    }

    /// The pixels of every patch, (batch, kept, size).
    pub fn all_pixels(&self) -> &[f32] {
        &self.pixels
    }

    /// Whether each patch is hidden, (batch, kept).
    pub fn all_hidden(&self) -> &[bool] {
        &self.selection.hidden
    }

    /// Whether each of a clip's patches is hidden, (kept).
    pub fn hidden(&self, clip: usize) -> &[bool] {
        &self.selection.hidden[clip * self.kept..(clip + 1) * self.kept]
    }
}

/// Loss of normed tokens (batch, class tokens + kept, D) with its gradient; adds the gradients of what else trains.
pub(super) type TokenLoss<'l> =
    &'l mut (dyn FnMut(&[f32], &WeightsByName<'_>, &mut GradientsByName<'_>) -> Result<(f32, Vec<f32>)> + Send);

/// A function of normed tokens, (batch, class tokens + kept, D).
pub(super) type TokenLook<'l> = &'l mut dyn FnMut(&[f32], &WeightsByName<'_>) -> Result<()>;

/// A backbone that all trains, by its tokens.
pub(super) trait TokenEngine: Send {
    /// The backbone's shape.
    fn shape(&self) -> &ModelConfig;

    /// Forward to the final norm's tokens, the loss of them, backward: loss and one gradient for each trainable
    /// parameter in the store's order.
    ///
    /// # Errors
    /// When the store is not of this model, or the device fails.
    fn token_step(&mut self, store: &ParamStore, of: &Places<'_>, loss: TokenLoss<'_>) -> Result<(f32, Vec<Tensor>)>;

    /// The final norm's tokens of the chosen patches, where they are only read.
    ///
    /// # Errors
    /// As [`token_step`](Self::token_step).
    fn tokens(&mut self, store: &ParamStore, of: &Places<'_>, look: TokenLook<'_>) -> Result<()>;
}
