//! From what a person writes after `--model` to a model ready to compute. The file is long because a session's model opens
//! the model that it was trained on, which may be another session's: the two halves call each other.

use std::{collections::HashSet, path::Path};

use candle_core::{Device, Var};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::{
    Engine, Extras, LowRank, MemoryOptions, Method, ModelConfig, ModelError, ParamSpec, ParamStore, Part, Pooling,
    Positions, Precision, Published, Stem, arch,
    checkpoint::{self, AdapterCheckpoint, Checkpoint},
    engine,
    init::initialise_rounded,
    initial_values,
    source::{DEEPEST, Source},
    specs,
    variable::variable,
};
use crate::{audio::Normalisation, digits::hex};

/// What is asked of a model.
#[derive(Clone, Debug)]
pub struct Request {
    /// `box`, `tiny`, `small`, `base`, or a checkpoint: a file or a folder.
    pub source: String,
    /// Frames of 10 ms of a clip; `None`: what the checkpoint was trained on.
    pub frames: Option<usize>,
    /// Stride of the patches along mel bins and frames; `None`: the checkpoint's own.
    pub stride: Option<[usize; 2]>,
    /// How tokens become one vector; `None`: as the checkpoint does, or by class tokens.
    pub pooling: Option<Pooling>,
    /// A fresh head of this many classes; `None`: the checkpoint's own head and labels.
    pub classes: Option<usize>,
    /// How the backbone is adapted; `None`: as the checkpoint says, else as it stands.
    pub method: Option<Method>,
    /// Seed of whatever the checkpoint does not give.
    pub seed: u64,
    /// Where the weights go.
    pub device: Device,
    /// In what numbers the backbone multiplies; `None`: what suits the device.
    pub precision: Option<Precision>,
}

impl Request {
    /// What the source is by itself, on the CPU.
    pub fn new(source: impl Into<String>) -> Self {
        let (frames, stride, pooling, classes, method, precision) = (None, None, None, None, None, None);
        let (source, device) = (source.into(), Device::Cpu);
        Self { source, frames, stride, pooling, classes, method, seed: 0, device, precision }
    }
}

/// A model ready to compute.
pub struct Opened {
    /// Its shape, head included.
    pub config: ModelConfig,
    /// How it is adapted.
    pub method: Method,
    /// Its weights.
    pub store: ParamStore,
    /// In what numbers its backbone multiplies.
    pub precision: Precision,
    /// The checkpoint's class names, when its own head was kept.
    pub labels: Option<Vec<String>>,
    /// Whether the checkpoint's own classes occur together, when it says.
    pub multi_label: Option<bool>,
    /// The feature statistics that the backbone was trained with, when it says.
    pub normalisation: Option<Normalisation>,
    /// What a person should know: what was cut, interpolated, ignored, started afresh.
    pub notes: Vec<String>,
    /// Names the backbone's weights; adapters fit one fingerprint only.
    pub fingerprint: String,
}

impl Opened {
    /// The engine that suits the device the weights are on.
    pub fn engine(&self) -> Box<dyn Engine> {
        self.engine_with(MemoryOptions { precision: self.precision, ..MemoryOptions::default() })
    }

    /// The same, with what may be traded for memory and time.
    pub fn engine_with(&self, memory: MemoryOptions) -> Box<dyn Engine> {
        engine(&self.config, self.method, self.store.device(), memory)
    }
}

/// Opens what `--model` names.
///
/// # Errors
/// When there is no such model, its file cannot be used, or it cannot do what is asked of it.
pub fn open(request: &Request) -> Result<Opened, ModelError> {
    let opened = open_upon(request, DEEPEST)?;
    // Each thread has a stream of its own on CUDA, and another one may be the first to compute.
    request.device.synchronize()?;
    Ok(opened)
}

fn open_upon(request: &Request, deepest: usize) -> Result<Opened, ModelError> {
    match Source::find(&request.source)? {
        Source::Random { size, .. } => random(size, request),
        Source::File(checkpoint) => load(&checkpoint, request),
        Source::Adapter(adapter) => adapted(&adapter, request, deepest),
    }
}

/// The shape that a request comes to, without any weights: what `params` counts.
///
/// # Errors
/// As [`open`].
pub fn shape(request: &Request) -> Result<ModelConfig, ModelError> {
    match Source::find(&request.source)? {
        Source::Random { size, .. } => random_shape(size, request),
        Source::File(checkpoint) => wanted_shape(&checkpoint.path, &checkpoint.config, request),
        Source::Adapter(adapter) => {
            goes_on(&adapter, request)?;
            wanted_shape(adapter.path(), &adapter.card.shape, request)
        }
    }
}

