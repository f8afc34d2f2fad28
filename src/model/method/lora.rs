use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Extras, ModelConfig, ParamSpec, Tuning};
use crate::model::Part;

/// Low-rank updates of query and value (Hu et al., arXiv 2106.09685): `q += alpha / rank * up(down(n))`, v likewise,
/// where n is the block's normed input.
pub(super) struct Lora;

/// How large an update is, and how strongly it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LowRank {
    /// Inner width.
    pub rank: usize,
    /// Its output is multiplied by `alpha / rank`.
    pub alpha: usize,
}

impl Default for LowRank {
    fn default() -> Self {
        Self { rank: 8, alpha: 16 }
    }
}

impl LowRank {
    /// What its output is multiplied by.
    pub fn scale(self) -> f64 {
        self.alpha as f64 / self.rank.max(1) as f64
    }

    /// Adds the update `scale up down` to the weight that it updates, (D, D): `up` (D, rank), `down` (rank, D). Summed in
    /// float64.
    pub fn fold(self, up: &[f32], down: &[f32], weight: &mut [f32]) {
        let inputs = down.len() / self.rank.max(1);
        let mut row = vec![0.0; inputs];
        for (weight, up) in weight.chunks_exact_mut(inputs).zip(up.chunks_exact(self.rank)) {
            row.iter_mut().zip(&*weight).for_each(|(sum, &value)| *sum = f64::from(value));
            for (down, &up) in down.chunks_exact(inputs).zip(up) {
                let factor = self.scale() * f64::from(up);
                row.iter_mut().zip(down).for_each(|(sum, &down)| *sum += factor * f64::from(down));
            }
            weight.iter_mut().zip(&row).for_each(|(value, &sum)| *value = sum as f32);
        }
    }

    /// Reads what follows the method's name: nothing, `-r4`, `-a32`, `-r4-a32`.
    pub(super) fn parse(suffix: &str) -> Option<Self> {
        let mut size = Self::default();
        for part in suffix.split('-').skip(1) {
            let (which, number) = part.split_at_checked(1)?;
            let number = number.parse().ok().filter(|number| (1..=4096).contains(number))?;
            match which {
                "r" => size.rank = number,
                "a" => size.alpha = number,
                _ => return None,
            }
        }
        (suffix.is_empty() || suffix.starts_with('-')).then_some(size)
    }
}

/// As it follows the method's name; nothing for the usual size.
impl fmt::Display for LowRank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let usual = Self::default();
        if self.rank != usual.rank {
            write!(f, "-r{}", self.rank)?;
        }
        if self.alpha != usual.alpha {
            write!(f, "-a{}", self.alpha)?;
        }
        Ok(())
    }
}

impl Tuning for Lora {
    fn id(&self) -> &'static str {
        "lora"
    }

    fn title(&self) -> &'static str {
        "LoRA"
    }

    fn trains_what(&self) -> &'static str {
        "low-rank updates of query and value, and the head"
    }

    fn extras(&self, _config: &ModelConfig) -> Extras {
        Extras { lora: Some(LowRank::default()), ..Extras::default() }
    }

    fn trains(&self, param: &ParamSpec, _config: &ModelConfig) -> bool {
        matches!(param.part, Part::Lora | Part::Head)
    }
}
