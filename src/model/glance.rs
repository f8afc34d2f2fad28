//! What a person wants to know of a model before choosing it: its kind, its size, its licence. Nothing is downloaded, and no
//! weight is read.

use std::path::Path;

use super::{
    ModelConfig, ModelError, Published,
    built_in::BuiltIn,
    checkpoint::{self, AdapterCheckpoint, Checkpoint, Format, Lora, Session},
    describe::parameters,
    source::{SIZES, repository_of},
};

/// What a model is, at a glance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelGlance {
    /// Who wrote it and of which family it is.
    pub kind: String,
    /// Its parameters, head and additions included; of a published one those of the backbone. `None` where they are not here.
    pub parameters: Option<usize>,
    /// Classes of its head; 0 without one.
    pub classes: usize,
    /// The licence of its weights, where that is known.
    pub license: Option<&'static str>,
    /// More about it, in a sentence.
    pub about: String,
}

/// Looks at a file or a folder. Bounded: it reads tables and settings. `None` where a folder has nothing that looks like a
/// model, and where the path is neither a file nor a folder.
///
/// # Errors
/// When it looks like a model and cannot be used.
pub fn glance(path: &Path) -> Result<Option<ModelGlance>, ModelError> {
    if !path.is_file() && !path.is_dir() {
        return Ok(None);
    }
    match Session::find(path)? {
        Some(Session::Trained(adapter)) => return Ok(Some(of_adapter(&adapter))),
        Some(Session::Backbone(folder)) => return Checkpoint::open(&folder).map(|found| Some(of_checkpoint(&found))),
        None => {}
    }
    if let Some(adapter) = AdapterCheckpoint::find(path)? {
        return Ok(Some(of_adapter(&adapter)));
    }
    if let Some(lora) = Lora::find(path)? {
        return Ok(Some(of_lora(&lora)));
    }
    if path.is_dir() && !checkpoint::holds_weights(path) {
        return Ok(None);
    }
    Checkpoint::open(path).map(|found| Some(of_checkpoint(&found)))
}

/// The same of a name that needs no path: a built-in backbone, a size, a published one, a repository on the hub. `None` for
/// anything else.
///
/// # Errors
/// When a built-in backbone cannot be read.
pub fn glance_at_name(name: &str) -> Result<Option<ModelGlance>, ModelError> {
    if let Some(built_in) = BuiltIn::find(name) {
        let checkpoint = built_in.open()?;
        let license = Some(built_in.license_name);
        let kind = format!("{}, built in", checkpoint.config.facts().title);
        return Ok(Some(ModelGlance { kind, license, about: built_in.what.to_owned(), ..of_checkpoint(&checkpoint) }));
    }
    if let Some(size) = SIZES.into_iter().find(|size| *size == name) {
        let shape = ModelConfig::ast(size, 1024, [10, 10], 0);
        return Ok(shape.map(|shape| ModelGlance {
            kind: "AST, random weights".to_owned(),
            parameters: Some(parameters(&shape, None)),
            classes: 0,
            license: None,
            about: format!("{}: it has learnt nothing yet", sizes(&shape)),
        }));
    }
    if let Some(published) = Published::find(name) {
        let from = "downloaded from the Hugging Face hub when it is first chosen";
        return Ok(Some(ModelGlance {
            kind: published.kind().to_owned(),
            parameters: Some(published.parameters()),
            classes: 0,
            license: Some(published.license),
            about: format!("{}; {}, {from}", published.good_for, sizes(&published.shape())),
        }));
    }
    Ok(repository_of(name).map(|repository| ModelGlance {
        kind: "on the Hugging Face hub".to_owned(),
        parameters: None,
        classes: 0,
        license: None,
        about: format!("{repository} is downloaded when it is first chosen, and is recognised then"),
    }))
}