/// The same of a published backbone from its name alone, so that nothing is downloaded to count it.
///
/// # Errors
/// As [`shape`].
pub fn shape_by_name(request: &Request) -> Result<ModelConfig, ModelError> {
    match Published::find(&request.source) {
        Some(published) => wanted_shape(Path::new(published.name), &published.shape(), request),
        None => shape(request),
    }
}

/// Whether a model takes its features as they are, so that no statistics of a data set may be used for them.
///
/// # Errors
/// As [`open`].
pub fn takes_raw_features(source: &str) -> Result<bool, ModelError> {
    let normalisation = match Source::find(source)? {
        Source::Random { .. } => None,
        Source::File(checkpoint) => checkpoint.normalisation,
        Source::Adapter(adapter) => adapter.card.normalisation,
    };
    Ok(normalisation == Some(Normalisation::NONE))
}

/// A checkpoint's shape at the length, stride and classes that are asked for.
fn wanted_shape(path: &Path, config: &ModelConfig, request: &Request) -> Result<ModelConfig, ModelError> {
    let (mut config, own_stride) = (config.clone(), config.facts().own_stride);
    match &mut config.stem {
        Stem::Patches { frames, patch, stride, .. } => {
            *frames = request.frames.unwrap_or(*frames);
            // Patches that span every mel bin (SSAST's frames) keep their own stride, and so do families that say so.
            if let Some(wanted) = request.stride.filter(|_| patch[0] == patch[1] && !own_stride) {
                *stride = wanted;
            }
        }
        Stem::Convolutions { frames, .. } => *frames = request.frames.unwrap_or(*frames),
    }
    if request.classes.is_some() {
        // A new head has a norm and leaves padding out, whatever the checkpoint's own did.
        config.head_norm = true;
        if config.pooling == Pooling::All {
            config.pooling = Pooling::Mean;
        }
    }
    config.pooling = pooling(&config, request);
    config.classes = request.classes.unwrap_or(config.classes);
    if config.classes == 0 {
        let problem = "this backbone has no head, so it has no answers";
        return Err(ModelError::checkpoint(path, problem, "train it on labelled sounds first"));
    }
    config.check()?;
    Ok(config)
}

/// A model of a checkpoint: its weights where it has them, fresh ones where the method or a new head needs more.
fn load(checkpoint: &Checkpoint, request: &Request) -> Result<Opened, ModelError> {
    let config = wanted_shape(&checkpoint.path, &checkpoint.config, request)?;
    let method = request.method.or(checkpoint.method).unwrap_or_else(Method::full);
    let specs = specs(&config, method);
    let own_head = request.classes.is_none();
    let rounded = rounded(&config, method, &specs, request);
    let keep = |spec: &ParamSpec, values| variable(spec, values, &request.device, rounded.contains(&spec.name));
    let loaded: Vec<(Var, Option<[u8; 32]>)> = specs
        .par_iter()
        .map(|spec| {
            let of_backbone = matches!(spec.part, Part::Stem | Part::Block | Part::FinalNorm);
            if !checkpoint.has(&spec.name) || (spec.part == Part::Head && !own_head) {
                return match of_backbone {
                    true => Err(ModelError::Shape(format!("{} gives no {}", checkpoint.path.display(), spec.name))),
                    false => Ok((keep(spec, initial_values(spec, request.seed))?, None)),
                };
            }
            let mut values = checkpoint.read(&spec.name)?;
            let digest = of_backbone.then(|| digest(&spec.name, &values));
            if checkpoint::are_positions(&spec.name) {
                values = checkpoint.positions(&spec.name, &values, &config)?;
            }
            Ok((keep(spec, values)?, digest))
        })
        .collect::<Result<_, ModelError>>()?;
    let fingerprint = fingerprint(loaded.iter().filter_map(|(_, digest)| digest.as_ref()));
    let vars = loaded.into_iter().map(|(var, _)| var).collect();
    let store = ParamStore::new(specs, vars, request.device.clone())?;
    let labels = checkpoint.labels.clone().filter(|_| own_head);
    let multi_label = checkpoint.multi_label.filter(|_| own_head);
    let notes = notes(checkpoint, &config, method, own_head);
    let (precision, normalisation) = (precision(request), checkpoint.normalisation);
    Ok(Opened { config, method, store, precision, labels, multi_label, normalisation, notes, fingerprint })
}

