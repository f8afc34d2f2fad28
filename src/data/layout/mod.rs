//! The layouts data sets come in, each recognised from its content by its own file.

pub(super) mod columns;
mod corpus;
mod demo;
mod esc50;
mod folders;
mod glance;
mod gtzan;
mod labels;
mod manifest;
mod marked;
mod openmic;
mod places;
mod recordings;
mod speech_commands;
pub(super) mod table;
mod urbansound8k;
mod walk;

use std::{
    collections::HashSet,
    fs,
    path::{Component, Path, PathBuf},
};

pub use corpus::open_corpus;
pub use glance::{Glance, glance};
pub use walk::Listing;

use super::{
    Corrected, CorrectionsFile, DataError, Dataset, Item, LeftOut, Problem, Reason, Source, corrections, marks, problem,
};
use crate::{limits, regular};
use table::rows;
use walk::{Tree, ending_in, entries, file_name, tree};

/// A data set as it was read, with everything that is wrong with its structure.
#[derive(Clone, Debug)]
pub struct Reading {
    /// What could be read.
    pub dataset: Dataset,
    /// What could not, or looks odd. Sounds are not opened here.
    pub problems: Vec<Problem>,
    /// Files that are there and not used, as counted in [`Dataset::found`].
    pub left_out: Vec<LeftOut>,
}

/// A layout: how to know it and how to read it.
pub struct Layout {
    /// Its name, as in [`Dataset::layout`].
    pub name: &'static str,
    /// What it looks like, for people.
    pub about: &'static str,
    recognise: fn(&Path) -> bool,
    read: fn(&Path, &marks::Options) -> Result<Reading, DataError>,
}

/// Every layout that can be on disk, the most particular first.
pub const LAYOUTS: &[Layout] = &[
    esc50::LAYOUT,
    urbansound8k::LAYOUT,
    speech_commands::LAYOUT,
    gtzan::LAYOUT,
    openmic::LAYOUT,
    marked::LAYOUT,
    manifest::LAYOUT,
    manifest::AUDIOFOLDER,
    folders::LAYOUT,
];

/// Folders around a data set that are looked through: an archive unpacks to one or two.
const WRAPPERS: usize = 8;

/// Opens a data set: `demo`, a folder in one of the [`LAYOUTS`] (or the only folder in that folder), or a table. No sound is
/// decoded yet. Its notes say what looks odd.
///
/// # Errors
/// When it is not there, has no known layout, or something in its structure stops training; the message
/// names the first such thing.
pub fn open(spec: &str) -> Result<Dataset, DataError> {
    open_with(spec, &marks::Options::default())
}

/// As [`open`], with what a person says of marks in recordings.
///
/// # Errors
/// As [`open`].
pub fn open_with(spec: &str, options: &marks::Options) -> Result<Dataset, DataError> {
    open_corrected(spec, options, Corrected::Now)
}

/// As [`open_with`], with those of a person's corrections that are asked for.
///
/// # Errors
/// As [`open`].
pub fn open_corrected(spec: &str, options: &marks::Options, which: Corrected) -> Result<Dataset, DataError> {
    let Reading { mut dataset, problems, .. } = read_corrected(spec, options, which)?;
    problem::refuse(spec, &problems)?;
    dataset.notes.extend(problems.iter().map(Problem::to_string));
    Ok(dataset)
}

/// Reads a data set with all of its structural problems, for `data check`.
///
/// # Errors
/// When it is not there or has no known layout.
pub fn read(spec: &str) -> Result<Reading, DataError> {
    read_with(spec, &marks::Options::default())
}

/// As [`read`], with what a person says of marks in recordings.
///
/// # Errors
/// As [`read`].
pub fn read_with(spec: &str, options: &marks::Options) -> Result<Reading, DataError> {
    read_corrected(spec, options, Corrected::Now)
}

/// Reads a data set and corrects its labels.
fn read_corrected(spec: &str, options: &marks::Options, which: Corrected) -> Result<Reading, DataError> {
    let (mut reading, at) = read_filed(spec, options)?;
    let file = CorrectionsFile::of(&reading.dataset.name, at.as_deref(), corrections::folder_of_user());
    reading.problems.extend(corrections::apply(&mut reading.dataset, file, which)?);
    Ok(reading)
}

