//! The engine on candle's operations: any device, any shape and method, and the oracle of the fast ones.

use candle_core::{D, DType, Device, Tensor};

use super::{
    BlockNorms, Engine, Extras, Features, LossFn, Method, ModelConfig, ModelError, ParamStore, StepOutput, stem,
};
use crate::ops::portable::{gelu, layer_norm, linear, softmax};

type Result<T> = std::result::Result<T, ModelError>;

/// A backbone and what a method adds to it, on candle's operations.
pub struct Portable {
    config: ModelConfig,
    extras: Extras,
}

/// What one forward pass leaves.
pub(super) struct Pass {
    /// (batch, classes).
    pub logits: Tensor,
    /// Norms inside each block, when asked for.
    pub norms: Vec<BlockNorms>,
    /// The residual stream after each block, (batch, tokens, D) without prompts, when asked for.
    pub hidden: Vec<Tensor>,
}

/// What a forward pass is to observe on its way.
#[derive(Clone, Copy, Default)]
pub(super) struct Watch {
    pub norms: bool,
    pub hidden: bool,
}

/// The weights as one pass sees them: the trainable ones in the graph, or none.
pub(super) struct Weights<'a> {
    store: &'a ParamStore,
    graph: bool,
}

impl Weights<'_> {
    /// The weight of this name.
    pub(super) fn get(&self, name: &str) -> Result<Tensor> {
        let (spec, var) =
            self.store.entry(name).ok_or_else(|| ModelError::Shape(format!("the model has no parameter {name}")))?;
        Ok(if self.graph && spec.trains { var.as_tensor().clone() } else { var.as_detached_tensor() })
    }

    /// The linear layer of this name applied to x (.., in).
    pub(super) fn linear(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        let (weight, bias) = (self.get(&format!("{name}.weight"))?, self.get(&format!("{name}.bias"))?);
        Ok(linear(x, &weight, Some(&bias))?)
    }

    fn norm(&self, name: &str, x: &Tensor, eps: f64) -> Result<Tensor> {
        let (weight, bias) = (self.get(&format!("{name}.weight"))?, self.get(&format!("{name}.bias"))?);
        Ok(layer_norm(x, &weight, &bias, eps)?)
    }

    /// up(GELU(down(x))): an adapter without any skip.
    fn bottleneck(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        let inner = gelu(&self.linear(&format!("{name}.down"), x)?)?;
        self.linear(&format!("{name}.up"), &inner)
    }

    /// up(down(x)), without biases.
    fn low_rank(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        let inner = linear(x, &self.get(&format!("{name}.down.weight"))?, None)?;
        Ok(linear(&inner, &self.get(&format!("{name}.up.weight"))?, None)?)
    }

    /// The type the weights have and computation is done in.
    pub(super) fn dtype(&self) -> DType {
        self.store.iter().next().map_or(DType::F32, |(_, var)| var.dtype())
    }

    /// Where they are.
    pub(super) fn device(&self) -> &Device {
        self.store.device()
    }
}

impl Portable {
    /// An engine for a model of this shape and method.
    pub fn new(config: ModelConfig, method: Method) -> Self {
        let extras = method.extras(&config);
        Self { config, extras }
    }

    /// What each block leaves in the residual stream, (batch, tokens, D) row-major, and the logits, for comparison
    /// with other implementations.
    ///
    /// # Errors
    /// When the input's size is not the model's, or the device fails.
    pub fn trace(&self, store: &ParamStore, input: &Features) -> Result<(Vec<Vec<f32>>, Vec<f32>)> {
        let pass = self.forward(store, input, false, Watch { norms: false, hidden: true })?;
        Ok((pass.hidden.iter().map(to_host).collect::<Result<_>>()?, to_host(&pass.logits)?))
    }

    /// The whole forward pass; `graph` says whether gradients will be asked for.
    pub(super) fn forward(&self, store: &ParamStore, input: &Features, graph: bool, watch: Watch) -> Result<Pass> {
        let weights = Weights { store, graph };
        let (mut norms, mut hidden) = (Vec::new(), Vec::new());
        let pooled = self.backbone(&weights, input, watch, &mut norms, &mut hidden)?;
        Ok(Pass { logits: self.head(&weights, &pooled)?, norms, hidden })
    }

    /// From spectrograms to pooled vectors (batch, D).
    fn backbone(
        &self,
        weights: &Weights<'_>,
        input: &Features,
        watch: Watch,
        norms: &mut Vec<BlockNorms>,
        hidden: &mut Vec<Tensor>,
    ) -> Result<Tensor> {
        let mut x = stem::tokens(&self.config, weights, input)?;
        for block in 0..self.config.depth {
            norms.extend(self.block(weights, &format!("blocks.{block}"), &mut x, watch.norms)?);
            if watch.hidden {
                hidden.push(x.detach());
            }
        }
        let x = weights.norm("norm", &x, self.config.norm_eps)?;
        self.pool(weights, &x, input)
    }

