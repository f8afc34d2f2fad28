//! The layouts data sets come in, each recognised from its content by its own file.

mod corpus;
mod demo;
mod esc50;
mod folders;
mod gtzan;
mod manifest;
mod openmic;
mod speech_commands;
mod urbansound8k;

use std::{
    fs,
    path::{Path, PathBuf},
};

pub use corpus::open_corpus;

use super::{DataError, Dataset, Problem, problem};

/// A data set as it was read, with everything that is wrong with its structure.
#[derive(Clone, Debug)]
pub struct Reading {
    /// What could be read.
    pub dataset: Dataset,
    /// What could not, or looks odd. Sounds are not opened here.
    pub problems: Vec<Problem>,
}

/// A layout: how to know it and how to read it.
pub struct Layout {
    /// Its name, as in [`Dataset::layout`].
    pub name: &'static str,
    /// What it looks like, for people.
    pub about: &'static str,
    recognise: fn(&Path) -> bool,
    read: fn(&Path) -> Result<Reading, DataError>,
}

/// Every layout that can be on disk, the most particular first.
pub const LAYOUTS: &[Layout] = &[
    esc50::LAYOUT,
    urbansound8k::LAYOUT,
    speech_commands::LAYOUT,
    gtzan::LAYOUT,
    openmic::LAYOUT,
    manifest::LAYOUT,
    folders::LAYOUT,
];

/// Opens a data set: `demo`, a folder in one of the [`LAYOUTS`], or a CSV manifest. No sound is decoded yet.
///
/// # Errors
/// When it is not there, has no known layout, or something in its structure stops training; the message
/// names the first such thing.
pub fn open(spec: &str) -> Result<Dataset, DataError> {
    let Reading { mut dataset, problems } = read(spec)?;
    problem::refuse(spec, &problems)?;
    dataset.notes.extend(problems.iter().map(Problem::to_string));
    Ok(dataset)
}

/// Reads a data set with all of its structural problems, for `data check`.
///
/// # Errors
/// When it is not there or has no known layout.
pub fn read(spec: &str) -> Result<Reading, DataError> {
    if spec == demo::NAME {
        return Ok(Reading { dataset: demo::dataset(), problems: Vec::new() });
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
    match LAYOUTS.iter().find(|layout| (layout.recognise)(path)) {
        Some(layout) => (layout.read)(path),
        None => Err(DataError::Unusable {
            path: path.to_owned(),
            problem: "no layout of a data set is recognised here".into(),
            remedy: "make one folder of sounds for each class, or a CSV manifest with the columns path and label"
                .into(),
        }),
    }
}

/// Endings of the files that [`crate::audio::load`] decodes.
const SOUND_ENDINGS: &[&str] = crate::audio::SOUND_ENDINGS;
/// Endings of sound files that it does not decode.
const OTHER_ENDINGS: &[&str] =
    &["wma", "amr", "ape", "wv", "ac3", "dts", "spx", "ra", "tta", "mpc", "dsf", "sph", "voc"];

fn ending_in(path: &Path, endings: &[&str]) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    endings.contains(&ending.as_str())
}

/// The entries of a folder that are not hidden, by name.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let io_error = |source| DataError::Io { path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(io_error)? {
        let path = entry.map_err(io_error)?.path();
        if !file_name(&path).starts_with('.') {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// All files below a folder, by path; hidden ones and links that lead in circles are passed over.
fn files_below(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    const DEEPEST: usize = 8;
    fn walk(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), DataError> {
        for path in entries(folder)? {
            if path.is_dir() {
                if depth < DEEPEST {
                    walk(&path, depth + 1, files)?;
                }
            } else {
                files.push(path);
            }
        }
        Ok(())
    }
    let mut files = Vec::new();
    walk(folder, 0, &mut files)?;
    Ok(files)
}

/// The last part of a path, for people.
fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
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

/// A path below `root` as a stable name with forward slashes.
fn id_of(root: &Path, path: &Path) -> String {
    let relative = path.strip_prefix(root).unwrap_or(path);
    relative.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// A reader of a CSV file whose rows may differ in length.
fn csv_reader(path: &Path) -> Result<csv::Reader<fs::File>, DataError> {
    let file = fs::File::open(path).map_err(|source| DataError::Io { path: path.to_owned(), source })?;
    Ok(csv::ReaderBuilder::new().flexible(true).from_reader(file))
}

fn not_csv(path: &Path, error: &csv::Error) -> DataError {
    DataError::Unusable {
        path: path.to_owned(),
        problem: format!("it is not CSV text ({error})"),
        remedy: "save it as CSV in UTF-8".into(),
    }
}

/// A row that cannot be understood; rows count from 0 after the header.
fn bad_row(path: &Path, row: usize, error: &csv::Error) -> Problem {
    Problem::error(path, format!("line {}: {error}", row + 2), "correct the line or take it out")
}

/// The rows of a CSV file that can be understood, and what is wrong with the others.
fn rows<Row: serde::de::DeserializeOwned>(path: &Path) -> Result<(Vec<Row>, Vec<Problem>), DataError> {
    let (mut rows, mut problems) = (Vec::new(), Vec::new());
    for (index, row) in csv_reader(path)?.into_deserialize().enumerate() {
        match row {
            Ok(row) => rows.push(row),
            Err(error) => problems.push(bad_row(path, index, &error)),
        }
    }
    Ok((rows, problems))
}

/// The lines of a text file that are not blank.
fn lines(path: &Path) -> Result<Vec<String>, DataError> {
    let text = fs::read_to_string(path).map_err(|source| DataError::Io { path: path.to_owned(), source })?;
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

/// A sound that a list names and that is not there.
fn missing(path: PathBuf, list: &str) -> Problem {
    Problem::error(
        path,
        format!("{list} names this file, and it is not there"),
        "download it again or take its line out",
    )
}
