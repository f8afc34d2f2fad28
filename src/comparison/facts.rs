//! What decides a run's result, as flat names and values, and what of it differs between runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde_json::Value;

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
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts(BTreeMap<String, Value>);

impl Facts {
    /// The facts of a run.
    ///
    /// # Errors
    /// When the configuration cannot be written as JSON.
    pub fn of(config: &RunConfig) -> serde_json::Result<Self> {
        let mut facts = BTreeMap::new();
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
        Ok(Self(facts))
    }

    /// What distinguishes this run from others of its method; empty if it is the only one.
    pub fn differs(&self, all: &[Self]) -> String {
        let method = |facts: &Self| facts.0.get("method").cloned();
        let others: Vec<&Self> = all.iter().filter(|other| method(other) == method(self) && *other != self).collect();
        let apart = |name: &str| others.iter().any(|other| other.0.get(name) != self.0.get(name));
        let described: Vec<String> = NAMED_FIRST
            .iter()
            .filter(|(name, _)| apart(name))
            .map(|(name, word)| format!("{word}{}", self.short(name)))
            .collect();
        if !described.is_empty() {
            return described.join(", ");
        }
        let names = self.0.keys().chain(others.iter().flat_map(|other| other.0.keys()));
        let names: BTreeSet<&String> = names.filter(|name| apart(name)).collect();
        names.into_iter().take(MOST).map(|name| format!("{name} {}", self.short(name))).collect::<Vec<_>>().join(", ")
    }

    /// Names of what differs between these runs, what usually matters first. Takes time in proportion to all facts.
    pub fn differing(all: &[&Self]) -> Vec<String> {
        let Some((first, others)) = all.split_first() else { return Vec::new() };
        let mut apart: BTreeSet<&String> = BTreeSet::new();
        for other in others {
            // Nearly all runs have facts of the same names.
            if first.0.keys().eq(other.0.keys()) {
                let pairs = first.0.iter().zip(other.0.values());
                apart.extend(pairs.filter(|((_, own), value)| own != value).map(|((name, _), _)| name));
            } else {
                let names = first.0.keys().chain(other.0.keys());
                apart.extend(names.filter(|name| first.0.get(*name) != other.0.get(*name)));
            }
        }
        let rank =
            |name: &&String| NAMED_FIRST.iter().position(|(known, _)| known == name).unwrap_or(NAMED_FIRST.len());
        let mut apart: Vec<&String> = apart.into_iter().collect();
        apart.sort_by_key(rank);
        apart.into_iter().cloned().collect()
    }

    /// The value of a fact.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A fact in a word: the last part of a path; `none` where there is none.
    pub fn short(&self, name: &str) -> String {
        match self.0.get(name) {
            None | Some(Value::Null) => "none".to_owned(),
            Some(Value::String(text)) => {
                Path::new(text).file_name().map_or_else(|| text.clone(), |last| last.to_string_lossy().into_owned())
            }
            Some(value) => value.to_string(),
        }
    }
}

fn flatten(name: &str, value: Value, into: &mut BTreeMap<String, Value>) {
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