/// What becomes of a training when a model is opened upon it.
enum GoesOn {
    /// What its method added stays, or it added nothing: its values go where they came from.
    Same,
    /// Its low-rank updates become part of the backbone.
    Folded(LowRank),
}

/// How a method goes on from what a training left.
fn goes_on(adapter: &AdapterCheckpoint, request: &Request) -> Result<GoesOn, ModelError> {
    let card = &adapter.card;
    let extras = |method: Method| method.extras(&card.shape);
    let method = request.method.unwrap_or(card.method);
    let theirs = extras(card.method);
    let nothing = Extras { lora: None, ..theirs } == Extras::default();
    match theirs.lora {
        _ if theirs == extras(method) => Ok(GoesOn::Same),
        None if nothing => Ok(GoesOn::Same),
        Some(size) if nothing => Ok(GoesOn::Folded(size)),
        _ => {
            let problem = format!(
                "it was adapted by {}, and what that adds cannot become part of a backbone (adapters have a GELU inside, \
                 prompts are tokens of their own), so {method} cannot be put upon it",
                card.method
            );
            let remedy = format!("go on with --method {}, or name its backbone {}", card.method, card.base);
            Err(ModelError::checkpoint(adapter.path(), problem, remedy))
        }
    }
}

/// What a training left, on the backbone it began from; as it was trained, or as the beginning of another training.
fn adapted(adapter: &AdapterCheckpoint, request: &Request, deepest: usize) -> Result<Opened, ModelError> {
    let card = &adapter.card;
    let goes_on = goes_on(adapter, request)?;
    let config = wanted_shape(adapter.path(), &card.shape, request)?;
    let Some(deepest) = deepest.checked_sub(1) else {
        let problem = format!("more than {DEEPEST} trainings are one upon the other, or one upon itself");
        return Err(ModelError::checkpoint(adapter.path(), problem, "export the last one and begin from that"));
    };
    let stride = match config.stem {
        Stem::Patches { stride, .. } => Some(stride),
        Stem::Convolutions { .. } => None,
    };
    let base = Request {
        source: card.base.clone(),
        frames: Some(config.frames()),
        stride,
        pooling: Some(config.pooling),
        classes: Some(config.classes),
        method: Some(request.method.unwrap_or(card.method)),
        // Of a backbone that began from random weights the seed is a part of its name.
        seed: card.seed,
        device: request.device.clone(),
        precision: match goes_on {
            GoesOn::Same => request.precision,
            // What it becomes part of is rounded afterwards.
            GoesOn::Folded(_) => Some(Precision::F32),
        },
    };
    let mut opened = open_upon(&base, deepest)?;
    opened.precision = precision(request);
    adapter.fits(&opened.fingerprint)?;
    if opened.config != config {
        // Pooling and epsilons are the trained model's, whatever the backbone says today; sizes are the backbone's.
        opened.config = ModelConfig { pooling: config.pooling, head_eps: card.shape.head_eps, ..opened.config };
    }
    let digests = overlay(adapter, request, &goes_on, &opened)?;
    let anew = request.classes.is_some() || request.method.is_some();
    if anew {
        begin_afresh(adapter, request, &opened)?;
    }
    if anew && !digests.is_empty() {
        // Another backbone than the one that it began from, and named so.
        let begun = digest(&opened.fingerprint, &[]);
        opened.fingerprint = fingerprint(std::iter::once(&begun).chain(&digests));
    }
    if request.classes.is_none() {
        opened.labels = Some(card.labels.clone());
        opened.multi_label = card.multi_label;
    } else {
        let what = if card.method.extras(&card.shape) == Extras::default() { "weights" } else { "additions" };
        opened.notes.push(format!(
            "it begins from the {what} of a training by {}; its head of {} classes was left out for a fresh one",
            card.method, card.shape.classes
        ));
    }
    opened.normalisation = card.normalisation;
    let rounded = rounded(&opened.config, opened.method, opened.store.specs(), request);
    opened.store = opened.store.rounded(&rounded)?;
    Ok(opened)
}

/// Gives what the next training adds, and its head, the beginning that its own seed says.
fn begin_afresh(adapter: &AdapterCheckpoint, request: &Request, opened: &Opened) -> Result<(), ModelError> {
    let kept: HashSet<String> = adapter.specs().map(|spec| spec.name).collect();
    for (spec, var) in opened.store.iter() {
        let of_backbone = matches!(spec.part, Part::Stem | Part::Block | Part::FinalNorm);
        let fresh_head = spec.part == Part::Head && request.classes.is_some();
        if !of_backbone && (fresh_head || !kept.contains(&spec.name)) {
            let values = initial_values(spec, request.seed);
            var.set(&candle_core::Tensor::from_vec(values, spec.shape.as_slice(), &request.device)?)?;
        }
    }
    Ok(())
}

