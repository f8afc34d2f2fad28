use super::{Extras, ModelConfig, ParamSpec, Tuning};
use crate::model::Part;

/// AAT^MS: bottleneck 0.25 D after attention and in parallel with the MLP (arXiv 2401.10544).
pub(super) struct Aat;

impl Tuning for Aat {
    fn id(&self) -> &'static str {
        "aat"
    }

    fn title(&self) -> &'static str {
        "AAT"
    }

    fn trains_what(&self) -> &'static str {
        "Spatial Adapters, MLP Adapters and the head"
    }

    fn extras(&self, config: &ModelConfig) -> Extras {
        Extras { spatial: Some(config.hidden / 4), mlp: Some(config.hidden / 4), ..Extras::default() }
    }

    fn trains(&self, param: &ParamSpec, _config: &ModelConfig) -> bool {
        matches!(param.part, Part::Spatial | Part::Mlp | Part::Head)
    }
}
