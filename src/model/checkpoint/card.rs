//! Our own checkpoints: a whole model (`model.safetensors` + `config.json`), and what a method added
//! to a backbone (`adapter.safetensors` + `adapter_config.json`), a tenth of its size.

use std::{fs, io::Write, path::Path};

use serde::{Deserialize, Serialize};

use super::{
    Checkpoint, Dtype, Format, Mapping, Tensors, beside, ignored, mapping::some_of, open_tensors, safetensors,
};
use crate::{
    atomic,
    audio::{FrontEnd, Normalisation},
    model::{Method, ModelConfig, ModelError, ParamSpec, ParamStore, Part, specs},
};

/// The metadata key of both kinds, and what it says.
const KEY: &str = "aat-tui";
const MODEL: &str = "model";
const ADAPTER: &str = "adapter";
const BACKBONE: &str = "backbone";

const MODEL_TENSORS: &str = "model.safetensors";
pub(super) const MODEL_CARD: &str = "config.json";
const ADAPTER_TENSORS: &str = "adapter.safetensors";
const ADAPTER_CARD: &str = "adapter_config.json";

/// What a model of ours is, beside its tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// The backbone it began from, as it was named: `tiny`, a path.
    pub base: String,
    /// That backbone's fingerprint.
    pub base_fingerprint: String,
    /// Seed of whatever was random in it.
    pub seed: u64,
    /// How it was adapted.
    pub method: Method,
    /// Its shape, head included.
    pub shape: ModelConfig,
    /// Class names, in the order of its answers.
    pub labels: Vec<String>,
    /// Mel bins and kind of its front end: `kaldi-fbank-128`, `whisper-log-mel-80`.
    pub front_end: String,
    /// Statistics its features are normalised with.
    pub normalisation: Option<Normalisation>,
}

impl Card {
    /// Whether it is of one piece.
    fn check(&self, path: &Path) -> Result<(), ModelError> {
        let front_end = self.shape.front_end().map(FrontEnd::card);
        let another = FrontEnd::ALL.map(FrontEnd::card).contains(&self.front_end.as_str());
        if let Ok(own) = front_end
            && own != self.front_end
            && another
        {
            let problem = format!("its front end is {}, but a model of its shape takes {own}", self.front_end);
            return Err(ModelError::checkpoint(path, problem, "copy it again from where it was made"));
        }
        if self.shape.classes == 0 && self.labels.is_empty() {
            return self.shape.check_backbone();
        }
        self.shape.check()?;
        if self.labels.len() == self.shape.classes {
            return Ok(());
        }
        let problem = format!("it names {} labels for {} classes", self.labels.len(), self.shape.classes);
        Err(ModelError::checkpoint(path, problem, "copy it again from where it was made"))
    }
}

pub(super) fn recognise(tensors: &Tensors) -> bool {
    tensors.metadata.contains_key(KEY)
}

pub(super) fn open(tensors: Tensors) -> Result<Checkpoint, ModelError> {
    if tensors.metadata.get(KEY).is_some_and(|kind| kind == ADAPTER) {
        let problem = "these are adapters alone, no whole model";
        return Err(ModelError::checkpoint(&tensors.path, problem, "open the folder they are in"));
    }
    let (_, card): (_, Card) = beside(&tensors, MODEL_CARD)?.ok_or_else(|| no_card(&tensors.path, MODEL_CARD))?;
    card.check(&tensors.path)?;
    let mut map = Mapping::default();
    let has_head = card.shape.classes > 0;
    for spec in specs(&card.shape, card.method).into_iter().filter(|spec| has_head || spec.part != Part::Head) {
        map.copy(spec.name.clone(), spec.name, &spec.shape);
    }
    let ignored = ignored(&tensors, &map, |_| "not part of the model");
    Ok(Checkpoint {
        path: tensors.path.clone(),
        format: Format::Own,
        grid: card.shape.grid(),
        method: Some(card.method),
        config: card.shape,
        labels: Some(card.labels).filter(|_| has_head),
        multi_label: None,
        normalisation: card.normalisation,
        notes: Vec::new(),
        ignored,
        tensors,
        mapping: map,
    })
}

fn no_card(tensors: &Path, name: &str) -> ModelError {
    ModelError::checkpoint(tensors, format!("there is no {name} beside it"), "keep both files in one folder")
}

/// What a method added to a backbone, without the backbone.
#[derive(Debug)]
pub struct Adapter {
    /// What it is for.
    pub card: Card,
    tensors: Tensors,
}

