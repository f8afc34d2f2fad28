//! Which backend computes.

use candle_core::Device;

use super::{
    Engine, MemoryOptions, Method, ModelConfig, ModelError, Precision, arch,
    backend::{Accel, Cpu, Plan},
    network::Network,
    specs,
    tokens::TokenEngine,
};

/// What computes a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compute {
    /// This project's CPU kernels.
    Cpu,
    /// Products and fused operations on tensors, wherever they are and in any precision.
    Accelerator,
}

/// The fastest engine for this model on this device: the CPU's kernels where they apply, else what computes on
/// accelerators.
pub fn engine(config: &ModelConfig, method: Method, device: &Device, memory: MemoryOptions) -> Box<dyn Engine> {
    let compute =
        if device.is_cpu() && cpu_supports(config, method, memory) { Compute::Cpu } else { Compute::Accelerator };
    build(compute, config, method, memory)
}

/// An engine that computes in this way.
///
/// # Errors
/// When the CPU's kernels cannot do it.
pub fn engine_by(
    compute: Compute,
    config: &ModelConfig,
    method: Method,
    memory: MemoryOptions,
) -> Result<Box<dyn Engine>, ModelError> {
    if compute == Compute::Cpu && !cpu_supports(config, method, memory) {
        return Err(ModelError::Shape(format!("the CPU kernels have no {method} for this backbone")));
    }
    Ok(build(compute, config, method, memory))
}

fn build(compute: Compute, config: &ModelConfig, method: Method, memory: MemoryOptions) -> Box<dyn Engine> {
    match compute {
        Compute::Cpu => Box::new(Network::<Cpu>::new(config.clone(), method, memory)),
        Compute::Accelerator => Box::new(Network::<Accel>::new(config.clone(), method, memory)),
    }
}

fn cpu_supports(config: &ModelConfig, method: Method, memory: MemoryOptions) -> bool {
    let extras = method.extras(config);
    let trains = arch::training(&arch::names(config, &extras, false).backbone, &specs(config, method));
    Cpu::supports(&Plan { config, extras: &extras, trains: &trains, memory })
}

/// An engine for a backbone in pretraining.
pub(super) fn token_engine(config: ModelConfig, device: &Device, precision: Precision) -> Box<dyn TokenEngine> {
    let memory = MemoryOptions { precision, training: true, ..MemoryOptions::default() };
    if device.is_cpu() && cpu_supports(&config, Method::full(), memory) {
        Box::new(Network::<Cpu>::new(config, Method::full(), memory))
    } else {
        Box::new(Network::<Accel>::new(config, Method::full(), memory))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::model::testing::{features, moved};

    /// bf16 on the CPU rounds the operands of the blocks' products; accelerators keep activations in bf16 too, so that the
    /// CPU's results are nearer to those of single precision.
    #[test]
    fn bf16_on_the_cpu_rounds_less_than_on_accelerators() {
        let config = ModelConfig { depth: 2, ..ModelConfig::ast("tiny", 64, [16, 16], 7).unwrap() };
        let (store, input) = (moved(&config, Method::aat(), 0.1), features(&config, 2));
        let apart = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let [single, half] = [Precision::F32, Precision::Bf16].map(|precision| {
            let memory = MemoryOptions { precision, ..MemoryOptions::default() };
            let chosen = engine(&config, Method::aat(), store.device(), memory).logits(&store, &input).unwrap();
            let mut accelerator = engine_by(Compute::Accelerator, &config, Method::aat(), memory).unwrap();
            [chosen, accelerator.logits(&store, &input).unwrap()]
        });
        let [own, accelerators] = [0, 1].map(|engine| apart(&single[0], &half[engine]));
        assert!(own > 1e-4 && own < accelerators && accelerators < 0.05, "{own} here, {accelerators} on accelerators");
    }
}
