//! `aat-tui data export`: a data set's labels as they are now, as a manifest.

use std::{
    io,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::super::{CliError, Output, run_args::Marks};
use crate::{
    atomic,
    data::{self, Dataset, Item, Label, Source},
    digits::counted,
};

/// Flags of `data export`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A folder or a CSV manifest.
    #[arg(value_name = "DATA")]
    data: String,
    #[command(flatten)]
    marks: Marks,
    /// The manifest to write: path, label, and fold, split and group where clips have them. Paths are relative to its folder
    /// where the sounds are below it.
    #[arg(long, value_name = "FILE.csv", env = "AAT_TUI_TO")]
    to: PathBuf,
    /// Print JSON instead of text.
    #[arg(long, env = "AAT_TUI_JSON")]
    json: bool,
}

#[derive(Serialize)]
struct Summary<'a> {
    summary: bool,
    file: &'a Path,
    clips: usize,
    /// Clips with another label than in the data set's own files.
    changed: usize,
    /// Clips that are not known to hold any class.
    left_out: usize,
    notes: &'a [String],
}

/// Writes the manifest.
///
/// # Errors
/// When the data set cannot be written as a manifest, or the file cannot be written.
pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let dataset = data::open_with(&args.data, &args.marks.options())?;
    if dataset.items.iter().any(|item| matches!(item.source, Source::Demo { .. })) {
        return Err(CliError::Failed(format!("{} has no sound files that a manifest could name", args.data)));
    }
    if dataset.marks.is_some() {
        let problem = "it consists of marks in recordings, which are in tables already; correct those";
        return Err(CliError::Failed(format!("{}: {problem}", args.data)));
    }
    let holds = |item: &Item| !item.label.present().is_empty();
    let is_absent = |item: &&Item| matches!(item.label, Label::Many(_)) && !holds(item);
    let kept: Vec<usize> = (0..dataset.items.len()).filter(|&index| holds(&dataset.items[index])).collect();
    let items: Vec<&Item> = kept.iter().map(|&index| &dataset.items[index]).collect();
    if items.is_empty() {
        return Err(CliError::Failed(format!("{}: no clip of it is known to hold a class", args.data)));
    }
    let mut notes = dataset.notes.clone();
    let left_out = dataset.items.len() - items.len();
    let absent = dataset.items.iter().filter(is_absent).count();
    if left_out > absent {
        notes.push(format!("{} of which no class is known are left out", counted(left_out - absent, "clip")));
    }
    if absent > 0 {
        let clips = counted(absent, "clip");
        notes.push(format!("{clips} without any of the classes are left out: a manifest has no label for them"));
    }
    let partly = items.iter().filter(|item| is_partly_known(item, dataset.classes.len())).count();
    if partly > 0 {
        notes.push(format!(
            "{} with classes that are not known: a manifest counts every class that it does not name as absent",
            counted(partly, "clip")
        ));
    }
    let several = |item: &&Item| item.label.present().len() > 1;
    if dataset.is_multi_label() && !items.iter().any(several) {
        notes.push(
            "no clip holds more than one class: the manifest is read as exactly one class for each clip".to_owned(),
        );
    }
    if let Some(class) = dataset.classes.iter().find(|class| class.contains(';')) {
        return Err(CliError::Failed(format!(
            "the class \"{class}\" has a ; in its name, which separates classes there"
        )));
    }
    let folder = args.to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = folder.canonicalize().map_err(|error| CliError::Failed(format!("{}: {error}", folder.display())))?;
    write(&args.to, &folder, &dataset, &items).map_err(|error| failed(&args.to, &error))?;
    let filed = dataset.corrections.as_ref().map(|corrections| &corrections.filed);
    let changed = kept.iter().filter(|index| filed.is_some_and(|filed| filed.contains_key(index))).count();
    let mut output = Output::stdout(args.json);
    notes.iter().try_for_each(|note| output.line(note))?;
    output.line(format!(
        "{}: {}, {changed} with another label than before",
        args.to.display(),
        counted(items.len(), "clip")
    ))?;
    output.object(&Summary { summary: true, file: &args.to, clips: items.len(), changed, left_out, notes: &notes })
}

fn failed(path: &Path, error: &io::Error) -> CliError {
    CliError::Failed(format!("{}: {error}", path.display()))
}

fn is_partly_known(item: &Item, classes: usize) -> bool {
    matches!(&item.label, Label::Many(known) if known.len() < classes)
}

fn write(path: &Path, folder: &Path, dataset: &Dataset, items: &[&Item]) -> io::Result<()> {
    let has = |of: fn(&Item) -> bool| items.iter().any(|item| of(item));
    let (fold, split, group) =
        (has(|item| item.fold.is_some()), has(|item| item.split.is_some()), has(|item| item.group.is_some()));
    // In a column of that name, commas and bars separate classes as well.
    let plural = dataset.is_multi_label() && !dataset.classes.iter().any(|class| class.contains([',', '|']));
    atomic::write(path, |file| -> io::Result<()> {
        let mut table = csv::Writer::from_writer(file);
        let mut head = vec!["path", if plural { "labels" } else { "label" }];
        head.extend([(fold, "fold"), (split, "split"), (group, "group")].iter().filter(|one| one.0).map(|one| one.1));
        table.write_record(&head).map_err(io::Error::other)?;
        for item in items {
            let mut row = vec![place(item, folder), dataset.label_of(item)];
            if fold {
                row.push(item.fold.map_or_else(String::new, |fold| fold.to_string()));
            }
            if split {
                row.push(item.split.map_or("", |split| split.name()).to_owned());
            }
            if group {
                row.push(item.group.clone().unwrap_or_default());
            }
            table.write_record(&row).map_err(io::Error::other)?;
        }
        table.flush()
    })
}

/// A clip's file as the manifest names it.
fn place(item: &Item, folder: &Path) -> String {
    let Some(path) = item.source.path() else { return item.id.clone() };
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    match path.strip_prefix(folder) {
        Ok(inside) => inside.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/"),
        Err(_) => path.to_string_lossy().into_owned(),
    }
}
