//! The backward pass of one block: products and kernels in the order of the formulas, and nothing for what is frozen.

use candle_core::Tensor;

use super::{Fused, Result, forward::Kept, gradients::Gradients, weights::Weights};
use crate::{
    model::{ParamSpec, Part},
    ops::fused::{Heads, gelu_back, norm_back},
};

/// What of a block is needed on the way back.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Needs {
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
    /// From what trains in and before a block.
    pub fn of(specs: &[ParamSpec], block: usize) -> Self {
        let trains = |part: &str| {
            let prefix = format!("blocks.{block}.{part}");
            specs.iter().any(|spec| spec.trains && spec.name.starts_with(&prefix))
        };
        let before = specs.iter().filter(|spec| spec.trains).any(|spec| match spec.block {
            Some(own) => own < block,
            None => spec.part == Part::Stem,
        });
        let input = before || trains("prompt");
        let attention =
            input || ["norm1", "attn.qkv", "attn.q_bias", "attn.v_bias", "attn.lora"].iter().any(|part| trains(part));
        let proj = attention || trains("attn.proj");
        let between = proj || trains("spatial");
        let norm2 = between || trains("norm2");
        let fc1 = norm2 || trains("mlp.fc1") || trains("mlp.fc2.weight");
        let any = fc1 || trains("mlp") || trains("adapter");
        Self { input, attention, proj, between, norm2, fc1, any }
    }
}

/// The gradient of the residual stream, and the same rounded as products take it.
pub(super) type Towards = [Tensor; 2];

impl Fused {
    /// From the gradient of what leaves the block to that of what comes in, if that is needed.
    pub(super) fn block_back(
        &self,
        weights: &mut Weights<'_>,
        block: usize,
        kept: Kept,
        towards: Towards,
        found: &mut Gradients,
    ) -> Result<Option<Towards>> {
        let name = format!("blocks.{block}");
        let heads = kept.heads;
        let towards = self.insert_nothing(towards, heads)?;
        let Some(towards) = self.mlp_back(weights, &name, &kept, towards, found)? else { return Ok(None) };
        let Some(towards) = self.attention_back(weights, &name, kept, towards, found)? else { return Ok(None) };
        if self.extras.prompts == 0 {
            return Ok(Some(towards));
        }
        self.prompts_back(weights, &name, heads, &towards[0], found).map(Some)
    }

    /// MLP, MLP Adapter and norm2.
    fn mlp_back(
        &self,
        weights: &mut Weights<'_>,
        name: &str,
        kept: &Kept,
        [whole, rounded]: Towards,
        found: &mut Gradients,
    ) -> Result<Option<Towards>> {
        let normed = &kept.norms[1];
        let fc = ["fc1", "fc2"].map(|layer| format!("{name}.mlp.{layer}"));
        let mut through = None;
        if kept.needs.fc1 {
            let grad = weights.back(&fc[1], &rounded)?;
            let again = weights.trains(&format!("{}.weight", fc[1]));
            let (grad, inner) = gelu_back(&kept.pre, &weights.bias(&fc[0])?, grad, again)?;
            found.linear(weights, &fc[1], &rounded, inner.as_ref())?;
            found.linear(weights, &fc[0], &grad, Some(&normed.norm))?;
            if kept.needs.norm2 {
                through = Some(weights.back(&fc[0], &grad)?);
            }
        } else {
            found.bias(weights, &format!("{}.bias", fc[1]), &rounded)?;
        }
        if let Some(pre) = &kept.adapter {
            let adapter = format!("{name}.adapter");
            let grad = bottleneck_back(weights, &adapter, pre, &normed.norm, &rounded, found)?;
            if let Some(all) = through.take() {
                through = Some(weights.back_onto(all, &format!("{adapter}.down"), &grad)?);
            }
        }
        let Some(through) = through else { return Ok(None) };
        found.norm(weights, &format!("{name}.norm2"), &through, normed)?;
        if !kept.needs.between {
            return Ok(None);
        }
        Ok(Some(norm_back(&through, normed, &weights.get(&format!("{name}.norm2.weight"))?, &whole)?))
    }