    /// Logits (batch, classes) of pooled vectors (batch, D).
    fn head(&self, weights: &Weights<'_>, pooled: &Tensor) -> Result<Tensor> {
        let normed = weights.norm("head.norm", pooled, self.config.head_eps)?;
        weights.linear("head.linear", &normed)
    }

    /// Pooled vectors on the device.
    fn to_device(&self, store: &ParamStore, pooled: &[f32]) -> Result<Tensor> {
        let d = self.config.hidden;
        Ok(Tensor::from_slice(pooled, (pooled.len() / d, d), store.device())?)
    }

    /// Loss and gradients from a pass with its graph.
    fn finish(store: &ParamStore, pass: Pass, loss: LossFn<'_>) -> Result<StepOutput> {
        let logits = to_host(&pass.logits)?;
        let (loss, towards) = loss(0..pass.logits.dim(0)?, &logits);
        let towards = Tensor::from_vec(towards, pass.logits.dims(), store.device())?.to_dtype(pass.logits.dtype())?;
        // The gradient of sum(logits * d loss / d logits) is that of the loss itself.
        let mut found = (pass.logits * towards)?.sum_all()?.backward()?;
        let gradients = store
            .trainable()
            .map(|(spec, var)| {
                found.remove(var).ok_or_else(|| ModelError::Shape(format!("{} received no gradient", spec.name)))
            })
            .collect::<Result<_>>()?;
        let norms = (!pass.norms.is_empty()).then_some(pass.norms);
        Ok(StepOutput { loss, logits, gradients, norms })
    }

    /// One pre-norm block on x (batch, tokens, D), with the method's additions.
    fn block(&self, weights: &Weights<'_>, name: &str, x: &mut Tensor, measure: bool) -> Result<Option<BlockNorms>> {
        let eps = self.config.norm_eps;
        let mut norms = BlockNorms::default();
        let mut stream = x.clone();
        if self.extras.prompts > 0 {
            stream = self.insert_prompts(&weights.get(&format!("{name}.prompt"))?, &stream)?;
        }

        let n = weights.norm(&format!("{name}.norm1"), &stream, eps)?;
        let mut h = self.attention(weights, &format!("{name}.attn"), &n)?;
        if self.extras.spatial.is_some() {
            let added = weights.bottleneck(&format!("{name}.spatial"), &h)?;
            if measure {
                (norms.spatial, norms.spatial_ratio) = rms_and_ratio(&added, &stream)?;
            }
            h = (h + added)?;
        }
        stream = (stream + h)?;

        let n = weights.norm(&format!("{name}.norm2"), &stream, eps)?;
        let inner = gelu(&weights.linear(&format!("{name}.mlp.fc1"), &n)?)?;
        let mut out = weights.linear(&format!("{name}.mlp.fc2"), &inner)?;
        if self.extras.mlp.is_some() {
            let added = weights.bottleneck(&format!("{name}.adapter"), &n)?;
            if measure {
                (norms.mlp, norms.mlp_ratio) = rms_and_ratio(&added, &stream)?;
            }
            out = (out + added)?;
        }
        stream = (stream + out)?;

        if self.extras.prompts > 0 {
            stream = self.drop_prompts(&stream)?;
        }
        *x = stream;
        let has_adapters = self.extras.spatial.is_some() || self.extras.mlp.is_some();
        Ok((measure && has_adapters).then_some(norms))
    }

    /// Multi-head self-attention of n (batch, tokens, D).
    fn attention(&self, weights: &Weights<'_>, name: &str, n: &Tensor) -> Result<Tensor> {
        let (batch, tokens, hidden) = n.dims3()?;
        let (heads, size) = (self.config.heads, hidden / self.config.heads);
        let weight = weights.get(&format!("{name}.qkv.weight"))?;
        let bias = if self.config.key_bias() {
            weights.get(&format!("{name}.qkv.bias"))?
        } else {
            let q = weights.get(&format!("{name}.q_bias"))?;
            let v = weights.get(&format!("{name}.v_bias"))?;
            Tensor::cat(&[&q, &q.detach().zeros_like()?, &v], 0)?
        };
        let qkv = linear(n, &weight, Some(&bias))?;
        // (batch, tokens, D) to (batch, heads, tokens, D / heads), with the method's update.
        let part = |i: usize, update: &str| -> Result<Tensor> {
            let mut part = qkv.narrow(2, i * hidden, hidden)?;
            if let Some(size) = self.extras.lora.filter(|_| !update.is_empty()) {
                part = (part + (weights.low_rank(&format!("{name}.{update}"), n)? * size.scale())?)?;
            }
            Ok(part.reshape((batch, tokens, heads, size))?.transpose(1, 2)?.contiguous()?)
        };
        let (q, k, v) = (part(0, "lora_q")?, part(1, "")?, part(2, "lora_v")?);
        let scores = (q * (size as f64).powf(-0.5))?.matmul(&k.t()?.contiguous()?)?;
        let mixed = softmax(&scores)?.matmul(&v)?;
        let mixed = mixed.transpose(1, 2)?.reshape((batch, tokens, hidden))?;
        weights.linear(&format!("{name}.proj"), &mixed)
    }

