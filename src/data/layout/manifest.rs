//! A manifest: a table with the columns `path` and `label`, and, where wanted, `fold`, `split` and `group`; also Hugging
//! Face's `metadata.csv` or `.jsonl` beside or above the sounds (audiofolder).
//!
//! Several labels of one clip stand in one field, separated by `;` (in a column `labels` also by commas), in a list, or
//! in rows of their own.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{
    Layout, Reading,
    columns::{self, Columns},
    ending_in, id_of, name_of,
    places::{Found, Places},
    table::{Field, Row, Table},
    walk::Listing,
};
use crate::{
    data::{DataError, Dataset, FileCount, Item, Label, LeftOut, Problem, Reason, Source, Split},
    limits,
};

const MANIFEST: &str = "manifest";
const FOLDER: &str = "audiofolder";

pub(super) const LAYOUT: Layout = Layout {
    name: MANIFEST,
    about: "a CSV, TSV or JSONL file with the columns path and label, and optionally fold, split and group",
    recognise: |path| file_of(path).is_some(),
    read: |path, _| {
        let file = file_of(path).ok_or_else(|| not_there(path))?;
        let root = file.parent().unwrap_or(Path::new("")).to_owned();
        let stem = file.file_stem().map_or_else(|| "manifest".into(), |stem| stem.to_string_lossy().into_owned());
        let name = if path.is_dir() { name_of(path) } else { stem };
        read(MANIFEST, name, &root, &[(file, None)])
    },
};

pub(super) const AUDIOFOLDER: Layout = Layout {
    name: FOLDER,
    about: "Hugging Face's audiofolder: metadata.csv or .jsonl with file_name and label, here or in train/, test/",
    recognise: |path| !metadata_of(path).is_empty(),
    read: |path, _| read(FOLDER, name_of(path), path, &metadata_of(path)),
};

/// Endings of tables.
const TABLES: &[&str] = &["csv", "tsv", "jsonl", "ndjson"];
/// Findings of one kind that are listed one by one.
const LISTED: usize = 100;

fn not_there(path: &Path) -> DataError {
    DataError::Io { path: path.to_owned(), source: std::io::ErrorKind::NotFound.into() }
}

/// The manifest itself: the file given, or `manifest.csv` (`.tsv`, `.jsonl`) in the folder given.
fn file_of(path: &Path) -> Option<PathBuf> {
    if path.is_dir() {
        TABLES.iter().map(|ending| path.join(format!("manifest.{ending}"))).find(|file| file.is_file())
    } else {
        ending_in(path, TABLES).then(|| path.to_owned())
    }
}

/// Hugging Face's tables, each with the split that its folder means: in the folder itself, or in folders of splits.
fn metadata_of(root: &Path) -> Vec<(PathBuf, Option<Split>)> {
    let inside = |folder: &Path| {
        let candidates = TABLES.iter().map(|ending| folder.join(format!("metadata.{ending}")));
        candidates.filter(|file| file.is_file()).find(|file| {
            Table::read(file, columns::is_metadata).is_ok_and(|table| columns::is_metadata(&table.lower()))
        })
    };
    if !root.is_dir() {
        return Vec::new();
    }
    if let Some(file) = inside(root) {
        return vec![(file, None)];
    }
    let folders = Listing::of(root).map(|listing| listing.folders).unwrap_or_default();
    let parts = folders.iter().filter_map(|folder| Some((folder, Split::from_name(&super::file_name(folder))?)));
    let tables: Vec<_> = parts.filter_map(|(folder, split)| Some((inside(folder)?, Some(split)))).collect();
    let trains = tables.iter().any(|(_, split)| *split == Some(Split::Train));
    if trains { tables } else { Vec::new() }
}

/// Whether a file is a table of labelled sounds.
pub(super) fn is_table(file: &Path) -> bool {
    ending_in(file, TABLES) && Table::read(file, columns::is_list).is_ok_and(|table| columns::is_list(&table.lower()))
}

/// A clip of the manifest, its rows joined.
struct Clip {
    line: u64,
    table: PathBuf,
    path: PathBuf,
    labels: BTreeSet<String>,
    fold: Option<u32>,
    split: Option<Split>,
    group: Option<String>,
}