/// Reads a data set as its files say it, and where it was found.
fn read_filed(spec: &str, options: &marks::Options) -> Result<(Reading, Option<PathBuf>), DataError> {
    if spec == demo::NAME {
        return Ok((Reading { dataset: demo::dataset(), problems: Vec::new(), left_out: Vec::new() }, None));
    }
    let path = Path::new(spec);
    if let Err(source) = fs::metadata(path) {
        let problem = "no such data set".to_owned();
        let remedy = "give a folder, a CSV manifest or `demo`".to_owned();
        return Err(match source.kind() {
            std::io::ErrorKind::NotFound => DataError::Unusable { path: path.to_owned(), problem, remedy },
            _ => DataError::Io { path: path.to_owned(), source },
        });
    }
    let (at, layout) = unwrapped(path)?;
    let mut reading = match layout {
        Some(layout) => (layout.read)(&at, options)?,
        None => {
            return Err(DataError::Unusable {
                path: path.to_owned(),
                problem: "no layout of a data set is recognised here".into(),
                remedy: "make one folder of sounds for each class, a CSV manifest with the columns path and label, or put a \
                         table of marks beside each recording"
                    .into(),
            });
        }
    };
    if at != path {
        // It is called as the person calls it who gave the folder around it.
        reading.dataset.name = name_of(path);
        reading.dataset.notes.push(format!("{}: the data set was found here", at.display()));
    }
    reading.problems.extend(labels::tidy(&mut reading.dataset, spec));
    Ok((reading, Some(at)))
}

/// The folder of the data set, which is the one given or the only one with sounds in it, as archives unpack; and its layout.
/// Each folder is asked about once: some layouts walk all of it to know.
fn unwrapped(path: &Path) -> Result<(PathBuf, Option<&'static Layout>), DataError> {
    let other = |at: &Path| {
        let others = LAYOUTS.iter().filter(|layout| layout.name != folders::LAYOUT.name);
        others.into_iter().find(|layout| (layout.recognise)(at))
    };
    let mut at = path.to_owned();
    for _ in 0..WRAPPERS {
        if let Some(layout) = other(&at) {
            return Ok((at, Some(layout)));
        }
        let inner = if at.is_dir() { folders::wrapped(&at, |at| other(at).is_some())? } else { None };
        match inner {
            Some(inner) => at = inner,
            None => {
                let folders = Some(&folders::LAYOUT).filter(|layout| (layout.recognise)(&at));
                return Ok((at, folders));
            }
        }
    }
    let layout = LAYOUTS.iter().find(|layout| (layout.recognise)(&at));
    Ok((at, layout))
}

/// The name of a data set from its path: its folder's, even when that is given as `.`.
fn name_of(path: &Path) -> String {
    let name = file_name(path);
    if name.is_empty() || name == ".." {
        path.canonicalize().map_or_else(|_| "data".into(), |path| file_name(&path))
    } else {
        name
    }
}

/// A path below `root` as a stable name with forward slashes; one elsewhere as a whole.
fn id_of(root: &Path, path: &Path) -> String {
    let relative = path.strip_prefix(root).unwrap_or(path);
    let name = |part: Component<'_>| match part {
        // What comes before the first slash, which is itself put between the parts.
        Component::RootDir => String::new(),
        part => part.as_os_str().to_string_lossy().into_owned(),
    };
    relative.components().map(name).collect::<Vec<_>>().join("/")
}

/// The lines of a text file that are not blank.
fn lines(path: &Path) -> Result<Vec<String>, DataError> {
    let text =
        regular::text_up_to(path, limits::TABLE).map_err(|source| DataError::Io { path: path.to_owned(), source })?;
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

/// Sounds below a folder that are none of these clips.
fn unlisted(folder: &Path, items: &[Item]) -> Result<Vec<LeftOut>, DataError> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let named: HashSet<&Path> = items
        .iter()
        .filter_map(|item| if let Source::File(path) = &item.source { Some(path.as_path()) } else { None })
        .collect();
    let Tree { sounds, mut left_out } = tree(folder)?;
    let others = sounds.into_iter().filter(|path| !named.contains(path.as_path()));
    left_out.extend(others.map(|path| LeftOut { path, reason: Reason::Unlisted }));
    Ok(left_out)
}

/// A sound that a list names and that is not there.
fn missing(path: PathBuf, list: &str) -> Problem {
    Problem::error(
        path,
        format!("{list} names this file, and it is not there"),
        "download it again or take its line out",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clip_is_named_below_its_folder_and_one_elsewhere_by_its_whole_path() {
        let named = |path: &str| id_of(Path::new("/sets/rain"), Path::new(path));
        assert_eq!(named("/sets/rain/a/1.wav"), "a/1.wav");
        if cfg!(unix) {
            assert_eq!(named("/other/1.wav"), "/other/1.wav");
        }
    }
}
