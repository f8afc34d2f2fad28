//! Whisper's stem: a convolution along time, GELU, one of stride 2, GELU, positions added.
//!
//! A convolution is a product with windows that overlap, which a view can express: nothing is unfolded. "Padded" is
//! along time, a row of zeros before the first frame and so many after the last that rows make pairs: the second
//! convolution reads, for token t, the padded rows 2 t, 2 t + 1 and 2 t + 2.

use std::ops::Range;

use rayon::prelude::*;

use super::super::seen::Seen;
use crate::{
    model::{Features, ModelConfig},
    ops::{
        Mat, MatMut,
        block::Linear,
        columns, gelu,
        mat::{Into, product},
        packed::{Arithmetic, Operand, Packed, Start, multiply},
        parallel::{Buffer, Rows, tile_rows, tiles, with_scratch},
    },
};

/// Taps of both convolutions.
const TAPS: usize = 3;
/// Tokens that a core takes through both convolutions at a time.
const ROWS: usize = 128;
/// Outputs of which a core takes the kernels' gradient at a time.
const OUTPUTS: usize = 48;

/// Memory that lasts for the run, and what the backward pass needs of the forward pass.
#[derive(Debug, Default)]
pub(in crate::model::backend::cpu) struct Convolutions {
    /// Kernels, packed for this arithmetic too where there is one.
    kernels: [Kernel; 2],
    arithmetic: Option<Arithmetic>,
    /// Padded input, (batch, 2 tokens + 2, bins).
    input: Buffer,
    /// The second convolution before GELU, (batch, tokens, D).
    pre: Buffer,
    /// The first after GELU, padded, (batch, 2 tokens + 2, D), and the gradient of what it was before.
    act: Buffer,
    dfirst: Buffer,
    /// The gradient of `pre` between two rows of zeros, (batch, tokens + 2, D).
    dpre: Buffer,
}

/// A kernel as products read it, made once for as long as it stays.
#[derive(Debug, Default)]
struct Kernel {
    /// (D, 3 in), the inputs of a tap side by side.
    matrix: Buffer,
    /// Its transpose.
    packed: Option<Packed>,
    seen: Option<Seen>,
}

impl Kernel {
    fn renew(&mut self, weight: &[f32], inputs: usize, changes: bool, arithmetic: Option<Arithmetic>) {
        let found = Seen::of(weight, f32::to_bits);
        if changes || self.seen.as_ref() != Some(&found) {
            let matrix = self.matrix.get(weight.len());
            by_taps(weight, inputs, matrix);
            let matrix = Mat::new(matrix, TAPS * inputs).t();
            self.packed = arithmetic.map(|arithmetic| Packed::new(matrix, arithmetic));
            self.seen = Some(found);
        }
    }

    /// (D, 3 in).
    fn matrix(&self, d: usize, inputs: usize) -> Mat<'_> {
        Mat::new(self.matrix.kept(d * TAPS * inputs), TAPS * inputs)
    }

    /// (3 in, D).
    fn operand(&self, d: usize, inputs: usize) -> Operand<'_> {
        Operand::of(self.packed.as_ref().map(Packed::view), self.matrix(d, inputs).t())
    }
}

/// Sizes of everything here.
#[derive(Clone, Copy)]
struct Sizes {
    batch: usize,
    frames: usize,
    tokens: usize,
    bins: usize,
    d: usize,
}

impl Sizes {
    fn of(config: &ModelConfig, batch: usize) -> Self {
        let (frames, bins) = (config.frames(), config.mel_bins());
        Self { batch, frames, tokens: config.tokens(), bins, d: config.hidden }
    }

    /// Padded rows of a clip.
    fn padded(&self) -> usize {
        2 * self.tokens + 2
    }

    /// Those of some padded rows that hold a frame.
    fn frames_in(&self, rows: &Range<usize>) -> Range<usize> {
        let start = rows.start.max(1);
        start..rows.end.min(self.frames + 1).max(start)
    }

    /// The first convolution, without bias, of those of some padded `rows` of a clip that hold a frame, which are
    /// given; into their places in `out`, with zeros in the others.
    fn first(&self, input: &[f32], kernel: &Operand<'_>, rows: Range<usize>, out: &mut [f32]) -> Range<usize> {
        let frames = self.frames_in(&rows);
        let places = (frames.start - rows.start) * self.d..(frames.end - rows.start) * self.d;
        out[..places.start].fill(0.0);
        out[places.end..].fill(0.0);
        let windows = Mat::windows(input, TAPS * self.bins, self.bins).rows_at(frames.start - 1, frames.len());
        multiply(MatMut::new(&mut out[places.clone()], self.d), Start::Zeros, windows, kernel);
        places
    }
}

