use super::{Extras, ModelConfig, ParamSpec, Tuning};

/// Full fine-tuning.
pub(super) struct Full;

impl Tuning for Full {
    fn id(&self) -> &'static str {
        "full"
    }

    fn title(&self) -> &'static str {
        "full fine-tuning"
    }

    fn trains_what(&self) -> &'static str {
        "everything"
    }

    fn extras(&self, _config: &ModelConfig) -> Extras {
        Extras::default()
    }

    fn trains(&self, _param: &ParamSpec, _config: &ModelConfig) -> bool {
        true
    }
}
