use super::{Extras, ModelConfig, ParamSpec, Tuning};
use crate::model::Part;

/// The last half of the blocks; the final norm stays frozen (arXiv 2401.10544).
pub(super) struct Partial;

impl Tuning for Partial {
    fn id(&self) -> &'static str {
        "partial"
    }

    fn title(&self) -> &'static str {
        "partial"
    }

    fn trains_what(&self) -> &'static str {
        "the last half of the blocks and the head"
    }

    fn extras(&self, _config: &ModelConfig) -> Extras {
        Extras::default()
    }

    fn trains(&self, param: &ParamSpec, config: &ModelConfig) -> bool {
        param.part == Part::Head || param.block.is_some_and(|block| block >= config.depth / 2)
    }
}