impl Adapter {
    /// The adapter of a folder or of its tensors' file, if there is one.
    ///
    /// # Errors
    /// When there is one that cannot be used.
    pub fn find(path: &Path) -> Result<Option<Self>, ModelError> {
        let file = if path.is_dir() { path.join(ADAPTER_TENSORS) } else { path.to_owned() };
        let named = file.file_name().is_some_and(|name| name == ADAPTER_TENSORS);
        if !named || !file.is_file() {
            return Ok(None);
        }
        let tensors = open_tensors(&file)?;
        let (_, card): (_, Card) = beside(&tensors, ADAPTER_CARD)?.ok_or_else(|| no_card(&file, ADAPTER_CARD))?;
        card.check(&file)?;
        let (mut map, mut missing) = (Mapping::default(), Vec::new());
        for spec in specs(&card.shape, card.method).into_iter().filter(|spec| spec.trains) {
            if !tensors.has(&spec.name) {
                missing.push(spec.name.clone());
            }
            map.copy(spec.name.clone(), spec.name, &spec.shape);
        }
        if !missing.is_empty() {
            let problem = format!("{} tensors are missing: {}", missing.len(), some_of(&missing));
            return Err(ModelError::checkpoint(&file, problem, "copy it again from where it was made"));
        }
        map.check(&tensors)?;
        Ok(Some(Self { card, tensors }))
    }

    /// The values of one of its parameters; `None` if it is the backbone's.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&self, spec: &ParamSpec) -> Result<Option<Vec<f32>>, ModelError> {
        if !spec.trains {
            return Ok(None);
        }
        let mut values = Vec::new();
        self.tensors.read(&spec.name, &mut values)?;
        Ok(Some(values))
    }

    /// Refuses a backbone that is not the one these adapters were trained on.
    ///
    /// # Errors
    /// When the fingerprints differ.
    pub fn fits(&self, fingerprint: &str) -> Result<(), ModelError> {
        if self.card.base_fingerprint == fingerprint {
            return Ok(());
        }
        let problem = format!(
            "these adapters were trained on the backbone {}, but {} is now {fingerprint}",
            self.card.base_fingerprint, self.card.base
        );
        let remedy = format!("put the right backbone there, or name it in {ADAPTER_CARD}");
        Err(ModelError::checkpoint(&self.tensors.path, problem, remedy))
    }

    /// The file of its tensors.
    pub fn path(&self) -> &Path {
        &self.tensors.path
    }
}

/// Writes a whole model into a folder, which is made if it is not there.
///
/// # Errors
/// When the disk refuses; no file there is then half-written.
pub fn save_model(folder: &Path, card: &Card, store: &ParamStore) -> Result<(), ModelError> {
    write(folder, card, store, MODEL, |_| true)
}

/// Writes a backbone without a head, in half precision: a start for others, not a result.
///
/// # Errors
/// As [`save_model`].
pub fn save_backbone(folder: &Path, card: &Card, store: &ParamStore) -> Result<(), ModelError> {
    let of_backbone = |spec: &ParamSpec| matches!(spec.part, Part::Stem | Part::Block | Part::FinalNorm);
    write(folder, card, store, BACKBONE, of_backbone)
}

/// Writes what a method added and trained, head and the backbone's biases included, without the rest of the backbone.
///
/// # Errors
/// When the method trains the backbone's matrices, so that a whole model is needed; when the disk refuses.
pub fn save_adapter(folder: &Path, card: &Card, store: &ParamStore) -> Result<(), ModelError> {
    let of_backbone = |spec: &ParamSpec| matches!(spec.part, Part::Stem | Part::Block | Part::FinalNorm);
    if store.trainable().any(|(spec, _)| of_backbone(spec) && spec.shape.len() > 1) {
        let problem = format!("{} trains the backbone's own weights, which no adapter file holds", card.method);
        return Err(ModelError::checkpoint(folder, problem, "export the whole model instead"));
    }
    write(folder, card, store, ADAPTER, |spec| spec.trains)
}

fn write(
    folder: &Path,
    card: &Card,
    store: &ParamStore,
    kind: &str,
    wanted: impl Fn(&ParamSpec) -> bool,
) -> Result<(), ModelError> {
    let io = |source| ModelError::Io { path: folder.to_owned(), source };
    fs::create_dir_all(folder).map_err(io)?;
    let (tensors, settings) =
        if kind == ADAPTER { (ADAPTER_TENSORS, ADAPTER_CARD) } else { (MODEL_TENSORS, MODEL_CARD) };
    let (specs, vars): (Vec<_>, Vec<_>) = store.iter().filter(|(spec, _)| wanted(spec)).unzip();
    let table = safetensors::table(specs);
    // A backbone is a model to whoever reads it.
    let (kind, dtype) = if kind == BACKBONE { (MODEL, Dtype::F16) } else { (kind, Dtype::F32) };
    safetensors::write_as(dtype, &folder.join(tensors), &[(KEY, kind)], &table, |i| {
        Ok(vars[i].flatten_all()?.to_dtype(candle_core::DType::F32)?.to_vec1()?)
    })?;
    let card = serde_json::to_string_pretty(card).map_err(|why| io(why.into()))?;
    atomic::write(&folder.join(settings), |file| writeln!(file, "{card}")).map_err(io)
}
