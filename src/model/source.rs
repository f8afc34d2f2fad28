//! What the text after `--model` means: a size, a checkpoint, adapters, a repository on the Hugging Face hub.

use std::path::Path;

use super::{
    ModelConfig, ModelError,
    checkpoint::{Adapter, Checkpoint},
    hub,
};

/// Sizes that start from random weights, by name.
pub const SIZES: [&str; 3] = ["tiny", "small", "base"];

/// What was named, looked at but not yet loaded.
pub(super) enum Source {
    /// Random weights of one of [`SIZES`].
    Random {
        /// Its name.
        size: &'static str,
        /// AST as trained on AudioSet, of that size, without a head.
        shape: ModelConfig,
        /// What a person should know.
        note: Option<&'static str>,
    },
    /// A whole model or backbone in a file.
    File(Box<Checkpoint>),
    /// What was added to a backbone.
    Adapter(Box<Adapter>),
}

impl Source {
    /// Finds what is named; from the hub, what is there already or can be downloaded.
    pub(super) fn find(given: &str) -> Result<Self, ModelError> {
        let (name, note) = match given {
            "box" => ("tiny", Some("no backbone is in the box yet: this is tiny, with random weights")),
            other => (other, None),
        };
        if let Some(size) = SIZES.into_iter().find(|size| *size == name) {
            let shape = ModelConfig::ast(size, 1024, [10, 10], 0).ok_or_else(|| unknown(given))?;
            return Ok(Self::Random { size, shape, note });
        }
        if let Some(repository) = given.strip_prefix("hf:") {
            let folder = hub::Hub::from_env().fetch(repository, &mut hub::Silent)?;
            return Ok(Self::File(Box::new(Checkpoint::open(&folder)?)));
        }
        let path = Path::new(given);
        if !path.exists() {
            return Err(unknown(given));
        }
        Ok(match Adapter::find(path)? {
            Some(adapter) => Self::Adapter(Box::new(adapter)),
            None => Self::File(Box::new(Checkpoint::open(path)?)),
        })
    }
}

/// Whether what `--model` names starts from random weights, where no training is to be preserved.
pub fn is_random(given: &str) -> bool {
    given == "box" || SIZES.contains(&given)
}

fn unknown(given: &str) -> ModelError {
    let names = SIZES.into_iter().chain(["box"]);
    let near = names.map(|name| (strsim::osa_distance(&given.to_lowercase(), name), name)).min();
    let hint = match near {
        Some((distance, name)) if distance <= 2 => format!("did you mean {name}?"),
        _ => "give box, tiny, small, base, a checkpoint's file or folder, or hf:ORG/NAME".into(),
    };
    ModelError::Unknown { what: "model", given: given.to_owned(), hint }
}
