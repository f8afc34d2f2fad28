//! A sweep's tasks: its axes multiplied out, exclusions taken away, each with its name, its digest and its settings.

use std::{collections::HashMap, path::Path};

use super::{
    Place, Standing, State, SweepError, digest,
    expansion::{Draft, Expansion, described, excluded, settings_of, too_many},
    file::File,
    naming::{check_pattern, usual_pattern},
    request::request,
};
use crate::{
    digits::thousands,
    session::folder_name,
    train::{Prospect, Prospects, Request, TrainError},
};

/// Most characters of a task's name before its digest.
const NAME: usize = 64;

/// One run of a sweep.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its place in the plan, from 0.
    pub index: usize,
    /// The digest of its configuration.
    pub id: String,
    /// Its session's name: what distinguishes it from the others, and the digest.
    pub session: String,
    /// The short name of its value on each axis, in the order of [`Plan::axes`].
    pub labels: Vec<String>,
    /// What it trains.
    pub request: Request,
    /// Flags of `train` with their values, paths absolute; an empty value is a flag without one.
    flags: Vec<(String, String)>,
}

impl Task {
    /// The arguments of `aat-tui` that train it into this place's sessions.
    pub fn arguments(&self, place: &Place) -> Vec<String> {
        let mut arguments = vec!["train".to_owned()];
        for (name, value) in &self.flags {
            arguments.push(format!("--{name}"));
            if !value.is_empty() {
                arguments.push(value.clone());
            }
        }
        arguments.extend(["--name".to_owned(), self.session.clone()]);
        arguments.extend(["--sessions".to_owned(), place.folder().display().to_string()]);
        arguments
    }
}

/// A sweep, multiplied out.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its file.
    pub file: File,
    /// Where its sessions are.
    pub place: Place,
    /// The names of its axes, the slowest first.
    pub axes: Vec<String>,
    /// Its tasks.
    pub tasks: Vec<Task>,
    /// Notes for people: tasks left out, data without folds.
    pub notes: Vec<String>,
    by_id: HashMap<String, usize>,
}

impl Plan {
    /// Reads a sweep's file and multiplies it out. No clip is read; a data set is listed only where all of its folds are
    /// asked for.
    ///
    /// # Errors
    /// When the file is not one of a sweep, expands to nothing or to more than [`MOST`](super::MOST), or two of its tasks are the same.
    pub fn read(path: &Path) -> Result<Self, SweepError> {
        Self::of(File::read(path)?)
    }

