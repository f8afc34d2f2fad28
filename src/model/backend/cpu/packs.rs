//! The blocks' own matrices as the kernels read them: packed once, or as they are kept.

use super::{Result, seen::Seen, weights::Held};
use crate::{
    model::{MemoryOptions, ModelConfig, ModelError, arch::Backbone},
    ops::{
        Mat,
        block::{Block, Matrices, Views},
        packed::{Arithmetic, HalfMat, Packed, View},
    },
};

/// Most bytes of matrices that are kept a second time.
const MOST: usize = 100 << 20;

/// Packed matrices of one model, each packed once for as long as its values stay.
///
/// In f32 for predictions of a small model alone, and for the forward pass: a step of many clips is no faster by it, and
/// of a large model's time it saves too little for its memory. In bf16, for both passes, what is kept in f32, since that
/// is where it is rounded, and what is kept in bf16 of a small model.
#[derive(Debug)]
pub(super) struct PackedBlocks {
    arithmetic: Option<Arithmetic>,
    /// Whether nothing trains before the head.
    predicts: bool,
    /// Whether matrices that are kept in bf16 are packed too.
    small: bool,
    /// Which of each block's matrices change from step to step, in the order of [`Block::own`].
    changes: Vec<[bool; 4]>,
    packed: Vec<[PackedMatrix; 4]>,
}

/// One matrix, for the forward and the backward pass.
#[derive(Debug, Default)]
struct PackedMatrix([OnePass; 2]);

#[derive(Debug, Default)]
struct OnePass {
    packed: Option<Packed>,
    /// What was packed.
    seen: Seen,
}

/// A matrix (out, in) where it is kept, with its values.
#[derive(Clone, Copy)]
enum Kept<'a> {
    Single(Mat<'a>, &'a [f32]),
    Half(HalfMat<'a>, &'a [half::bf16]),
}

impl<'a> Kept<'a> {
    fn of(weight: &'a Held<'_>, outputs: usize) -> Self {
        let inputs = |count: usize| count / outputs.max(1);
        match weight.half() {
            Some(values) => Self::Half(HalfMat::new(values, inputs(values.len())), values),
            None => {
                let values = weight.values();
                Self::Single(Mat::new(values, inputs(values.len())), values)
            }
        }
    }

    fn seen(&self) -> Seen {
        match self {
            Self::Single(_, values) => Seen::of(values, f32::to_bits),
            Self::Half(_, values) => Seen::of(values, |value| value.to_bits().into()),
        }
    }

    /// Packs it for one pass: its transpose for the forward one.
    fn pack(&self, backward: bool, arithmetic: Arithmetic) -> Packed {
        match *self {
            Self::Single(matrix, _) => Packed::new(if backward { matrix } else { matrix.t() }, arithmetic),
            Self::Half(matrix, _) => Packed::of_half(if backward { matrix } else { matrix.t() }, arithmetic),
        }
    }
}

impl PackedMatrix {
    /// Packs it if it is not packed yet, changes from step to step, or is another one than before.
    fn renew(&mut self, kept: Kept<'_>, changes: bool, backward: bool, arithmetic: Arithmetic) {
        let OnePass { packed, seen } = &mut self.0[usize::from(backward)];
        let found = kept.seen();
        if packed.is_none() || changes || found != *seen {
            (*packed, *seen) = (Some(kept.pack(backward, arithmetic)), found);
        }
    }

    fn views<'a>(&'a self, kept: Kept<'a>, arithmetic: Arithmetic) -> Views<'a> {
        let [forward, backward] = self.0.each_ref().map(|pass| pass.packed.as_ref().map(Packed::view));
        match kept {
            Kept::Single(..) => Views { forward, backward },
            Kept::Half(matrix, _) => Views {
                forward: forward.or(Some(View::of_half(matrix.t(), arithmetic))),
                backward: backward.or(Some(View::of_half(matrix, arithmetic))),
            },
        }
    }
}

/// A block's own matrices where they are kept.
fn kept<'a>(block: &'a Block<Held<'_>>) -> [Kept<'a>; 4] {
    block.own().map(|layer| Kept::of(&layer.weight, layer.bias.values().len()))
}