/// Puts what a training left into an opened model; the digests of what it changed in the backbone.
fn overlay(
    adapter: &AdapterCheckpoint,
    request: &Request,
    goes_on: &GoesOn,
    opened: &Opened,
) -> Result<Vec<[u8; 32]>, ModelError> {
    let (card, mut digests) = (&adapter.card, Vec::new());
    let set = |name: &str, values: Vec<f32>| -> Result<(), ModelError> {
        // What the new method has no place for was folded, or is left out with the old head.
        let Some((spec, var)) = opened.store.entry(name) else { return Ok(()) };
        let values = candle_core::Tensor::from_vec(values, spec.shape.as_slice(), &request.device)?;
        Ok(var.set(&values.to_dtype(var.dtype())?)?)
    };
    for spec in adapter.specs() {
        if spec.part == Part::Head && request.classes.is_some() {
            continue;
        }
        if let (Part::Lora, GoesOn::Folded(_)) = (spec.part, goes_on) {
            continue;
        }
        let mut values = adapter.read(&spec.name)?;
        if matches!(spec.part, Part::Stem | Part::Block | Part::FinalNorm) {
            digests.push(digest(&spec.name, &values));
        }
        if checkpoint::are_positions(&spec.name) && opened.config.grid() != card.shape.grid() {
            values = checkpoint::fit_positions(&spec.name, &values, &card.shape, &opened.config);
        }
        set(&spec.name, values)?;
    }
    if let GoesOn::Folded(size) = goes_on {
        for block in 0..card.shape.depth {
            let name = format!("blocks.{block}.attn.qkv.weight");
            let var = opened.store.get(&name).ok_or_else(|| ModelError::Shape(format!("there is no {name}")))?;
            let mut weight: Vec<f32> = var.flatten_all()?.to_dtype(candle_core::DType::F32)?.to_vec1()?;
            let third = weight.len() / 3;
            for (at, layer) in [(0, "lora_q"), (2, "lora_v")] {
                let part = |part: &str| adapter.read(&format!("blocks.{block}.attn.{layer}.{part}.weight"));
                size.fold(&part("up")?, &part("down")?, &mut weight[at * third..(at + 1) * third]);
            }
            digests.push(digest(&name, &weight));
            set(&name, weight)?;
        }
    }
    Ok(digests)
}

/// What is kept in bf16. Accelerators keep a rounded copy beside the weights themselves.
fn rounded(config: &ModelConfig, method: Method, specs: &[ParamSpec], request: &Request) -> HashSet<String> {
    let precision = if request.device.is_cpu() { precision(request) } else { Precision::F32 };
    arch::rounded(config, &method.extras(config), specs, precision)
}

/// The digest of one weight as its file has it.
fn digest(name: &str, values: &[f32]) -> [u8; 32] {
    let mut hash = Sha256::new().chain_update(name.as_bytes()).chain_update([0]);
    for chunk in values.chunks(1 << 14) {
        let bytes: Vec<u8> = chunk.iter().flat_map(|value| value.to_le_bytes()).collect();
        hash.update(&bytes);
    }
    hash.finalize().into()
}

/// A backbone's name: the first half of the digest of its weights' digests, in hexadecimal.
fn fingerprint<'a>(digests: impl Iterator<Item = &'a [u8; 32]>) -> String {
    let whole = digests.fold(Sha256::new(), |hash, digest| hash.chain_update(digest)).finalize();
    hex(&whole[..16])
}