    /// Spatial Adapter, proj, attention, qkv with its low-rank updates and norm1.
    fn attention_back(
        &self,
        weights: &mut Weights<'_>,
        name: &str,
        kept: Kept,
        [whole, rounded]: Towards,
        found: &mut Gradients,
    ) -> Result<Option<Towards>> {
        let Kept { heads, needs, norms: [normed, _], attended, out, h, spatial, low_rank, .. } = kept;
        // Nothing else asks for the rounded gradient from here on, so it may become that of proj's result.
        let mut of_h = rounded;
        if let Some(pre) = &spatial {
            let adapter = format!("{name}.spatial");
            let grad = bottleneck_back(weights, &adapter, pre, &h, &of_h, found)?;
            if needs.proj {
                of_h = weights.back_onto(of_h, &format!("{adapter}.down"), &grad)?;
            }
        }
        let proj = format!("{name}.attn.proj");
        found.linear(weights, &proj, &of_h, Some(&out))?;
        if !needs.attention {
            return Ok(None);
        }
        let grad = attended.back(&weights.back(&proj, &of_h)?, heads)?;

        let d = self.config.hidden;
        let qkv = format!("{name}.attn.qkv");
        found.linear(weights, &qkv, &grad, Some(&normed.norm))?;
        for (part, bias) in [(0, "q_bias"), (2, "v_bias")].map(|(i, part)| (i, format!("{name}.attn.{part}"))) {
            if weights.trains(&bias) {
                found.bias(weights, &bias, &grad.narrow(1, part * d, d)?.contiguous()?)?;
            }
        }
        let mut through = weights.back(&qkv, &grad)?;
        if let Some(size) = self.extras.lora {
            for ((part, update), inner) in [(0, "q"), (2, "v")].into_iter().zip(&low_rank) {
                let update = format!("{name}.attn.lora_{update}");
                let of_part = (grad.narrow(1, part * d, d)?.contiguous()? * size.scale())?;
                found.matrix(weights, &format!("{update}.up.weight"), &of_part, Some(inner))?;
                let of_inner = weights.back(&format!("{update}.up"), &of_part)?;
                found.matrix(weights, &format!("{update}.down.weight"), &of_inner, Some(&normed.norm))?;
                through = weights.back_onto(through, &format!("{update}.down"), &of_inner)?;
            }
        }
        let norm1 = format!("{name}.norm1");
        found.norm(weights, &norm1, &through, &normed)?;
        if !needs.input {
            return Ok(None);
        }
        let whole = spread(&whole, heads)?;
        Ok(Some(norm_back(&through, &normed, &weights.get(&format!("{norm1}.weight"))?, &whole)?))
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
        weights: &Weights<'_>,
        name: &str,
        heads: Heads,
        towards: &Tensor,
        found: &mut Gradients,
    ) -> Result<Towards> {
        let (first, prompts, d) = (self.config.class_tokens(), self.extras.prompts, self.config.hidden);
        let towards = towards.reshape((heads.batch, heads.tokens, d))?;
        found.put(weights, &format!("{name}.prompt"), &towards.narrow(1, first, prompts)?.sum(0)?)?;
        let parts = [towards.narrow(1, 0, first)?, towards.narrow(1, first + prompts, heads.tokens - first - prompts)?];
        let parts: Vec<_> = parts.iter().filter(|part| part.dims()[1] > 0).collect();
        let whole = Tensor::cat(&parts, 1)?.reshape((heads.batch * (heads.tokens - prompts), d))?;
        let rounded = whole.to_dtype(weights.dtype)?;
        Ok([whole, rounded])
    }
}

/// Of an adapter on x: its weights' gradients, and that of what its `down` leaves.
fn bottleneck_back(
    weights: &mut Weights<'_>,
    name: &str,
    pre: &Tensor,
    x: &Tensor,
    grad: &Tensor,
    found: &mut Gradients,
) -> Result<Tensor> {
    let [down, up] = ["down", "up"].map(|layer| format!("{name}.{layer}"));
    let inside = weights.back(&up, grad)?;
    let (inside, inner) = gelu_back(pre, &weights.bias(&down)?, inside, weights.trains(&format!("{up}.weight")))?;
    found.linear(weights, &up, grad, inner.as_ref())?;
    found.linear(weights, &down, &inside, Some(x))?;
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
