//! Which clips a data set consists of: name, label and content of each, so that another folder of the same name, or swapped
//! classes, are distinguished from what a run was trained on.

use std::{
    collections::{BTreeMap, HashSet},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    CorrectionsRecord, DataError, Dataset, Division, FileCount, Item, Label, Source, Split, content,
    parallel::{self, Progress},
};
use crate::{audio::AudioError, digits::hex};

/// Which data a run is of, as its first event says it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataRecord {
    /// The data set's folder or table as an absolute path; none for `demo`, nor for a corpus of several folders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// SHA-256 over name, label and content of every clip that trains or validates, in hexadecimal.
    pub digest: String,
    /// Files found and files used.
    #[serde(default)]
    pub found: FileCount,
    /// The corrections of its labels that were in force; none where there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrections: Option<CorrectionsRecord>,
}

/// One clip of a run's data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClipRecord {
    /// Its name within the data set.
    pub id: String,
    /// What it does in the run.
    pub part: Split,
    /// Names of the classes that it holds, with `;` between.
    pub label: String,
    /// SHA-256 of its file; for a window of a marked recording of that, its places and what is known of it. Empty for a clip
    /// of the test part, which training does not read.
    pub sha256: String,
    /// SHA-256 of the recording that it is a window of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording: Option<String>,
}

/// The clips of a run's data, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClipList(pub Vec<ClipRecord>);

impl ClipList {
    /// The clips of a divided data set. Those that train or validate are read, unless they were before.
    ///
    /// # Errors
    /// When a file cannot be read; [`DataError::Cancelled`].
    pub fn of(dataset: &Dataset, division: &Division, progress: Progress<'_>) -> Result<Self, DataError> {
        let read = [division.train.as_slice(), &division.val].concat();
        let contents = dataset.contents(&read, progress)?;
        let record = |part, index: usize, sha256: String| {
            let item = dataset.items.get(index)?;
            // Its file was read for its content just now.
            let recording = match &item.source {
                Source::Part(part) if !sha256.is_empty() => content::digest(&part.path).ok().map(hex),
                _ => None,
            };
            Some(ClipRecord { id: item.id.clone(), part, label: dataset.label_of(item), sha256, recording })
        };
        let parts =
            [Split::Train].repeat(division.train.len()).into_iter().chain([Split::Val].repeat(division.val.len()));
        let mut clips: Vec<ClipRecord> = parts
            .zip(read.iter().zip(contents))
            .filter_map(|(part, (&index, content))| record(part, index, hex(content)))
            .chain(division.test.iter().filter_map(|&index| record(Split::Test, index, String::new())))
            .collect();
        clips.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(Self(clips))
    }

    /// The digest over name, label and content of what trains and validates. Which of both a clip does is not in it, so
    /// every fold of a data set has the same.
    pub fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        for clip in self.0.iter().filter(|clip| clip.part != Split::Test) {
            for field in [&clip.id, &clip.label, &clip.sha256] {
                hasher.update((field.len() as u64).to_le_bytes());
                hasher.update(field.as_bytes());
            }
        }
        hex(hasher.finalize())
    }

    /// How the clips differ from those that they should be, for people; `None` where they do not.
    pub fn difference(&self, should: &Self) -> Option<String> {
        let by_id = |list: &Self| -> BTreeMap<String, ClipRecord> {
            list.0.iter().filter(|clip| clip.part != Split::Test).map(|clip| (clip.id.clone(), clip.clone())).collect()
        };
        let (now, was) = (by_id(self), by_id(should));
        let gone: Vec<&String> = was.keys().filter(|id| !now.contains_key(*id)).collect();
        let new: Vec<&String> = now.keys().filter(|id| !was.contains_key(*id)).collect();
        let both = || was.iter().filter_map(|(id, was)| Some((id, was, now.get(id)?)));
        let relabelled: Vec<_> = both().filter(|(_, was, now)| was.label != now.label).collect();
        let changed: Vec<&String> =
            both().filter(|(_, was, now)| was.sha256 != now.sha256).map(|(id, ..)| id).collect();
        let mut parts = Vec::new();
        let mut say = |what: &str, ids: &[&String]| {
            if let Some(first) = ids.first() {
                parts.push(format!("{} {what} ({first}{})", ids.len(), if ids.len() > 1 { ", ..." } else { "" }));
            }
        };
        say("hold another sound", &changed);
        say("are gone", &gone);
        say("are new", &new);
        if let Some((id, was, now)) = relabelled.first() {
            parts.push(format!("{} have another label ({id}: `{}`, now `{}`)", relabelled.len(), was.label, now.label));
        }
        (!parts.is_empty()).then(|| format!("of {} clips {}", was.len(), parts.join(", ")))
    }

    /// Contents of the files that trained, as clips or as recordings with windows that did.
    pub fn trained(&self) -> HashSet<&str> {
        let clips = self.0.iter().filter(|clip| clip.part == Split::Train);
        clips.map(|clip| clip.recording.as_ref().unwrap_or(&clip.sha256).as_str()).collect()
    }

    /// Whether a data set has the very names and labels of this list, whatever its sounds hold.
    pub fn names(&self, dataset: &Dataset) -> bool {
        let known: HashSet<(&str, &str)> = self.0.iter().map(|clip| (clip.id.as_str(), clip.label.as_str())).collect();
        known.len() == dataset.items.len()
            && dataset.items.iter().all(|item| known.contains(&(item.id.as_str(), dataset.label_of(item).as_str())))
    }
}

