//! The backward pass of one block: products and kernels in the order of the formulas, and nothing for what is frozen.

use candle_core::Tensor;

use super::{
    Accel, Result,
    forward::Kept,
    gradients::{self, bias, layer, matrix, put},
    weights::Weight,
};
use crate::ops::{
    block::{Adapter, Block, Linear},
    fused::{Heads, Pending, gelu_back, norm_back},
};

/// What of a block is needed on the way back.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::model) struct Needs {
    /// The gradient of the block's input: something before it trains, or its prompts do.
    pub input: bool,
    /// That of attention's result.
    pub attention: bool,
    /// That of what proj makes of it.
    pub proj: bool,
    /// That of the stream between attention and MLP.
    pub between: bool,
    /// That of norm2's result.
    pub norm2: bool,
    /// That of fc1's result.
    pub fc1: bool,
    /// Anything at all.
    pub any: bool,
}

impl Needs {
    /// From what trains in a block, and whether anything before it does.
    pub fn of(trains: &Block<bool>, before: bool) -> Self {
        let either = |layer: &Linear<bool>| layer.weight || layer.bias;
        let adapter = |a: &Option<Adapter<bool>>| a.as_ref().is_some_and(|a| either(&a.down) || either(&a.up));
        let lora = trains.lora.as_ref().is_some_and(|l| l.q.down || l.q.up || l.v.down || l.v.up);
        let input = before || trains.prompt == Some(true);
        let attention = input || either(&trains.norm1) || either(&trains.qkv) || lora;
        let proj = attention || either(&trains.proj);
        let between = proj || adapter(&trains.spatial);
        let norm2 = between || either(&trains.norm2);
        let fc1 = norm2 || either(&trains.fc1) || trains.fc2.weight;
        let any = fc1 || trains.fc2.bias || adapter(&trains.adapter);
        Self { input, attention, proj, between, norm2, fc1, any }
    }
}

/// The gradient of the residual stream, and the same rounded as products take it.
pub(in crate::model) type Towards = [Tensor; 2];

impl Accel {
    /// From the gradient of what leaves the block to that of what comes in, if that is needed.
    pub(super) fn backward(
        &self,
        weights: &Block<Weight>,
        kept: Kept,
        towards: Towards,
        found: &mut Block<Option<Tensor>>,
        pending: &mut Pending,
    ) -> Result<Option<Towards>> {
        let heads = kept.heads;
        let towards = self.insert_nothing(towards, heads)?;
        let Some(towards) = mlp_back(weights, &kept, towards, found, pending)? else { return Ok(None) };
        let Some(towards) = self.attention_back(weights, kept, towards, found, pending)? else { return Ok(None) };
        match (&weights.prompt, found.prompt.as_mut()) {
            (Some(prompt), Some(to)) => self.prompts_back(prompt, heads, &towards, to).map(Some),
            _ => Ok(Some(towards)),
        }
    }

    /// Spatial Adapter, proj, attention, qkv with its low-rank updates and norm1.
    fn attention_back(
        &self,
        weights: &Block<Weight>,
        kept: Kept,
        [whole, rounded]: Towards,
        found: &mut Block<Option<Tensor>>,
        pending: &mut Pending,
    ) -> Result<Option<Towards>> {
        let Kept { heads, needs, norms: [normed, _], attended, out, h, spatial, low_rank, .. } = kept;
        // Nothing else asks for the rounded gradient from here on, so it may become that of proj's result.
        let mut of_h = rounded;
        if let (Some(pre), Some(adapter), Some(to)) = (&spatial, &weights.spatial, &mut found.spatial) {
            let grad = bottleneck_back(adapter, pre, &h, &of_h, to, pending)?;
            if needs.proj {
                of_h = adapter.down.weight.back_onto(of_h, &grad)?;
            }
        }
        layer(&mut found.proj, &weights.proj, &of_h, Some(&out), pending)?;
        if !needs.attention {
            return Ok(None);
        }
        let grad = attended.back(&weights.proj.weight.back(&of_h)?, heads)?;

        let d = self.config.hidden;
        layer(&mut found.qkv, &weights.qkv, &grad, Some(&normed.norm), pending)?;
        let mut through = weights.qkv.weight.back(&grad)?;
        if let (Some(size), Some(lora), Some(to)) = (self.extras.lora, &weights.lora, &mut found.lora) {
            let updates = [(0, &lora.q, &mut to.q), (2, &lora.v, &mut to.v)];
            for ((part, update, to), inner) in updates.into_iter().zip(&low_rank) {
                let of_part = (grad.narrow(1, part * d, d)?.contiguous()? * size.scale())?;
                matrix(&mut to.up, &update.up, &of_part, Some(inner))?;
                let of_inner = update.up.back(&of_part)?;
                matrix(&mut to.down, &update.down, &of_inner, Some(&normed.norm))?;
                through = update.down.back_onto(through, &of_inner)?;
            }
        }
        gradients::norm(&mut found.norm1, &weights.norm1, &through, &normed, pending)?;
        if !needs.input {
            return Ok(None);
        }
        let whole = spread(&whole, heads)?;
        Ok(Some(norm_back(&through, &normed, &weights.norm1.weight.kept, &whole)?))
    }

