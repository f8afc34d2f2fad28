//! `eval --calibrate`: fits a session's calibration, or removes it.

use std::path::Path;

use super::{super::CliError, Calibrate};
use crate::{
    findings::{self, KeptAnswers},
    infer::Which,
};

/// Fits and keeps a calibration by the predictions that the session keeps of its validation clips, or removes it. Returns
/// what to print about it.
pub(super) fn change(what: Calibrate, folder: &Path, which: Which) -> Result<Vec<String>, CliError> {
    if what == Calibrate::Off {
        return findings::remove_calibration(folder).map_err(CliError::Failed);
    }
    let kept = KeptAnswers::of_session(folder, which, None).map_err(CliError::Failed)?;
    let notes = findings::calibrate(&kept, folder).map_err(CliError::Failed)?;
    Ok(notes.into_iter().chain(kept.notes).collect())
}
