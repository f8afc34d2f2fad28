//! From what a person writes after `--model` to a model ready to compute.

use candle_core::Device;

use super::{Engine, Method, ModelConfig, ModelError, ParamStore, Portable, initialise, specs};
use crate::audio::Normalisation;

/// Sizes that start from random weights, by name.
const SIZES: [&str; 3] = ["tiny", "small", "base"];

/// What is asked of a model.
#[derive(Clone, Debug)]
pub struct Request {
    /// `box`, `tiny`, `small`, `base`, or a checkpoint: a file or a folder.
    pub source: String,
    /// Frames of 10 ms of a clip; `None`: what the checkpoint was trained on.
    pub frames: Option<usize>,
    /// Stride of the patches along mel bins and frames; `None`: the checkpoint's own.
    pub stride: Option<[usize; 2]>,
    /// A fresh head of this many classes; `None`: the checkpoint's own head and labels.
    pub classes: Option<usize>,
    /// How the backbone is adapted; `None`: as the checkpoint says, else as it stands.
    pub method: Option<Method>,
    /// Seed of whatever the checkpoint does not give.
    pub seed: u64,
    /// Where the weights go.
    pub device: Device,
}

impl Request {
    /// What the source is by itself, on the CPU.
    pub fn new(source: impl Into<String>) -> Self {
        let (frames, stride, classes, method) = (None, None, None, None);
        Self { source: source.into(), frames, stride, classes, method, seed: 0, device: Device::Cpu }
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
    /// The checkpoint's class names, when its own head was kept.
    pub labels: Option<Vec<String>>,
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
        Box::new(Portable::new(self.config.clone(), self.method))
    }
}

/// Opens what `--model` names.
///
/// # Errors
/// When there is no such model, its file cannot be used, or it cannot do what is asked of it.
pub fn open(request: &Request) -> Result<Opened, ModelError> {
    match request.source.as_str() {
        "box" => {
            let mut opened = random("tiny", request)?;
            opened.notes.push("no backbone is in the box yet: this is tiny, with random weights".into());
            Ok(opened)
        }
        size if SIZES.contains(&size) => random(size, request),
        other => Err(unknown(other)),
    }
}

/// The shape that a request comes to, without any weights: what `params` counts.
///
/// # Errors
/// As [`open`].
pub fn shape(request: &Request) -> Result<ModelConfig, ModelError> {
    match request.source.as_str() {
        "box" => random_shape("tiny", request),
        size if SIZES.contains(&size) => random_shape(size, request),
        other => Err(unknown(other)),
    }
}

fn random_shape(size: &str, request: &Request) -> Result<ModelConfig, ModelError> {
    let classes = request.classes.ok_or_else(|| {
        ModelError::Shape(format!("{size} has random weights and no labels: train it first, or open a checkpoint"))
    })?;
    let (frames, stride) = (request.frames.unwrap_or(1024), request.stride.unwrap_or([10, 10]));
    let config = ModelConfig::ast(size, frames, stride, classes).ok_or_else(|| unknown(size))?;
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
        labels: None,
        normalisation: None,
        notes: Vec::new(),
        fingerprint: format!("random:{size}:{}", request.seed),
    })
}

fn unknown(given: &str) -> ModelError {
    let near =
        SIZES.into_iter().chain(["box"]).map(|name| (strsim::osa_distance(&given.to_lowercase(), name), name)).min();
    let hint = match near {
        Some((distance, name)) if distance <= 2 => format!("did you mean {name}?"),
        _ => "give box, tiny, small, base, or the path of a checkpoint's file or folder".into(),
    };
    ModelError::Unknown { what: "model", given: given.to_owned(), hint }
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
