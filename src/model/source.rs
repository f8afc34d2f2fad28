//! What the text after `--model` means: a size, a checkpoint, adapters, a published backbone by its short name, a repository
//! on the Hugging Face hub.

use std::path::Path;

use super::{
    ModelConfig, ModelError,
    built_in::{BUILT_IN, BuiltIn},
    catalogue::{PUBLISHED, Published},
    checkpoint::{AdapterCheckpoint, Checkpoint, Lora, Session},
    hub,
};

/// Sizes that start from random weights, by name.
pub const SIZES: [&str; 3] = ["tiny", "small", "base"];

/// Trainings that may be one upon the other: a session that began from a session, and so on.
pub(super) const DEEPEST: usize = 16;

/// What was named, looked at but not yet loaded.
pub(super) enum Source {
    /// Random weights of one of [`SIZES`].
    Random {
        /// Its name.
        size: &'static str,
        /// AST as trained on AudioSet, of that size, without a head.
        shape: ModelConfig,
    },
    /// A whole model or backbone in a file.
    File(Box<Checkpoint>),
    /// What a training added to a backbone or changed in it: adapters, or a session.
    Adapter(Box<AdapterCheckpoint>),
}

impl Source {
    /// Finds what is named; from the hub, what is there already or can be downloaded.
    pub(super) fn find(given: &str) -> Result<Self, ModelError> {
        if let Some(built_in) = BuiltIn::find(given) {
            return Ok(Self::File(Box::new(built_in.open()?)));
        }
        if let Some(size) = SIZES.into_iter().find(|size| *size == given) {
            let shape = ModelConfig::ast(size, 1024, [10, 10], 0).ok_or_else(|| unknown(given))?;
            return Ok(Self::Random { size, shape });
        }
        if let Some(repository) = repository_of(given) {
            let folder = hub::Hub::from_env().fetch(repository, &mut *hub::watcher())?;
            return Ok(Self::File(Box::new(Checkpoint::open(&folder)?)));
        }
        let path = Path::new(given);
        if !path.exists() {
            return Err(unknown(given));
        }
        match Session::find(path)? {
            Some(Session::Trained(adapter)) => return Ok(Self::Adapter(adapter)),
            Some(Session::Backbone(folder)) => return Ok(Self::File(Box::new(Checkpoint::open(&folder)?))),
            None => {}
        }
        if let Some(adapter) = AdapterCheckpoint::find(path)? {
            return Ok(Self::Adapter(Box::new(adapter)));
        }
        if let Some(lora) = Lora::find(path)? {
            return Ok(Self::File(Box::new(with_base(&lora)?)));
        }
        Ok(Self::File(Box::new(Checkpoint::open(path)?)))
    }
}

/// The repository on the hub that this means: what `hf:` names, or a published backbone's short name.
pub fn repository_of(given: &str) -> Option<&str> {
    given.strip_prefix("hf:").or_else(|| Published::find(given).map(|published| published.repository))
}

/// Downloads what this means from the hub, unless it is in the cache or is here; the watcher gets the progress.
///
/// # Errors
/// When it cannot be downloaded; the message names the files to put into a folder instead.
pub fn fetch(given: &str, watcher: &mut dyn hub::Watcher) -> Result<(), ModelError> {
    let Some(repository) = repository_of(given) else { return Ok(()) };
    hub::Hub::from_env().fetch(repository, watcher).map(drop)
}

/// LoRA weights on their base model: a folder here, or a repository on the hub.
fn with_base(lora: &Lora) -> Result<Checkpoint, ModelError> {
    let base = match lora.base_here() {
        Some(here) => here,
        None => hub::Hub::from_env()
            .fetch(&lora.base, &mut *hub::watcher())
            .map_err(|why| lora.without_base(&why.reason()))?,
    };
    Checkpoint::with_lora(lora, &base)
}

/// The backbone that a model began from: of a session or an adapter the one beneath it, however many trainings are between;
/// of anything else itself.
pub fn origin(given: &str) -> String {
    let mut named = given.to_owned();
    for _ in 0..DEEPEST {
        // What the hub has is a whole model.
        if repository_of(&named).is_some() {
            break;
        }
        match Source::find(&named) {
            Ok(Source::Adapter(adapter)) => named.clone_from(&adapter.card.base),
            _ => break,
        }
    }
    named
}

/// What `--model` can name without a file or a network.
pub fn names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|built_in| built_in.name).chain(SIZES)
}

/// Whether what `--model` names is a name, of this program or of the hub, rather than a path: names come first, even where a
/// file is called the same.
pub fn is_name(given: &str) -> bool {
    names().any(|name| name == given) || repository_of(given).is_some()
}

/// Whether what `--model` names starts from random weights, where no training is to be preserved.
pub fn is_random(given: &str) -> bool {
    SIZES.contains(&given)
}

fn unknown(given: &str) -> ModelError {
    let names = names().chain(PUBLISHED.iter().map(|published| published.name));
    let near = names.map(|name| (strsim::osa_distance(&given.to_lowercase(), name), name)).min();
    let hint = match near {
        Some((distance, name)) if distance <= 2 => format!("did you mean {name}?"),
        _ => "give box, box-ssl, tiny, small, base, a name of `aat-tui models list`, a checkpoint's file or folder, hf:ORG/NAME, or \
              a session"
            .into(),
    };
    ModelError::Unknown { what: "model", given: given.to_owned(), hint }
}
