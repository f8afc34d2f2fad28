//! Names on the disk that complete a word of the command line.

use std::{fs, path::Path};

use crate::{session::LOG_FILE, tui::input::completion::Wanted};

/// Most names that are read in one folder.
const MOST: usize = 10_000;

/// What fits: known words, sessions under `root`, files and folders. A folder ends in `/`; hidden files fit where the
/// word begins with their dot. A folder that cannot be read has no names.
pub(super) fn fitting(wanted: &Wanted, root: &Path) -> Vec<String> {
    let mut found = wanted.fitting();
    if wanted.sessions {
        let sessions = names_in(root).filter(|name| root.join(name).join(LOG_FILE).is_file());
        found.extend(sessions.filter(|name| name.starts_with(&wanted.word)));
    }
    if wanted.paths {
        let (folder, rest) = wanted
            .word
            .rsplit_once('/')
            .map_or(("", wanted.word.as_str()), |(_, rest)| (&wanted.word[..wanted.word.len() - rest.len()], rest));
        let place = if folder.is_empty() { Path::new(".") } else { Path::new(folder) };
        let fits = |name: &String| name.starts_with(rest) && (rest.starts_with('.') || !name.starts_with('.'));
        found.extend(names_in(place).filter(fits).map(|name| {
            let end = if place.join(&name).is_dir() { "/" } else { "" };
            format!("{folder}{name}{end}")
        }));
    }
    found
}

fn names_in(folder: &Path) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().take(MOST);
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn sessions_files_and_folders_complete_a_word() {
        let folder = tempfile::tempdir().unwrap();
        let (root, here) = (folder.path().join("sessions"), folder.path());
        for made in ["sessions/demo-aat", "sessions/demo-none", "delta", "my sounds", ".cache"] {
            fs::create_dir_all(here.join(made)).unwrap();
        }
        fs::write(root.join("demo-aat/events.jsonl"), "").unwrap();
        fs::write(here.join("delta.csv"), "").unwrap();
        let fit = |word: &str, sessions, paths| {
            let word = word.replace("HERE", &here.to_string_lossy());
            let wanted = Wanted { start: 0, word, known: vec!["demo".into(), "box".into()], sessions, paths };
            let mut found = fitting(&wanted, &root);
            found.sort();
            found.into_iter().map(|name| name.replace(&*here.to_string_lossy(), "HERE")).collect::<Vec<_>>()
        };
        assert_eq!(fit("d", true, false), ["demo", "demo-aat"]);
        assert_eq!(fit("HERE/d", false, true), ["HERE/delta.csv", "HERE/delta/"]);
        assert_eq!(fit("HERE/my s", false, true), ["HERE/my sounds/"]);
        assert_eq!(fit("HERE/.c", false, true), ["HERE/.cache/"]);
        assert_eq!(fit("HERE/", false, true).len(), 4, "hidden ones are left out");
        assert!(fit("HERE/none/x", false, true).is_empty());
    }
}
