//! The combinations of a sweep's values, before they are tasks.

use std::{collections::HashSet, path::Path};

use super::{
    SweepError,
    file::{Axis, AxisValue, File, Rule, Values},
    request::request,
};
use crate::{digits::thousands, train::Prospects};

/// Most tasks of a sweep.
pub const MOST: usize = 100_000;

/// A combination of values.
pub(super) struct Draft {
    pub(super) labels: Vec<String>,
    pub(super) settings: Vec<(String, String)>,
}

/// A table that is being multiplied out.
pub(super) struct Expansion<'a> {
    pub(super) file: &'a File,
    pub(super) prospects: Prospects,
    pub(super) notes: Vec<String>,
    pub(super) out: Vec<Draft>,
}

impl Expansion<'_> {
    /// Refuses a setting that is given twice, and a sweep without data.
    pub(super) fn check_names(&self) -> Result<(), String> {
        let mut seen: HashSet<&str> = HashSet::new();
        let mut data = false;
        for (name, _) in &self.file.fixed {
            data |= name == "data";
            seen.insert(name);
        }
        for axis in &self.file.axes {
            let mut own: Vec<&str> = settings_of(axis).collect();
            own.sort_unstable();
            own.dedup();
            for name in own {
                data |= name == "data";
                if !seen.insert(name) {
                    return Err(format!(
                        "`{name}` is given by the axis `{}` and elsewhere as well; give it once",
                        axis.name
                    ));
                }
            }
        }
        if data {
            Ok(())
        } else {
            Err("it has no data: write data = \"...\" in [fixed], or an axis of them".to_owned())
        }
    }

    /// Every combination of the axes from this one on.
    pub(super) fn expand(
        &mut self,
        depth: usize,
        labels: &mut Vec<String>,
        settings: Vec<(String, String)>,
    ) -> Result<(), SweepError> {
        let Some(axis) = self.file.axes.get(depth) else {
            if self.out.len() >= MOST {
                return Err(SweepError::file(&self.file.path, more_than_most("more than that")));
            }
            self.out.push(Draft { labels: labels.clone(), settings });
            return Ok(());
        };
        let values = match &axis.values {
            Values::These(values) => values.clone(),
            Values::AllFolds => self.folds(&settings)?,
        };
        for AxisValue { label, settings: own } in values {
            labels.push(label);
            let mut settings = settings.clone();
            settings.extend(own);
            self.expand(depth + 1, labels, settings)?;
            labels.pop();
        }
        Ok(())
    }

    /// Every fold of the data set that these settings name.
    fn folds(&mut self, settings: &[(String, String)]) -> Result<Vec<AxisValue>, SweepError> {
        let beside = self.file.path.parent().unwrap_or(Path::new("/"));
        let failed = |problem: String| SweepError::file(&self.file.path, problem);
        let request = request(settings, beside).map_err(failed)?.0;
        let folds = self.prospects.folds(&request)?;
        if folds.is_empty() {
            let note = format!("{} has no folds: one task for all of it", request.data);
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
            return Ok(vec![AxisValue { label: "-".to_owned(), settings: Vec::new() }]);
        }
        let value =
            |fold: u32| AxisValue { label: fold.to_string(), settings: vec![("fold".to_owned(), fold.to_string())] };
        Ok(folds.into_iter().map(value).collect())
    }
}

/// The settings that an axis gives.
pub(super) fn settings_of(axis: &Axis) -> Box<dyn Iterator<Item = &str> + '_> {
    match &axis.values {
        Values::AllFolds => Box::new(std::iter::once("fold")),
        Values::These(values) => {
            Box::new(values.iter().flat_map(|value| value.settings.iter().map(|(name, _)| name.as_str())))
        }
    }
}

fn more_than_most(count: &str) -> String {
    format!("it expands to {count} tasks, and a sweep has at most {}; split it, or shorten an axis", thousands(MOST))
}

/// Refuses a product that is too large before it is multiplied out. An axis of all folds counts once here.
pub(super) fn too_many(file: &File) -> Result<(), String> {
    let (_, count) = file.axes();
    if count > MOST as u128 { Err(more_than_most(&thousands(count))) } else { Ok(()) }
}

/// Whether an exclusion takes a combination away; counts what each exclusion does.
pub(super) fn excluded(draft: &Draft, file: &File, used: &mut [usize]) -> bool {
    let is = |(name, values): &(String, Vec<String>)| {
        let label = file.axes.iter().position(|axis| axis.name == *name).map(|at| &draft.labels[at]);
        let value = draft.settings.iter().find(|(known, _)| known == name).map(|(_, value)| value);
        [label, value].into_iter().flatten().any(|own| values.contains(own))
    };
    let mut out = false;
    for (rule, used) in file.exclude.iter().zip(used) {
        if rule.iter().all(is) {
            *used += 1;
            out = true;
        }
    }
    out
}

pub(super) fn described(rule: &Rule) -> String {
    rule.iter().map(|(name, values)| format!("{name} {}", values.join(" or "))).collect::<Vec<_>>().join(", ")
}
