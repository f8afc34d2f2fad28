//! The sessions of a comparison: complete ones of one data set and metric.

use std::path::PathBuf;

use super::ComparisonError;
use crate::{
    data::Metric,
    session::{self, RunState, Status},
};

/// A complete run and its folder.
#[derive(Debug)]
pub struct Member {
    /// The session's folder.
    pub folder: PathBuf,
    /// Its folded log, in outline.
    pub state: RunState,
}

impl Member {
    /// The fold held out.
    pub fn fold(&self) -> Option<u32> {
        self.state.config.as_ref().and_then(|config| config.fold)
    }

    /// The data set's name and the metric, which must be the same in a comparison.
    pub fn measured(&self) -> Option<(&str, Metric)> {
        self.state.config.as_ref().map(|config| (config.data_name.as_str(), config.recipe.metric))
    }

    /// The same as text.
    fn measured_in_words(&self) -> String {
        self.measured().map_or_else(String::new, |(data, metric)| format!("{} on {data}", metric.name()))
    }
}

/// Runs of one configuration, one for each fold, in the order of folds.
#[derive(Debug)]
pub struct Entry {
    /// What distinguishes it from other configurations of its method; empty where there are none.
    pub differs: String,
    /// The runs.
    pub runs: Vec<Member>,
}

/// Reads the sessions of a comparison.
///
/// # Errors
/// When one cannot be read, is not complete, or has another data set or metric than the first.
pub fn members(folders: impl IntoIterator<Item = PathBuf>) -> Result<Vec<Member>, ComparisonError> {
    let mut runs: Vec<Member> = Vec::new();
    for folder in folders {
        let state = session::outline(&folder)?;
        if state.status != Status::Finished || state.config.is_none() {
            return Err(ComparisonError::Incomplete { folder });
        }
        let run = Member { folder, state };
        if let Some(first) = runs.first().filter(|first| first.measured() != run.measured()) {
            let [has, other_has] = [first, &run].map(Member::measured_in_words);
            return Err(ComparisonError::Unlike { first: first.folder.clone(), has, other: run.folder, other_has });
        }
        runs.push(run);
    }
    Ok(runs)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use super::*;
    use crate::session::{Event, LogWriter, RunConfig, testing};

    fn session(place: &Path, name: &str, complete: bool, change: impl Fn(&mut RunConfig)) -> PathBuf {
        let folder = place.join(name);
        std::fs::create_dir(&folder).unwrap();
        let mut log = LogWriter::open(&folder).unwrap();
        for mut record in testing::records() {
            if let Event::Started { config, .. } = &mut record.event {
                change(config);
            }
            if complete || !matches!(record.event, Event::Finished { .. }) {
                log.append(&record).unwrap();
            }
        }
        folder
    }

    #[test]
    fn only_complete_sessions_of_one_data_set_and_metric_are_compared() {
        let place = tempfile::tempdir().unwrap();
        let one = session(place.path(), "one", true, |_| ());
        let other = session(place.path(), "other", true, |config| config.data_name = "another".into());
        let half = session(place.path(), "half", false, |_| ());
        assert_eq!(members([one.clone()]).unwrap().len(), 1);
        let error = members([one.clone(), half]).unwrap_err().to_string();
        assert!(error.contains("half is not complete") && error.contains("resume"), "{error}");
        let error = members([one, other]).unwrap_err().to_string();
        assert!(error.contains("on another") && error.contains("only sessions of one data set"), "{error}");
    }
}
