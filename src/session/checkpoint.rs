//! Checkpoints: one safetensors file each, written whole or not at all, with a checksum over every byte.
//!
//! A session keeps its last two (if the newest is damaged, the other is used) and the best weights. The trainer decides
//! what they contain; here they are named tensors and a [`Position`].

use std::{
    collections::HashMap,
    fmt::Display,
    fs::{self, File},
    path::Path,
};

use safetensors::{Dtype, SafeTensorError, SafeTensors, View};
use serde::{Deserialize, Serialize};

use super::{Best, SessionError, seal};
use crate::regular;

/// Name of the best weights in a session's folder.
pub const BEST_FILE: &str = "best.safetensors";
/// Name of the mean of the last epochs' weights.
pub(super) const AVERAGED_FILE: &str = "averaged.safetensors";

/// Key of the [`Position`] in a file's metadata.
const POSITION_KEY: &str = "aat_tui";
/// Key of the log's first line in a file's metadata: what was trained, should the log lose it.
const STARTED_KEY: &str = "aat_tui_started";

/// The position of a run: with the configuration and the weights, all that is needed to resume.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// Optimizer steps done.
    pub step: u64,
    /// Epochs complete, evaluation included.
    pub epochs: u32,
    /// Steps done in the current epoch.
    pub step_in_epoch: u64,
    /// Sum of losses of the current epoch, each times its weight.
    pub loss_sum: f64,
    /// Sum of those weights.
    pub loss_weight: f64,
    /// Seconds of work in the current epoch, data included.
    pub seconds: f64,
    /// Seconds of it spent waiting for data.
    pub data_seconds: f64,
    /// Seconds of work of each complete epoch.
    pub epoch_seconds: Vec<f64>,
    /// The best epoch so far.
    pub best: Option<Best>,
    /// The last complete epoch.
    pub last: Option<Best>,
    /// Epochs whose weights are in the running mean.
    #[serde(default)]
    pub averaged: u32,
    /// Fingerprint of the backbone: a run resumes only with the one it began with.
    pub backbone: String,
}

impl Position {
    /// Counts an epoch with this value of the metric, evaluation included; true when none was better.
    pub fn end_epoch(&mut self, value: f64) -> bool {
        self.epochs += 1;
        let reached = Best { epoch: self.epochs, value };
        self.step_in_epoch = 0;
        self.epoch_seconds.push(self.seconds);
        (self.loss_sum, self.loss_weight, self.seconds, self.data_seconds) = (0.0, 0.0, 0.0, 0.0);
        self.last = Some(reached);
        let best = self.best.is_none_or(|best| value > best.value);
        if best {
            self.best = Some(reached);
        }
        best
    }
}

/// A tensor of a checkpoint.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tensor {
    /// Shape, row-major.
    pub shape: Vec<usize>,
    /// Its values.
    pub data: Vec<f32>,
}

/// A checkpoint's contents.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// The run's position.
    pub position: Position,
    /// Tensors by name.
    pub tensors: HashMap<String, Tensor>,
}

impl Checkpoint {
    /// Reads a whole file.
    ///
    /// # Errors
    /// When it is cut short or damaged, is not a checkpoint of a session, or cannot be read.
    pub fn read(path: &Path) -> Result<Self, SessionError> {
        let bytes = regular::read(path).map_err(SessionError::io(path, "read"))?;
        let damaged = |problem: String| damaged(path, problem);
        let broken = |error: SafeTensorError| damaged(format!("the checkpoint is cut short or damaged ({error})"));
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(broken)?;
        let metadata = header.metadata().clone().unwrap_or_default();
        // A file of an older version has only its position there.
        let may_lack = metadata.keys().all(|key| key == POSITION_KEY);
        if !seal::agrees(&bytes).unwrap_or(may_lack) {
            return Err(damaged("the checkpoint is damaged: its contents do not match its checksum".to_owned()));
        }
        let position = metadata.get(POSITION_KEY);
        let position = position.ok_or_else(|| damaged("this file is not a checkpoint of a session".to_owned()))?;
        let position = serde_json::from_str(position)
            .map_err(|error| damaged(format!("another version of this program wrote it ({error})")))?;
        let mut tensors = HashMap::new();
        for (name, view) in SafeTensors::deserialize(&bytes).map_err(broken)?.iter() {
            if view.dtype() != Dtype::F32 {
                return Err(damaged(format!("{name} is {:?}, not F32", view.dtype())));
            }
            let data: Vec<f32> =
                view.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
            // The target of a clip that is not annotated is NaN by definition.
            if !name.starts_with("answers.") && data.iter().any(|value| !value.is_finite()) {
                return Err(damaged(format!("{name} holds values that are not numbers (NaN or infinite)")));
            }
            tensors.insert(name.to_owned(), Tensor { shape: view.shape().to_vec(), data });
        }
        Ok(Self { position, tensors })
    }

