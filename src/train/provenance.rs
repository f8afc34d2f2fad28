//! Records which data a run uses, warns about it before training, and checks that it is still the same.

use std::path::Path;

use super::TrainError;
use crate::{
    data::{ClipList, DataRecord, Dataset, Division},
    session::{self, RunConfig},
};

/// The record of a run's data; `spec` is what the data set was opened by.
pub(super) fn record(spec: &str, dataset: &Dataset, clips: &ClipList) -> DataRecord {
    let corrections = dataset.corrections.as_ref().map(|corrections| corrections.record.clone());
    DataRecord {
        path: dataset.absolute_path(spec),
        digest: clips.digest(),
        found: dataset.found.clone(),
        corrections: corrections.filter(|record| record.lines > 0),
    }
}

/// Warnings before training begins: what looks odd, and classes without clips to train on.
pub(super) fn warnings(dataset: &Dataset, division: &Division) -> Vec<String> {
    /// Most classes that are named one by one.
    const NAMED: usize = 5;
    let mut warnings = dataset.notes.clone();
    let untrained = dataset.untrained(division);
    if !untrained.is_empty() {
        let names: Vec<String> = untrained.iter().take(NAMED).map(|class| format!("`{class}`")).collect();
        let more = match untrained.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let (classes, have, them) =
            if untrained.len() == 1 { ("class", "has", "it") } else { ("classes", "have", "them") };
        warnings.push(format!(
            "the {classes} {}{more} {have} no clip to train on, so nothing is learned of {them}; add clips, or choose another \
             fold or split",
            names.join(", ")
        ));
    }
    warnings
}

/// Refuses to resume with other clips than a session began with. A session of an earlier version does not record its
/// clips.
///
/// # Errors
/// Names the session and the first clips that differ.
pub fn same_clips(config: &RunConfig, clips: &ClipList, folder: &Path) -> Result<(), TrainError> {
    let Some(known) = config.dataset.as_deref().filter(|known| known.digest != clips.digest()) else { return Ok(()) };
    // The list only explains; the digest in the log decides.
    let should = session::read_clips(folder).ok().flatten().filter(|list| list.digest() == known.digest);
    let how = should.and_then(|should| clips.difference(&should)).unwrap_or_else(|| "its clips differ".to_owned());
    Err(TrainError::Request(format!(
        "{} is not the data that {} was trained on: {how}; restore the data, or train anew",
        config.data_spec(),
        config.session
    )))
}

/// The notice that a session has another name than the requested one, which was taken or is not valid as a folder's.
pub(super) fn renamed(wanted: Option<&str>, name: &str) -> Option<String> {
    let wanted = wanted.filter(|wanted| *wanted != name)?;
    let taken =
        name.strip_prefix(wanted).and_then(|rest| rest.strip_prefix('-')).is_some_and(|n| n.parse::<u32>().is_ok());
    let why = if taken { "is taken" } else { "is not valid as a folder's, or is taken" };
    Some(format!("the name `{wanted}` {why}: this session is called {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_taken_is_reported_with_its_replacement() {
        assert_eq!(renamed(None, "demo-aat-2"), None);
        assert_eq!(renamed(Some("mine"), "mine"), None);
        let taken = renamed(Some("mine"), "mine-2").unwrap_or_default();
        assert!(taken.contains("`mine` is taken") && taken.contains("mine-2"), "{taken}");
        assert!(renamed(Some("a b"), "a-b").is_some_and(|text| text.contains("a-b")));
    }
}