/// What became of a checkpoint on its way into this model.
fn notes(checkpoint: &Checkpoint, config: &ModelConfig, method: Method, own_head: bool) -> Vec<String> {
    let mut notes = checkpoint.notes.clone();
    let (source, wanted) = (checkpoint.grid, config.grid());
    if let Stem::Patches { .. } = config.stem {
        for (axis, what) in ["frequency", "time"].into_iter().enumerate() {
            match source[axis].cmp(&wanted[axis]) {
                std::cmp::Ordering::Less => notes
                    .push(format!("positions along {what} were stretched from {} to {}", source[axis], wanted[axis])),
                std::cmp::Ordering::Greater => {
                    let part = if config.facts().positions == Positions::Axes { "first" } else { "middle" };
                    notes.push(format!(
                        "positions along {what} were cut from {} to the {part} {}",
                        source[axis], wanted[axis]
                    ));
                }
                std::cmp::Ordering::Equal => {}
            }
        }
    }
    if !own_head && checkpoint.config.classes > 0 {
        notes.push(format!("its head of {} classes was left out for a fresh one", checkpoint.config.classes));
    }
    let extras = |method: Method| method.extras(config);
    let none = extras(Method::full());
    let differs = |theirs: &Method| extras(*theirs) != none && extras(*theirs) != extras(method);
    if let Some(theirs) = checkpoint.method.filter(differs) {
        notes.push(format!("it was adapted by {theirs}: what {theirs} added was left out"));
    }
    notes
}

/// The pooling asked for, where the backbone has class tokens to choose between.
fn pooling(config: &ModelConfig, request: &Request) -> Pooling {
    request.pooling.filter(|_| config.class_tokens() > 0).unwrap_or(config.pooling)
}

/// The precision asked for, or what suits the device.
fn precision(request: &Request) -> Precision {
    request.precision.unwrap_or_else(|| Precision::of(&request.device))
}

fn random_shape(size: &str, request: &Request) -> Result<ModelConfig, ModelError> {
    let classes = request.classes.ok_or_else(|| {
        ModelError::Shape(format!("{size} has random weights and no labels: train it first, or open a checkpoint"))
    })?;
    let (frames, stride) = (request.frames.unwrap_or(1024), request.stride.unwrap_or([10, 10]));
    let config = ModelConfig::ast(size, frames, stride, classes)
        .ok_or_else(|| ModelError::Shape(format!("{size} is no size of AST")))?;
    let config = ModelConfig { pooling: pooling(&config, request), ..config };
    config.check()?;
    Ok(config)
}

fn initial(config: &ModelConfig, method: Method, request: &Request) -> Result<ParamStore, ModelError> {
    let specs = specs(config, method);
    let rounded = rounded(config, method, &specs, request);
    initialise_rounded(specs, request.seed, &request.device, &rounded)
}

fn random(size: &str, request: &Request) -> Result<Opened, ModelError> {
    let config = random_shape(size, request)?;
    let method = request.method.unwrap_or_else(Method::full);
    Ok(Opened {
        store: initial(&config, method, request)?,
        config,
        method,
        precision: precision(request),
        labels: None,
        multi_label: None,
        normalisation: None,
        notes: Vec::new(),
        fingerprint: format!("random:{size}:{}", request.seed),
    })
}

/// A published backbone's shape with random weights, which need no download: what is measured does not depend on them.
///
/// # Errors
/// When the shape cannot be, or the device cannot hold it.
pub fn open_random(published: &Published, request: &Request) -> Result<Opened, ModelError> {
    let config = wanted_shape(Path::new(published.name), &published.shape(), request)?;
    let method = request.method.unwrap_or_else(Method::full);
    Ok(Opened {
        store: initial(&config, method, request)?,
        config,
        method,
        precision: precision(request),
        labels: None,
        multi_label: None,
        normalisation: None,
        notes: vec!["its weights are random".to_owned()],
        fingerprint: format!("random:{}:{}", published.name, request.seed),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn sizes_open_with_random_weights() {
        let request =
            Request { classes: Some(10), frames: Some(128), method: Some(Method::aat()), ..Request::new("tiny") };
        let opened = open(&request).unwrap();
        assert_eq!(opened.config.tokens(), 146);
        assert_eq!(opened.fingerprint, "random:tiny:0");
        assert!(opened.store.get("blocks.11.adapter.up.bias").is_some());
    }

    #[test]
    fn a_slip_of_the_finger_is_named() {
        for (given, hint) in [("tinny", "did you mean tiny?"), ("Base", "did you mean base?"), ("resnet", "give box")] {
            let error = shape(&Request::new(given)).unwrap_err().to_string();
            assert!(error.contains(hint), "{error}");
        }
    }

    #[test]
    fn impossible_shapes_are_refused() {
        let request = Request { classes: Some(10), ..Request::new("tiny") };
        for (frames, stride) in [(15, [10, 10]), (128, [0, 10]), (10_000_000, [10, 10])] {
            let request = Request { frames: Some(frames), stride: Some(stride), ..request.clone() };
            assert!(shape(&request).is_err(), "{frames} {stride:?}");
        }
        assert!(shape(&Request { classes: Some(0), ..request }).is_err());
    }
}
