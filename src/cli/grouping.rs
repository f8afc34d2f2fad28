//! Groups sessions into runs of one configuration over its folds.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value;

use super::{
    CliError,
    comparison::{Entry, Member},
};
use crate::session::RunConfig;

/// Facts that may differ between the folds of one configuration: names, the fold itself and the statistics of its
/// training clips, and settings that do not change the result.
const OF_A_FOLD: &[&str] =
    &["session", "fold", "normalisation", "device", "micro_batch", "norms_every", "paired_with", "data_name"];

/// Facts that distinguish two groups of one method, in order of preference, with their short names.
const NAMED_FIRST: &[(&str, &str)] = &[
    ("model", ""),
    ("data", "data "),
    ("recipe.name", "recipe "),
    ("recipe.epochs", "epochs "),
    ("recipe.batch", "batch "),
    ("lr", "lr "),
    ("seed", "seed "),
    ("dtype", ""),
];
/// Other differences that are named at most.
const MOST: usize = 3;

/// Everything but the fold that decides a run's result, flat: `recipe.schedule.factor` and its value.
type Facts = BTreeMap<String, Value>;

/// Sorts complete runs into groups of equal facts, one entry each in the order of their first runs, each with its runs
/// by fold.
///
/// # Errors
/// When two runs are of the same fold of one group; the message names both.
pub(super) fn groups(runs: Vec<Member>) -> Result<Vec<Entry>, CliError> {
    let mut groups: Vec<(Facts, Vec<Member>)> = Vec::new();
    for run in runs {
        let Some(config) = run.state.config.as_deref() else { continue };
        let facts = facts(config)?;
        match groups.iter_mut().find(|(known, _)| *known == facts) {
            None => groups.push((facts, vec![run])),
            Some((_, members)) => {
                if let Some(twin) = members.iter().find(|member| member.fold() == run.fold()) {
                    return Err(twice(twin, &run));
                }
                members.push(run);
            }
        }
    }
    let all: Vec<Facts> = groups.iter().map(|(facts, _)| facts.clone()).collect();
    let entry = |(facts, mut runs): (Facts, Vec<Member>)| {
        runs.sort_by_key(Member::fold);
        Entry { differs: differs(&facts, &all), runs }
    };
    Ok(groups.into_iter().map(entry).collect())
}

fn twice(one: &Member, other: &Member) -> CliError {
    let [one_folder, other_folder] = [one, other].map(|member| member.folder.display().to_string());
    if one_folder == other_folder {
        return CliError::Failed(format!("{one_folder} is named twice; name it once"));
    }
    let of = one.fold().map_or_else(|| "of the same run".to_owned(), |fold| format!("of fold {fold} of the same run"));
    CliError::Failed(format!(
        "{one_folder} and {other_folder} are two trainings {of}, alike in method, backbone, data, recipe and seed; leave one out"
    ))
}

fn facts(config: &RunConfig) -> Result<Facts, CliError> {
    let mut facts = Facts::new();
    if let Value::Object(mut all) = serde_json::to_value(config)? {
        OF_A_FOLD.iter().for_each(|key| drop(all.remove(*key)));
        all.remove("dataset");
        // The same clips, wherever they are; for sessions that do not record them, the same folder, however it was
        // written.
        let data = match &config.dataset {
            Some(record) => Some(record.digest.chars().take(12).collect::<String>()),
            None => fs::canonicalize(&config.data).ok().map(|path| path.display().to_string()),
        };
        if let Some(data) = data {
            all.insert("data".to_owned(), data.into());
        }
        flatten("", Value::Object(all), &mut facts);
    }
    Ok(facts)
}

fn flatten(name: &str, value: Value, into: &mut Facts) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let name = if name.is_empty() { key } else { format!("{name}.{key}") };
                flatten(&name, value, into);
            }
        }
        value => {
            into.insert(name.to_owned(), value);
        }
    }
}

/// What distinguishes a group from the others of its method; nothing if it is the only one.
fn differs(own: &Facts, all: &[Facts]) -> String {
    let others: Vec<&Facts> = all.iter().filter(|other| other["method"] == own["method"] && *other != own).collect();
    let apart = |name: &str| others.iter().any(|other| other.get(name) != own.get(name));
    let described: Vec<String> = NAMED_FIRST
        .iter()
        .filter(|(name, _)| apart(name))
        .map(|(name, word)| format!("{word}{}", short(own, name)))
        .collect();
    if !described.is_empty() {
        return described.join(", ");
    }
    let names = own.keys().chain(others.iter().flat_map(|other| other.keys()));
    let names: std::collections::BTreeSet<&String> = names.filter(|name| apart(name)).collect();
    names.into_iter().take(MOST).map(|name| format!("{name} {}", short(own, name))).collect::<Vec<_>>().join(", ")
}

/// A fact in a word: the last part of a path.
fn short(facts: &Facts, name: &str) -> String {
    match facts.get(name) {
        None => "none".to_owned(),
        Some(Value::String(text)) => {
            Path::new(text).file_name().map_or_else(|| text.clone(), |last| last.to_string_lossy().into_owned())
        }
        Some(value) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::PathBuf;

    use super::*;
    use crate::session::{Event, RunState, testing};

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
