//! One folder of sounds for each class; `train/`, `val/` and `test/` or `fold1/`, `fold2/`, ... stand above the class
//! folders or within them.
//!
//! What fits neither is refused by the name of the folder that does not fit: a split folder must never become a class.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::{
    Layout, Reading, file_name, id_of, manifest, name_of,
    walk::{Listing, Tree, ending_in, tree},
};
use crate::data::{DataError, Dataset, FileCount, Item, Label, LeftOut, Problem, Reason, Source, Split};

pub(super) const LAYOUT: Layout = Layout {
    name: "folders",
    about: "one folder of sounds for each class; train/, val/ and test/ above or within them are honoured",
    recognise: |root| root.is_dir() && Listing::of(root).is_ok_and(|listing| !listing.folders.is_empty()),
    read: |root, _| read(root),
};

/// Which part of the data set a folder of this name holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Split(Split),
    Fold(u32),
}

impl Part {
    fn of(folder: &Path) -> Option<Self> {
        let name = file_name(folder).to_lowercase();
        if let Some(split) = Split::from_name(&name) {
            return Some(Self::Split(split));
        }
        let number = name.strip_prefix("fold")?.trim_start_matches(['_', '-', ' ']);
        Some(Self::Fold(number.parse().ok()?))
    }

    /// Whether these are parts of one data set: folds, or a part to train on and another.
    fn divide(parts: &[Option<Self>]) -> bool {
        let splits: BTreeSet<&str> = parts
            .iter()
            .filter_map(|part| if let Some(Self::Split(split)) = part { Some(split.name()) } else { None })
            .collect();
        let folds: BTreeSet<u32> = parts
            .iter()
            .filter_map(|part| if let Some(Self::Fold(fold)) = part { Some(*fold) } else { None })
            .collect();
        (splits.contains("train") && splits.len() > 1 && folds.is_empty()) || (folds.len() > 1 && splits.is_empty())
    }
}

/// A folder of the root with what is below it.
struct Branch {
    folder: PathBuf,
    part: Option<Part>,
    /// Folders, sounds and others directly in it.
    listing: Listing,
    /// Everything below it.
    tree: Tree,
}

impl Branch {
    fn of(folder: PathBuf) -> Result<Self, DataError> {
        Ok(Self { part: Part::of(&folder), listing: Listing::of(&folder)?, tree: tree(&folder)?, folder })
    }

    fn has_sounds(&self) -> bool {
        !self.tree.sounds.is_empty()
    }

    /// Whether some of its sounds are in folders of its own.
    fn has_classes(&self) -> bool {
        self.tree.sounds.len() > self.listing.sounds.len()
    }
}

/// A folder of clips of one class in one part.
struct Class {
    folder: PathBuf,
    name: String,
    part: Option<Part>,
    sounds: Vec<PathBuf>,
}

/// What reading the folders comes to.
#[derive(Default)]
struct Found {
    classes: Vec<Class>,
    problems: Vec<Problem>,
    left_out: Vec<LeftOut>,
}

/// The only folder with sounds in a folder that has none itself, where it is a data set rather than a class: archives
/// unpack to such folders.
pub(super) fn wrapped(root: &Path, is_other_layout: impl Fn(&Path) -> bool) -> Result<Option<PathBuf>, DataError> {
    let listing = Listing::of(root)?;
    if !listing.sounds.is_empty() {
        return Ok(None);
    }
    let mut with_sounds = Vec::new();
    for folder in listing.folders {
        if !tree(&folder)?.sounds.is_empty() || is_other_layout(&folder) {
            with_sounds.push(folder);
        }
        if with_sounds.len() > 1 {
            return Ok(None);
        }
    }
    let Some(inner) = with_sounds.pop() else { return Ok(None) };
    if is_other_layout(&inner) {
        return Ok(Some(inner));
    }
    let below = Listing::of(&inner)?;
    if below.sounds.is_empty() && below.folders.len() == 1 {
        return Ok(wrapped(&inner, is_other_layout)?.map(|_| inner));
    }
    let mut classes = 0;
    for folder in &below.folders {
        classes += usize::from(!tree(folder)?.sounds.is_empty());
    }
    Ok((below.sounds.is_empty() && classes > 1).then_some(inner))
}

