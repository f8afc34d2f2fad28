//! What a training step of the CPU kernels holds and computes, counted without weights and without a step.

use serde::Serialize;

use super::{Backend, Cpu, Plan, Result, Sizes};
use crate::{
    model::{Inventory, MemoryOptions, Method, ModelConfig, ModelError, ParamSpec, arch, specs},
    ops::block::{Trained, Widths},
};

/// What a training step of some clips costs: bytes that last through it, without the work space that blocks share, and
/// multiplications in its blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// Clips that go through the model at a time.
    pub batch: usize,
    /// Weights, frozen and trainable, as they are kept: in bf16 the blocks' frozen matrices have two bytes.
    pub weights: usize,
    /// The blocks' matrices once more, in the order in which products read them.
    pub packed: usize,
    /// Gradients of what trains.
    pub gradients: usize,
    /// AdamW's two moments of what trains.
    pub moments: usize,
    /// What the blocks' forward pass keeps for their backward pass.
    pub activations: usize,
    /// Multiplications of the blocks' forward pass.
    pub forward: u64,
    /// Those of their backward pass.
    pub backward: u64,
}

impl Cost {
    /// Of a step of `batch` clips at a time.
    ///
    /// # Errors
    /// When the CPU kernels do not know the method for this backbone.
    pub fn of(config: &ModelConfig, method: Method, batch: usize, memory: MemoryOptions) -> Result<Self> {
        let specs = specs(config, method);
        let counts = Inventory::of(&specs);
        let batch = memory.micro_batch.unwrap_or(batch).clamp(1, batch.max(1));
        let extras = method.extras(config);
        let trains = arch::training(&arch::names(config, &extras, false).backbone, &specs);
        let plan = Plan { config, extras: &extras, trains: &trains, memory };
        if !Cpu::supports(&plan) {
            return Err(ModelError::Shape(format!("the CPU kernels have no {method} for this backbone")));
        }
        let backend = Cpu::new(&plan);
        let widths = Widths {
            prompts: extras.prompts,
            mlp: config.mlp_hidden,
            spatial: extras.spatial.unwrap_or(0),
            adapter: extras.mlp.unwrap_or(0),
        };
        let pooled = config.pooled_tokens(None);
        let keep = pooled.last().map_or(config.tokens(), |last| last + 1);
        let shape = backend.shape(Sizes { batch, tokens: config.tokens(), keep });
        let mut trained = vec![Trained::default(); config.depth];
        for spec in specs.iter().filter(|spec| spec.trains && spec.shape.len() == 2) {
            if let Some(of_block) = spec.block.and_then(|block| trained.get_mut(block)) {
                let before = spec.name.contains(".attn.qkv.") || spec.name.contains(".attn.lora");
                *if before { &mut of_block.before } else { &mut of_block.behind } += spec.count();
            }
        }
        let rounded = arch::rounded(config, &extras, &specs, memory.precision);
        let rounded: usize = specs.iter().filter(|spec| rounded.contains(&spec.name)).map(ParamSpec::count).sum();
        let [forward, backward] = backend.stack.multiplications(&shape, widths, &trained);
        Ok(Self {
            batch,
            forward,
            backward,
            weights: 4 * counts.total - 2 * rounded,
            packed: backend.packed.bytes(config),
            gradients: 4 * counts.trainable,
            moments: 8 * counts.trainable,
            // A frozen backbone makes its features without a graph.
            activations: if trains.list().contains(&&true) { backend.stack.kept(&shape, widths) } else { 0 },
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::model::{
        Engine, Precision, Recompute,
        network::Network,
        testing::{features, loss, moved},
    };

    /// The count is of what is really kept, for every method, with and without checkpoints, in both precisions.
    #[test]
    fn what_is_counted_is_what_is_kept() {
        let precisions = [Precision::F32, Precision::Bf16];
        for (recompute, precision) in Recompute::ALL.into_iter().flat_map(|(of, _)| precisions.map(|in_| (of, in_))) {
            for method in Method::all() {
                let memory = MemoryOptions { recompute, precision, training: true, ..MemoryOptions::default() };
                let config = ModelConfig { hidden: 36, mlp_hidden: 100, depth: 3, ..tiny() };
                let mut engine = Network::<Cpu>::new(config.clone(), method, memory);
                let store = moved(&config, method, 0.1);
                engine.step(&store, &features(&config, 2), &mut loss, false).unwrap();
                let counted = Cost::of(&config, method, 2, memory).unwrap();
                assert_eq!(counted.activations, engine.backend().stack.kept_bytes(), "{method}, {memory:?}");
            }
        }
    }

    /// In bf16 AAT keeps the frozen matrices of a large model once, in half the bytes, and slopes in half of theirs.
    #[test]
    fn bf16_halves_what_is_frozen() {
        let base = ModelConfig::ast("base", 512, [10, 10], 50).unwrap();
        let [single, half] = [Precision::F32, Precision::Bf16].map(|precision| {
            let memory = MemoryOptions { precision, training: true, ..MemoryOptions::default() };
            Cost::of(&base, Method::aat(), 2, memory).unwrap()
        });
        let (tokens, hidden, mlp) = (2 * base.tokens(), base.hidden, base.mlp_hidden);
        let matrices = 12 * hidden * (4 * hidden + 2 * mlp);
        assert_eq!((single.weights - half.weights, half.packed), (2 * matrices, 0));
        // Of the last block only the class tokens go on after attention.
        let slopes = (11 * tokens + 2 * base.class_tokens()) * mlp;
        assert_eq!(single.activations - half.activations, 2 * slopes);
    }

    fn tiny() -> ModelConfig {
        ModelConfig::ast("tiny", 128, [16, 16], 50).unwrap()
    }

    /// The promise of the method: activations and optimizer state of AAT are at most half of full fine-tuning's. So
    /// they are on base; on tiny, which has few weights, their MLPs are computed again.
    #[test]
    fn adapters_keep_at_most_half_of_what_full_fine_tuning_keeps() {
        let base = ModelConfig::ast("base", 512, [10, 10], 50).unwrap();
        for (config, batch, recompute) in [(tiny(), 16, Recompute::Mlp), (base, 2, Recompute::Nothing)] {
            let of = |method: &str, recompute| {
                let memory = MemoryOptions { recompute, training: true, ..MemoryOptions::default() };
                Cost::of(&config, method.parse().unwrap(), batch, memory).unwrap()
            };
            let [aat, full] = [("aat", recompute), ("full", Recompute::Nothing)].map(|(method, recompute)| {
                let Cost { activations, moments, .. } = of(method, recompute);
                activations + moments
            });
            assert!(2 * aat <= full, "{aat} and {full} of {config:?}");
        }
    }
}
