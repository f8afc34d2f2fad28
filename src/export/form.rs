//! The forms that an exported folder can have.

/// What a folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A whole AST that `transformers` loads.
    Transformers,
    /// CED or Dasheng in its own form, which its makers' code for `transformers` loads.
    Ced,
    /// Low-rank updates that `peft` loads onto a base.
    Peft,
    /// What the method added and trained, for this program.
    Adapter,
    /// A whole model, for this program.
    Whole,
}

impl Form {
    /// Its name in reports.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Transformers => "transformers",
            Self::Ced => "CED",
            Self::Peft => "peft",
            Self::Adapter => "aat-tui adapter",
            Self::Whole => "aat-tui model",
        }
    }
}