fn read(root: &Path) -> Result<Reading, DataError> {
    let listing = Listing::of(root)?;
    let mut found = Found::default();
    found.left_out.extend(listing.left_out);
    found.left_out.extend(listing.sounds.into_iter().map(|path| LeftOut { path, reason: Reason::Beside }));
    let mut branches = listing.folders.into_iter().map(Branch::of).collect::<Result<Vec<_>, _>>()?;
    // A folder of texts is no class, and an empty one is a mistake worth a word.
    let is_of_documents = |branch: &Branch| {
        !branch.has_sounds()
            && !branch.tree.left_out.is_empty()
            && branch.tree.left_out.iter().all(|one| one.reason == Reason::Document)
    };
    for branch in branches.extract_if(.., |branch| is_of_documents(branch)) {
        found.left_out.extend(branch.tree.left_out);
    }

    let parts: Vec<Option<Part>> = branches.iter().map(|branch| branch.part).collect();
    let divided = Part::divide(&parts);
    if divided && branches.iter().any(|branch| branch.part.is_some() && branch.has_classes()) {
        parts_above(branches, &mut found)?;
    } else if divided && branches.iter().all(|branch| branch.part.is_some()) && branches.iter().any(Branch::has_sounds)
    {
        return Err(no_labels(root, &branches));
    } else if let Some(odd) = lone_split(&branches) {
        return Err(odd);
    } else if parts_are_within(&branches)? {
        parts_within(branches, &mut found)?;
    } else {
        found.classes.extend(branches.into_iter().map(|branch| {
            found.left_out.extend(branch.tree.left_out);
            Class { name: file_name(&branch.folder), folder: branch.folder, part: None, sounds: branch.tree.sounds }
        }));
    }
    dataset(root, found)
}

/// Split folders with class folders in them.
fn parts_above(branches: Vec<Branch>, found: &mut Found) -> Result<(), DataError> {
    let names: Vec<String> =
        branches.iter().filter(|branch| branch.part.is_some()).map(|branch| file_name(&branch.folder)).collect();
    for branch in branches {
        if branch.part.is_none() {
            if branch.has_sounds() {
                return Err(odd(&branch.folder, &names));
            }
            found.left_out.extend(branch.tree.left_out);
            continue;
        }
        found.left_out.extend(branch.listing.left_out);
        found.left_out.extend(branch.listing.sounds.into_iter().map(|path| LeftOut { path, reason: Reason::Beside }));
        for folder in branch.listing.folders {
            let Tree { sounds, left_out } = tree(&folder)?;
            found.left_out.extend(left_out);
            found.classes.push(Class { name: file_name(&folder), folder, part: branch.part, sounds });
        }
    }
    Ok(())
}

/// Whether class folders are divided within: `dog/train`, `dog/test`.
fn parts_are_within(branches: &[Branch]) -> Result<bool, DataError> {
    let parts = branches.iter().flat_map(|branch| branch.listing.folders.iter().map(|folder| Part::of(folder)));
    Ok(Part::divide(&parts.collect::<Vec<_>>()))
}

/// Class folders with split folders in them.
fn parts_within(branches: Vec<Branch>, found: &mut Found) -> Result<(), DataError> {
    for branch in branches {
        let class = file_name(&branch.folder);
        let inner = &branch.listing.folders;
        let names: Vec<String> =
            inner.iter().filter(|folder| Part::of(folder).is_some()).map(|folder| file_name(folder)).collect();
        if !branch.has_sounds() {
            let Branch { folder, part, tree, .. } = branch;
            found.left_out.extend(tree.left_out);
            found.classes.push(Class { folder, name: class, part, sounds: Vec::new() });
            continue;
        }
        if names.is_empty() {
            return Err(DataError::Unusable {
                path: branch.folder,
                problem: "other class folders are divided into train, test and the like, and this one is not".into(),
                remedy: "divide it likewise, or put all clips directly into their class folders".into(),
            });
        }
        if let Some(loose) = branch.listing.sounds.first() {
            return Err(odd(loose, &names));
        }
        found.left_out.extend(branch.listing.left_out);
        for folder in branch.listing.folders {
            let Tree { sounds, left_out } = tree(&folder)?;
            found.left_out.extend(left_out);
            match Part::of(&folder) {
                None if sounds.is_empty() => {}
                None => return Err(odd(&folder, &names)),
                part => found.classes.push(Class { name: class.clone(), folder, part, sounds }),
            }
        }
    }
    Ok(())
}

