//! Checkpoints: one safetensors file each, written whole or not at all, with a checksum over every byte.
//!
//! A session keeps its last two (should the newest be damaged, the other is used) and the best weights.
//! What stands in them is the trainer's business; here they are named tensors and a [`Position`].

use std::{
    collections::HashMap,
    fmt::Display,
    fs::{self, File},
    path::{Path, PathBuf},
};

use safetensors::{Dtype, SafeTensorError, SafeTensors, View};
use serde::{Deserialize, Serialize};

use super::{Best, SessionError, seal};

/// Name of the best weights in a session's folder.
pub const BEST_FILE: &str = "best.safetensors";
/// Name of the mean of the last epochs' weights.
const AVERAGED_FILE: &str = "averaged.safetensors";

/// Checkpoints of this many steps are kept.
const KEPT: usize = 2;
/// Key of the [`Position`] in a file's metadata.
const POSITION_KEY: &str = "aat_tui";

/// Where a run stands: with the configuration and the weights, all that is needed to go on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// Optimizer steps done.
    pub step: u64,
    /// Epochs complete, evaluation included.
    pub epochs: u32,
    /// Steps done in the epoch under way.
    pub step_in_epoch: u64,
    /// Sum of losses of the epoch under way, each times its weight.
    pub loss_sum: f64,
    /// Sum of those weights.
    pub loss_weight: f64,
    /// Seconds at work in the epoch under way, data included.
    pub seconds: f64,
    /// Seconds of it waited for data.
    pub data_seconds: f64,
    /// Seconds at work of each complete epoch.
    pub epoch_seconds: Vec<f64>,
    /// The best epoch so far.
    pub best: Option<Best>,
    /// The last complete epoch.
    pub last: Option<Best>,
    /// Epochs whose weights are in the running mean.
    #[serde(default)]
    pub averaged: u32,
    /// Fingerprint of the backbone: a run goes on only from the one it began with.
    pub backbone: String,
}

impl Position {
    /// Counts an epoch that came to this value, evaluation included; true when none was better.
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

/// A checkpoint's content.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Where the run stood.
    pub position: Position,
    /// Tensors by name.
    pub tensors: HashMap<String, Tensor>,
}

impl Checkpoint {
    /// Reads a file, whole.
    ///
    /// # Errors
    /// When it is cut short or damaged, is no checkpoint of a session, or cannot be read.
    pub fn read(path: &Path) -> Result<Self, SessionError> {
        let bytes = fs::read(path).map_err(SessionError::io(path, "read"))?;
        let damaged = |problem: String| damaged(path, problem);
        let broken = |error: SafeTensorError| damaged(format!("the checkpoint is cut short or damaged ({error})"));
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(broken)?;
        let metadata = header.metadata().clone().unwrap_or_default();
        // A file of an older version has its position there and nothing else.
        let may_lack = metadata.keys().all(|key| key == POSITION_KEY);
        if !seal::agrees(&bytes).unwrap_or(may_lack) {
            return Err(damaged("the checkpoint is damaged: its content does not agree with its checksum".to_owned()));
        }
        let position = metadata.get(POSITION_KEY);
        let position = position.ok_or_else(|| damaged("this file is no checkpoint of a session".to_owned()))?;
        let position = serde_json::from_str(position)
            .map_err(|error| damaged(format!("another version of this program wrote it ({error})")))?;
        let mut tensors = HashMap::new();
        for (name, view) in SafeTensors::deserialize(&bytes).map_err(broken)?.iter() {
            if view.dtype() != Dtype::F32 {
                return Err(damaged(format!("{name} is {:?}, not F32", view.dtype())));
            }
            let data: Vec<f32> =
                view.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
            // A target that nobody annotated is NaN by definition.
            if !name.starts_with("answers.") && data.iter().any(|value| !value.is_finite()) {
                return Err(damaged(format!("{name} holds values that are not numbers (NaN or infinite)")));
            }
            tensors.insert(name.to_owned(), Tensor { shape: view.shape().to_vec(), data });
        }
        Ok(Self { position, tensors })
    }

    /// Writes a file by way of another in the same folder, so that `path` holds the old content or the new,
    /// never a part. Returns its size in bytes.
    ///
    /// # Errors
    /// When the disk refuses; `path` is then as it was.
    pub fn write<S: AsRef<str> + Ord + Display, V: View>(
        path: &Path,
        position: &Position,
        tensors: impl IntoIterator<Item = (S, V)>,
    ) -> Result<u64, SessionError> {
        let partial = path.with_extension("partial");
        let written = write_whole(path, &partial, position, tensors);
        if written.is_err() {
            // What is left of it would only take room.
            let _ = fs::remove_file(&partial);
        }
        written
    }
}