fn read(
    layout: &'static str,
    name: String,
    root: &Path,
    tables: &[(PathBuf, Option<Split>)],
) -> Result<Reading, DataError> {
    let mut gathered = Gathered::default();
    for (file, split) in tables {
        gathered.add(file, *split)?;
    }
    let Gathered { mut clips, mut problems, .. } = gathered;
    if layout == FOLDER && clips.iter().all(|clip| clip.split.is_none()) {
        split_by_folder(&mut clips, root);
    }
    let file = tables.first().map_or(root, |(file, _)| file);
    for (what, some) in [
        ("fold", clips.iter().filter(|clip| clip.fold.is_some()).count()),
        ("split", clips.iter().filter(|clip| clip.split.is_some()).count()),
    ] {
        if some > 0 && some < clips.len() {
            let problem = format!("{} of {} clips have no {what}", clips.len() - some, clips.len());
            problems.push(Problem::error(file, problem, format!("give every clip its {what}, or none")));
        }
    }

    let left_out = unlisted(&clips, tables);
    let classes: Vec<String> =
        clips.iter().flat_map(|clip| clip.labels.iter().cloned()).collect::<BTreeSet<_>>().into_iter().collect();
    let many = clips.iter().any(|clip| clip.labels.len() > 1);
    let items: Vec<Item> = clips
        .into_iter()
        .map(|clip| {
            let holds: Vec<bool> = classes.iter().map(|class| clip.labels.contains(class)).collect();
            Item {
                id: id_of(root, &clip.path),
                source: Source::File(clip.path),
                label: if many {
                    Label::Many(holds.into_iter().enumerate().collect())
                } else {
                    Label::One(holds.iter().position(|&here| here).unwrap_or_default())
                },
                fold: clip.fold,
                split: clip.split,
                group: clip.group,
            }
        })
        .collect();
    let dataset = Dataset {
        name,
        root: Some(root.to_owned()),
        layout,
        classes,
        found: FileCount::of(items.len(), &left_out),
        items,
        recipe: None,
        notes: Vec::new(),
        marks: None,
        corrections: None,
    };
    Ok(Reading { dataset, problems, left_out })
}

/// The clips of one table or several.
#[derive(Default)]
struct Gathered {
    clips: Vec<Clip>,
    by_path: BTreeMap<PathBuf, usize>,
    problems: Vec<Problem>,
}

impl Gathered {
    fn add(&mut self, file: &Path, split: Option<Split>) -> Result<(), DataError> {
        let root = file.parent().unwrap_or(Path::new(""));
        let mut table = Table::read(file, columns::is_list)?;
        self.problems.append(&mut table.problems);
        let columns = Columns::of(&table, &mut self.problems)?;
        let mut places = Places::below(root);
        let mut otherwise: BTreeMap<&'static str, usize> = BTreeMap::new();
        let (mut gone, mut with_commas) = (0, BTreeSet::new());
        for row in &table.rows {
            let at = |problem: String| format!("line {}: {problem}", row.line);
            let (written, mut clip) = match clip_of(row, &columns, file) {
                Ok(clip) => clip,
                Err((problem, remedy)) => {
                    self.problems.push(Problem::error(file, at(problem), remedy));
                    continue;
                }
            };
            clip.split = clip.split.or(split);
            if !columns.commas {
                with_commas.extend(clip.labels.iter().filter(|label| label.contains(',')).cloned());
            }
            clip.path = match places.find(&written) {
                Found::Here(path) => path,
                Found::Otherwise(path, how) => {
                    *otherwise.entry(how).or_default() += 1;
                    path
                }
                Found::Missing(path, meant) => {
                    gone += 1;
                    if gone <= LISTED {
                        let meant = meant.map_or_else(String::new, |meant| format!(" (did you mean `{meant}`?)"));
                        let problem = format!(
                            "line {} of {} names this file, and it is not there{meant}",
                            row.line,
                            file.display()
                        );
                        let remedy = "correct the path (it counts from the table's folder) or take the line out";
                        self.problems.push(Problem::error(path, problem, remedy));
                    }
                    continue;
                }
            };
            match self.by_path.get(&clip.path) {
                Some(&known) => join(&mut self.clips[known], clip, file, &mut self.problems),
                None => {
                    self.by_path.insert(clip.path.clone(), self.clips.len());
                    self.clips.push(clip);
                }
            }
        }
        if gone > LISTED {
            let problem = format!("and {} more lines name files that are not there", gone - LISTED);
            self.problems.push(Problem::error(file, problem, "correct the paths or take the lines out"));
        }
        for (how, paths) in otherwise {
            let problem = format!("{paths} paths are written with {how}; their files were found");
            self.problems.push(Problem::note(file, problem, "nothing is to be done"));
        }
        if let Some(first) = with_commas.first() {
            let problem = format!("labels hold commas and are read as one class each, such as `{first}`");
            let remedy = "where they are lists, call the column `labels`, or separate labels by `;`";
            self.problems.push(Problem::warning(file, problem, remedy));
        }
        Ok(())
    }
}

