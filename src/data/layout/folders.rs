//! One folder of sounds for each class, with or without `train/`, `val/` and `test/` above them.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::{
    Layout, OTHER_ENDINGS, Reading, SOUND_ENDINGS, ending_in, entries, file_name, files_below, id_of, name_of,
};
use crate::data::{DataError, Dataset, Item, Label, Problem, Source, Split};

pub(super) const LAYOUT: Layout = Layout {
    name: "folders",
    about: "one folder of sounds for each class; train/, val/ and test/ above them are honoured",
    recognise: |root| subfolders(root).is_ok_and(|folders| !folders.is_empty()),
    read,
};

fn subfolders(root: &Path) -> Result<Vec<PathBuf>, DataError> {
    Ok(entries(root)?.into_iter().filter(|path| path.is_dir()).collect())
}

fn read(root: &Path) -> Result<Reading, DataError> {
    let folders = subfolders(root)?;
    let parts: Vec<Option<Split>> = folders.iter().map(|folder| Split::from_name(&file_name(folder))).collect();
    let is_split = parts.contains(&Some(Split::Train)) && parts.len() > 1 && parts.iter().all(Option::is_some);

    let mut class_folders = Vec::new();
    if is_split {
        for (folder, part) in folders.iter().zip(&parts) {
            class_folders.extend(subfolders(folder)?.into_iter().map(|folder| (folder, *part)));
        }
    } else {
        class_folders.extend(folders.into_iter().map(|folder| (folder, None)));
    }
    let classes: Vec<String> =
        class_folders.iter().map(|(folder, _)| file_name(folder)).collect::<BTreeSet<_>>().into_iter().collect();

    let (mut items, mut problems) = (Vec::new(), Vec::new());
    for (folder, split) in &class_folders {
        let label = classes.binary_search(&file_name(folder)).unwrap_or_default();
        let (sounds, others): (Vec<_>, Vec<_>) =
            files_below(folder)?.into_iter().partition(|path| ending_in(path, SOUND_ENDINGS));
        for path in others.iter().filter(|path| ending_in(path, OTHER_ENDINGS)) {
            problems.push(Problem::warning(
                path,
                "this kind of sound file is not read",
                "convert it: ffmpeg -i FILE FILE.wav",
            ));
        }
        if sounds.is_empty() {
            problems.push(Problem::error(
                folder,
                "this class folder has no sound files",
                "add clips (.wav, .flac, .ogg, .mp3) or remove the folder",
            ));
        }
        items.extend(sounds.into_iter().map(|path| Item {
            id: id_of(root, &path),
            source: Source::File(path),
            label: Label::One(label),
            fold: None,
            split: *split,
            group: None,
        }));
    }
    let dataset = Dataset {
        name: name_of(root),
        root: Some(root.to_owned()),
        layout: LAYOUT.name,
        classes,
        items,
        recipe: None,
        notes: Vec::new(),
    };
    Ok(Reading { dataset, problems })
}
