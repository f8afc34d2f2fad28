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
