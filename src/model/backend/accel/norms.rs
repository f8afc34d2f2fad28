//! Sums of squares inside blocks, left on the device until the pass is over: each reading waits for everything before it.

use candle_core::{D, DType, Tensor};

use super::Result;
use crate::ops::block::Squares;

/// Of each block, sums of squares of what its Spatial and its MLP Adapter add and of the stream they add to, where it
/// has them.
#[derive(Default)]
pub(super) struct Norms(Vec<[Option<[Tensor; 2]>; 2]>);

/// Sums of squares of what an adapter adds, and of the residual stream it is added to, as scalars on the device.
pub(super) fn squares_of(added: &Tensor, stream: &Tensor) -> Result<[Tensor; 2]> {
    // Row by row first: one sum over everything would lose digits.
    let sum = |t: &Tensor| -> Result<Tensor> { Ok(t.detach().sqr()?.sum(D::Minus1)?.sum_all()?) };
    Ok([sum(added)?, sum(stream)?])
}

impl Norms {
    /// Adds a block's, of its Spatial and its MLP Adapter; of a block without adapters there are none.
    pub(super) fn push(&mut self, spatial: Option<[Tensor; 2]>, mlp: Option<[Tensor; 2]>) {
        if spatial.is_some() || mlp.is_some() {
            self.0.push([spatial, mlp]);
        }
    }

    /// All of them, in one reading.
    pub(super) fn read(self) -> Result<Vec<Squares>> {
        let scalars: Vec<&Tensor> = self.0.iter().flatten().flatten().flatten().collect();
        if scalars.is_empty() {
            return Ok(Vec::new());
        }
        let read: Vec<f32> = Tensor::stack(&scalars, 0)?.to_dtype(DType::F32)?.to_vec1()?;
        let mut pairs = read.chunks_exact(2).map(|pair| [f64::from(pair[0]), f64::from(pair[1])]);
        let mut next = |measured: &Option<_>| measured.as_ref().and_then(|_| pairs.next()).unwrap_or_default();
        let blocks = self.0.iter().map(|[spatial, mlp]| {
            let ([spatial, x], [adapter, x2]) = (next(spatial), next(mlp));
            Squares { spatial, x, adapter, x2 }
        });
        Ok(blocks.collect())
    }
}
