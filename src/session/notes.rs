//! What a person notes about a session, beside its log: a text, tags, and whether it is archived.

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::SessionError;
use crate::{atomic, limits, regular};

/// The file's name in a session's folder.
pub const NOTES_FILE: &str = "notes.json";
/// The longest text and the longest tag, characters.
const TEXT: usize = 2000;
const TAG: usize = 40;
/// Most tags.
const TAGS: usize = 20;

/// A person's notes about a session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Notes {
    /// Free text in one line.
    pub note: String,
    /// Words to find it by.
    pub tags: BTreeSet<String>,
    /// Whether lists leave it out unless asked for it.
    pub archived: bool,
}

/// A change of notes; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotesChange {
    /// The new text; empty removes it.
    pub note: Option<String>,
    /// Tags to add.
    pub add: Vec<String>,
    /// Tags to remove.
    pub remove: Vec<String>,
    /// Whether to archive it.
    pub archived: Option<bool>,
}

impl NotesChange {
    /// The change that these words describe: `best` and `+best` add a tag, `-best` removes it.
    pub fn of_tags(words: &str) -> Self {
        let mut change = Self::default();
        for word in words.split_whitespace() {
            match word.strip_prefix('-') {
                Some(tag) => change.remove.push(tag.to_owned()),
                None => change.add.push(word.trim_start_matches('+').to_owned()),
            }
        }
        change
    }
}

impl Notes {
    /// Reads a session's notes; none where there is no file.
    ///
    /// # Errors
    /// When the file cannot be read, or is not one of notes.
    pub fn load(folder: &Path) -> Result<Self, SessionError> {
        let path = folder.join(NOTES_FILE);
        let file = match regular::open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            other => other.map_err(SessionError::io(&path, "read"))?,
        };
        let mut text = Vec::new();
        file.take(limits::NOTES).read_to_end(&mut text).map_err(SessionError::io(&path, "read"))?;
        serde_json::from_slice(&text).map_err(|error| SessionError::Damaged {
            path,
            problem: format!("its notes cannot be read ({error})"),
            remedy: "restore the file from a copy, or delete it: the session itself is not affected".to_owned(),
        })
    }

    /// The notes after a change.
    ///
    /// # Errors
    /// What is too long, or too many, as a message.
    pub fn changed(mut self, change: &NotesChange) -> Result<Self, String> {
        if let Some(note) = &change.note {
            self.note = words(note).collect::<Vec<_>>().join(" ");
        }
        if self.note.chars().count() > TEXT {
            return Err(format!("a note has at most {TEXT} characters; this one has {}", self.note.chars().count()));
        }
        for tag in &change.add {
            if tag.is_empty()
                || tag.chars().count() > TAG
                || !words(tag).eq([tag.as_str()])
                || tag.starts_with(['-', '+'])
            {
                return Err(format!("a tag is one word of at most {TAG} characters, without + or - in front"));
            }
            self.tags.insert(tag.clone());
        }
        self.tags.retain(|tag| !change.remove.contains(tag));
        if self.tags.len() > TAGS {
            return Err(format!("a session has at most {TAGS} tags"));
        }
        self.archived = change.archived.unwrap_or(self.archived);
        Ok(self)
    }

    /// Writes them whole or not at all.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), SessionError> {
        let path = folder.join(NOTES_FILE);
        let write = || {
            let mut text = serde_json::to_vec_pretty(self)?;
            text.push(b'\n');
            atomic::write::<std::io::Error>(&path, |file| file.write_all(&text))
        };
        write().map_err(SessionError::io(&path, "write"))
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_control() || c.is_whitespace()).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn notes_come_back_and_a_change_leaves_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Notes::load(folder.path()).unwrap(), Notes::default());
        let change = NotesChange { note: Some(" two\nlines ".into()), ..NotesChange::of_tags("best +paper") };
        let notes = Notes::default().changed(&change).unwrap();
        notes.save(folder.path()).unwrap();
        let read = Notes::load(folder.path()).unwrap();
        assert_eq!((read.note.as_str(), read.tags.len(), read.archived), ("two lines", 2, false));
        let archived = NotesChange { archived: Some(true), ..NotesChange::of_tags("-best") };
        let read = read.changed(&archived).unwrap();
        assert_eq!(read, Notes { note: "two lines".into(), tags: ["paper".to_owned()].into(), archived: true });
    }

    #[test]
    fn what_is_too_long_is_refused() {
        let change = |change: NotesChange| Notes::default().changed(&change).unwrap_err();
        assert!(change(NotesChange { note: Some("x".repeat(TEXT + 1)), ..NotesChange::default() }).contains("2001"));
        assert!(change(NotesChange::of_tags(&"x".repeat(TAG + 1))).contains("one word"));
        let many = (0..=TAGS).map(|n| n.to_string()).collect();
        assert!(change(NotesChange { add: many, ..NotesChange::default() }).contains("at most 20"));
        let two = NotesChange { add: vec!["two words".into()], ..NotesChange::default() };
        assert!(change(two).contains("one word"));
    }

    #[test]
    fn a_damaged_file_is_named_and_a_later_version_is_read_as_far_as_it_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NOTES_FILE);
        std::fs::write(&path, "{\"note\":\"kept\",\"colour\":3}").unwrap();
        assert_eq!(Notes::load(folder.path()).unwrap().note, "kept");
        std::fs::write(&path, "{\"note\":").unwrap();
        let error = Notes::load(folder.path()).unwrap_err().to_string();
        assert!(error.contains(NOTES_FILE) && error.contains("not affected"), "{error}");
    }
}
