//! The backbones in the box: what `--model` means before anyone has a checkpoint. How each was made, and what it was
//! measured at, stands in its card beside it: `models/*/README.md`.

use super::{
    ModelError,
    checkpoint::{self, Checkpoint},
};

/// A backbone that the program carries.
pub struct Boxed {
    /// Its name after `--model`.
    pub name: &'static str,
    /// How it was made, in a few words.
    pub about: &'static str,
    tensors: &'static [u8],
    card: &'static str,
}

/// All of them, the default first.
pub static BOXED: &[Boxed] = &[Boxed {
    name: "box",
    about: "AST-tiny, pretrained: a teacher's features and sounds' labels",
    tensors: include_bytes!("../../models/box/model.safetensors"),
    card: include_str!("../../models/box/config.json"),
}];

impl Boxed {
    /// The one of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        BOXED.iter().find(|boxed| boxed.name == name)
    }

    /// Looks at it as at any other checkpoint.
    ///
    /// # Errors
    /// When the program was built with a damaged one.
    pub(super) fn open(&self) -> Result<Checkpoint, ModelError> {
        checkpoint::open_inside(self.name, self.tensors, self.card)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_one_opens_and_has_all_its_weights() {
        for boxed in BOXED {
            let checkpoint = boxed.open().unwrap();
            assert_eq!((checkpoint.config.hidden, checkpoint.config.depth, checkpoint.config.classes), (192, 12, 0));
            for name in checkpoint.names() {
                assert!(checkpoint.read(name).unwrap().iter().all(|value| value.is_finite()), "{name}");
            }
        }
    }
}
