//! A parameter's variable, in single precision or rounded to bf16.

use candle_core::{Device, Var};
use half::bf16;

use super::{ModelError, ParamSpec};

/// A parameter's variable with these values, row-major; `rounded` to bf16, which takes half the memory.
///
/// # Errors
/// When there are not as many values as its shape has, or no room.
pub(super) fn variable(spec: &ParamSpec, values: Vec<f32>, device: &Device, rounded: bool) -> Result<Var, ModelError> {
    let shape = spec.shape.as_slice();
    if rounded {
        let values: Vec<bf16> = values.into_iter().map(bf16::from_f32).collect();
        return Ok(Var::from_vec(values, shape, device)?);
    }
    Ok(Var::from_vec(values, shape, device)?)
}