/// (D, 3 in) from a kernel (D, in, 3).
fn by_taps(kernel: &[f32], inputs: usize, out: &mut [f32]) {
    let size = TAPS * inputs;
    out.par_chunks_mut(OUTPUTS * size).zip(kernel.par_chunks(OUTPUTS * size)).for_each(|(out, kernel)| {
        for (out, kernel) in out.chunks_exact_mut(size).zip(kernel.chunks_exact(size)) {
            for (tap, out) in out.chunks_exact_mut(inputs).enumerate() {
                for (out, of_input) in out.iter_mut().zip(kernel.chunks_exact(TAPS)) {
                    *out = of_input[tap];
                }
            }
        }
    });
}

impl Convolutions {
    /// With kernels packed for an arithmetic, where there is one.
    pub fn new(arithmetic: Option<Arithmetic>) -> Self {
        Self { arithmetic, ..Self::default() }
    }

    /// Tokens (batch, tokens, D). With `train`, keeps what [`backward`](Self::backward) needs.
    pub(super) fn forward(
        &mut self,
        config: &ModelConfig,
        (layers, position): (&[Linear<&[f32]>; 2], &[f32]),
        input: &Features,
        train: bool,
        out: &mut [f32],
    ) {
        let sizes = Sizes::of(config, input.batch);
        let Sizes { batch, tokens, bins, d, .. } = sizes;
        let padded = sizes.padded() * bins;
        for ((kernel, layer), inputs) in self.kernels.iter_mut().zip(layers).zip([bins, d]) {
            kernel.renew(layer.weight, inputs, train, self.arithmetic);
        }
        let [first_bias, second_bias] = [layers[0].bias, layers[1].bias];
        let frames = self.input.get(batch * padded);
        for (out, clip) in frames.chunks_exact_mut(padded).zip(input.data.chunks_exact(sizes.frames * bins)) {
            out[..bins].fill(0.0);
            out[bins..][..clip.len()].copy_from_slice(clip);
            out[bins + clip.len()..].fill(0.0);
        }

        let (mut out, mut pre) = (Rows::new(out, d), Rows::new(self.pre.get_if(train, batch * tokens * d), d));
        let mut work = Vec::new();
        for clip in frames.chunks_exact(padded) {
            for range in tiles(tokens, tile_rows(tokens, ROWS)) {
                work.push((clip, out.take(range.len()), pre.take(range.len()), range));
            }
        }
        let (first, second) = (self.kernels[0].operand(d, bins), self.kernels[1].operand(d, d));
        work.into_par_iter().with_max_len(1).for_each(|(clip, out, pre, range)| {
            let rows = 2 * range.start..2 * range.end + 1;
            with_scratch([rows.len() * d], |[act]| {
                let places = sizes.first(clip, &first, rows, act);
                gelu::bias_gelu_in_place(&mut act[places], first_bias);
                multiply(MatMut::new(out, d), Start::Zeros, Mat::windows(act, TAPS * d, 2 * d), &second);
            });
            if !pre.is_empty() {
                pre.copy_from_slice(out);
                columns::add_to_rows(pre, second_bias);
            }
            gelu::bias_gelu_in_place(out, second_bias);
            columns::add(out, &position[range.start * d..range.end * d]);
        });
    }

