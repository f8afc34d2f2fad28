//! Tokens instead of answers: what pretraining trains, from chosen patches of each clip.

use std::collections::HashMap;

use candle_core::Tensor;

use super::{Features, ModelConfig, ModelError, ParamStore, Stem};

pub(super) use super::fast::WeightsByName;

type Result<T> = std::result::Result<T, ModelError>;

/// Gradients of what trains, by name.
pub(super) type GradientsByName<'a> = HashMap<&'a str, &'a mut [f32]>;

/// The parameter that stands in the place of a hidden patch's embedding, (1, 1, D).
pub(super) const MASK_TOKEN: &str = "mask_token";

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
pub(super) struct Places<'a> {
    pub selection: &'a Selection,
    pub input: &'a Features,
    /// Sides of a patch.
    pub patch: [usize; 2],
    stride: [usize; 2],
    columns: usize,
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
    pub fn position(&self, clip: usize, i: usize) -> usize {
        let [row, column] = self.selection.patches[clip * self.selection.kept() + i];
        self.first + row * self.columns + column + self.selection.offsets[clip]
    }

    /// The pixels of a clip's patches, (kept, pixels).
    pub fn pixels(&self, clip: usize) -> Vec<f32> {
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

    /// Whether each of a clip's patches is hidden, (kept).
    pub fn hidden(&self, clip: usize) -> &[bool] {
        let kept = self.selection.kept();
        &self.selection.hidden[clip * kept..(clip + 1) * kept]
    }
}

/// The pixels of every chosen patch, (batch, kept, pixels): what masked prediction is to find.
///
/// # Errors
/// When the selection is not of this input.
pub(super) fn pixels(config: &ModelConfig, input: &Features, selection: &Selection) -> Result<Vec<f32>> {
    let places = Places::new(config, input, selection)?;
    Ok((0..input.batch).flat_map(|clip| places.pixels(clip)).collect())
}

/// Loss of normed tokens (batch, class tokens + kept, D) with its gradient; adds the gradients of what else trains.
pub(super) type TokenLoss<'l> =
    &'l mut (dyn FnMut(&[f32], &WeightsByName<'_>, &mut GradientsByName<'_>) -> Result<(f32, Vec<f32>)> + Send);

/// Whoever looks at normed tokens, (batch, class tokens + kept, D).
pub(super) type TokenLook<'l> = &'l mut dyn FnMut(&[f32], &WeightsByName<'_>) -> Result<()>;

/// A backbone that all trains, by its tokens.
pub(super) trait TokenEngine: Send {
    /// The backbone's shape.
    fn shape(&self) -> &ModelConfig;

    /// Forward to the final norm's tokens, the loss of them, backward: loss and one gradient for each trainable
    /// parameter in the store's order.
    ///
    /// # Errors
    /// When the selection is not of this input or the store not of this model.
    fn token_step(
        &mut self,
        store: &ParamStore,
        input: &Features,
        selection: &Selection,
        loss: TokenLoss<'_>,
    ) -> Result<(f32, Vec<Tensor>)>;

    /// The final norm's tokens of the chosen patches, for whoever only looks.
    ///
    /// # Errors
    /// As [`token_step`](Self::token_step).
    fn tokens(
        &mut self,
        store: &ParamStore,
        input: &Features,
        selection: &Selection,
        look: TokenLook<'_>,
    ) -> Result<()>;
}