    /// Multiplies out a sweep's file.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn of(file: File) -> Result<Self, SweepError> {
        let failed = |problem: String| SweepError::file(&file.path, problem);
        too_many(&file).map_err(failed)?;
        let mut expansion =
            Expansion { file: &file, prospects: Prospects::default(), notes: Vec::new(), out: Vec::new() };
        expansion.check_names().map_err(failed)?;
        expansion.expand(0, &mut Vec::new(), file.fixed.clone())?;
        let Expansion { mut notes, out: drafts, .. } = expansion;
        let all = drafts.len();
        let mut used = vec![0_usize; file.exclude.len()];
        let kept: Vec<Draft> = drafts.into_iter().filter(|draft| !excluded(draft, &file, &mut used)).collect();
        for (rule, count) in file.exclude.iter().zip(&used) {
            if *count == 0 {
                notes.push(format!("an exclusion excludes nothing: {}", described(rule)));
            }
        }
        if all > kept.len() {
            notes.push(format!("{} of {} combinations are excluded", thousands(all - kept.len()), thousands(all)));
        }
        if kept.is_empty() {
            return Err(failed(format!(
                "every one of its {} combinations is excluded; it expands to nothing",
                thousands(all)
            )));
        }
        let axes: Vec<String> = file.axes.iter().map(|axis| axis.name.clone()).collect();
        let pattern = file.task.clone().unwrap_or_else(|| usual_pattern(&axes));
        check_pattern(&pattern, &axes).map_err(failed)?;
        let settings: Vec<&str> = file.axes.iter().flat_map(settings_of).collect();
        let beside = file.path.parent().unwrap_or(Path::new("/")).to_owned();
        let mut tasks: Vec<Task> = Vec::with_capacity(kept.len());
        let mut by_id: HashMap<String, usize> = HashMap::with_capacity(kept.len());
        for (index, draft) in kept.into_iter().enumerate() {
            let task = task(index, draft, &pattern, &axes, &settings, &beside).map_err(failed)?;
            if let Some(twin) = by_id.insert(task.id.clone(), index) {
                let [one, other] = [&tasks[twin], &task].map(|task| task.labels.join(", "));
                return Err(failed(format!("two of its tasks are the same run: ({one}) and ({other}); leave one out")));
            }
            tasks.push(task);
        }
        let place = Place::at(&file.folder);
        Ok(Self { file, place, axes, tasks, notes, by_id })
    }

    /// The task with this digest.
    pub fn by_id(&self, id: &str) -> Option<&Task> {
        self.tasks.get(*self.by_id.get(id)?)
    }

    /// What each task would train; folds, models and settings that do not fit are errors before anything runs. Nothing for
    /// tasks that are finished: their data may be gone.
    ///
    /// # Errors
    /// The first task whose data, fold, recipe, model and settings do not fit together, with its values.
    pub fn check(&self, standings: &[Standing]) -> Result<Vec<Option<Prospect>>, SweepError> {
        let store = self.place.store();
        let mut prospects = Prospects::default();
        let mut one = |task: &Task| {
            let request = Request { model: store.model(&task.request.model), ..task.request.clone() };
            prospects.of(&request).map_err(|error: TrainError| {
                SweepError::file(&self.file.path, format!("the task {}: {error}", self.described(task)))
            })
        };
        let done = |task: &Task| standings.get(task.index).is_some_and(|standing| standing.state == State::Done);
        self.tasks.iter().map(|task| if done(task) { Ok(None) } else { one(task).map(Some) }).collect()
    }

    /// A task by its values: `method aat, fold 1, seed 2`.
    pub fn described(&self, task: &Task) -> String {
        let parts: Vec<String> =
            self.axes.iter().zip(&task.labels).map(|(axis, label)| format!("{axis} {label}")).collect();
        parts.join(", ")
    }
}