impl Dataset {
    /// SHA-256 of these clips' files, in the order of `items`; a file that this process read before is not read again.
    ///
    /// # Errors
    /// When a file cannot be read; [`DataError::Cancelled`].
    pub fn contents(&self, items: &[usize], progress: Progress<'_>) -> Result<Vec<[u8; 32]>, DataError> {
        let content = |item| content_of(item, &self.classes);
        let work = |(): &mut (), place: usize| self.items.get(items[place]).map_or(Ok([0; 32]), content);
        let contents = parallel::map(items.len(), || (), work, progress).ok_or(DataError::Cancelled)?;
        contents.into_iter().collect()
    }

    /// SHA-256 of the files that these clips are, or are windows of: what [`ClipList::trained`] is compared with.
    ///
    /// # Errors
    /// As [`Dataset::contents`].
    pub fn files(&self, items: &[usize], progress: Progress<'_>) -> Result<Vec<[u8; 32]>, DataError> {
        let file = |item: &Item| match &item.source {
            Source::Part(part) => digest_of(&part.path),
            _ => content_of(item, &self.classes),
        };
        let work = |(): &mut (), place: usize| self.items.get(items[place]).map_or(Ok([0; 32]), file);
        let contents = parallel::map(items.len(), || (), work, progress).ok_or(DataError::Cancelled)?;
        contents.into_iter().collect()
    }

    /// Names of the classes that a clip holds, with `;` between; `not dog;cat` where only that is known.
    pub fn label_of(&self, item: &Item) -> String {
        let names = |classes: &[usize]| {
            let names: Vec<&str> =
                classes.iter().filter_map(|&class| self.classes.get(class)).map(String::as_str).collect();
            names.join(";")
        };
        match &item.label {
            Label::Not(classes) => format!("not {}", names(classes)),
            label => names(&label.present()),
        }
    }
}

fn digest_of(path: &Path) -> Result<[u8; 32], DataError> {
    content::digest(path).map_err(|source| DataError::Audio(AudioError::Io { path: path.to_owned(), source }))
}

fn content_of(item: &Item, classes: &[String]) -> Result<[u8; 32], DataError> {
    match &item.source {
        Source::File(path) => digest_of(path),
        // Marks that moved, or that say something else, make other data of the same recording.
        Source::Part(part) => {
            let mut hash = Sha256::new().chain_update(digest_of(&part.path)?).chain_update(part.samples.to_le_bytes());
            part.starts.iter().for_each(|start| hash.update(start.to_le_bytes()));
            if let Label::Many(known) = &item.label {
                let name = |class: usize| classes.get(class).map_or("", String::as_str);
                let mut known: Vec<(&str, bool)> = known.iter().map(|&(class, here)| (name(class), here)).collect();
                known.sort_unstable();
                known.into_iter().for_each(|(name, here)| {
                    hash.update((name.len() as u64).to_le_bytes());
                    hash.update(name.as_bytes());
                    hash.update([u8::from(here)]);
                });
            }
            Ok(hash.finalize().into())
        }
        // What the program makes is decided by class and number.
        Source::Demo { class, index } => Ok(Sha256::digest(format!("demo {class} {index}")).into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn list(clips: &[(&str, Split, &str, &str)]) -> ClipList {
        let clip = |&(id, part, label, sha256): &(&str, Split, &str, &str)| ClipRecord {
            id: id.into(),
            part,
            label: label.into(),
            sha256: sha256.into(),
            recording: None,
        };
        ClipList(clips.iter().map(clip).collect())
    }

    #[test]
    fn the_digest_is_of_name_label_and_content_whatever_the_fold() {
        let one = list(&[("a", Split::Train, "x", "1"), ("b", Split::Val, "y", "2"), ("c", Split::Test, "y", "")]);
        let other_fold = list(&[("a", Split::Val, "x", "1"), ("b", Split::Train, "y", "2")]);
        assert_eq!(one.digest(), other_fold.digest());
        assert_eq!(one.difference(&other_fold), None);
        for changed in [
            list(&[("a", Split::Train, "y", "1"), ("b", Split::Val, "y", "2")]),
            list(&[("a", Split::Train, "x", "2"), ("b", Split::Val, "y", "2")]),
            list(&[("aa", Split::Train, "x", "1"), ("b", Split::Val, "y", "2")]),
            list(&[("a", Split::Train, "x", "1")]),
        ] {
            assert_ne!(changed.digest(), one.digest());
            assert!(changed.difference(&one).is_some());
        }
        let swapped = list(&[("a", Split::Train, "x", "2"), ("b", Split::Val, "y", "1")]);
        assert_eq!(swapped.difference(&one).unwrap(), "of 2 clips 2 hold another sound (a, ...)");
        assert_eq!(one.trained().into_iter().collect::<Vec<_>>(), ["1"]);
    }
}
