//! Spectrograms unfolded on the host, where it costs nothing, for a product with patches or convolutions: candle's own
//! convolution has no gradient for every size (its backward pass fails when a stride leaves a rest).

use super::{Features, ModelConfig, ModelError};

/// That the input is this model's.
///
/// # Errors
/// What does not fit.
pub(super) fn check(config: &ModelConfig, input: &Features) -> Result<(), ModelError> {
    if (input.frames, input.bins) != (config.frames(), config.mel_bins()) {
        return Err(ModelError::Shape(format!(
            "the model takes {} frames of {} mel bins but was given {} of {}",
            config.frames(),
            config.mel_bins(),
            input.frames,
            input.bins
        )));
    }
    if input.data.len() != input.batch * input.frames * input.bins {
        return Err(ModelError::Shape(format!(
            "{} values are not {} clips of {} x {}",
            input.data.len(),
            input.batch,
            input.frames,
            input.bins
        )));
    }
    Ok(())
}

/// (batch, rows * columns, patch): frequency-major patches, a patch's pixels row (mel) by column (frame).
pub(super) fn unfold_patches(input: &Features, grid: [usize; 2], patch: [usize; 2], stride: [usize; 2]) -> Vec<f32> {
    let mut unfolded = Vec::with_capacity(input.batch * grid[0] * grid[1] * patch[0] * patch[1]);
    for clip in input.data.chunks(input.frames * input.bins) {
        for (row, column) in (0..grid[0]).flat_map(|row| (0..grid[1]).map(move |column| (row, column))) {
            for bin in (0..patch[0]).map(|i| row * stride[0] + i) {
                let frames = (0..patch[1]).map(|i| column * stride[1] + i);
                unfolded.extend(frames.map(|frame| clip[frame * input.bins + bin]));
            }
        }
    }
    unfolded
}

/// (batch, frames, 3 * bins): each frame between its neighbours, zeros beyond the ends.
pub(super) fn unfold_frames(input: &Features) -> Vec<f32> {
    let mut unfolded = Vec::with_capacity(3 * input.data.len());
    let zeros = vec![0.0; input.bins];
    for clip in input.data.chunks(input.frames * input.bins) {
        let frame = |i: usize| clip.get(i * input.bins..(i + 1) * input.bins).unwrap_or(&zeros);
        for i in 0..input.frames {
            unfolded.extend_from_slice(if i == 0 { &zeros } else { frame(i - 1) });
            unfolded.extend_from_slice(frame(i));
            unfolded.extend_from_slice(frame(i + 1));
        }
    }
    unfolded
}
