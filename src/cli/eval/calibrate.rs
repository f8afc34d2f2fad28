//! `eval --calibrate`: fits a session's calibration, or removes it.

use std::path::Path;

use super::{super::CliError, Calibrate, Weights};
use crate::{
    findings::{KeptAnswers, calibration_of},
    infer::{Calibration, Which},
    scan::THRESHOLDS,
};

/// Fits and keeps a calibration by the predictions that the session keeps of its validation clips, or removes it; what to
/// print about it.
pub(super) fn change(what: Calibrate, folder: &Path, weights: Option<Weights>) -> Result<Vec<String>, CliError> {
    let thresholds = || {
        let path = folder.join(THRESHOLDS);
        path.exists().then(|| {
            let path = path.display();
            format!("{path} was chosen for other scores: choose again with --precision P --save-thresholds")
        })
    };
    if what == Calibrate::Off {
        return Ok(match Calibration::remove(folder)? {
            true => std::iter::once("the calibration was removed".to_owned()).chain(thresholds()).collect(),
            false => vec!["there was no calibration to remove".to_owned()],
        });
    }
    let which = weights.map_or_else(|| Which::usual(folder), |weights| Ok(weights.into()))?;
    let kept = KeptAnswers::of_session(folder, which).map_err(CliError::Failed)?;
    if kept.between_epochs {
        let problem = "its last checkpoint is within an epoch, and its predictions are of the epoch before; resume it, or \
                       calibrate its best weights";
        return Err(CliError::Failed(problem.to_owned()));
    }
    let (labels, loss) = (&kept.config.labels, kept.config.recipe.loss);
    let found = calibration_of(&kept.predictions, labels, loss, kept.step, kept.averaged).map_err(CliError::Failed)?;
    let path = found.save(folder)?;
    let [[before, after], [loss_before, loss_after]] = [found.ece, found.loss];
    let line = format!(
        "{} fitted on {} validation clips: calibration error {before:.4} to {after:.4}, loss {loss_before:.4} to \
         {loss_after:.4}, on the clips that it was fitted on; kept in {}",
        found.scaling,
        found.clips,
        path.display()
    );
    Ok(std::iter::once(line).chain(kept.notes).chain(thresholds()).collect())
}
