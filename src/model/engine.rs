//! What the trainer and the listener ask of a model's arithmetic, whichever device does it.

use std::{borrow::Cow, ops::Range};

use candle_core::Tensor;

use super::{ModelConfig, ModelError};
use crate::ops::block::Squares;

/// Normalised spectrograms, row-major (batch, frames, bins).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Features {
    /// Clips.
    pub batch: usize,
    /// Frames of each clip, padding included.
    pub frames: usize,
    /// Mel bins of each frame.
    pub bins: usize,
    /// `batch * frames * bins` values.
    pub data: Vec<f32>,
    /// Frames of each clip that are sound and not padding; `Pooling::Mean` of a Whisper encoder pools these.
    pub valid: Vec<usize>,
}

impl Features {
    /// The clips of a range as a batch of their own; all of them are these.
    pub fn part(&self, range: Range<usize>) -> Cow<'_, Self> {
        if range == (0..self.batch) {
            return Cow::Borrowed(self);
        }
        let clip = self.frames * self.bins;
        Cow::Owned(Self {
            batch: range.len(),
            frames: self.frames,
            bins: self.bins,
            data: self.data[range.start * clip..range.end * clip].to_vec(),
            valid: self.valid.get(range).unwrap_or_default().to_vec(),
        })
    }
}

/// Root-mean-square norms inside one block, for the Layers screen: over every token of every clip of the batch, padding
/// included, in every block, on every device. Where norms are asked for, the last block computes tokens that it would
/// otherwise leave out.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct BlockNorms {
    /// RMS of the Spatial Adapter's own contribution, `up(GELU(down(h)))`.
    pub spatial: f32,
    /// The same over the RMS of the residual stream it is added to.
    pub spatial_ratio: f32,
    /// RMS of the MLP Adapter's contribution.
    pub mlp: f32,
    /// The same over the RMS of the residual stream it is added to.
    pub mlp_ratio: f32,
}

impl BlockNorms {
    /// Norms of each block from its sums of squares over `values` values; none where nothing was measured.
    pub(super) fn of(squares: &[Squares], values: usize) -> Vec<Self> {
        let rms = |sum: f64| (sum / values as f64).sqrt() as f32;
        let ratio = |added: f64, to: f64| if to > 0.0 { (added / to).sqrt() as f32 } else { 0.0 };
        let block = |squares: &Squares| Self {
            spatial: rms(squares.spatial),
            spatial_ratio: ratio(squares.spatial, squares.x),
            mlp: rms(squares.adapter),
            mlp_ratio: ratio(squares.adapter, squares.x2),
        };
        squares.iter().map(block).collect()
    }
}

/// What one forward and backward pass gives.
#[derive(Debug)]
pub struct StepOutput {
    /// The loss: the sum of what the closure returned.
    pub loss: f32,
    /// (batch, classes), row-major.
    pub logits: Vec<f32>,
    /// One gradient for each trainable parameter, in the order of the store's trainable parameters.
    pub gradients: Vec<Tensor>,
    /// Norms inside each block, when they were asked for and the method has adapters.
    pub norms: Option<Vec<BlockNorms>>,
}

/// Loss of the clips in a range of the batch, from their logits (clips, classes): returns that range's share of
/// the whole batch's loss, and the gradient of that share with respect to these logits.
///
/// An engine may take a batch in parts to save memory, so it may call this several times, with consecutive
/// ranges that cover the batch; the loss is the sum of what it returns. A mean is therefore taken over the whole
/// batch: divide by the batch's size, not by the range's. What a device had no memory for is asked for again in
/// smaller ranges, so the answer may depend on nothing but the arguments.
pub type LossFn<'a> = &'a mut dyn FnMut(Range<usize>, &[f32]) -> (f32, Vec<f32>);

/// A model ready to compute, on the CPU's kernels or on those of an accelerator ([`engine`](super::engine()) chooses).
///
/// Weights live in the [`ParamStore`](super::ParamStore) that is passed in: an engine keeps no copy of what
/// trains.
pub trait Engine: Send {
    /// Shape of the model.
    fn config(&self) -> &ModelConfig;

    /// Forward, loss, backward. Gradients are computed for what trains and nothing else.
    fn step(
        &mut self,
        store: &super::ParamStore,
        input: &Features,
        loss: LossFn<'_>,
        norms: bool,
    ) -> Result<StepOutput, ModelError>;

    /// Forward without a graph: logits (batch, classes), row-major.
    fn logits(&mut self, store: &super::ParamStore, input: &Features) -> Result<Vec<f32>, ModelError>;

    /// As [`Engine::logits`], with the norms inside each block; none for a method without adapters.
    fn observe(
        &mut self,
        store: &super::ParamStore,
        input: &Features,
    ) -> Result<(Vec<f32>, Vec<BlockNorms>), ModelError>;

    /// The residual stream after some of the blocks (counted from 1, in rising order), each (batch, tokens, D) without
    /// prompts: what a teacher shows, and what golden values are compared with.
    ///
    /// # Errors
    /// When the input is not the model's, there is no such block, or the device fails.
    fn states(
        &mut self,
        store: &super::ParamStore,
        input: &Features,
        after: &[usize],
    ) -> Result<Vec<Vec<f32>>, ModelError>;

    /// What the backbone makes of each clip, (batch, D) row-major: the mean of its pooled tokens, before the head's
    /// norm. A clip goes through alone, so its vector is the same to the bit whatever is beside it; where nothing
    /// before the head trains it never changes, and may be kept.
    fn pooled(&mut self, store: &super::ParamStore, input: &Features) -> Result<Vec<f32>, ModelError>;

    /// [`step`](Self::step) from pooled vectors (batch, D) on, for a method that trains nothing before the head.
    fn head_step(
        &mut self,
        store: &super::ParamStore,
        pooled: &[f32],
        loss: LossFn<'_>,
    ) -> Result<StepOutput, ModelError>;

    /// [`logits`](Self::logits) from pooled vectors (batch, D) on.
    fn head_logits(&mut self, store: &super::ParamStore, pooled: &[f32]) -> Result<Vec<f32>, ModelError>;

    /// What a person should know of the passes since this was last asked: that a batch had to be taken in parts.
    fn note(&mut self) -> Option<String> {
        None
    }
}

/// That the blocks to be shown are there and come in rising order.
pub(super) fn check_blocks(after: &[usize], depth: usize) -> Result<(), ModelError> {
    let mut before = 0;
    for &block in after {
        if block <= before || block > depth {
            return Err(ModelError::Shape(format!("there is no block {block} after {before} of {depth}")));
        }
        before = block;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_batch_are_its_clips_in_order() {
        let features =
            Features { batch: 3, frames: 2, bins: 1, data: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], valid: vec![1, 2, 2] };
        let part = features.part(2..3).into_owned();
        assert_eq!((part.batch, part.data, part.valid), (1, vec![5.0, 6.0], vec![2]));
        assert_eq!(features.part(0..2).data, [1.0, 2.0, 3.0, 4.0]);
        assert!(matches!(features.part(0..3), Cow::Borrowed(_)));
    }
}
