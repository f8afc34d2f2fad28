use super::{Extras, ModelConfig, ParamSpec, Tuning};
use crate::model::Part;

/// A linear probe: the backbone's features as they are.
pub(super) struct Head;

impl Tuning for Head {
    fn id(&self) -> &'static str {
        "head"
    }

    fn title(&self) -> &'static str {
        "head only"
    }

    fn trains_what(&self) -> &'static str {
        "the head"
    }

    fn extras(&self, _config: &ModelConfig) -> Extras {
        Extras::default()
    }

    fn trains(&self, param: &ParamSpec, _config: &ModelConfig) -> bool {
        param.part == Part::Head
    }
}