fn of_checkpoint(checkpoint: &Checkpoint) -> ModelGlance {
    let shape = &checkpoint.config;
    let kind = match checkpoint.format {
        Format::Own => format!("{} ({})", checkpoint.format, shape.facts().title),
        other => other.to_string(),
    };
    let about = [sizes(shape)].into_iter().chain(checkpoint.notes.iter().cloned());
    ModelGlance {
        kind,
        parameters: Some(parameters(shape, checkpoint.method)),
        classes: shape.classes,
        license: None,
        about: about.collect::<Vec<_>>().join("; "),
    }
}

fn of_adapter(adapter: &AdapterCheckpoint) -> ModelGlance {
    let card = &adapter.card;
    ModelGlance {
        kind: format!("{} ({})", adapter.kind(), card.shape.facts().title),
        parameters: Some(parameters(&card.shape, Some(card.method))),
        classes: card.shape.classes,
        license: None,
        about: format!("{} adapted by {}; {}", card.base, card.method, sizes(&card.shape)),
    }
}

fn of_lora(lora: &Lora) -> ModelGlance {
    let place = match lora.base_here() {
        Some(here) => format!("which is at {}", here.display()),
        None => "which is not here: it is looked for on the hub when these are chosen".to_owned(),
    };
    ModelGlance {
        kind: "LoRA (PEFT)".to_owned(),
        parameters: None,
        classes: 0,
        license: None,
        about: format!("it changes the model {}, {place}", lora.base),
    }
}

/// `12 blocks, hidden size 192, 3 heads`
fn sizes(shape: &ModelConfig) -> String {
    format!("{} blocks, hidden size {}, {} heads", shape.depth, shape.hidden, shape.heads)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use super::*;
    use crate::model::{PUBLISHED, names};

    #[test]
    fn every_name_is_known_without_a_network() {
        for name in names().chain(PUBLISHED.iter().map(|published| published.name)) {
            let glance = glance_at_name(name).unwrap().unwrap();
            assert!(glance.parameters.is_some_and(|n| n > 1_000_000) && !glance.about.is_empty(), "{name}: {glance:?}");
        }
        assert_eq!(glance_at_name("box").unwrap().unwrap().license, Some("MIT"));
        assert_eq!(glance_at_name("ced-tiny").unwrap().unwrap().license, Some("Apache-2.0"));
        assert_eq!(glance_at_name("hf:a/b").unwrap().unwrap().parameters, None);
        assert_eq!(glance_at_name("nothing").unwrap(), None);
    }

    #[test]
    fn folders_and_files_are_recognised_or_say_what_is_wrong() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir_all(at("box")).unwrap();
        fs::copy("models/box/model.safetensors", at("box/model.safetensors")).unwrap();
        fs::create_dir_all(at("empty")).unwrap();
        fs::create_dir_all(at("several")).unwrap();
        for name in ["several/a.pth", "several/b.pth", "notes.bin"] {
            fs::write(at(name), "<!doctype html>").unwrap();
        }
        let found = glance(&at("box")).unwrap().unwrap();
        assert_eq!(found, glance(&at("box/model.safetensors")).unwrap().unwrap());
        assert!(
            found.kind.starts_with("Whisper encoder") && found.parameters.is_some_and(|n| n > 7_000_000),
            "{found:?}"
        );
        // A folder of several files is one to open, not a model.
        assert_eq!((glance(&at("empty")).unwrap(), glance(&at("several")).unwrap()), (None, None));
        assert_eq!(glance(&at("gone")).unwrap(), None);
        assert!(glance(&at("notes.bin")).unwrap_err().to_string().contains("a web page"));
        let bytes = fs::read(at("box/model.safetensors")).unwrap();
        fs::write(at("cut.safetensors"), &bytes[..bytes.len() / 2]).unwrap();
        assert!(!glance(&at("cut.safetensors")).unwrap_err().reason().is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_not_read() {
        let root = tempfile::tempdir().unwrap();
        let pipe = root.path().join("model.safetensors");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!((glance(&pipe).unwrap(), glance(root.path()).unwrap()), (None, None));
    }
}
