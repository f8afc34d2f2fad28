//! What is where a data set is, and how much of it is used: nothing is left out without a line.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::Problem;

/// Why a file of a data set's folder is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Its name has no ending of a kind that is decoded.
    Kind,
    /// It is beside the class folders, so it has no label.
    Beside,
    /// The table that gives labels does not name it.
    Unlisted,
    /// The published division of the data set leaves it out.
    Excluded,
    /// It or a folder above it is hidden.
    Hidden,
    /// A link whose target is missing, or that leads back to a folder above.
    Link,
    /// A device, a pipe or a socket.
    Special,
    /// A text, a table, a picture or an archive.
    Document,
}

impl Reason {
    const ALL: [Self; 8] = [
        Self::Kind,
        Self::Beside,
        Self::Unlisted,
        Self::Excluded,
        Self::Hidden,
        Self::Link,
        Self::Special,
        Self::Document,
    ];

    /// Its name in JSON and in event logs.
    pub fn id(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::Beside => "beside",
            Self::Unlisted => "unlisted",
            Self::Excluded => "excluded",
            Self::Hidden => "hidden",
            Self::Link => "link",
            Self::Special => "special",
            Self::Document => "document",
        }
    }

    /// What stands behind a number of files: "14 of kinds that are not read".
    fn words(self) -> &'static str {
        match self {
            Self::Kind => "of kinds that are not read",
            Self::Beside => "beside the class folders",
            Self::Unlisted => "that the table does not name",
            Self::Excluded => "that the published division leaves out",
            Self::Hidden => "hidden",
            Self::Link => "behind links that lead nowhere or in a circle",
            Self::Special => "no regular files",
            Self::Document => "not sound (texts, tables, pictures, archives)",
        }
    }
}

/// One file that is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub reason: Reason,
}

impl LeftOut {
    /// A file that is left out for this reason.
    pub fn new(path: impl Into<PathBuf>, reason: Reason) -> Self {
        Self { path: path.into(), reason }
    }

    /// As a line of `data check`: a warning where something should be done about it.
    pub fn problem(&self) -> Problem {
        let path = &self.path;
        match self.reason {
            Reason::Kind => Problem::warning(
                path,
                "this kind of sound file is not read",
                "convert it to WAV or FLAC, or leave it out",
            ),
            Reason::Beside => Problem::warning(
                path,
                "it is beside the class folders, has no label and is left out",
                "move it into a class folder, or away",
            ),
            Reason::Link => Problem::warning(
                path,
                "this link has no target or leads in a circle, and is left out",
                "correct the link, or remove it",
            ),
            Reason::Special => {
                Problem::warning(path, "it is no regular file (a device, a pipe, a socket)", "leave it out")
            }
            Reason::Unlisted => Problem::note(path, "the table does not name it", "add a line for it to use it"),
            Reason::Excluded => Problem::note(path, "the published division leaves it out", "nothing is to be done"),
            Reason::Hidden => Problem::note(path, "it is hidden", "rename it to use it"),
            Reason::Document => Problem::note(path, "it is no sound", "nothing is to be done"),
        }
    }
}

/// Files found, files used, and how many were left out for which reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileCount {
    /// Files found, without those that systems put everywhere (`.DS_Store`, `Thumbs.db`, ...). 0 where there are none,
    /// as for `demo`.
    pub files: usize,
    /// Files used.
    pub used: usize,
    /// Files left out, by [`Reason::id`]: plain text, so that a log with reasons of a later version can be read.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub left_out: BTreeMap<String, usize>,
}

impl FileCount {
    /// The count of a data set with so many files in use.
    pub fn of(used: usize, left_out: &[LeftOut]) -> Self {
        let mut count = Self { files: used + left_out.len(), used, left_out: BTreeMap::new() };
        for one in left_out {
            *count.left_out.entry(one.reason.id().to_owned()).or_default() += 1;
        }
        count
    }

    /// Whether a person should look at what was left out: not for texts beside the sounds, nor for a published division.
    pub fn is_notable(&self) -> bool {
        let harmless = [Reason::Document.id(), Reason::Excluded.id()];
        self.left_out.keys().any(|reason| !harmless.contains(&reason.as_str()))
    }
}

impl fmt::Display for FileCount {
    /// `24 files, 8 used: 14 of kinds that are not read, 2 beside the class folders`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = if self.files == 1 { "file" } else { "files" };
        if self.left_out.is_empty() {
            return write!(f, "{} {files}, all used", self.files);
        }
        write!(f, "{} {files}, {} used: ", self.files, self.used)?;
        let known = Reason::ALL.iter().filter_map(|reason| Some((reason.words(), *self.left_out.get(reason.id())?)));
        let unknown = self
            .left_out
            .iter()
            .filter(|(id, _)| Reason::ALL.iter().all(|reason| reason.id() != id.as_str()))
            .map(|(id, count)| (id.as_str(), *count));
        for (place, (words, count)) in known.chain(unknown).enumerate() {
            write!(f, "{}{count} {words}", if place == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_line_says_what_was_found_and_what_was_used() {
        let mut left_out = vec![LeftOut::new("x.m4a", Reason::Kind); 14];
        left_out.extend(vec![LeftOut::new("y.wav", Reason::Beside); 2]);
        let count = FileCount::of(8, &left_out);
        assert_eq!(count.to_string(), "24 files, 8 used: 14 of kinds that are not read, 2 beside the class folders");
        assert!(count.is_notable());
        assert_eq!(FileCount::of(1, &[]).to_string(), "1 file, all used");
        let text = serde_json::to_string(&count).unwrap();
        assert_eq!(text, r#"{"files":24,"used":8,"left_out":{"beside":2,"kind":14}}"#);
        // A reason of a later version is shown by its name.
        let later: FileCount = serde_json::from_str(r#"{"files":3,"used":2,"left_out":{"too long":1}}"#).unwrap();
        assert_eq!(later.to_string(), "3 files, 2 used: 1 too long");
    }
}