/// What is said of a checkpoint that cannot be used.
fn damaged(path: &Path, problem: String) -> SessionError {
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
    tensors: impl IntoIterator<Item = (S, V)>,
) -> Result<u64, SessionError> {
    let fail = |source: std::io::Error| SessionError::io(path, "write")(source);
    let position = serde_json::to_string(position).map_err(|error| fail(error.into()))?;
    let open = (seal::KEY.to_owned(), seal::OPEN.to_owned());
    let metadata = HashMap::from([(POSITION_KEY.to_owned(), position), open]);
    safetensors::serialize_to_file(tensors, Some(metadata), partial).map_err(|error| match error {
        SafeTensorError::IoError(error) => fail(error),
        other => fail(std::io::Error::other(other)),
    })?;
    let mut file = File::options().read(true).write(true).open(partial).map_err(fail)?;
    seal::seal(&mut file).map_err(fail)?;
    file.sync_all().map_err(fail)?;
    let bytes = file.metadata().map_err(fail)?.len();
    // The format's own writer makes files for the user alone.
    crate::atomic::usual_mode(partial).map_err(fail)?;
    fs::rename(partial, path).map_err(fail)?;
    crate::atomic::sync_folder_of(path).map_err(fail)?;
    Ok(bytes)
}

/// The checkpoints of one session's folder.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    folder: PathBuf,
}

impl Checkpoints {
    /// Those of this session.
    pub fn of(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Where the checkpoint after this step is kept.
    pub fn path(&self, step: u64) -> PathBuf {
        self.folder.join(format!("checkpoint-{step:08}.safetensors"))
    }

    /// Where the best weights are kept.
    pub fn best_path(&self) -> PathBuf {
        self.folder.join(BEST_FILE)
    }

    /// Where the mean of the last epochs' weights is kept.
    pub fn averaged_path(&self) -> PathBuf {
        self.folder.join(AVERAGED_FILE)
    }

    /// The newest checkpoint that can be used, and what was wrong with newer ones.
    ///
    /// # Errors
    /// When there is none; the error is that of the newest, if there is one.
    pub fn latest(&self) -> Result<(Checkpoint, Vec<SessionError>), SessionError> {
        self.latest_that(|_| Ok(()))
    }

    /// The newest checkpoint that is whole and fits what it is asked for; `fits` says why one does not.
    ///
    /// # Errors
    /// As [`latest`](Self::latest).
    pub fn latest_that(
        &self,
        mut fits: impl FnMut(&Checkpoint) -> Result<(), String>,
    ) -> Result<(Checkpoint, Vec<SessionError>), SessionError> {
        let mut passed_over = Vec::new();
        for path in self.newest_first()? {
            let read = Checkpoint::read(&path).and_then(|checkpoint| match fits(&checkpoint) {
                Ok(()) => Ok(checkpoint),
                Err(problem) => Err(damaged(&path, problem)),
            });
            match read {
                Ok(checkpoint) => return Ok((checkpoint, passed_over)),
                Err(error) => passed_over.push(error),
            }
        }
        let none = SessionError::Damaged {
            path: self.folder.clone(),
            problem: "the session has no checkpoint".to_owned(),
            remedy: "it ended before its first one; train it anew".to_owned(),
        };
        Err(passed_over.into_iter().next().unwrap_or(none))
    }

    /// Every checkpoint there is: the best weights, then the others, newest first.
    pub fn all(&self) -> Vec<PathBuf> {
        let best = Some(self.best_path()).filter(|path| path.exists());
        best.into_iter().chain(self.newest_first().unwrap_or_default()).collect()
    }

    /// Whether there is any, good or damaged.
    pub fn any(&self) -> bool {
        self.newest_first().is_ok_and(|found| !found.is_empty())
    }

    /// The step of the newest checkpoint, good or damaged.
    pub fn newest_step(&self) -> Option<u64> {
        let newest = self.newest_first().ok()?.into_iter().next()?;
        step_of(&newest)
    }

    /// Deletes all but the newest.
    pub fn prune(&self) {
        let old = self.newest_first().unwrap_or_default().into_iter().skip(KEPT);
        for path in old {
            // One that cannot be deleted now is tried again after the next checkpoint.
            let _ = fs::remove_file(path);
        }
    }

    /// Deletes what an interrupted write left behind.
    pub fn sweep(&self) {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.ends_with(".partial") || name.starts_with(".tmp") {
                let _ = fs::remove_file(&path);
            }
        }
    }

    fn newest_first(&self) -> Result<Vec<PathBuf>, SessionError> {
        let entries = fs::read_dir(&self.folder).map_err(SessionError::io(&self.folder, "read"))?;
        let mut found: Vec<(u64, PathBuf)> = entries
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                Some((step_of(&path)?, path))
            })
            .collect();
        found.sort_unstable_by(|a, b| b.cmp(a));
        Ok(found.into_iter().map(|(_, path)| path).collect())
    }
}

/// The step that a checkpoint's file name carries.
fn step_of(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.strip_prefix("checkpoint-")?.strip_suffix(".safetensors")?.parse().ok()
}

