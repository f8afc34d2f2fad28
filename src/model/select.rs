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
