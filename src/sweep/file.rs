//! The sweep's file: TOML with fixed values, axes, exclusions, names and the engines' settings.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use toml::{Table, Value};

use super::{
    Cluster, SweepError,
    values::{hint, known, scalar, table_of, text_of, whole},
};
use crate::{limits, regular, train::SETTINGS};

/// Keys of the file.
const KEYS: [&str; 9] = ["name", "folder", "task", "fixed", "axes", "labels", "exclude", "local", "slurm"];

/// One value of an axis: usually of one setting, of several where the axis's values are tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AxisValue {
    /// Its short name.
    pub(super) label: String,
    /// The settings that it gives a task, with their values as texts.
    pub(super) settings: Vec<(String, String)>,
}

/// The values of an axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Values {
    /// These.
    These(Vec<AxisValue>),
    /// Every fold of the task's data set.
    AllFolds,
}

/// What varies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Axis {
    /// A setting's name, or any name where its values are tables.
    pub(super) name: String,
    /// Its values.
    pub(super) values: Values,
}

/// Tasks to leave out: those that have one of the values of each key.
pub(super) type Rule = Vec<(String, Vec<String>)>;

/// A sweep's file, read.
#[derive(Clone, Debug, PartialEq)]
pub struct File {
    /// The file, absolute.
    pub path: PathBuf,
    /// The sweep's name.
    pub name: String,
    /// The folder of its sessions, absolute.
    pub folder: PathBuf,
    /// The pattern of tasks' names.
    pub(super) task: Option<String>,
    /// What every task has.
    pub(super) fixed: Vec<(String, String)>,
    /// What varies, the slowest first.
    pub(super) axes: Vec<Axis>,
    /// What is left out.
    pub(super) exclude: Vec<Rule>,
    /// Workers on this machine.
    pub workers: Option<usize>,
    /// The cluster.
    pub cluster: Cluster,
}

impl File {
    /// What varies, and how many combinations of it there are before any is excluded; where all folds of the data are asked
    /// for, of each fold.
    pub fn axes(&self) -> (Vec<&str>, u128) {
        let count = self.axes.iter().fold(1_u128, |product, axis| match &axis.values {
            Values::These(values) => product.saturating_mul(values.len() as u128),
            Values::AllFolds => product,
        });
        (self.axes.iter().map(|axis| axis.name.as_str()).collect(), count)
    }

    /// Reads a sweep's file.
    ///
    /// # Errors
    /// When it cannot be read, is no TOML, or holds a key or a value that it cannot have; the message names the nearest
    /// valid key.
    pub fn read(path: &Path) -> Result<Self, SweepError> {
        let text = regular::text_up_to(path, limits::SETTINGS).map_err(SweepError::io(path, "read"))?;
        let path = std::path::absolute(path).map_err(SweepError::io(path, "read"))?;
        Self::of(&path, &text)
    }

    /// The sweep of this text, as if it were in a file at this path.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn of(path: &Path, text: &str) -> Result<Self, SweepError> {
        Self::parse(path, text).map_err(|problem| SweepError::file(path, problem))
    }

    fn parse(path: &Path, text: &str) -> Result<Self, String> {
        let mut table: Table = text.parse().map_err(|error: toml::de::Error| {
            let at = error.span().map_or(0, |span| span.start.min(text.len()));
            let line = text.as_bytes()[..at].iter().filter(|&&byte| byte == b'\n').count() + 1;
            format!("line {line}: {}", error.message())
        })?;
        known("key", table.keys(), &KEYS)?;
        let beside = path.parent().unwrap_or(Path::new("/"));
        let stem = path.file_stem().map_or_else(|| "sweep".to_owned(), |stem| stem.to_string_lossy().into_owned());
        let name = text_of(&mut table, "name")?.unwrap_or(stem);
        let folder = text_of(&mut table, "folder")?.unwrap_or_else(|| format!("{name}-sweep"));
        let task = text_of(&mut table, "task")?;
        let fixed = fixed(table_of(&mut table, "fixed")?)?;
        let labels = labels(table_of(&mut table, "labels")?)?;
        let axes = axes(table_of(&mut table, "axes")?, &labels)?;
        let exclude = exclusions(table.remove("exclude"), &axes)?;
        let mut local = table_of(&mut table, "local")?;
        known("key of [local]", local.keys(), &["workers"])?;
        let workers = whole(&mut local, "workers")?;
        let cluster = Cluster::of(table_of(&mut table, "slurm")?, beside)?;
        let workers = workers.map(|workers| workers as usize);
        Ok(Self {
            path: path.to_owned(),
            folder: beside.join(folder),
            name,
            task,
            fixed,
            axes,
            exclude,
            workers,
            cluster,
        })
    }
}

/// Refuses what is no flag of `train`.
fn setting(name: &str) -> Result<(), String> {
    if SETTINGS.contains(&name) {
        return Ok(());
    }
    if ["name", "sessions", "json"].contains(&name) {
        return Err(format!(
            "`{name}` is set by the sweep itself; leave it out (`folder` and `task` name its sessions)"
        ));
    }
    let hint = hint(name, &SETTINGS);
    Err(format!("`train` has no flag --{name}{hint}; an axis or a fixed value is one of {}", SETTINGS.join(", ")))
}

