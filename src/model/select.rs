//! Which engine computes.

use candle_core::Device;

use super::{Engine, Fast, Method, ModelConfig, Portable, Thrift};

/// The environment variable that, set to `portable`, keeps the CPU kernels out: for comparing and for finding faults.
const FORCED: &str = "AAT_TUI_ENGINE";

/// The fastest engine for this model on this device: the CPU kernels where they apply (they know single precision
/// only), else candle's operations.
pub fn engine(config: &ModelConfig, method: Method, device: &Device, thrift: Thrift) -> Box<dyn Engine> {
    let portable = std::env::var(FORCED).is_ok_and(|engine| engine == "portable");
    if device.is_cpu()
        && thrift.precision.is_single()
        && !portable
        && let Ok(fast) = Fast::new(config.clone(), method, thrift)
    {
        return Box::new(fast);
    }
    Box::new(Portable::with(config.clone(), method, thrift))
}
