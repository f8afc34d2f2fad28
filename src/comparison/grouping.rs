//! Groups sessions into runs of one configuration over its folds.

use super::{ComparisonError, Entry, Facts, Member};

/// Sorts complete runs into groups of equal facts, one entry each in the order of their first runs, each with its runs
/// by fold.
///
/// # Errors
/// When two runs are of the same fold of one group; the message names both.
pub fn groups(runs: Vec<Member>) -> Result<Vec<Entry>, ComparisonError> {
    let mut groups: Vec<(Facts, Vec<Member>)> = Vec::new();
    for run in runs {
        let Some(config) = run.state.config.as_deref() else { continue };
        let facts = Facts::of(config)?;
        match groups.iter_mut().find(|(known, _)| *known == facts) {
            None => groups.push((facts, vec![run])),
            Some((_, members)) => {
                if let Some(twin) = members.iter().find(|member| member.fold() == run.fold()) {
                    return Err(ComparisonError::twice(twin, &run));
                }
                members.push(run);
            }
        }
    }
    let all: Vec<Facts> = groups.iter().map(|(facts, _)| facts.clone()).collect();
    let entry = |(facts, mut runs): (Facts, Vec<Member>)| {
        runs.sort_by_key(Member::fold);
        Entry { differs: facts.differs(&all), runs }
    };
    Ok(groups.into_iter().map(entry).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::PathBuf;

    use super::*;
    use crate::session::{Event, RunConfig, RunState, testing};

    fn member(name: &str, change: impl Fn(&mut RunConfig)) -> Member {
        let mut started = testing::records().remove(0);
        if let Event::Started { config, .. } = &mut started.event {
            config.session = name.to_owned();
            change(config);
        }
        Member { folder: PathBuf::from(name), state: RunState::from_records([&started]) }
    }

    fn described(runs: Vec<Member>) -> Vec<(String, Vec<String>)> {
        let name = |member: &Member| member.folder.display().to_string();
        let entries = groups(runs).unwrap();
        entries.into_iter().map(|entry| (entry.differs, entry.runs.iter().map(name).collect())).collect()
    }

    fn named(differs: &str, runs: &[&str]) -> (String, Vec<String>) {
        (differs.to_owned(), runs.iter().map(|run| (*run).to_owned()).collect())
    }

    #[test]
    fn folds_of_one_thing_are_one_group_in_the_order_of_folds() {
        let fold = |name, fold, mean| {
            member(name, move |config| {
                config.fold = Some(fold);
                config.normalisation.mean = mean;
                config.micro_batch = fold as usize;
            })
        };
        assert_eq!(described(vec![fold("b", 2, -6.0), fold("a", 1, -5.0)]), [named("", &["a", "b"])]);
    }

    /// Two backbones by one method were taken for its folds.
    #[test]
    fn what_differs_makes_a_group_and_names_it() {
        let of = |name, model: &'static str, seed| {
            member(name, move |config| (config.model, config.seed) = (model.to_owned(), seed))
        };
        let head = member("head", |config| config.method = "head".parse().unwrap());
        assert_eq!(
            described(vec![of("a", "box", 1), of("b", "models/mine", 1), head]),
            [named("box", &["a"]), named("mine", &["b"]), named("", &["head"])]
        );
        assert_eq!(
            described(vec![of("a", "box", 1), of("b", "box", 2)]),
            [named("seed 1", &["a"]), named("seed 2", &["b"])]
        );
        let gain = |name, gain| member(name, move |config| config.recipe.gain = gain);
        assert_eq!(
            described(vec![gain("a", 0.0), gain("b", 12.0)]),
            [named("recipe.gain 0.0", &["a"]), named("recipe.gain 12.0", &["b"])]
        );
        let length = |name, epochs| member(name, move |config| config.recipe.set_epochs(epochs));
        assert_eq!(
            described(vec![length("a", 2), length("b", 4)]),
            [named("epochs 2", &["a"]), named("epochs 4", &["b"])]
        );
    }

    #[test]
    fn two_runs_of_one_fold_are_refused_by_name() {
        let fold = |name| member(name, |config| config.fold = Some(3));
        let error = groups(vec![fold("first"), fold("second")]).unwrap_err().to_string();
        assert!(error.contains("first and second") && error.contains("fold 3"), "{error}");
        let error = groups(vec![member("same", |_| ()), member("same", |_| ())]).unwrap_err().to_string();
        assert!(error.contains("same is named twice"), "{error}");
        let error = groups(vec![member("one", |_| ()), member("two", |_| ())]).unwrap_err().to_string();
        assert!(error.contains("one and two"), "{error}");
    }
}