fn fixed(table: Table) -> Result<Vec<(String, String)>, String> {
    let mut fixed = Vec::new();
    for (name, value) in &table {
        setting(name)?;
        if value.is_array() {
            return Err(format!("`{name}` has several values: move it from [fixed] to [axes]"));
        }
        fixed.push((name.clone(), scalar(name, value)?));
    }
    Ok(fixed)
}

/// Short names of values, by axis.
type Labels = BTreeMap<String, BTreeMap<String, String>>;

fn labels(table: Table) -> Result<Labels, String> {
    let mut labels = Labels::new();
    for (axis, values) in table {
        let Value::Table(values) = values else {
            return Err(format!("`labels.{axis}` is {values}; write [labels.{axis}] with a line for each value"));
        };
        for (value, label) in values {
            let Value::String(label) = label else {
                return Err(format!("the label of `{value}` is {label}, not a text"));
            };
            labels.entry(axis.clone()).or_default().insert(value, label);
        }
    }
    Ok(labels)
}

fn axes(table: Table, labels: &Labels) -> Result<Vec<Axis>, String> {
    let mut axes = Vec::new();
    for (name, values) in &table {
        axes.push(axis(name, values, labels.get(name))?);
    }
    let names: Vec<&str> = axes.iter().map(|axis| axis.name.as_str()).collect();
    for axis in labels.keys() {
        if !names.contains(&axis.as_str()) {
            return Err(format!("[labels.{axis}] names no axis{}; there are {}", hint(axis, &names), names.join(", ")));
        }
    }
    if axes.is_empty() {
        return Err(
            "it has no axis, so it expands to nothing: write [axes] with lists of values, such as seed = [1, 2, 3]"
                .to_owned(),
        );
    }
    // The last one changes fastest: folds and seeds of one configuration follow one another.
    let place = |axis: &Axis| SETTINGS.iter().position(|name| *name == axis.name).map_or(0, |at| at + 1);
    axes.sort_by_key(place);
    Ok(axes)
}

fn axis(name: &str, values: &Value, labels: Option<&BTreeMap<String, String>>) -> Result<Axis, String> {
    let values = match values {
        Value::Array(values) if values.is_empty() => {
            return Err(format!("the axis `{name}` has no values, so the sweep expands to nothing"));
        }
        Value::Array(values) => values,
        Value::String(all) if name == "fold" && all == "all" => {
            return Ok(Axis { name: name.to_owned(), values: Values::AllFolds });
        }
        other => {
            // A name that is no flag is the greater mistake.
            setting(name)?;
            let all = if name == "fold" { ", or fold = \"all\"" } else { "" };
            return Err(format!("the axis `{name}` is {other}; write a list of values{all}"));
        }
    };
    let several = values.iter().all(Value::is_table);
    if !several {
        setting(name)?;
    }
    let mut these: Vec<AxisValue> = Vec::new();
    for value in values {
        let value = match value {
            Value::Table(table) if several => of_table(name, table)?,
            value => {
                let text = scalar(name, value)?;
                let label = labels.and_then(|labels| labels.get(&text)).cloned().unwrap_or_else(|| short(&text));
                AxisValue { label, settings: vec![(name.to_owned(), text)] }
            }
        };
        if these.iter().any(|known| known.label == value.label) {
            return Err(format!("the axis `{name}` has the value `{}` twice", value.label));
        }
        these.push(value);
    }
    if let Some(unused) =
        labels.into_iter().flat_map(BTreeMap::values).find(|label| !these.iter().any(|value| value.label == **label))
    {
        return Err(format!("[labels.{name}] gives the label `{unused}` to a value that the axis does not have"));
    }
    Ok(Axis { name: name.to_owned(), values: Values::These(these) })
}

/// A value that gives a task several settings at once; `label` is its name.
fn of_table(axis: &str, table: &Table) -> Result<AxisValue, String> {
    let mut settings = Vec::new();
    let mut label = None;
    for (name, value) in table {
        if name == "label" {
            label = Some(scalar(name, value)?);
            continue;
        }
        setting(name)?;
        settings.push((name.clone(), scalar(name, value)?));
    }
    if settings.is_empty() {
        return Err(format!("a value of the axis `{axis}` sets nothing"));
    }
    let label = label.unwrap_or_else(|| settings.iter().map(|(_, value)| short(value)).collect::<Vec<_>>().join("-"));
    Ok(AxisValue { label, settings })
}

/// A value in a word: the last part of a path.
fn short(value: &str) -> String {
    let last = Path::new(value).file_name().map(|name| name.to_string_lossy().into_owned());
    last.filter(|_| value.contains(['/', '\\'])).unwrap_or_else(|| value.to_owned())
}

