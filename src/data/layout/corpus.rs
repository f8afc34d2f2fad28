//! Sounds to pretrain on: whatever is below some folders, labelled by folder where there are folders.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::{demo, file_name, id_of, name_of, tree, walk::Listing};
use crate::data::{DataError, Dataset, FileCount, Item, Label, Source};

/// The class folder whose sounds are of unknown class.
const UNLABELLED: &str = "unlabelled";

/// The sounds below some folders, and others like `demo`'s where it is named. A folder directly below one of them is a class,
/// unless it is called `unlabelled`; what is in no such folder has no class.
///
/// # Errors
/// When a folder cannot be read, or there is no sound at all.
pub fn open_corpus(specs: &[String]) -> Result<Dataset, DataError> {
    let mut found: Vec<(Option<String>, String, Source)> = Vec::new();
    let mut left_out = Vec::new();
    for spec in specs {
        if spec == demo::NAME {
            let demo = demo::pretraining();
            for item in demo.items {
                let class = if let Label::One(class) = item.label { demo.classes.get(class).cloned() } else { None };
                found.push((class, format!("demo/{}", item.id), item.source));
            }
            continue;
        }
        let root = Path::new(spec);
        let name = name_of(root);
        let listing = Listing::of(root)?;
        left_out.extend(listing.left_out);
        let mut below: Vec<(Option<String>, PathBuf)> = listing.sounds.into_iter().map(|path| (None, path)).collect();
        for folder in listing.folders {
            let class = Some(file_name(&folder)).filter(|class| class != UNLABELLED);
            let sounds = tree(&folder)?;
            left_out.extend(sounds.left_out);
            below.extend(sounds.sounds.into_iter().map(|path| (class.clone(), path)));
        }
        // By path, whatever is in folders: the order decides who validates.
        below.sort_by(|a, b| a.1.cmp(&b.1));
        found.extend(
            below
                .into_iter()
                .map(|(class, path)| (class, format!("{name}/{}", id_of(root, &path)), Source::File(path))),
        );
    }
    if found.is_empty() {
        return Err(DataError::Request(format!(
            "there is no sound in {}; give folders with .wav, .flac, .ogg or .mp3 files",
            specs.join(", ")
        )));
    }
    let classes: Vec<String> =
        found.iter().filter_map(|(class, ..)| class.clone()).collect::<BTreeSet<_>>().into_iter().collect();
    let items: Vec<Item> = found
        .into_iter()
        .map(|(class, id, source)| {
            let label = class.and_then(|class| classes.binary_search(&class).ok());
            // Nothing annotated is nothing known.
            let label = label.map_or(Label::Many(Vec::new()), Label::One);
            Item { id, source, label, fold: None, split: None, group: None }
        })
        .collect();
    Ok(Dataset {
        name: specs.first().map_or_else(|| "sounds".into(), |spec| name_of(Path::new(spec))),
        root: None,
        layout: "corpus",
        classes,
        found: FileCount::of(items.len(), &left_out),
        items,
        recipe: None,
        notes: Vec::new(),
        marks: None,
        corrections: None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn folders_are_classes_and_the_rest_is_unlabelled() {
        let root = tempfile::tempdir().unwrap();
        for path in ["dog/a.wav", "dog/deep/b.flac", "cat/c.ogg", "unlabelled/d.wav", "e.mp3", "dog/notes.txt"] {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, []).unwrap();
        }
        let corpus = open_corpus(&[root.path().display().to_string()]).unwrap();
        assert_eq!(corpus.classes, ["cat", "dog"]);
        let labels: Vec<&Label> = corpus.items.iter().map(|item| &item.label).collect();
        let none = &Label::Many(Vec::new());
        assert_eq!(labels, [&Label::One(0), &Label::One(1), &Label::One(1), none, none]);
        let empty = tempfile::tempdir().unwrap();
        assert!(open_corpus(&[empty.path().display().to_string()]).unwrap_err().to_string().contains("no sound"));
    }
}