/// A tensor as it stands in memory.
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

    fn write(checkpoints: &Checkpoints, step: u64) -> PathBuf {
        let path = checkpoints.path(step);
        Checkpoint::write(&path, &position(step), [("head", &tensor())]).unwrap();
        path
    }

    #[test]
    fn what_is_written_is_read_to_the_bit() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::of(folder.path());
        write(&checkpoints, 7);
        let (read, passed_over) = checkpoints.latest().unwrap();
        assert!(passed_over.is_empty());
        assert_eq!(read.position, position(7));
        let bits = |tensor: &Tensor| tensor.data.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&read.tensors["head"]), bits(&tensor()));
    }

    #[test]
    fn one_cut_short_is_passed_over_for_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::of(folder.path());
        write(&checkpoints, 10);
        let newest = write(&checkpoints, 20);
        let bytes = fs::read(&newest).unwrap();
        for length in [0, 5, 40, bytes.len() - 1] {
            fs::write(&newest, &bytes[..length]).unwrap();
            let (read, passed_over) = checkpoints.latest().unwrap();
            assert_eq!(read.position.step, 10);
            let message = passed_over[0].to_string();
            assert!(message.contains("checkpoint-00000020") && message.contains("cut short"), "{message}");
        }
    }

    /// Every byte of a checkpoint counts: one flipped bit anywhere, and the one before is used.
    #[test]
    fn one_flipped_bit_anywhere_is_found_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::of(folder.path());
        write(&checkpoints, 10);
        let newest = write(&checkpoints, 20);
        let whole = fs::read(&newest).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            fs::write(&newest, &bytes).unwrap();
            let (read, passed_over) = checkpoints.latest().unwrap();
            assert_eq!(read.position.step, 10, "byte {at}");
            assert!(passed_over[0].to_string().contains("checkpoint-00000020"), "byte {at}");
        }
        // Two values swapped are no invalid file either.
        let mut bytes = whole.clone();
        let end = bytes.len();
        bytes.copy_within(end - 8..end - 4, end - 4);
        fs::write(&newest, &bytes).unwrap();
        let said = checkpoints.latest().unwrap().1[0].to_string();
        assert!(said.contains("does not agree with its checksum"), "{said}");
    }

    /// Sessions of before there were checksums stay readable.
    #[test]
    fn a_checkpoint_without_a_checksum_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint-00000001.safetensors");
        let metadata = HashMap::from([(POSITION_KEY.to_owned(), serde_json::to_string(&position(1)).unwrap())]);
        safetensors::serialize_to_file([("head", &tensor())], Some(metadata), &path).unwrap();
        assert_eq!(Checkpoint::read(&path).unwrap().position, position(1));
    }

    #[test]
    fn one_that_does_not_fit_is_passed_over_for_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::of(folder.path());
        write(&checkpoints, 10);
        write(&checkpoints, 20);
        let of_ten = |checkpoint: &Checkpoint| match checkpoint.position.step {
            10 => Ok(()),
            step => Err(format!("step {step} is no good")),
        };
        let (read, passed_over) = checkpoints.latest_that(of_ten).unwrap();
        assert_eq!(read.position.step, 10);
        assert!(passed_over[0].to_string().contains("step 20 is no good"));
        assert!(checkpoints.latest_that(|_| Err("never".to_owned())).unwrap_err().to_string().contains("never"));
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

    #[test]
    fn a_foreign_file_is_no_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint-00000001.safetensors");
        safetensors::serialize_to_file([("head", &tensor())], None, &path).unwrap();
        let error = Checkpoints::of(folder.path()).latest().unwrap_err().to_string();
        assert!(error.contains("no checkpoint of a session"), "{error}");
    }

    #[test]
    fn the_last_two_are_kept_and_leftovers_swept() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::of(folder.path());
        assert!(checkpoints.latest().unwrap_err().to_string().contains("no checkpoint"));
        (1..=5).for_each(|step| drop(write(&checkpoints, step)));
        fs::write(folder.path().join("checkpoint-00000006.partial"), "x").unwrap();
        fs::write(folder.path().join(".tmpAbCd"), "x").unwrap();
        checkpoints.prune();
        checkpoints.sweep();
        let mut left: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["checkpoint-00000004.safetensors", "checkpoint-00000005.safetensors"]);
    }

    #[test]
    fn a_failed_write_leaves_the_good_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::of(folder.path());
        let path = write(&checkpoints, 1);
        // A folder in the way of the temporary file refuses the write on every system.
        fs::create_dir(path.with_extension("partial")).unwrap();
        fs::write(path.with_extension("partial").join("x"), "").unwrap();
        assert!(Checkpoint::write(&path, &position(2), [("head", &tensor())]).is_err());
        assert_eq!(Checkpoint::read(&path).unwrap().position, position(1));
    }
}