fn exclusions(value: Option<Value>, axes: &[Axis]) -> Result<Vec<Rule>, String> {
    let rules = match value {
        None => return Ok(Vec::new()),
        Some(Value::Array(rules)) => rules,
        Some(other) => return Err(format!("`exclude` is {other}; write [[exclude]] above each exclusion")),
    };
    let mut names: Vec<&str> = axes.iter().map(|axis| axis.name.as_str()).collect();
    names.extend(axes.iter().flat_map(|axis| match &axis.values {
        Values::These(values) => {
            values.iter().flat_map(|value| &value.settings).map(|(name, _)| name.as_str()).collect()
        }
        Values::AllFolds => Vec::new(),
    }));
    names.sort_unstable();
    names.dedup();
    let mut out = Vec::new();
    for rule in rules {
        let Value::Table(rule) = rule else { return Err(format!("an exclusion is {rule}, not a table")) };
        known("axis", rule.keys(), &names)?;
        if rule.is_empty() {
            return Err("an exclusion without a key would leave out everything".to_owned());
        }
        let mut keys = Rule::new();
        for (name, value) in &rule {
            let values = match value {
                Value::Array(values) => values.iter().map(|value| scalar(name, value)).collect::<Result<_, _>>()?,
                value => vec![scalar(name, value)?],
            };
            keys.push((name.clone(), values));
        }
        out.push(keys);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parsed(text: &str) -> Result<File, String> {
        File::parse(Path::new("/sets/table.toml"), text)
    }

    #[test]
    fn a_whole_file_is_read_and_axes_are_nested_with_folds_and_seeds_last() {
        let file = parsed(
            r#"
            [fixed]
            data = "sounds/ESC-10"
            marked-in-full = true
            [axes]
            seed = [1, 2]
            method = ["head", "aat"]
            lr = [1e-4, 0.001]
            fold = "all"
            set = [{ label = "small", model = "tiny", batch = 4 }, { model = "models/base", batch = 2 }]
            [labels.method]
            aat = "AAT"
            [[exclude]]
            method = "head"
            seed = [2]
            [local]
            workers = 3
            [slurm]
            partition = "gpu"
            gpus = 1
            at-once = 8
            setup = "module load cuda"
            "#,
        )
        .unwrap();
        assert_eq!((file.name.as_str(), file.folder.to_str()), ("table", Some("/sets/table-sweep")));
        let names: Vec<_> = file.axes.iter().map(|axis| axis.name.as_str()).collect();
        assert_eq!(names, ["set", "method", "lr", "fold", "seed"]);
        let labels = |at: usize| match &file.axes[at].values {
            Values::These(values) => values.iter().map(|value| value.label.as_str()).collect::<Vec<_>>(),
            Values::AllFolds => vec!["all"],
        };
        assert_eq!(labels(0), ["small", "2-base"]);
        assert_eq!((labels(1), labels(2), labels(3)), (vec!["head", "AAT"], vec!["0.0001", "0.001"], vec!["all"]));
        assert_eq!(
            file.exclude,
            [vec![("method".to_owned(), vec!["head".to_owned()]), ("seed".to_owned(), vec!["2".to_owned()])]]
        );
        assert_eq!(file.workers, Some(3));
        let cluster = &file.cluster;
        assert_eq!(
            (cluster.gpus.as_deref(), cluster.at_once, cluster.grace, cluster.requeue),
            (Some("1"), Some(8), 120, true)
        );
        assert_eq!(cluster.setup, ["module load cuda"]);
    }

    #[test]
    fn what_is_wrong_is_one_sentence_with_the_nearest_name() {
        for (text, words) in [
            ("[axes]\nsede = [1]", "no flag --sede (did you mean `seed`?)"),
            ("[axes]\nsede = 1", "did you mean `seed`"),
            ("[fixed]\nmethods = \"aat\"\n[axes]\nseed = [1]", "did you mean `method`"),
            ("[axes]\nname = [\"a\"]", "set by the sweep itself"),
            ("[axes]\nseed = []", "the axis `seed` has no values, so the sweep expands to nothing"),
            ("[fixed]\ndata = \"demo\"", "it has no axis"),
            ("[axes]\nseed = 3", "write a list of values"),
            ("[axes]\nfold = 3", "or fold = \"all\""),
            ("[axes]\nseed = [1, 1]", "the value `1` twice"),
            ("[axis]\nseed = [1]", "no key `axis` (did you mean `axes`?)"),
            ("[axes]\nseed = [1]\n[[exclude]]\nsed = 1", "no axis `sed` (did you mean `seed`?)"),
            ("[axes]\nseed = [1]\n[slurm]\npartitions = \"x\"", "did you mean `partition`"),
            ("[axes]\nseed = [1]\n[slurm]\noptions = [\"x\"]", "one option of sbatch"),
            ("[axes]\nseed = [1]\n[local]\nworkers = 0", "at least 1"),
            ("[axes]\nseed = [1]\n[labels.method]\nx = \"y\"", "names no axis"),
            ("[fixed]\nseed = [1, 2]\n[axes]\nfold = [1]", "move it from [fixed] to [axes]"),
            ("[axes]\nseed = [1, 2\n", "line "),
        ] {
            let said = parsed(text).unwrap_err();
            assert!(said.contains(words), "{text}: {said}");
        }
    }
}
