//! In what numbers the backbone multiplies.

use candle_core::Device;
use serde::{Deserialize, Serialize};

use super::ModelError;
use crate::ops::packed::Arithmetic;

/// In what numbers the blocks' own matrices multiply. Everything else is single precision either way: adapters and head,
/// the residual stream, LayerNorm, softmax, weights that train where they are kept, gradients and the optimizer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Single precision throughout.
    #[default]
    F32,
    /// Operands rounded to bf16, eight bits of mantissa, as PyTorch's autocast does. On the CPU frozen matrices are kept
    /// in bf16 as well. On accelerators activations are bf16 too, and the products in between, of adapters, head and
    /// attention, may use CUDA's TF32, eleven bits.
    Bf16,
}

impl Precision {
    /// What suits a device: bf16 where it multiplies many times faster than single precision, on CUDA. Processors with
    /// AVX512-BF16 differ: Intel's multiply it at half the rate of f32 outside AMX.
    pub fn of(device: &Device) -> Self {
        if device.is_cuda() { Self::Bf16 } else { Self::F32 }
    }

    /// The precision of this name: `auto` (what suits the device), `f32`, `bf16`.
    ///
    /// # Errors
    /// When it is none of them.
    pub fn named(name: &str, device: &Device) -> Result<Self, ModelError> {
        match name {
            "auto" => Ok(Self::of(device)),
            "f32" => Ok(Self::F32),
            "bf16" => Ok(Self::Bf16),
            _ => Err(ModelError::Unknown {
                what: "dtype",
                given: name.to_owned(),
                hint: "known: auto, f32, bf16".to_owned(),
            }),
        }
    }

    /// Its name: `f32`, `bf16`.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }

    /// What this processor computes the blocks' products with.
    pub fn instructions(self) -> &'static str {
        match self {
            Self::F32 => Arithmetic::f32().map_or("f32", Arithmetic::name),
            Self::Bf16 => Arithmetic::bf16().name(),
        }
    }

    /// Whether this is single precision throughout.
    pub fn is_single(&self) -> bool {
        *self == Self::F32
    }
}

impl std::fmt::Display for Precision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_understood_or_explained() {
        let named = |name| Precision::named(name, &Device::Cpu);
        assert!(named("auto").is_ok_and(|precision| precision == Precision::F32));
        assert!(named("bf16").is_ok_and(|precision| precision == Precision::Bf16));
        assert!(named("f16").is_err_and(|error| error.to_string().contains("known: auto, f32, bf16")));
    }
}