    /// Writes a file by way of another in the same folder, so that `path` holds either the old or the new contents,
    /// never a part. Returns its size in bytes.
    ///
    /// # Errors
    /// When the file cannot be written; `path` is then as it was.
    pub fn write<S: AsRef<str> + Ord + Display, V: View>(
        path: &Path,
        position: &Position,
        tensors: impl IntoIterator<Item = (S, V)>,
    ) -> Result<u64, SessionError> {
        Self::write_with(path, position, None, tensors)
    }

    /// As [`write`](Self::write), with the log's first line.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_with<S: AsRef<str> + Ord + Display, V: View>(
        path: &Path,
        position: &Position,
        started: Option<&str>,
        tensors: impl IntoIterator<Item = (S, V)>,
    ) -> Result<u64, SessionError> {
        let partial = path.with_extension("partial");
        let written = write_whole(path, &partial, position, started, tensors);
        if written.is_err() {
            // The partial file would only take space.
            let _ = fs::remove_file(&partial);
        }
        written
    }
}

/// The line that began the run, as a whole checkpoint has it.
pub(super) fn started(path: &Path) -> Option<String> {
    let bytes = regular::read(path).ok()?;
    let (_, header) = SafeTensors::read_metadata(&bytes).ok()?;
    seal::agrees(&bytes).filter(|agrees| *agrees)?;
    header.metadata().as_ref()?.get(STARTED_KEY).cloned()
}

/// The remedy for a checkpoint that cannot be used.
pub(super) fn damaged(path: &Path, problem: String) -> SessionError {
    let name = path.file_name().unwrap_or_default();
    let remedy = if name == BEST_FILE {
        "the last epoch's weights are used by `--weights last`"
    } else if name == AVERAGED_FILE {
        "resume or train again to have it written anew, or use `--weights best`"
    } else {
        "an earlier checkpoint is used where there is one"
    };
    SessionError::Damaged { path: path.to_owned(), problem, remedy: remedy.to_owned() }
}

fn write_whole<S: AsRef<str> + Ord + Display, V: View>(
    path: &Path,
    partial: &Path,
    position: &Position,
    started: Option<&str>,
    tensors: impl IntoIterator<Item = (S, V)>,
) -> Result<u64, SessionError> {
    let fail = |source: std::io::Error| SessionError::io(path, "write")(source);
    let position = serde_json::to_string(position).map_err(|error| fail(error.into()))?;
    let open = (seal::KEY.to_owned(), seal::OPEN.to_owned());
    let mut metadata = HashMap::from([(POSITION_KEY.to_owned(), position), open]);
    metadata.extend(started.map(|line| (STARTED_KEY.to_owned(), line.to_owned())));
    safetensors::serialize_to_file(tensors, Some(metadata), partial).map_err(|error| match error {
        SafeTensorError::IoError(error) => fail(error),
        other => fail(std::io::Error::other(other)),
    })?;
    let mut file = File::options().read(true).write(true).open(partial).map_err(fail)?;
    seal::seal(&mut file).map_err(fail)?;
    file.sync_all().map_err(fail)?;
    let bytes = file.metadata().map_err(fail)?.len();
    // The format's own writer makes files that only the user can read.
    crate::atomic::usual_mode(partial).map_err(fail)?;
    fs::rename(partial, path).map_err(fail)?;
    crate::atomic::sync_folder_of(path).map_err(fail)?;
    Ok(bytes)
}

/// A tensor in memory.
impl View for &Tensor {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> std::borrow::Cow<'_, [u8]> {
        self.data.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>().into()
    }

    fn data_len(&self) -> usize {
        4 * self.data.len()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn position(step: u64) -> Position {
        // Sums that need every digit, so that a resumed run's mean is the same to the bit.
        Position { step, loss_sum: 0.1 + 0.2, loss_weight: 1.0 / 3.0, ..Position::default() }
    }

    fn tensor() -> Tensor {
        Tensor { shape: vec![2, 3], data: vec![0.0, -0.0, 1.5, f32::MIN_POSITIVE, 1e-40, f32::MAX] }
    }

    /// Sessions from before there were checksums stay readable.
    #[test]
    fn a_checkpoint_without_a_checksum_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint-00000001.safetensors");
        let metadata = HashMap::from([(POSITION_KEY.to_owned(), serde_json::to_string(&position(1)).unwrap())]);
        safetensors::serialize_to_file([("head", &tensor())], Some(metadata), &path).unwrap();
        assert_eq!(Checkpoint::read(&path).unwrap().position, position(1));
    }

    #[test]
    fn weights_that_are_not_numbers_are_no_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(BEST_FILE);
        let broken = Tensor { shape: vec![2], data: vec![1.0, f32::NAN] };
        Checkpoint::write(&path, &position(1), [("head", &broken)]).unwrap();
        let said = Checkpoint::read(&path).unwrap_err().to_string();
        assert!(said.contains("not numbers") && said.contains("--weights last"), "{said}");
    }
}
