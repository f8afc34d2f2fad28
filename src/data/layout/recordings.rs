//! Which recordings tables of marks name, and the marks of each.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use unicode_normalization::UnicodeNormalization;

use super::{
    ending_in,
    walk::{Listing, SOUND_ENDINGS, tree},
};
use crate::{
    data::{
        DataError, Problem,
        marks::{
            Form, Mark, Marks,
            sounds::{Lost, Sounds},
        },
    },
    digits::counted,
};

/// Findings of one kind that are listed one by one.
const LISTED: usize = 100;

/// The marks and settings that the tables give one recording.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) marks: Vec<Mark>,
    /// A table lists it as a recording without events.
    pub(super) silent: bool,
    /// Its marks are decisions about detections: each speaks of one class.
    pub(super) decided: bool,
    pub(super) fold: BTreeSet<String>,
    pub(super) split: BTreeSet<String>,
    pub(super) group: BTreeSet<String>,
}

/// Where recordings are looked for: where the table presence, then in its own folder, then everywhere below the data set's.
pub(super) struct Places {
    root: PathBuf,
    /// Sounds of folders that tables are in.
    beside: BTreeMap<PathBuf, Sounds>,
    /// Sounds below the root, once they are needed.
    below: Option<Sounds>,
}

impl Places {
    /// The folder of a data set.
    pub(super) fn below(root: &Path) -> Self {
        Self { root: root.to_owned(), beside: BTreeMap::new(), below: None }
    }

    fn find(&mut self, audio: &str, path: Option<&str>, beside: &Path) -> Result<Result<PathBuf, Lost>, DataError> {
        for written in [path, Some(audio)].into_iter().flatten() {
            let at = beside.join(written);
            if ending_in(&at, SOUND_ENDINGS) && at.is_file() {
                return Ok(Ok(at));
            }
        }
        if !self.beside.contains_key(beside) {
            self.beside.insert(beside.to_owned(), Sounds::of(Listing::of(beside)?.sounds));
        }
        let near = self.beside.get(beside).and_then(|sounds| sounds.find(audio, path, beside).ok());
        // Folders in the name may lead to another of the same name.
        if let Some(near) = near.filter(|_| path.is_none_or(|path| !path.contains('/'))) {
            return Ok(Ok(near.to_owned()));
        }
        if self.below.is_none() {
            self.below = Some(Sounds::of(tree(&self.root)?.sounds));
        }
        let below = self.below.as_ref().map(|sounds| sounds.find(audio, path, beside).map(Path::to_owned));
        Ok(below.unwrap_or(Err(Lost::Missing)))
    }
}

/// A name that leads to no recording. Decisions are made one by one and outlive recordings: the others count.
fn finding(form: Form, file: &Path, problem: String, remedy: String) -> Problem {
    match form {
        Form::Reviewed => Problem::warning(file, format!("{problem}; the decisions about it are left out"), remedy),
        _ => Problem::error(file, problem, remedy),
    }
}

/// Adds what a table says to the recordings that it names.
///
/// # Errors
/// When a folder cannot be listed.
pub(super) fn gather(
    table: &Marks,
    places: &mut Places,
    all: &mut BTreeMap<PathBuf, Gathered>,
    problems: &mut Vec<Problem>,
) -> Result<(), DataError> {
    let root = places.root.clone();
    let beside = table.file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(&root).to_owned();
    let mut lost = 0;
    let mut known: BTreeMap<(String, Option<String>), Option<PathBuf>> = BTreeMap::new();
    let mut find = |audio: &str, path: Option<&str>, line: Option<u64>| {
        let key = (audio.to_owned(), path.map(str::to_owned));
        if let Some(known) = known.get(&key) {
            return Ok(known.clone());
        }
        let mut found = places.find(audio, path, &beside)?;
        // An id of AudioSet ends in the clip's beginning in milliseconds, and the file may be named by the rest.
        if let (Err(Lost::Missing), Form::AudiosetStrong, Some((id, _))) = (&found, table.form, audio.rsplit_once('_'))
        {
            found = places.find(id, None, &beside)?;
        }
        let by_line = line.map_or_else(String::new, |line| format!("line {line}: "));
        let problem = match &found {
            Ok(_) => None,
            Err(Lost::Missing) => Some((
                format!("{by_line}there is no recording `{audio}` in or below {}", root.display()),
                "put it there, or take its rows out".to_owned(),
            )),
            Err(Lost::Several(first, second)) => Some((
                format!("{by_line}`{audio}` may be {} or {}", first.display(), second.display()),
                "give its folder in the table as well".to_owned(),
            )),
        };
        if let Some((problem, remedy)) = problem {
            lost += 1;
            if lost <= LISTED {
                problems.push(finding(table.form, &table.file, problem, remedy));
            }
        }
        Ok::<_, DataError>(known.entry(key).or_insert(found.ok()).clone())
    };
    let mut decomposed = 0;
    for mark in &table.marks {
        if let Some(path) = find(&mark.audio, mark.path.as_deref(), Some(mark.line))? {
            let one = all.entry(path).or_default();
            one.decided |= table.form == Form::Reviewed;
            one.fold.extend(mark.fold.clone());
            one.split.extend(mark.split.clone());
            one.group.extend(mark.group.clone());
            // One class in two Unicode forms is one class.
            let label: String = mark.label.nfc().collect();
            decomposed += usize::from(label != mark.label);
            one.marks.push(Mark { label, ..mark.clone() });
        }
    }
    for audio in &table.silent {
        if let Some(path) = find(audio, None, None)? {
            all.entry(path).or_default().silent = true;
        }
    }
    if decomposed > 0 {
        let problem =
            format!("{} written in a decomposed Unicode form, read as the composed one", counted(decomposed, "label"));
        problems.push(Problem::note(&table.file, problem, "nothing is to be done"));
    }
    if lost > LISTED {
        let problem = format!("and {} more names lead to no recording", lost - LISTED);
        let remedy = "put the recordings there, or take their rows out".to_owned();
        problems.push(finding(table.form, &table.file, problem, remedy));
    }
    for line in &table.torn {
        let problem = format!("line {line} was not written to its end and is left out");
        problems.push(Problem::warning(&table.file, problem, "decide about that detection again"));
    }
    Ok(())
}