    /// Each block sees the class tokens, its own prompts, then every other token.
    fn insert_prompts(&self, prompt: &Tensor, x: &Tensor) -> Result<Tensor> {
        let (batch, tokens, hidden) = x.dims3()?;
        let first = self.config.class_tokens();
        let prompts = prompt.broadcast_as((batch, self.extras.prompts, hidden))?;
        if first == 0 {
            return Ok(Tensor::cat(&[&prompts, x], 1)?);
        }
        Ok(Tensor::cat(&[&x.narrow(1, 0, first)?, &prompts, &x.narrow(1, first, tokens - first)?], 1)?)
    }

    fn drop_prompts(&self, x: &Tensor) -> Result<Tensor> {
        let (first, prompts) = (self.config.class_tokens(), self.extras.prompts);
        let rest = x.narrow(1, first + prompts, x.dim(1)? - first - prompts)?;
        if first == 0 {
            return Ok(rest);
        }
        Ok(Tensor::cat(&[&x.narrow(1, 0, first)?, &rest], 1)?)
    }

    /// x (batch, tokens, D) to (batch, D).
    fn pool(&self, weights: &Weights<'_>, x: &Tensor, input: &Features) -> Result<Tensor> {
        let (batch, tokens, hidden) = x.dims3()?;
        let mut shares = vec![0f32; batch * tokens];
        for (clip, shares) in shares.chunks_mut(tokens).enumerate() {
            let places = self.config.pooled_tokens(input.valid.get(clip).copied());
            places.iter().for_each(|place| shares[*place] = 1.0 / places.len() as f32);
        }
        let shares = Tensor::from_vec(shares, (batch, 1, tokens), weights.device())?.to_dtype(weights.dtype())?;
        Ok(shares.matmul(&x.contiguous()?)?.reshape((batch, hidden))?)
    }
}

/// RMS of what an adapter adds, and its ratio to the RMS of the stream it is added to.
fn rms_and_ratio(added: &Tensor, stream: &Tensor) -> Result<(f32, f32)> {
    let rms = |t: &Tensor| -> Result<f32> {
        let mean = t.detach().sqr()?.flatten_all()?.mean(D::Minus1)?;
        Ok(mean.sqrt()?.to_dtype(DType::F32)?.to_scalar()?)
    };
    let (added, stream) = (rms(added)?, rms(stream)?);
    Ok((added, if stream > 0.0 { added / stream } else { 0.0 }))
}

/// To the host, row-major.
fn to_host(tensor: &Tensor) -> Result<Vec<f32>> {
    Ok(tensor.detach().to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
}

impl Engine for Portable {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn step(&mut self, store: &ParamStore, input: &Features, loss: LossFn<'_>, norms: bool) -> Result<StepOutput> {
        let pass = self.forward(store, input, true, Watch { norms, hidden: false })?;
        Self::finish(store, pass, loss)
    }

    fn logits(&mut self, store: &ParamStore, input: &Features) -> Result<Vec<f32>> {
        to_host(&self.forward(store, input, false, Watch::default())?.logits)
    }

    fn observe(&mut self, store: &ParamStore, input: &Features) -> Result<(Vec<f32>, Vec<BlockNorms>)> {
        let pass = self.forward(store, input, false, Watch { norms: true, hidden: false })?;
        Ok((to_host(&pass.logits)?, pass.norms))
    }

    fn pooled(&mut self, store: &ParamStore, input: &Features) -> Result<Vec<f32>> {
        let weights = Weights { store, graph: false };
        let mut all = Vec::with_capacity(input.batch * self.config.hidden);
        for clip in 0..input.batch {
            let (mut norms, mut hidden) = (Vec::new(), Vec::new());
            let clip = input.part(clip..clip + 1);
            let pooled = self.backbone(&weights, &clip, Watch::default(), &mut norms, &mut hidden)?;
            all.extend(to_host(&pooled)?);
        }
        Ok(all)
    }

    fn head_step(&mut self, store: &ParamStore, pooled: &[f32], loss: LossFn<'_>) -> Result<StepOutput> {
        let weights = Weights { store, graph: true };
        let logits = self.head(&weights, &self.to_device(store, pooled)?)?;
        Self::finish(store, Pass { logits, norms: Vec::new(), hidden: Vec::new() }, loss)
    }

    fn head_logits(&mut self, store: &ParamStore, pooled: &[f32]) -> Result<Vec<f32>> {
        to_host(&self.head(&Weights { store, graph: false }, &self.to_device(store, pooled)?)?)
    }
}

#[cfg(test)]
#[path = "portable_tests.rs"]
mod tests;
