//! A CSV manifest: columns `path` and `label`, and, where wanted, `fold`, `split` and `group`.
//!
//! Several labels of one clip stand in one field, separated by `;`, or in rows of their own.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use csv::StringRecord;

use super::{Layout, Reading, ending_in, id_of, name_of};
use crate::data::{DataError, Dataset, Item, Label, Problem, Source, Split, nearest::did_you_mean};

pub(super) const LAYOUT: Layout = Layout {
    name: "manifest",
    about: "a CSV file with the columns path and label, and optionally fold, split and group",
    recognise: |path| file_of(path).is_some(),
    read,
};

/// The manifest itself: the file given, or `manifest.csv` in the folder given.
fn file_of(path: &Path) -> Option<PathBuf> {
    let inside = path.join("manifest.csv");
    if path.is_dir() { inside.is_file().then_some(inside) } else { ending_in(path, &["csv"]).then(|| path.to_owned()) }
}

/// Where each column stands.
struct Columns {
    path: usize,
    label: usize,
    fold: Option<usize>,
    split: Option<usize>,
    group: Option<usize>,
}

impl Columns {
    fn of(header: &StringRecord, file: &Path) -> Result<Self, DataError> {
        let names: Vec<String> = header.iter().map(|name| name.trim().to_lowercase()).collect();
        let find = |aliases: &[&str]| names.iter().position(|name| aliases.contains(&name.as_str()));
        let must = |what: &str, found: Option<usize>| {
            found.ok_or_else(|| DataError::Unusable {
                path: file.to_owned(),
                problem: format!(
                    "its first line has no column `{what}`{}",
                    did_you_mean(what, names.iter().map(String::as_str))
                ),
                remedy: "begin with a line such as: path,label,fold".into(),
            })
        };
        Ok(Self {
            path: must("path", find(&["path", "file", "filename", "file_name"]))?,
            label: must("label", find(&["label", "labels", "class", "category"]))?,
            fold: find(&["fold"]),
            split: find(&["split", "subset", "partition"]),
            group: find(&["group", "speaker", "source", "src_file"]),
        })
    }
}

/// A clip of the manifest, its rows joined.
struct Clip {
    line: u64,
    path: PathBuf,
    labels: BTreeSet<String>,
    fold: Option<u32>,
    split: Option<Split>,
    group: Option<String>,
}

fn read(path: &Path) -> Result<Reading, DataError> {
    let Some(file) = file_of(path) else {
        return Err(DataError::Io { path: path.to_owned(), source: std::io::ErrorKind::NotFound.into() });
    };
    let root = file.parent().unwrap_or(Path::new("")).to_owned();
    let mut reader = super::csv_reader(&file)?;
    let columns = Columns::of(reader.headers().map_err(|error| super::not_csv(&file, &error))?, &file)?;

    let (mut clips, mut problems) = (Vec::<Clip>::new(), Vec::new());
    let mut by_path: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for (index, row) in reader.into_records().enumerate() {
        let clip = match row {
            Ok(row) => clip_of(&row, &columns, &root),
            Err(error) => {
                problems.push(super::bad_row(&file, index, &error));
                continue;
            }
        };
        let clip = match clip {
            Ok(clip) => clip,
            Err((problem, remedy)) => {
                problems.push(Problem::error(&file, format!("line {}: {problem}", index + 2), remedy));
                continue;
            }
        };
        match by_path.get(&clip.path) {
            Some(&known) => join(&mut clips[known], clip, &file, &mut problems),
            None => {
                by_path.insert(clip.path.clone(), clips.len());
                clips.push(clip);
            }
        }
    }
    clips.retain(|clip| {
        let there = fs::metadata(&clip.path).is_ok_and(|metadata| metadata.is_file());
        if !there {
            let problem = format!("line {} of {} names this file, and it is not there", clip.line, file.display());
            problems.push(Problem::error(
                &clip.path,
                problem,
                "correct the path (it counts from the manifest) or take the line out",
            ));
        }
        there
    });
    for (what, some) in [
        ("fold", clips.iter().filter(|clip| clip.fold.is_some()).count()),
        ("split", clips.iter().filter(|clip| clip.split.is_some()).count()),
    ] {
        if some > 0 && some < clips.len() {
            let problem = format!("{} of {} clips have no {what}", clips.len() - some, clips.len());
            problems.push(Problem::error(&file, problem, format!("give every clip its {what}, or none")));
        }
    }

    let classes: Vec<String> =
        clips.iter().flat_map(|clip| clip.labels.iter().cloned()).collect::<BTreeSet<_>>().into_iter().collect();
    let many = clips.iter().any(|clip| clip.labels.len() > 1);
    let items = clips
        .into_iter()
        .map(|clip| {
            let holds: Vec<bool> = classes.iter().map(|class| clip.labels.contains(class)).collect();
            Item {
                id: id_of(&root, &clip.path),
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
    let name = file.file_stem().map_or_else(|| "manifest".into(), |stem| stem.to_string_lossy().into_owned());
    let dataset = Dataset {
        name: if path.is_dir() { name_of(path) } else { name },
        root: Some(root),
        layout: LAYOUT.name,
        classes,
        items,
        recipe: None,
        notes: Vec::new(),
    };
    Ok(Reading { dataset, problems })
}

/// One row; what is wrong with it and the remedy otherwise.
fn clip_of(row: &StringRecord, columns: &Columns, root: &Path) -> Result<Clip, (String, String)> {
    let field = |column: usize| row.get(column).map(str::trim).filter(|field| !field.is_empty());
    let needed = |column: usize, what: &str| {
        field(column).ok_or_else(|| (format!("there is no {what}"), "fill it in or take the line out".to_owned()))
    };
    let labels: BTreeSet<String> = needed(columns.label, "label")?
        .split(';')
        .map(str::trim)
        .filter(|label| !label.is_empty())
        .map(str::to_owned)
        .collect();
    let fold = match columns.fold.and_then(field) {
        None => None,
        Some(fold) => {
            Some(fold.parse().map_err(|_| (format!("`{fold}` is not a fold"), "number folds 1, 2, ...".to_owned()))?)
        }
    };
    let split = match columns.split.and_then(field) {
        None => None,
        Some(name) => Some(
            Split::from_name(name)
                .ok_or_else(|| (format!("`{name}` is not a split"), "write train, val or test".to_owned()))?,
        ),
    };
    Ok(Clip {
        line: row.position().map_or(0, csv::Position::line),
        path: root.join(needed(columns.path, "path")?),
        labels,
        fold,
        split,
        group: columns.group.and_then(field).map(str::to_owned),
    })
}

/// A further row of a clip adds its labels; everything else must agree.
fn join(known: &mut Clip, further: Clip, file: &Path, problems: &mut Vec<Problem>) {
    if (known.fold, known.split) != (further.fold, further.split) {
        let problem =
            format!("lines {} and {} put one clip on two sides: {}", known.line, further.line, known.path.display());
        problems.push(Problem::error(file, problem, "give both rows the same fold and split"));
    }
    known.labels.extend(further.labels);
}
