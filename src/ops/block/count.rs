//! The number of multiplications in the matrix products of a block.

use super::{Needs, Shape, Widths};

/// Scalars of a block's matrices that train: those whose input is the block's input, and the others.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Trained {
    /// Packed queries, keys and values, and their low-rank updates.
    pub before: usize,
    /// All others.
    pub behind: usize,
}

impl Needs {
    /// Multiplications of the forward and of the backward pass, including what backward recomputes. Those of low-rank
    /// updates and prompts themselves, and everything that is not a product of matrices, are left out.
    pub fn multiplications(&self, shape: &Shape, widths: Widths, trained: Trained) -> [u64; 2] {
        let (d, rows_in, rows) = (shape.hidden, shape.rows_in(), shape.rows_out());
        let Widths { prompts, mlp, spatial, adapter } = widths;
        let when = |done: bool, count: usize| if done { count } else { 0 };
        let project = rows_in * 2 * d * d + rows * d * d;
        // A product of scores with one row for each key.
        let attend = rows * (shape.tokens + prompts) * d;
        let forward = project + 2 * attend + rows * d * (d + 2 * (mlp + spatial + adapter));

        let again = when(self.x2_again(), 2 * spatial)
            + when(self.spatial_again() && !self.x2_again(), spatial)
            + when(self.adapter_again(), adapter)
            + when(self.lean, mlp);
        let through = when(self.mlp, mlp)
            + when(self.mlp && self.n, mlp)
            + when(self.adapter_pre, adapter)
            + when(self.adapter_pre && self.n, adapter)
            + when(self.spatial_pre, spatial)
            + when(self.spatial_pre && (self.proj || self.attention), spatial)
            + when(self.attention, d);
        let weights = rows_in * trained.before + rows * trained.behind;
        let backward =
            rows * d * (again + through) + when(self.attention, 5 * attend) + when(self.input, project) + weights;
        [forward as u64, backward as u64]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::block::{Adapter, Block, Linear};

    /// Per token and in units of D squared: 12 forward and 24 backward where everything trains; 13 and 14 with both
    /// adapters of a quarter's width, and 0.75 to recompute their inner values (4.75 in lean blocks); attention is 2
    /// and 5 times N / D.
    #[test]
    fn counts_are_those_of_the_table() {
        let (d, tokens) = (64, 32);
        let shape = Shape { batch: 3, tokens, keep: tokens, hidden: d, heads: 4, eps: 1e-6, lora_scale: 0.0 };
        let linear = |weight| Linear { weight, bias: weight };
        let block = |backbone: bool, adapter: bool| Block {
            norm1: linear(backbone),
            qkv: linear(backbone),
            proj: linear(backbone),
            norm2: linear(backbone),
            fc1: linear(backbone),
            fc2: linear(backbone),
            spatial: adapter.then(|| Adapter { down: linear(true), up: linear(true) }),
            adapter: adapter.then(|| Adapter { down: linear(true), up: linear(true) }),
            prompt: None,
            lora: None,
        };
        let unit = (shape.rows_in() * d * d) as f64;
        let counts = |block: Block<bool>, lean, widths, trained| {
            Needs::of(&block, true, lean).multiplications(&shape, widths, trained).map(|count| count as f64 / unit)
        };
        let widths = Widths { mlp: 4 * d, ..Widths::default() };
        let full = counts(block(true, false), false, widths, Trained { before: 3 * d * d, behind: 9 * d * d });
        assert_eq!(full, [12.0 + 1.0, 24.0 + 2.5]);
        let widths = Widths { spatial: d / 4, adapter: d / 4, ..widths };
        for (lean, more) in [(false, 0.75), (true, 4.75)] {
            let aat = counts(block(false, true), lean, widths, Trained { before: 0, behind: d * d });
            assert_eq!(aat, [13.0 + 1.0, 14.0 + more + 2.5]);
        }
    }
}