fn task(
    index: usize,
    draft: Draft,
    pattern: &str,
    axes: &[String],
    settings: &[&str],
    beside: &Path,
) -> Result<Task, String> {
    let (request, flags) = request(&draft.settings, beside)?;
    let id = digest::of(&request, &draft.settings, settings);
    let mut name = pattern.to_owned();
    for (axis, label) in axes.iter().zip(&draft.labels) {
        name = name.replace(&format!("{{{axis}}}"), label);
    }
    let name: String = folder_name(&name).chars().take(NAME).collect();
    Ok(Task { index, session: format!("{name}-{id}"), id, labels: draft.labels, request, flags })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;

    fn plan(text: &str) -> Result<Plan, SweepError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.toml");
        fs::write(&path, text).unwrap();
        Plan::read(&path)
    }

    const TABLE: &str =
        "[fixed]\ndata = \"demo\"\nepochs = 2\n[axes]\nmethod = [\"head\", \"aat\"]\nseed = [1, 2, 3]\n";

    #[test]
    fn axes_are_multiplied_out_with_names_digests_and_command_lines() {
        let plan = plan(TABLE).unwrap();
        assert_eq!(plan.axes, ["method", "seed"]);
        let labels: Vec<String> = plan.tasks.iter().map(|task| task.labels.join(" ")).collect();
        assert_eq!(labels, ["head 1", "head 2", "head 3", "aat 1", "aat 2", "aat 3"]);
        let task = &plan.tasks[4];
        assert_eq!(task.session, format!("aat-s2-{}", task.id));
        assert_eq!((task.request.seed, task.request.epochs, task.request.method.id()), (2, Some(2), "aat"));
        let arguments = task.arguments(&plan.place);
        let folder = plan.place.folder().display().to_string();
        let expected =
            format!("train --data demo --method aat --epochs 2 --seed 2 --name {} --sessions {folder}", task.session);
        assert_eq!(arguments.join(" "), expected);
        assert_eq!(plan.by_id(&task.id).map(|task| task.index), Some(4));
        assert_eq!(plan.described(task), "method aat, seed 2");
    }

    /// Another axis, another order, another folder: what was run stays known by its digest.
    #[test]
    fn a_task_keeps_its_digest_when_the_table_grows() {
        let small = plan(TABLE).unwrap();
        let grown = plan(&TABLE.replace("[1, 2, 3]", "[9, 1, 2, 3]").replace("\"aat\"", "\"aat\", \"full\"")).unwrap();
        for task in &small.tasks {
            assert_eq!(grown.by_id(&task.id).unwrap().request, task.request);
        }
    }

    #[test]
    fn exclusions_take_away_and_one_that_does_nothing_is_reported() {
        let with = |rules: &str| plan(&format!("{TABLE}{rules}"));
        let some = with("[[exclude]]\nmethod = \"head\"\nseed = [2, 3]\n[[exclude]]\nseed = 7\n").unwrap();
        assert_eq!(some.tasks.len(), 4);
        assert_eq!(some.notes, ["an exclusion excludes nothing: seed 7", "2 of 6 combinations are excluded"]);
        let none = with("[[exclude]]\nseed = [1, 2, 3]\n").unwrap_err().to_string();
        assert!(none.contains("every one of its 6 combinations is excluded"), "{none}");
    }

    #[test]
    fn what_cannot_be_a_sweep_is_one_sentence() {
        let seeds = |n: usize| (1..=n).map(|seed| seed.to_string()).collect::<Vec<_>>().join(", ");
        let million =
            format!("[fixed]\ndata = \"demo\"\n[axes]\nseed = [{}]\nepochs = [{}]\n", seeds(1000), seeds(1000));
        for (text, words) in [
            (million.as_str(), "it expands to 1,000,000 tasks, and a sweep has at most 100,000"),
            ("[axes]\nseed = [1]", "it has no data: write data = "),
            ("[fixed]\ndata = \"demo\"\nseed = 1\n[axes]\nseed = [1]", "given by the axis `seed` and elsewhere"),
            ("[fixed]\ndata = \"demo\"\n[axes]\nlr = [\"1e-4\", 0.0001]", "the same run"),
            ("[fixed]\ndata = \"demo\"\n[axes]\nepochs = [\"many\"]", "epochs cannot be \"many\""),
            ("task = \"{sed}\"\n[fixed]\ndata = \"demo\"\n[axes]\nseed = [1]", "did you mean `seed`?"),
            ("[fixed]\ndata = \"nowhere\"\n[axes]\nfold = \"all\"", "no such data set"),
        ] {
            let said = plan(text).unwrap_err().to_string();
            assert!(said.contains(words), "{text}: {said}");
            assert!(!said.trim_end().contains('\n'), "{said}");
        }
    }

    #[test]
    fn a_fold_that_the_data_lacks_is_known_before_anything_runs() {
        let plan = plan("[fixed]\ndata = \"demo\"\n[axes]\nfold = [1, 7]\n").unwrap();
        let said = plan.check(&[]).unwrap_err().to_string();
        assert!(said.contains("the task fold") && said.contains("fold"), "{said}");
        // A finished task needs no data any more.
        let done = Standing { state: State::Done, ..Standing::default() };
        assert!(plan.check(&[done.clone(), Standing::default()]).is_err());
        assert!(plan.check(&[done.clone(), done]).unwrap().iter().all(Option::is_none));
    }

    #[test]
    fn data_without_folds_is_one_task_and_a_note() {
        let plan = plan("[fixed]\ndata = \"demo\"\n[axes]\nfold = \"all\"\nseed = [1, 2]\n").unwrap();
        assert_eq!(plan.tasks.len(), 2);
        assert_eq!(plan.notes, ["demo has no folds: one task for all of it"]);
        assert_eq!(plan.check(&[]).unwrap().len(), 2);
    }
}