/// A single split folder with classes in it, beside something that holds sounds too: neither classes nor a division.
fn lone_split(branches: &[Branch]) -> Option<DataError> {
    let split = branches.iter().find(|branch| {
        matches!(branch.part, Some(Part::Split(_))) && branch.has_classes() && branch.listing.sounds.is_empty()
    })?;
    let other = branches.iter().find(|branch| branch.part != split.part && branch.has_sounds())?;
    // Where every folder holds folders, `train` may be a vehicle.
    (!other.listing.sounds.is_empty()).then(|| odd(&other.folder, &[file_name(&split.folder)]))
}

fn odd(path: &Path, beside: &[String]) -> DataError {
    let beside = match beside {
        [] => "the parts of the data set".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    };
    DataError::Unusable {
        path: path.to_owned(),
        problem: format!(
            "it is beside {beside} and is not a part of that kind, so it is unclear what its sounds are for"
        ),
        remedy: "move it into one of them, or out of the data set's folder".into(),
    }
}

fn no_labels(root: &Path, branches: &[Branch]) -> DataError {
    let names: Vec<String> = branches.iter().map(|branch| file_name(&branch.folder)).collect();
    DataError::Unusable {
        path: root.to_owned(),
        problem: format!("{} are parts of a data set, and there are no class folders in them", names.join(", ")),
        remedy:
            "make one folder for each class in each of them, or a CSV manifest with the columns path, label and split"
                .into(),
    }
}

fn dataset(root: &Path, found: Found) -> Result<Reading, DataError> {
    let Found { mut classes, mut problems, mut left_out } = found;
    for class in &classes {
        if class.sounds.is_empty() {
            problems.push(Problem::error(
                &class.folder,
                "this class folder has no sound files",
                "add clips (.wav, .flac, .ogg, .mp3) or remove the folder",
            ));
        }
    }
    classes.sort_by(|a, b| a.folder.cmp(&b.folder));
    let names: Vec<String> =
        classes.iter().map(|class| class.name.clone()).collect::<BTreeSet<_>>().into_iter().collect();
    if let [only] = names.as_slice()
        && let Some(table) = table_beside(root)
    {
        problems.push(Problem::error(
            root,
            format!("its only folder of sounds is `{only}`"),
            format!("if {} says their classes, give that file as the data set", table.display()),
        ));
    }
    let mut items = Vec::new();
    for class in classes {
        let label = names.binary_search(&class.name).unwrap_or_default();
        let (fold, split) = match class.part {
            None => (None, None),
            Some(Part::Split(split)) => (None, Some(split)),
            Some(Part::Fold(fold)) => (Some(fold), None),
        };
        items.extend(class.sounds.into_iter().map(|path| Item {
            id: id_of(root, &path),
            source: Source::File(path),
            label: Label::One(label),
            fold,
            split,
            group: None,
        }));
    }
    left_out.sort_by(|a, b| a.path.cmp(&b.path));
    let dataset = Dataset {
        name: name_of(root),
        root: Some(root.to_owned()),
        layout: LAYOUT.name,
        classes: names,
        found: FileCount::of(items.len(), &left_out),
        items,
        recipe: None,
        notes: Vec::new(),
        marks: None,
        corrections: None,
    };
    Ok(Reading { dataset, problems, left_out })
}

/// A table of labelled sounds directly in the folder.
fn table_beside(root: &Path) -> Option<PathBuf> {
    let others = Listing::of(root).ok()?.left_out;
    others
        .into_iter()
        .map(|one| one.path)
        .find(|path| ending_in(path, &["csv", "tsv", "jsonl"]) && manifest::is_table(path))
}