    /// Adds the gradients of what trains, from that of the tokens (batch, tokens, D) of the last forward pass.
    pub(super) fn backward(
        &mut self,
        config: &ModelConfig,
        layers: &[Linear<&[f32]>; 2],
        dtokens: &[f32],
        gradients: &mut [Linear<Option<Vec<f32>>>; 2],
    ) {
        let sizes = Sizes::of(config, dtokens.len() / (config.tokens() * config.hidden));
        let Sizes { batch, frames, tokens, bins, d } = sizes;
        let padded = sizes.padded();
        let (input, pre) = (self.input.kept(batch * padded * bins), self.pre.kept(batch * tokens * d));
        let dpre = self.dpre.get(batch * (tokens + 2) * d);
        let clips = dpre.par_chunks_exact_mut((tokens + 2) * d).zip(dtokens.par_chunks_exact(tokens * d));
        clips.zip(pre.par_chunks_exact(tokens * d)).for_each(|((dpre, dtokens), pre)| {
            dpre.fill(0.0);
            let dpre = &mut dpre[d..(tokens + 1) * d];
            dpre.copy_from_slice(dtokens);
            gelu::backward(dpre, pre);
        });

        let act = self.act.get(batch * padded * d);
        let dfirst = self.dfirst.get(batch * padded * d);
        let (mut act_rows, mut dfirst_rows) = (Rows::new(act, 2 * d), Rows::new(dfirst, 2 * d));
        let mut work = Vec::new();
        for (input, dpre) in input.chunks_exact(padded * bins).zip(dpre.chunks_exact((tokens + 2) * d)) {
            for pairs in tiles(tokens + 1, tile_rows(tokens + 1, ROWS)) {
                work.push((input, dpre, act_rows.take(pairs.len()), dfirst_rows.take(pairs.len()), pairs));
            }
        }
        let (first, second) = (self.kernels[0].operand(d, bins), self.kernels[1].matrix(d, d));
        let first_bias = layers[0].bias;
        work.into_par_iter().with_max_len(1).for_each(|(input, dpre, act, dfirst, pairs)| {
            let tap = |tap: usize| second.columns_at(tap * d, d);
            // Of token t, after the row of zeros, and of the token before it.
            let [before, dpre] = [0, 1].map(|after| Mat::new(dpre, d).rows_at(pairs.start + after, pairs.len()));
            let (mut even, odd) = MatMut::new(dfirst, 2 * d).split_columns(d);
            product(even.reborrow(), Into::Set, 1.0, dpre, tap(0));
            product(even, Into::Add, 1.0, before, tap(2));
            product(odd, Into::Set, 1.0, dpre, tap(1));
            let places = sizes.first(input, &first, 2 * pairs.start..2 * pairs.end, act);
            dfirst[..places.start].fill(0.0);
            dfirst[places.end..].fill(0.0);
            columns::add_to_rows(&mut act[places.clone()], first_bias);
            gelu::backward_and_forward(&mut dfirst[places.clone()], &mut act[places]);
        });

        let clip = |width: usize, rows: usize, i: usize| i * rows * width..(i + 1) * rows * width;
        let of_first = |i: usize| Mat::new(&dfirst[clip(d, padded, i)], d).rows_at(1, frames);
        let of_second = |i: usize| Mat::new(&dpre[clip(d, tokens + 2, i)], d).rows_at(1, tokens);
        for i in 0..batch {
            if let Some(gradient) = &mut gradients[0].bias {
                columns::add_sums(gradient, of_first(i), 0);
            }
            if let Some(gradient) = &mut gradients[1].bias {
                columns::add_sums(gradient, of_second(i), 0);
            }
        }
        if let Some(gradient) = &mut gradients[0].weight {
            kernel_gradient(gradient, bins, batch, |i| {
                let windows = Mat::windows(&input[clip(bins, padded, i)], TAPS * bins, bins);
                (of_first(i), windows.rows_at(0, frames))
            });
        }
        if let Some(gradient) = &mut gradients[1].weight {
            kernel_gradient(gradient, d, batch, |i| {
                let windows = Mat::windows(&act[clip(d, padded, i)], TAPS * d, 2 * d);
                (of_second(i), windows.rows_at(0, tokens))
            });
        }
    }
}

/// Adds to the gradient of a kernel (D, in, 3) what each clip gives it by the gradient of its outputs (rows, D) and
/// its windows (rows, 3 in).
fn kernel_gradient<'a>(
    gradient: &mut [f32],
    inputs: usize,
    batch: usize,
    of: impl Fn(usize) -> (Mat<'a>, Mat<'a>) + Sync,
) {
    let size = TAPS * inputs;
    gradient.par_chunks_mut(OUTPUTS * size).enumerate().for_each(|(i, gradient)| {
        with_scratch([gradient.len()], |[sum]| {
            let outputs = gradient.len() / size;
            for clip in 0..batch {
                let (dy, windows) = of(clip);
                let into = if clip == 0 { Into::Set } else { Into::Add };
                let dy = dy.columns_at(i * OUTPUTS, outputs);
                product(MatMut::new(sum, size), into, 1.0, dy.t(), windows);
            }
            for (gradient, sum) in gradient.chunks_exact_mut(size).zip(sum.chunks_exact(size)) {
                for (tap, sum) in sum.chunks_exact(inputs).enumerate() {
                    for (of_input, sum) in gradient.chunks_exact_mut(TAPS).zip(sum) {
                        of_input[tap] += sum;
                    }
                }
            }
        });
    });
}
