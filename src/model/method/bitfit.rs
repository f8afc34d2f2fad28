use super::{Extras, ModelConfig, ParamSpec, Tuning};
use crate::model::Part;

/// Every bias, those of LayerNorm included (Ben Zaken et al., arXiv 2106.10199).
pub(super) struct BitFit;

impl Tuning for BitFit {
    fn id(&self) -> &'static str {
        "bitfit"
    }

    fn title(&self) -> &'static str {
        "BitFit"
    }

    fn trains_what(&self) -> &'static str {
        "every bias and the head"
    }

    fn extras(&self, _config: &ModelConfig) -> Extras {
        Extras::default()
    }

    fn trains(&self, param: &ParamSpec, _config: &ModelConfig) -> bool {
        // `.bias`, and Whisper's `q_bias` and `v_bias`.
        param.part == Part::Head || param.name.ends_with("bias")
    }
}
