//! From what a person writes after `--model` to a model ready to compute.

use std::path::Path;

use candle_core::{Device, Var};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::{
    Engine, Method, ModelConfig, ModelError, ParamSpec, ParamStore, Part, Pooling, Precision, Stem, Thrift,
    checkpoint::{Adapter, Checkpoint},
    engine, initial_values, initialise,
    source::Source,
    specs,
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
        self.engine_with(Thrift { precision: self.precision, ..Thrift::default() })
    }

    /// The same, with what may be traded for memory and time.
    pub fn engine_with(&self, thrift: Thrift) -> Box<dyn Engine> {
        engine(&self.config, self.method, self.store.device(), thrift)
    }
}

/// Opens what `--model` names.
///
/// # Errors
/// When there is no such model, its file cannot be used, or it cannot do what is asked of it.
pub fn open(request: &Request) -> Result<Opened, ModelError> {
    let opened = match Source::find(&request.source)? {
        Source::Random { size, .. } => random(size, request),
        Source::File(checkpoint) => load(&checkpoint, request),
        Source::Adapter(adapter) => adapted(&adapter, request),
    }?;
    // Each thread has a stream of its own on CUDA, and another one may be the first to compute.
    request.device.synchronize()?;
    Ok(opened)
}

/// The shape that a request comes to, without any weights: what `params` counts.
///
/// # Errors
/// As [`open`].
pub fn shape(request: &Request) -> Result<ModelConfig, ModelError> {
    match Source::find(&request.source)? {
        Source::Random { size, .. } => random_shape(size, request),
        Source::File(checkpoint) => wanted_shape(&checkpoint, request),
        Source::Adapter(adapter) => Ok(adapter.card.shape),
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

/// The checkpoint's shape at the length, stride and classes that are asked for.
fn wanted_shape(checkpoint: &Checkpoint, request: &Request) -> Result<ModelConfig, ModelError> {
    let mut config = checkpoint.config.clone();
    match &mut config.stem {
        Stem::Patches { frames, patch, stride, .. } => {
            *frames = request.frames.unwrap_or(*frames);
            // Patches that span every mel bin (SSAST's frames) keep their own stride.
            if let Some(wanted) = request.stride.filter(|_| patch[0] == patch[1]) {
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
        return Err(ModelError::checkpoint(&checkpoint.path, problem, "train it on labelled sounds first"));
    }
    config.check()?;
    Ok(config)
}

/// A model of a checkpoint: its weights where it has them, fresh ones where the method or a new head needs more.
fn load(checkpoint: &Checkpoint, request: &Request) -> Result<Opened, ModelError> {
    let config = wanted_shape(checkpoint, request)?;
    let method = request.method.or(checkpoint.method).unwrap_or_else(Method::full);
    let specs = specs(&config, method);
    let own_head = request.classes.is_none();
    let loaded: Vec<(Vec<f32>, Option<[u8; 32]>)> = specs
        .par_iter()
        .map(|spec| {
            let of_backbone = matches!(spec.part, Part::Stem | Part::Block | Part::FinalNorm);
            if !checkpoint.has(&spec.name) || (spec.part == Part::Head && !own_head) {
                return match of_backbone {
                    true => Err(ModelError::Shape(format!("{} gives no {}", checkpoint.path.display(), spec.name))),
                    false => Ok((initial_values(spec, request.seed), None)),
                };
            }
            let mut values = checkpoint.read(&spec.name)?;
            let digest = of_backbone.then(|| digest(&spec.name, &values));
            if spec.name == "pos_embed" {
                values = checkpoint.positions(&values, &config)?;
            }
            Ok((values, digest))
        })
        .collect::<Result<_, ModelError>>()?;
    let fingerprint = fingerprint(loaded.iter().filter_map(|(_, digest)| digest.as_ref()));
    let values = loaded.into_iter().map(|(values, _)| values);
    let store = store(specs, values, &request.device)?;
    let labels = checkpoint.labels.clone().filter(|_| own_head);
    let multi_label = checkpoint.multi_label.filter(|_| own_head);
    let notes = notes(checkpoint, &config, method, own_head);
    let (precision, normalisation) = (precision(request), checkpoint.normalisation);
    Ok(Opened { config, method, store, precision, labels, multi_label, normalisation, notes, fingerprint })
}

/// Adapters on the backbone they were trained on.
fn adapted(adapter: &Adapter, request: &Request) -> Result<Opened, ModelError> {
    let card = &adapter.card;
    let frames = request.frames.is_none_or(|frames| frames == card.shape.frames());
    let classes = request.classes.is_none_or(|classes| classes == card.shape.classes);
    let method = request.method.is_none_or(|method| method == card.method);
    if !(frames && classes && method) {
        let problem = format!(
            "these adapters are {} for {} frames and {} classes, and cannot be anything else",
            card.method,
            card.shape.frames(),
            card.shape.classes
        );
        return Err(ModelError::checkpoint(adapter.path(), problem, "name their backbone to train it anew"));
    }
    let stride = match card.shape.stem {
        Stem::Patches { stride, .. } => Some(stride),
        Stem::Convolutions { .. } => None,
    };
    let base = Request {
        source: card.base.clone(),
        frames: Some(card.shape.frames()),
        stride,
        pooling: Some(card.shape.pooling),
        classes: Some(card.shape.classes),
        method: Some(card.method),
        seed: card.seed,
        device: request.device.clone(),
        precision: request.precision,
    };
    if Adapter::find(Path::new(&base.source))?.is_some() {
        let problem = format!("its backbone {} is itself an adapter", base.source);
        return Err(ModelError::checkpoint(adapter.path(), problem, "name a backbone in adapter_config.json"));
    }
    let mut opened = open(&base)?;
    adapter.fits(&opened.fingerprint)?;
    if opened.config != card.shape {
        // Pooling and epsilons are the trained model's, whatever the backbone says today; sizes are the backbone's.
        opened.config = ModelConfig { pooling: card.shape.pooling, head_eps: card.shape.head_eps, ..opened.config };
    }
    for (spec, var) in opened.store.trainable() {
        if let Some(values) = adapter.read(spec)? {
            var.set(&candle_core::Tensor::from_vec(values, spec.shape.as_slice(), &request.device)?)?;
        }
    }
    opened.labels = Some(card.labels.clone());
    opened.normalisation = card.normalisation;
    Ok(opened)
}

fn store(
    specs: Vec<ParamSpec>,
    values: impl Iterator<Item = Vec<f32>>,
    device: &Device,
) -> Result<ParamStore, ModelError> {
    let vars = specs
        .iter()
        .zip(values)
        .map(|(spec, values)| Var::from_vec(values, spec.shape.as_slice(), device))
        .collect::<Result<_, _>>()?;
    ParamStore::new(specs, vars, device.clone())
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
                std::cmp::Ordering::Greater => notes.push(format!(
                    "positions along {what} were cut from {} to the middle {}",
                    source[axis], wanted[axis]
                )),
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

fn random(size: &str, request: &Request) -> Result<Opened, ModelError> {
    let config = random_shape(size, request)?;
    let method = request.method.unwrap_or_else(Method::full);
    Ok(Opened {
        store: initialise(specs(&config, method), request.seed, &request.device)?,
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