    /// Prompts had no gradient from what comes after the block.
    fn insert_nothing(&self, [whole, rounded]: Towards, heads: Heads) -> Result<Towards> {
        let (prompts, first) = (self.extras.prompts, self.config.class_tokens());
        if prompts == 0 || (first > 0 && heads.queries == first) {
            return Ok([whole, rounded]);
        }
        let d = self.config.hidden;
        let with_zeros = |t: &Tensor| -> Result<Tensor> {
            let t = t.reshape((heads.batch, heads.queries - prompts, d))?;
            let zeros = Tensor::zeros((heads.batch, prompts, d), t.dtype(), t.device())?;
            let parts = [t.narrow(1, 0, first)?, zeros, t.narrow(1, first, heads.queries - prompts - first)?];
            let parts: Vec<_> = parts.iter().filter(|part| part.dims()[1] > 0).collect();
            Ok(Tensor::cat(&parts, 1)?.reshape((heads.batch * heads.queries, d))?)
        };
        Ok([with_zeros(&whole)?, with_zeros(&rounded)?])
    }

    /// The prompt's gradient, and that of the tokens around it.
    fn prompts_back(
        &self,
        prompt: &Weight,
        heads: Heads,
        [towards, rounded]: &Towards,
        to: &mut Option<Tensor>,
    ) -> Result<Towards> {
        let (first, prompts, d) = (self.config.class_tokens(), self.extras.prompts, self.config.hidden);
        let towards = towards.reshape((heads.batch, heads.tokens, d))?;
        put(to, prompt, || Ok(towards.narrow(1, first, prompts)?.sum(0)?))?;
        let parts = [towards.narrow(1, 0, first)?, towards.narrow(1, first + prompts, heads.tokens - first - prompts)?];
        let parts: Vec<_> = parts.iter().filter(|part| part.dims()[1] > 0).collect();
        let whole = Tensor::cat(&parts, 1)?.reshape((heads.batch * (heads.tokens - prompts), d))?;
        let rounded = whole.to_dtype(rounded.dtype())?;
        Ok([whole, rounded])
    }
}

/// MLP, MLP Adapter and norm2.
fn mlp_back(
    weights: &Block<Weight>,
    kept: &Kept,
    [whole, rounded]: Towards,
    found: &mut Block<Option<Tensor>>,
    pending: &mut Pending,
) -> Result<Option<Towards>> {
    let normed = &kept.norms[1];
    let mut through = None;
    if kept.needs.fc1 {
        let grad = weights.fc2.weight.back(&rounded)?;
        let (grad, inner) = gelu_back(&kept.pre, &weights.fc1.bias.kept, grad, weights.fc2.weight.trains)?;
        layer(&mut found.fc2, &weights.fc2, &rounded, inner.as_ref(), pending)?;
        layer(&mut found.fc1, &weights.fc1, &grad, Some(&normed.norm), pending)?;
        if kept.needs.norm2 {
            through = Some(weights.fc1.weight.back(&grad)?);
        }
    } else {
        bias(&mut found.fc2.bias, &weights.fc2.bias, &rounded, pending)?;
    }
    if let (Some(pre), Some(adapter), Some(to)) = (&kept.adapter, &weights.adapter, &mut found.adapter) {
        let grad = bottleneck_back(adapter, pre, &normed.norm, &rounded, to, pending)?;
        if let Some(all) = through.take() {
            through = Some(adapter.down.weight.back_onto(all, &grad)?);
        }
    }
    let Some(through) = through else { return Ok(None) };
    gradients::norm(&mut found.norm2, &weights.norm2, &through, normed, pending)?;
    if !kept.needs.between {
        return Ok(None);
    }
    Ok(Some(norm_back(&through, normed, &weights.norm2.weight.kept, &whole)?))
}

/// Of an adapter on x: its weights' gradients, and that of what its `down` leaves.
fn bottleneck_back(
    adapter: &Adapter<Weight>,
    pre: &Tensor,
    x: &Tensor,
    grad: &Tensor,
    found: &mut Adapter<Option<Tensor>>,
    pending: &mut Pending,
) -> Result<Tensor> {
    let inside = adapter.up.weight.back(grad)?;
    let (inside, inner) = gelu_back(pre, &adapter.down.bias.kept, inside, adapter.up.weight.trains)?;
    layer(&mut found.up, &adapter.up, grad, inner.as_ref(), pending)?;
    layer(&mut found.down, &adapter.down, &inside, Some(x), pending)?;
    Ok(inside)
}

/// The gradient of every token where only those that asked have one.
fn spread(grad: &Tensor, Heads { batch, tokens, queries, .. }: Heads) -> Result<Tensor> {
    if queries == tokens {
        return Ok(grad.clone());
    }
    let d = grad.dim(1)?;
    let rest = Tensor::zeros((batch, tokens - queries, d), grad.dtype(), grad.device())?;
    Ok(Tensor::cat(&[&grad.reshape((batch, queries, d))?, &rest], 1)?.reshape((batch * tokens, d))?)
}
