//! The checkpoints of one session's folder: the last two, the best weights, and leftovers of interrupted writes.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    SessionError,
    checkpoint::{AVERAGED_FILE, BEST_FILE, Checkpoint, damaged},
};
use crate::atomic;

/// This many checkpoints are kept.
const KEPT: usize = 2;

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

    /// The path of the checkpoint after this step.
    pub fn path(&self, step: u64) -> PathBuf {
        self.folder.join(format!("checkpoint-{step:08}.safetensors"))
    }

    /// The path of the best weights.
    pub fn best_path(&self) -> PathBuf {
        self.folder.join(BEST_FILE)
    }

    /// The path of the mean of the last epochs' weights.
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

    /// The newest checkpoint that is whole and accepted by `fits`, which returns why one is not.
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

    /// Every checkpoint: the best weights, then the others, newest first.
    pub fn all(&self) -> Vec<PathBuf> {
        let best = Some(self.best_path()).filter(|path| path.exists());
        best.into_iter().chain(self.newest_first().unwrap_or_default()).collect()
    }

    /// Whether there is any, whole or damaged.
    pub fn any(&self) -> bool {
        self.newest_first().is_ok_and(|found| !found.is_empty())
    }

    /// The step of the newest checkpoint, whole or damaged.
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

    /// Deletes leftovers of interrupted writes.
    pub fn sweep(&self) {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            // Another process may be writing another of these this moment, such as a note about the session.
            if name.ends_with(".partial") || name.starts_with(".tmp") || atomic::is_left_over(&path) {
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

/// The step in a checkpoint's file name.
fn step_of(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.strip_prefix("checkpoint-")?.strip_suffix(".safetensors")?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::session::{Position, Tensor};

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

    /// Every byte of a checkpoint is covered: after one flipped bit anywhere, the one before is used.
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
        // Two swapped values leave a valid file.
        let mut bytes = whole.clone();
        let end = bytes.len();
        bytes.copy_within(end - 8..end - 4, end - 4);
        fs::write(&newest, &bytes).unwrap();
        let said = checkpoints.latest().unwrap().1[0].to_string();
        assert!(said.contains("do not match its checksum"), "{said}");
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
    fn a_foreign_file_is_not_a_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint-00000001.safetensors");
        safetensors::serialize_to_file([("head", &tensor())], None, &path).unwrap();
        let error = Checkpoints::of(folder.path()).latest().unwrap_err().to_string();
        assert!(error.contains("not a checkpoint of a session"), "{error}");
    }

    #[test]
    fn the_last_two_are_kept_and_leftovers_swept() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::of(folder.path());
        assert!(checkpoints.latest().unwrap_err().to_string().contains("no checkpoint"));
        (1..=5).for_each(|step| drop(write(&checkpoints, step)));
        fs::write(folder.path().join("checkpoint-00000006.partial"), "x").unwrap();
        fs::write(folder.path().join(".tmpAbCd"), "x").unwrap();
        let long_ago = std::time::SystemTime::now() - 2 * atomic::LEFT_OVER;
        fs::File::create(folder.path().join(".new-a1")).unwrap().set_modified(long_ago).unwrap();
        // Somebody is writing a note about the session.
        fs::write(folder.path().join(".partial-b2"), "x").unwrap();
        checkpoints.prune();
        checkpoints.sweep();
        let mut left: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, [".partial-b2", "checkpoint-00000004.safetensors", "checkpoint-00000005.safetensors"]);
    }

    #[test]
    fn a_failed_write_leaves_the_good_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::of(folder.path());
        let path = write(&checkpoints, 1);
        // A folder in place of the temporary file makes the write fail on every system.
        fs::create_dir(path.with_extension("partial")).unwrap();
        fs::write(path.with_extension("partial").join("x"), "").unwrap();
        assert!(Checkpoint::write(&path, &position(2), [("head", &tensor())]).is_err());
        assert_eq!(Checkpoint::read(&path).unwrap().position, position(1));
    }
}
