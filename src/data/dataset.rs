//! What a data set is, whichever layout it was read from.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{
    FileCount,
    corrections::{CorrectionsFile, CorrectionsPlace, CorrectionsRecord, Decision},
    marks::Marked,
};

/// The official part of a data set that a clip belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// Trains.
    Train,
    /// Chooses.
    Val,
    /// Judges.
    Test,
}

impl Split {
    /// The part that a folder or a column means by this name.
    pub fn from_name(name: &str) -> Option<Self> {
        // `train_set`, `test-data`, `audio_train`, `Validation Clips`: the word that matters, alone.
        let name = name.trim().to_lowercase();
        let words: Vec<&str> = name
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty() && !BESIDE.contains(word))
            .collect();
        let [word] = words.as_slice() else { return None };
        let word = ["set", "data", "split"].iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word);
        match word {
            "train" | "training" | "trn" => Some(Self::Train),
            "val" | "valid" | "validation" | "validate" | "dev" | "development" => Some(Self::Val),
            "test" | "testing" | "tst" | "eval" | "evaluation" => Some(Self::Test),
            _ => None,
        }
    }

    /// Its name for people and for JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
            Self::Test => "test",
        }
    }
}

/// Words that stand beside the name of a part and do not change it.
const BESIDE: &[&str] =
    &["set", "data", "split", "part", "audio", "sounds", "clips", "files", "samples", "wav", "wavs"];

/// A part of a sound file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Part {
    /// The file.
    pub path: PathBuf,
    /// First sample at 16 kHz; then others at which a part of this length holds the same. Training draws one of them in each
    /// epoch, everything else takes the first.
    pub starts: Vec<u64>,
    /// Samples at 16 kHz. The part may reach beyond the end of the file, and is then padded as a short clip is.
    pub samples: u64,
}

impl Part {
    /// Its first sample.
    pub fn start(&self) -> u64 {
        self.starts.first().copied().unwrap_or(0)
    }
}

/// Where a clip's sound comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// A sound file.
    File(PathBuf),
    /// A part of one.
    Part(Part),
    /// Clip `index` of the synthesised demo set.
    Demo {
        /// Class of the sound.
        class: usize,
        /// Which variation.
        index: u64,
    },
}

/// What is known of a clip.
#[derive(Clone, Debug, PartialEq)]
pub enum Label {
    /// Exactly one class.
    One(usize),
    /// Annotated classes, present or absent; every other class is unknown and is masked from loss and metric.
    Many(Vec<(usize, bool)>),
    /// Exactly one class, and none of these: a person said which it is not. Of all classes: none of them.
    Not(Vec<usize>),
}

impl Label {
    /// Classes that the clip is known to hold.
    pub fn present(&self) -> Vec<usize> {
        match self {
            Self::One(class) => vec![*class],
            Self::Many(known) => known.iter().filter(|(_, here)| *here).map(|(class, _)| *class).collect(),
            Self::Not(_) => Vec::new(),
        }
    }
}

impl Source {
    /// The sound file; none for what the program makes itself.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Part(part) => Some(&part.path),
            Self::Demo { .. } => None,
        }
    }
}

/// One labelled clip.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Stable name within the data set (a relative path).
    pub id: String,
    /// Its sound.
    pub source: Source,
    /// Its label.
    pub label: Label,
    /// Its fold, counted as the data set counts (ESC-50: 1 to 5).
    pub fold: Option<u32>,
    /// Its official part.
    pub split: Option<Split>,
    /// Who or what it was recorded from: clips of one group never stand on both sides of a split.
    pub group: Option<String>,
}

/// The corrections of an opened data set.
#[derive(Clone, Debug, PartialEq)]
pub struct Corrections {
    /// Their file, which may not exist yet.
    pub file: CorrectionsFile,
    /// Where that file was, or would be made, when the data set was opened.
    pub place: Option<CorrectionsPlace>,
    /// The lines that were applied, and their digest.
    pub record: CorrectionsRecord,
    /// Labels of clips as the data set's own files say them, where they are another now, by the clip's index.
    pub filed: BTreeMap<usize, Label>,
    /// The last decision that counts for each clip, by its index.
    pub decided: BTreeMap<usize, Decision>,
    /// What they come to, for people; `None` where there are none.
    pub summary: Option<String>,
}

/// A labelled set of clips.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dataset {
    /// Short name for titles: the folder's name, or `demo`.
    pub name: String,
    /// Its folder; `None` for `demo`.
    pub root: Option<PathBuf>,
    /// Name of the layout it was read as: `folders`, `esc50`, `manifest`, `demo`, ...
    pub layout: &'static str,
    /// Class names, in label order.
    pub classes: Vec<String>,
    /// The clips, in a stable order.
    pub items: Vec<Item>,
    /// The recipe that fits it, by name.
    pub recipe: Option<&'static str>,
    /// Files found and files used.
    pub found: FileCount,
    /// What looks odd, for people.
    pub notes: Vec<String>,
    /// The recordings that clips are windows of, with their marks, where it consists of such.
    pub marks: Option<Arc<Marked>>,
    /// What a person decided about its labels, where that was looked for; the labels are corrected already.
    pub corrections: Option<Box<Corrections>>,
}

impl Dataset {
    /// The folds that clips carry, ascending; empty when there are none.
    pub fn folds(&self) -> Vec<u32> {
        let mut folds: Vec<u32> = self.items.iter().filter_map(|item| item.fold).collect();
        folds.sort_unstable();
        folds.dedup();
        folds
    }

    /// Clips that hold each class.
    pub fn counts(&self) -> Vec<usize> {
        super::check::counts(self)
    }

    /// Where it is, whatever folder the program was started in: the path that it was opened by, made absolute. `None` for
    /// `demo`, and where several folders were given.
    pub fn absolute_path(&self, spec: &str) -> Option<PathBuf> {
        // Not its root: that is a table's folder, and there may be several tables in one.
        self.root.as_ref()?;
        Path::new(spec).canonicalize().or_else(|_| std::path::absolute(spec)).ok()
    }

    /// Whether clips carry several labels at once.
    pub fn is_multi_label(&self) -> bool {
        self.items.iter().any(|item| matches!(item.label, Label::Many(_)))
    }
}