impl PackedBlocks {
    /// For a model of which this trains.
    pub fn new(config: &ModelConfig, trains: &Backbone<bool>, memory: MemoryOptions) -> Self {
        let predicts = !memory.training || !trains.list().contains(&&true);
        let single = memory.precision.is_single();
        let arithmetic = if single { Arithmetic::f32() } else { Some(Arithmetic::bf16()) };
        let small = arithmetic.is_some_and(|arithmetic| packed_bytes(config, arithmetic, |_, _| true) <= MOST);
        let arithmetic = arithmetic.filter(|_| !single || predicts && small);
        let changes = |block: &Block<bool>| block.own().map(|layer| layer.weight && memory.training);
        Self { arithmetic, predicts, small, changes: trains.blocks.iter().map(changes).collect(), packed: Vec::new() }
    }

    /// For what else is packed in f32 for predictions of a small model.
    pub fn of_the_rest(&self) -> Option<Arithmetic> {
        Arithmetic::f32().filter(|_| self.predicts && self.small)
    }

    /// Packs what is not packed yet, or was of other values, for the forward pass.
    ///
    /// # Errors
    /// When a matrix is kept in bf16 and the pass computes in f32.
    pub fn update(&mut self, weights: &Backbone<Held<'_>>) -> Result<()> {
        let arithmetic = self.arithmetic;
        let reads = |held: &Held<'_>| held.half().is_none() || arithmetic.is_some_and(Arithmetic::is_bf16);
        if !weights.list().into_iter().all(reads) {
            return Err(ModelError::Shape("weights that are kept in bf16 are of no use to a pass in f32".into()));
        }
        let Some(arithmetic) = arithmetic else { return Ok(()) };
        self.packed.resize_with(weights.blocks.len(), Default::default);
        for (block, weights) in weights.blocks.iter().enumerate() {
            self.renew(block, weights, false, arithmetic);
        }
        Ok(())
    }

    fn renew(&mut self, block: usize, weights: &Block<Held<'_>>, backward: bool, arithmetic: Arithmetic) {
        let matrices = self.packed[block].iter_mut().zip(kept(weights)).zip(self.changes[block]);
        for ((packed, kept), changes) in matrices {
            if self.small || matches!(kept, Kept::Single(..)) {
                packed.renew(kept, changes, backward, arithmetic);
            }
        }
    }

    /// The matrices of block `i` for the forward pass.
    pub fn forward<'a>(&'a self, i: usize, weights: &'a Block<Held<'_>>) -> Matrices<'a> {
        let (Some(packed), Some(arithmetic)) = (self.packed.get(i), self.arithmetic) else {
            return Matrices::default();
        };
        let of = |(packed, kept): (&'a PackedMatrix, Kept<'a>)| packed.views(kept, arithmetic);
        let mut views = packed.iter().zip(kept(weights)).map(of);
        let [qkv, proj, fc1, fc2] = std::array::from_fn(|_| views.next().unwrap_or_default());
        Matrices { qkv, proj, fc1, fc2, bf16: arithmetic.is_bf16() }
    }

    /// The matrices of block `i` for the backward pass too, in bf16.
    pub fn backward<'a>(&'a mut self, i: usize, weights: &'a Block<Held<'_>>) -> Matrices<'a> {
        if let Some(arithmetic) = self.arithmetic.filter(|arithmetic| arithmetic.is_bf16()) {
            self.renew(i, weights, true, arithmetic);
        }
        self.forward(i, weights)
    }

    /// Bytes of all packed matrices in a training run, where frozen ones are kept in bf16 if passes compute in it.
    pub fn bytes(&self, config: &ModelConfig) -> usize {
        let Some(arithmetic) = self.arithmetic else { return 0 };
        packed_bytes(config, arithmetic, |block, matrix| self.small || self.changes[block][matrix])
    }
}

/// Bytes of a model's packed matrices, of those that are wanted by block and place in [`Block::own`]: in bf16 for both
/// passes.
fn packed_bytes(config: &ModelConfig, arithmetic: Arithmetic, wanted: impl Fn(usize, usize) -> bool) -> usize {
    let (hidden, mlp) = (config.hidden, config.mlp_hidden);
    let shapes = [[3 * hidden, hidden], [hidden, hidden], [mlp, hidden], [hidden, mlp]];
    let sizes = shapes.map(|[outputs, inputs]| {
        let backward = if arithmetic.is_bf16() { Packed::bytes(outputs, inputs, arithmetic) } else { 0 };
        Packed::bytes(inputs, outputs, arithmetic) + backward
    });
    let all = (0..config.depth).flat_map(|block| (0..sizes.len()).map(move |matrix| (block, matrix)));
    all.filter(|&(block, matrix)| wanted(block, matrix)).map(|(_, matrix)| sizes[matrix]).sum()
}