/// One row: the path as it is written, and the clip without it; what is wrong and the remedy otherwise.
fn clip_of(row: &Row, columns: &Columns, file: &Path) -> Result<(String, Clip), (String, String)> {
    let missing = |what: &str| (format!("there is no {what}"), "fill it in or take the line out".to_owned());
    let written = row.text(columns.path).ok_or_else(|| missing("path"))?;
    let labels: BTreeSet<String> = match row.field(columns.label).ok_or_else(|| missing("label"))? {
        Field::List(labels) => labels.iter().cloned().collect(),
        Field::Text(text) => text
            .split(|c| c == ';' || (columns.commas && matches!(c, ',' | '|')))
            .map(str::trim)
            .filter(|label| !label.is_empty())
            .map(str::to_owned)
            .collect(),
    };
    if labels.is_empty() {
        return Err(missing("label"));
    }
    if let Some(long) = labels.iter().find(|label| label.chars().count() > limits::LABEL) {
        let problem = format!("its label has {} characters", long.chars().count());
        return Err((problem, "name a class, or choose another column".to_owned()));
    }
    let fold = match row.text(columns.fold.unwrap_or(usize::MAX)) {
        None => None,
        Some(fold) => {
            // A column with gaps comes out of pandas as 1.0, 2.0.
            let whole = fold.strip_suffix(".0").unwrap_or(&fold);
            Some(whole.parse().map_err(|_| (format!("`{fold}` is not a fold"), "number folds 1, 2, ...".to_owned()))?)
        }
    };
    let split = match row.text(columns.split.unwrap_or(usize::MAX)) {
        None => None,
        Some(name) => Some(
            Split::from_name(&name)
                .ok_or_else(|| (format!("`{name}` is not a split"), "write train, val or test".to_owned()))?,
        ),
    };
    let group = row.text(columns.group.unwrap_or(usize::MAX));
    let clip = Clip { line: row.line, table: file.to_owned(), path: PathBuf::new(), labels, fold, split, group };
    Ok((written, clip))
}

/// A further row of a clip adds its labels; everything else must agree.
fn join(known: &mut Clip, further: Clip, file: &Path, problems: &mut Vec<Problem>) {
    if (known.fold, known.split) != (further.fold, further.split) {
        let other = if known.table == file { String::new() } else { format!(" of {}", known.table.display()) };
        let problem = format!(
            "lines {}{other} and {} put one clip on two sides: {}",
            known.line,
            further.line,
            known.path.display()
        );
        problems.push(Problem::error(file, problem, "give both rows the same fold and split"));
    }
    known.labels.extend(further.labels);
}

/// Hugging Face's rule: files below `train/`, `test/` and their kin are those parts, where every file is in one.
fn split_by_folder(clips: &mut [Clip], root: &Path) {
    let part = |clip: &Clip| {
        let below = clip.path.strip_prefix(root).ok()?;
        below.parent()?.components().find_map(|part| Split::from_name(&part.as_os_str().to_string_lossy()))
    };
    let parts: Vec<Option<Split>> = clips.iter().map(part).collect();
    let different: BTreeSet<&str> = parts.iter().flatten().map(|split| split.name()).collect();
    if parts.iter().all(Option::is_some) && different.len() > 1 && different.contains("train") {
        clips.iter_mut().zip(parts).for_each(|(clip, part)| clip.split = part);
    }
}

/// Files in the folders of a table's clips that it does not name.
fn unlisted(clips: &[Clip], tables: &[(PathBuf, Option<Split>)]) -> Vec<LeftOut> {
    let named: BTreeSet<&Path> = clips.iter().map(|clip| clip.path.as_path()).collect();
    let folders: BTreeSet<&Path> = clips.iter().filter_map(|clip| clip.path.parent()).collect();
    let mut left_out = Vec::new();
    for folder in folders {
        let Ok(listing) = Listing::of(folder) else { continue };
        let sounds = listing.sounds.into_iter().filter(|path| !named.contains(path.as_path()));
        left_out.extend(sounds.map(|path| LeftOut { path, reason: Reason::Unlisted }));
        let is_table = |path: &Path| tables.iter().any(|(file, _)| file == path);
        left_out.extend(
            listing.left_out.into_iter().filter(|one| !is_table(&one.path) && !named.contains(one.path.as_path())),
        );
    }
    left_out
}
