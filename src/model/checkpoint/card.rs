//! Our own checkpoints: a whole model (`model.safetensors` + `config.json`), and what a method added
//! to a backbone (`adapter.safetensors` + `adapter_config.json`), a tenth of its size.

use std::{fs, io::Write, path::Path};

use serde::{Deserialize, Serialize};

use super::{
    Checkpoint, Dtype, Format, Mapping, Tensors, beside, ignored, mapping::some_of, open_tensors, peft, safetensors,
};
use crate::{
    atomic,
    audio::{FrontEnd, Normalisation},
    model::{Method, ModelConfig, ModelError, ParamSpec, ParamStore, Part, specs},
};

/// The metadata key of both kinds, and what it says.
pub(super) const KEY: &str = "aat-tui";
const MODEL: &str = "model";
pub(super) const ADAPTER: &str = "adapter";
const BACKBONE: &str = "backbone";
/// The metadata key of a card that stands in the tensors' own file, where the file beside it has another form.
pub(super) const INSIDE: &str = "aat-tui.card";

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
    /// Whether its classes occur together, each answered by itself; `None` where it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multi_label: Option<bool>,
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
        multi_label: card.multi_label.filter(|_| has_head),
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

/// What a method added to a backbone or changed in it, without the rest of the backbone.
#[derive(Debug)]
pub struct AdapterCheckpoint {
    /// What it is for.
    pub card: Card,
    kind: &'static str,
    tensors: Tensors,
    mapping: Mapping,
}

impl AdapterCheckpoint {
    /// The adapter of a folder or of its tensors' file, if there is one: our own form, or `peft`'s that we wrote.
    ///
    /// # Errors
    /// When there is one that cannot be used.
    pub fn find(path: &Path) -> Result<Option<Self>, ModelError> {
        let file_of = |name: &str| {
            let file = if path.is_dir() { path.join(name) } else { path.to_owned() };
            Some(file).filter(|file| file.file_name().is_some_and(|named| named == name) && file.is_file())
        };
        if let Some(file) = file_of(ADAPTER_TENSORS) {
            let tensors = open_tensors(&file)?;
            let (_, card): (_, Card) = beside(&tensors, ADAPTER_CARD)?.ok_or_else(|| no_card(&file, ADAPTER_CARD))?;
            return Self::new(card, "aat-tui adapter", tensors, |ours| Some(ours.to_owned())).map(Some);
        }
        let Some(file) = file_of(peft::WEIGHTS[0]) else { return Ok(None) };
        let tensors = open_tensors(&file)?;
        let Some(card) = tensors.metadata.get(INSIDE) else {
            // Another program wrote it.
            return Ok(None);
        };
        let card: Card = serde_json::from_str(card)
            .map_err(|why| ModelError::checkpoint(&file, why.to_string(), "download or copy it again"))?;
        Self::new(card, "peft adapter", tensors, peft::name_of).map(Some)
    }

    /// An adapter of this card, whose tensors have the names that `name` gives to our parameters.
    ///
    /// # Errors
    /// When the card is not of one piece, or tensors are missing or of another shape.
    pub(super) fn new(
        card: Card,
        kind: &'static str,
        tensors: Tensors,
        name: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ModelError> {
        card.check(&tensors.path)?;
        let (mut mapping, mut missing) = (Mapping::default(), Vec::new());
        for spec in specs(&card.shape, card.method).into_iter().filter(|spec| spec.trains) {
            let theirs = name(&spec.name).unwrap_or_else(|| spec.name.clone());
            if !tensors.has(&theirs) {
                missing.push(theirs.clone());
            }
            mapping.copy(spec.name, theirs, &spec.shape);
        }
        if !missing.is_empty() {
            let problem = format!("{} tensors are missing: {}", missing.len(), some_of(&missing));
            return Err(ModelError::checkpoint(&tensors.path, problem, "copy it again from where it was made"));
        }
        mapping.check(&tensors)?;
        Ok(Self { card, kind, tensors, mapping })
    }

    /// What it is, for people: an adapter's form, or a session.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// The parameters that it holds: all that its method trains.
    pub fn specs(&self) -> impl Iterator<Item = ParamSpec> {
        specs(&self.card.shape, self.card.method).into_iter().filter(|spec| spec.trains)
    }

    /// The values of one of its parameters.
    ///
    /// # Errors
    /// When it does not hold this one, or the file cannot be read.
    pub fn read(&self, name: &str) -> Result<Vec<f32>, ModelError> {
        self.mapping.read(&self.tensors, name)
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
    // Its reader calls a backbone a model.
    let (kind, dtype) = if kind == BACKBONE { (MODEL, Dtype::F16) } else { (kind, Dtype::F32) };
    safetensors::write_as(dtype, &folder.join(tensors), &[(KEY, kind)], &table, |i| {
        Ok(vars[i].flatten_all()?.to_dtype(candle_core::DType::F32)?.to_vec1()?)
    })?;
    let card = serde_json::to_string_pretty(card).map_err(|why| io(why.into()))?;
    atomic::write(&folder.join(settings), |file| writeln!(file, "{card}")).map_err(io)
}
