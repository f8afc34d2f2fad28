use super::{Extras, ModelConfig, ParamSpec, Tuning};
use crate::model::Part;

/// VPT-deep: 12 prompt tokens for each block, after the class tokens, before every patch token.
pub(super) struct Prompt;

impl Tuning for Prompt {
    fn id(&self) -> &'static str {
        "prompt"
    }

    fn title(&self) -> &'static str {
        "prompt"
    }

    fn trains_what(&self) -> &'static str {
        "prompt tokens of every block and the head"
    }

    fn extras(&self, _config: &ModelConfig) -> Extras {
        Extras { prompts: 12, ..Extras::default() }
    }

    fn trains(&self, param: &ParamSpec, _config: &ModelConfig) -> bool {
        matches!(param.part, Part::Prompt | Part::Head)
    }
}
