//! A model as one ONNX file: raw samples at 16 kHz in, scores out, the front end inside.
//!
//! Opset 17 and IR version 8, the lowest that have LayerNormalization: onnxruntime has read them since 1.12. Every
//! operation is one that onnxruntime, onnxruntime-web and rten have. `docs/deploy.md` is for who uses the file.
//!
//! | input, output | shape | |
//! |---|---|---|
//! | `waveform` | (batch, samples) | mono, 16 kHz, at least 400 samples |
//! | `scores` | (batch, classes) | softmax of the logits, or sigmoid where classes occur together |
//! | `logits` | (batch, classes) | on request |
//! | `embeddings` | (batch, D) | on request: the mean of the pooled tokens, before the head's norm |

mod front;
mod graph;
mod network;
mod proto;
mod runtime;
#[cfg(test)]
mod tests;
mod weights;

use std::io::{self, Write};

pub use runtime::Runtime;

use self::{
    graph::{Builder, int, port},
    proto::{Constant, Graph, Model, OperatorSet, Property},
    weights::Params,
};
use super::{Method, ModelConfig, ModelError, ParamStore};
use crate::{
    audio::{FRAME_LENGTH, FRAME_SHIFT, Normalisation},
    limits,
};

/// The set of operators in use.
const OPSET: i64 = 17;
/// The version of the format.
const IR_VERSION: i64 = 8;

/// What a file is made of.
#[derive(Clone, Copy)]
pub struct OnnxSource<'a> {
    /// The model's shape.
    pub config: &'a ModelConfig,
    /// How it was adapted.
    pub method: Method,
    /// Its weights.
    pub store: &'a ParamStore,
    /// Statistics its features are normalised with.
    pub normalisation: Normalisation,
    /// How logits become scores.
    pub scores: Scores,
}

/// How logits become scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scores {
    /// Shares of one: a sound is of one class.
    Softmax,
    /// Each by itself: classes occur together.
    Sigmoid,
}

impl Scores {
    /// Its name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Softmax => "softmax",
            Self::Sigmoid => "sigmoid",
        }
    }
}

/// What a file can be asked to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OnnxOptions {
    /// Samples of every sound; `None` for any length.
    pub samples: Option<usize>,
    /// Stores the model's matrices in half precision. The front end stays in single, and so does the arithmetic.
    pub half: bool,
    /// Gives logits as well.
    pub logits: bool,
    /// Gives pooled vectors as well.
    pub embeddings: bool,
}

/// A file that is ready to be written.
pub struct Onnx<'a> {
    model: Model,
    graph: Graph,
    constants: Vec<Constant<'a>>,
}

impl<'a> Onnx<'a> {
    /// Lays out a model; `metadata` are written in this order.
    ///
    /// # Errors
    /// When no front end here fits the model, `samples` are too few or too many, or the file would have more than 2 GB, the most
    /// that the format allows.
    pub fn new(
        source: OnnxSource<'a>,
        options: &OnnxOptions,
        metadata: Vec<(String, String)>,
    ) -> Result<Self, ModelError> {
        let OnnxSource { config, method, store, normalisation, scores } = source;
        let front_end = config.front_end()?;
        if let Some(samples) = options.samples.filter(|&samples| samples < FRAME_LENGTH) {
            let least = format!("{FRAME_LENGTH} (25 ms at 16 kHz), the length of one frame");
            return Err(ModelError::Shape(format!("{samples} samples are too few: give at least {least}")));
        }
        let most = limits::FRAMES * FRAME_SHIFT;
        if let Some(samples) = options.samples.filter(|&samples| samples > most) {
            let problem = format!("{samples} samples are too many: give at most {most}, an hour of sound");
            return Err(ModelError::Shape(problem));
        }
        let mut g = Builder::new(options.half);
        let params = Params { config, method, store };
        let mel = front::front_end(&mut g, front_end, config.frames(), normalisation);
        let pooled = network::pooled(&mut g, params, &mel)?;
        network::head(&mut g, params, &pooled, "logits")?;
        match scores {
            Scores::Softmax => g.op_named("Softmax", &["logits"], vec![int("axis", -1)], "scores"),
            Scores::Sigmoid => g.op_named("Sigmoid", &["logits"], Vec::new(), "scores"),
        }
        let batch = Err("batch");
        let mut outputs = vec![port("scores", &[batch, Ok(config.classes)])];
        if options.logits {
            outputs.push(port("logits", &[batch, Ok(config.classes)]));
        }
        if options.embeddings {
            g.op_named("Identity", &[&pooled], Vec::new(), "embeddings");
            outputs.push(port("embeddings", &[batch, Ok(config.hidden)]));
        }
        let samples = options.samples.ok_or("samples");
        let (graph, constants) = g.finish(vec![port("waveform", &[batch, samples])], outputs);
        let property = |(key, value)| Property { key: Some(key), value: Some(value) };
        let model = Model {
            ir_version: Some(IR_VERSION),
            producer_name: Some("aat-tui".into()),
            producer_version: Some(env!("CARGO_PKG_VERSION").into()),
            graph: None,
            opset_import: vec![OperatorSet { domain: Some(String::new()), version: Some(OPSET) }],
            metadata_props: metadata.into_iter().map(property).collect(),
        };
        let file = Self { model, graph, constants };
        fits(file.bytes(), options.half)?;
        Ok(file)
    }

    /// The file's size in bytes.
    pub fn bytes(&self) -> u64 {
        proto::length(&self.model, &self.graph, &self.constants)
    }

    /// Writes it. The same model gives the same bytes.
    ///
    /// # Errors
    /// What the disk says, or a weight that cannot be had.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        match proto::write(out, self.model.clone(), &self.graph, &self.constants) {
            Ok(()) => Ok(()),
            Err(proto::Failure::Io(error)) => Err(error),
            Err(proto::Failure::Model(error)) => Err(io::Error::other(error)),
        }
    }
}

/// Refuses a file of more bytes than the format allows.
fn fits(bytes: u64, half: bool) -> Result<(), ModelError> {
    if bytes <= proto::LARGEST {
        return Ok(());
    }
    let gigabytes = bytes as f64 / 1e9;
    let remedy = if half { "take a smaller backbone" } else { "--dtype f16 halves it" };
    let problem = format!("the file would have {gigabytes:.1} GB, and an ONNX file has at most 2.1 GB; {remedy}");
    Err(ModelError::Shape(problem))
}
