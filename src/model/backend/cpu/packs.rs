//! The blocks' own matrices, packed for the kernels.

use super::weights::Held;
use crate::{
    model::{MemoryOptions, ModelConfig, arch::Backbone},
    ops::{
        Mat,
        block::{Block, Linear, Pack, Packs},
        packed::{Arithmetic, Packed},
    },
};

/// Most bytes of f32 matrices that are kept a second time.
const MOST: usize = 100 << 20;

/// Values looked at to see whether a matrix is the one that was packed.
const SAMPLES: usize = 32;

/// Packed matrices of one model, each packed once for as long as its values stay.
///
/// In f32 for predictions of a small model alone, and for the forward pass: a step of many clips is no faster by it, and
/// of a large model's time it saves too little for its memory. In bf16 always, since that is where weights are rounded.
#[derive(Debug)]
pub(super) struct PackedBlocks {
    arithmetic: Option<Arithmetic>,
    /// Which of each block's matrices change from step to step, in the order of [`matrices`].
    changes: Vec<[bool; 4]>,
    packed: Vec<PackedBlock>,
}

#[derive(Debug, Default)]
struct PackedBlock {
    packs: Packs,
    /// Samples of what was packed, for the forward and the backward pass.
    seen: [[Samples; 4]; 2],
}

/// A block's own matrices: qkv, proj, fc1, fc2.
fn matrices<T>(block: &Block<T>) -> [&Linear<T>; 4] {
    [&block.qkv, &block.proj, &block.fc1, &block.fc2]
}

fn packs(packs: &mut Packs) -> [&mut Pack; 4] {
    [&mut packs.qkv, &mut packs.proj, &mut packs.fc1, &mut packs.fc2]
}

type Samples = [u32; SAMPLES];

/// Values all over a matrix, few enough to be read for every prediction.
fn samples(values: &[f32]) -> Samples {
    let step = (values.len() / SAMPLES) | 1;
    std::array::from_fn(|i| values.get(i * step).map_or(0, |value| value.to_bits()))
}

/// Packs each matrix that is not packed yet, that changes from step to step, or that is another one than before.
fn renew(
    packs: [&mut Option<Packed>; 4],
    seen: &mut [Samples; 4],
    changes: &[bool; 4],
    weights: &Block<&[f32]>,
    pack: impl Fn(Mat<'_>) -> Packed,
) {
    for (((packed, seen), changes), layer) in packs.into_iter().zip(seen).zip(changes).zip(matrices(weights)) {
        let found = samples(layer.weight);
        if packed.is_none() || *changes || found != *seen {
            *packed = Some(pack(Mat::new(layer.weight, layer.weight.len() / layer.bias.len().max(1))));
            *seen = found;
        }
    }
}

impl PackedBlocks {
    /// For a model of which this trains.
    pub fn new(config: &ModelConfig, trains: &Backbone<bool>, memory: MemoryOptions) -> Self {
        let predicts = !memory.training || !trains.list().contains(&&true);
        let arithmetic = if memory.precision.is_single() {
            Arithmetic::f32().filter(|&single| predicts && bytes(config, single) <= MOST)
        } else {
            Some(Arithmetic::bf16())
        };
        let changes = |block| matrices(block).map(|layer| layer.weight && memory.training);
        Self { arithmetic, changes: trains.blocks.iter().map(changes).collect(), packed: Vec::new() }
    }

    /// Packs what is not packed yet, or was of other values.
    pub fn update(&mut self, weights: &Backbone<Held<'_>>) {
        let Some(arithmetic) = self.arithmetic else { return };
        self.packed.resize_with(weights.blocks.len(), Default::default);
        for ((block, weights), changes) in self.packed.iter_mut().zip(&weights.blocks).zip(&self.changes) {
            block.packs.bf16 = arithmetic.is_bf16();
            let weights = weights.map(Held::values);
            let packs = packs(&mut block.packs).map(|pack| &mut pack.forward);
            renew(packs, &mut block.seen[0], changes, &weights, |matrix| Packed::new(matrix.t(), arithmetic));
        }
    }

    /// The matrices of block `i` for the forward pass.
    pub fn forward(&self, i: usize) -> Option<&Packs> {
        self.packed.get(i).map(|block| &block.packs)
    }

    /// The matrices of block `i` for the backward pass too, in bf16.
    pub fn backward(&mut self, i: usize, weights: &Block<&[f32]>) -> Option<&Packs> {
        let block = self.packed.get_mut(i)?;
        if let Some(arithmetic) = self.arithmetic.filter(|arithmetic| arithmetic.is_bf16()) {
            let packs = packs(&mut block.packs).map(|pack| &mut pack.backward);
            renew(packs, &mut block.seen[1], &self.changes[i], weights, |matrix| Packed::new(matrix, arithmetic));
        }
        Some(&block.packs)
    }

    /// Bytes of all packed matrices in a training run.
    pub fn bytes(&self, config: &ModelConfig) -> usize {
        self.arithmetic.map_or(0, |arithmetic| bytes(config, arithmetic))
    }
}

/// Bytes of a model's packed matrices: in bf16 for both passes.
fn bytes(config: &ModelConfig, arithmetic: Arithmetic) -> usize {
    let (hidden, mlp) = (config.hidden, config.mlp_hidden);
    let shapes = [[3 * hidden, hidden], [hidden, hidden], [mlp, hidden], [hidden, mlp]];
    let of_block = shapes.map(|[outputs, inputs]| {
        let backward = if arithmetic.is_bf16() { Packed::bytes(outputs, inputs, arithmetic) } else { 0 };
        Packed::bytes(inputs, outputs, arithmetic) + backward
    });
    config.depth * of_block.iter().sum::<usize>()
}
