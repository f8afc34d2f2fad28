//! The backbones that the program brings along, so that there are some without a network; `models/box` and
//! `models/box-ssl` say where they are from.

use super::{ModelError, checkpoint::Checkpoint};

/// A backbone in the program.
pub(super) struct BuiltIn {
    /// What `--model` calls it.
    pub name: &'static str,
    /// What it is, in a line.
    pub what: &'static str,
    /// The licence that its weights are under, by its usual name.
    pub license_name: &'static str,
    /// The same, in full.
    license: &'static str,
    tensors: &'static [u8],
    /// What our own checkpoints have beside their tensors.
    card: Option<&'static str>,
}

/// All of them; the first is what `--model` means by default.
pub(super) static BUILT_IN: [BuiltIn; 2] = [
    BuiltIn {
        name: "box",
        what: "Whisper-tiny's encoder (OpenAI, MIT licence), trained on 680,000 hours of speech",
        license_name: "MIT",
        license: include_str!("../../models/box/LICENSE"),
        tensors: include_bytes!("../../models/box/model.safetensors"),
        card: None,
    },
    BuiltIn {
        name: "box-ssl",
        what: "an AST-tiny of our own that never saw a label: SSAST on 15 hours of free sounds",
        license_name: "MIT",
        license: include_str!("../../LICENSE"),
        tensors: include_bytes!("../../models/box-ssl/model.safetensors"),
        card: Some(include_str!("../../models/box-ssl/config.json")),
    },
];

/// Names of the backbones in the program, and what each is, in a line.
pub fn built_in() -> Vec<(&'static str, &'static str)> {
    BUILT_IN.iter().map(|built_in| (built_in.name, built_in.what)).collect()
}

/// The licence, in full, of the backbone in the program that has this name.
pub fn built_in_license(name: &str) -> Option<&'static str> {
    BuiltIn::find(name).map(|built_in| built_in.license)
}

impl BuiltIn {
    /// The one of this name.
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        BUILT_IN.iter().find(|built_in| built_in.name == name)
    }

    /// Looks at it.
    pub(super) fn open(&self) -> Result<Checkpoint, ModelError> {
        let mut checkpoint = Checkpoint::inside(self.name, self.tensors, self.card)?;
        checkpoint.notes.insert(0, self.what.to_owned());
        Ok(checkpoint)
    }
}
