//! Runs a written file, by another runtime than this program's engines: rten, pure Rust.

use std::path::Path;

use half::f16;
use prost::Message;
use rten::NodeId;
use rten_tensor::{NdTensor, Tensor, prelude::*};

use super::proto::{F16, F32, Model};
use crate::{model::ModelError, regular};

/// A written file that is ready to run.
pub struct Runtime {
    model: rten::Model,
    waveform: NodeId,
}

impl Runtime {
    /// Reads a file. Weights in half precision are widened first, which rten does not do itself; the values are the
    /// file's.
    ///
    /// # Errors
    /// When the file cannot be read, or is none that rten runs.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let bytes = regular::read(path).map_err(|source| ModelError::Io { path: path.to_owned(), source })?;
        Self::of(bytes).map_err(|problem| {
            ModelError::checkpoint(path, format!("rten cannot load it ({problem})"), "report this with the session")
        })
    }

    /// The same for a file's bytes.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of(bytes: Vec<u8>) -> Result<Self, String> {
        let bytes = if holds_half(&bytes) { widened(&bytes)? } else { bytes };
        let model = rten::Model::load(bytes).map_err(|error| error.to_string())?;
        let waveform = model.node_id("waveform").map_err(|error| error.to_string())?;
        Ok(Self { model, waveform })
    }

    /// One of the file's outputs for a batch of equally long sounds, (batch, ..) row-major.
    ///
    /// # Errors
    /// When there is no such output, or the arithmetic fails.
    pub fn run(&self, samples: &[f32], batch: usize, output: &str) -> Result<Vec<f32>, ModelError> {
        let failed = |error: &dyn std::fmt::Display| ModelError::Shape(format!("rten cannot run the file: {error}"));
        let output = self.model.node_id(output).map_err(|error| failed(&error))?;
        let input = NdTensor::from_data([batch, samples.len() / batch.max(1)], samples.to_vec());
        let [answer] =
            self.model.run_n(vec![(self.waveform, input.into())], [output], None).map_err(|error| failed(&error))?;
        let answer: Tensor<f32> = answer.try_into().map_err(|error| failed(&error))?;
        Ok(answer.to_vec())
    }

    /// What the file's metadata say under this name.
    pub fn metadata(&self, name: &str) -> Option<&str> {
        self.model.metadata().get(name)
    }
}

/// Whether a file has constants in half precision.
fn holds_half(bytes: &[u8]) -> bool {
    // Only those are cast.
    bytes.windows(4).any(|window| window == b"Cast")
}

/// The same file with its weights in single precision.
fn widened(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut model = Model::decode(bytes).map_err(|error| error.to_string())?;
    if let Some(graph) = &mut model.graph {
        for tensor in graph.initializer.iter_mut().filter(|tensor| tensor.data_type == Some(F16)) {
            let narrow = tensor.raw_data.take().unwrap_or_default();
            let (pairs, _) = narrow.as_chunks::<2>();
            tensor.raw_data =
                Some(pairs.iter().flat_map(|&pair| f16::from_le_bytes(pair).to_f32().to_le_bytes()).collect());
            tensor.data_type = Some(F32);
        }
        for node in graph.node.iter_mut().filter(|node| node.op_type() == "Cast") {
            node.op_type = Some("Identity".into());
            node.attribute.clear();
        }
    }
    Ok(model.encode_to_vec())
}
