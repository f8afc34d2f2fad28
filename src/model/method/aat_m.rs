use super::{Extras, ModelConfig, ParamSpec, Tuning};
use crate::model::Part;

/// AAT^M: the MLP Adapters alone (arXiv 2401.10544).
pub(super) struct AatM;

impl Tuning for AatM {
    fn id(&self) -> &'static str {
        "aat-m"
    }

    fn title(&self) -> &'static str {
        "AAT-M"
    }

    fn trains_what(&self) -> &'static str {
        "MLP Adapters and the head"
    }

    fn extras(&self, config: &ModelConfig) -> Extras {
        Extras { mlp: Some(config.hidden / 4), ..Extras::default() }
    }

    fn trains(&self, param: &ParamSpec, _config: &ModelConfig) -> bool {
        matches!(param.part, Part::Mlp | Part::Head)
    }
}
