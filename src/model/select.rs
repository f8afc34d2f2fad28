//! Which engine computes.

use candle_core::Device;

use super::{Engine, Fast, Fused, Method, ModelConfig, ModelError, Portable, Precision, Thrift, tokens::TokenEngine};

/// The environment variable that, set to `portable`, leaves everything to candle's operations and their graph: for
/// comparing and for finding faults.
const FORCED: &str = "AAT_TUI_ENGINE";

/// The fastest engine for this model on this device: the CPU kernels where they apply (they know single precision
/// only), else fused operations, written out forward and backward.
pub fn engine(config: &ModelConfig, method: Method, device: &Device, thrift: Thrift) -> Box<dyn Engine> {
    if std::env::var(FORCED).is_ok_and(|engine| engine == "portable") {
        return Box::new(Portable::with(config.clone(), method, thrift));
    }
    if device.is_cpu()
        && thrift.precision.is_single()
        && let Ok(fast) = Fast::new(config.clone(), method, thrift)
    {
        return Box::new(fast);
    }
    Box::new(Fused::new(config.clone(), method, thrift))
}

/// The same for a backbone in pretraining.
///
/// # Errors
/// When the kernels cannot do it.
pub(super) fn token_engine(
    config: ModelConfig,
    device: &Device,
    precision: Precision,
) -> Result<Box<dyn TokenEngine>, ModelError> {
    let thrift = Thrift { precision, ..Thrift::default() };
    if device.is_cpu() && precision.is_single() {
        return Ok(Box::new(Fast::new(config, Method::full(), thrift)?));
    }
    Ok(Box::new(Fused::of_tokens(config, thrift)))
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
        let answer = |engine: &mut dyn Engine| engine.logits(&store, &input).unwrap();
        for precision in [Precision::F32, Precision::Bf16] {
            let thrift = Thrift { precision, ..Thrift::default() };
            let chosen = answer(&mut *engine(&config, Method::aat(), store.device(), thrift));
            let accelerator = answer(&mut Fused::new(config.clone(), Method::aat(), thrift));
            assert_eq!(chosen == accelerator, precision == Precision::Bf16, "{precision:?}");
        }
    }
}
