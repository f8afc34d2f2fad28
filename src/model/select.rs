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
    /// This project's CPU kernels, in single precision.
    Cpu,
    /// Products and fused operations on tensors, wherever they are and in any precision.
    Accelerator,
}

/// The fastest engine for this model on this device: the CPU's kernels where they apply, else what computes on
/// accelerators.
pub fn engine(config: &ModelConfig, method: Method, device: &Device, memory: MemoryOptions) -> Box<dyn Engine> {
    let compute = if device.is_cpu() && memory.precision.is_single() && cpu_supports(config, method) {
        Compute::Cpu
    } else {
        Compute::Accelerator
    };
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
    if compute == Compute::Cpu && !cpu_supports(config, method) {
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

fn cpu_supports(config: &ModelConfig, method: Method) -> bool {
    let extras = method.extras(config);
    let trains = arch::training(&arch::names(config, &extras, false).backbone, &specs(config, method));
    Cpu::supports(&Plan { config, extras: &extras, trains: &trains, memory: MemoryOptions::default() })
}

/// An engine for a backbone in pretraining.
pub(super) fn token_engine(config: ModelConfig, device: &Device, precision: Precision) -> Box<dyn TokenEngine> {
    let memory = MemoryOptions { precision, ..MemoryOptions::default() };
    if device.is_cpu() && precision.is_single() {
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

    /// bf16 on the CPU is computed as on accelerators, since the CPU's kernels know single precision only.
    #[test]
    fn the_cpu_kernels_take_single_precision_alone() {
        let config = ModelConfig { depth: 2, ..ModelConfig::ast("tiny", 64, [16, 16], 7).unwrap() };
        let (store, input) = (moved(&config, Method::aat(), 0.1), features(&config, 2));
        for precision in [Precision::F32, Precision::Bf16] {
            let memory = MemoryOptions { precision, ..MemoryOptions::default() };
            let chosen = engine(&config, Method::aat(), store.device(), memory).logits(&store, &input).unwrap();
            let mut accelerator = engine_by(Compute::Accelerator, &config, Method::aat(), memory).unwrap();
            let same = chosen == accelerator.logits(&store, &input).unwrap();
            assert_eq!(same, precision == Precision::Bf16, "{precision:?}");
        }
    }
}
