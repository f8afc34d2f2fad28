//! The backbone that the program brings along, so that there is one without a network; `models/box` says where it is from.

use super::{ModelError, checkpoint::Checkpoint};

/// A backbone in the program.
pub(super) struct Boxed {
    /// What `--model` calls it.
    pub name: &'static str,
    /// What it is, in a line.
    what: &'static str,
    tensors: &'static [u8],
}

/// All of them; the first is what `--model` means when nothing is said.
pub(super) static BOXED: [Boxed; 1] = [Boxed {
    name: "box",
    what: "Whisper-tiny's encoder (OpenAI, MIT licence), trained on 680,000 hours of speech",
    tensors: include_bytes!("../../models/box/model.safetensors"),
}];

impl Boxed {
    /// The one of this name.
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        BOXED.iter().find(|boxed| boxed.name == name)
    }

    /// Looks at it.
    pub(super) fn open(&self) -> Result<Checkpoint, ModelError> {
        let mut checkpoint = Checkpoint::inside(self.name, self.tensors)?;
        checkpoint.notes.insert(0, self.what.to_owned());
        Ok(checkpoint)
    }
}
