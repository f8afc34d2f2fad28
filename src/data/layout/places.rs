//! Where the files are that a table names: as written, or as another system or another form of Unicode would write it.

use std::{
    collections::HashMap,
    fs,
    path::{Component, Path, PathBuf},
};

use unicode_normalization::UnicodeNormalization;

use crate::data::nearest;

/// What a path in a table leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The file, as it is written.
    Here(PathBuf),
    /// The file, written in a way that leaves no doubt: how.
    Otherwise(PathBuf, &'static str),
    /// Nothing; the path that was looked for, and one that may be meant.
    Missing(PathBuf, Option<String>),
}

/// Finds files below the folder of a table. Folders are listed once.
pub(super) struct Places {
    root: PathBuf,
    home: Option<PathBuf>,
    listings: HashMap<PathBuf, Vec<String>>,
}

impl Places {
    /// Paths count from this folder.
    pub(super) fn below(root: &Path) -> Self {
        let home = directories::BaseDirs::new().map(|dirs| dirs.home_dir().to_owned());
        Self { root: root.to_owned(), home, listings: HashMap::new() }
    }

    /// The file that a table means by `written`.
    pub(super) fn find(&mut self, written: &str) -> Found {
        let plain = self.root.join(written);
        if is_file(&plain) {
            return Found::Here(plain);
        }
        if let (Some(rest), Some(home)) = (written.strip_prefix("~/").or(written.strip_prefix("~\\")), &self.home) {
            let path = home.join(rest.replace('\\', "/"));
            if is_file(&path) {
                return Found::Otherwise(path, "`~` for the home folder");
            }
        }
        let slashed = written.replace('\\', "/");
        let path = self.root.join(&slashed);
        if slashed != written && is_file(&path) {
            return Found::Otherwise(path, "backslashes");
        }
        let same = |wanted: &str, there: &str| wanted.nfc().eq(there.nfc());
        if let Some(path) = self.follow(&slashed, &same) {
            return Found::Otherwise(path, "another Unicode form");
        }
        let alike = |wanted: &str, there: &str| {
            let fold = |name: &str| -> String { name.nfkc().flat_map(char::to_lowercase).collect() };
            fold(wanted.trim()) == fold(there.trim())
        };
        let meant = self.follow(&slashed, &alike).or_else(|| self.elsewhere(&slashed)).or_else(|| self.near(&slashed));
        let meant = meant.map(|path| path.strip_prefix(&self.root).map(Path::to_path_buf).unwrap_or(path));
        Found::Missing(plain, meant.map(|path| path.to_string_lossy().replace('\\', "/")))
    }

    /// The file that a path leads to when names need only be alike.
    fn follow(&mut self, path: &str, alike: &dyn Fn(&str, &str) -> bool) -> Option<PathBuf> {
        let mut at = self.root.clone();
        for part in Path::new(path).components() {
            match part {
                Component::Normal(name) => {
                    let name = name.to_string_lossy();
                    let next = at.join(&*name);
                    at = if next.exists() {
                        next
                    } else {
                        let there = self.names(&at).iter().find(|there| alike(&name, there)).cloned()?;
                        at.join(there)
                    };
                }
                Component::CurDir => {}
                other => at.push(other),
            }
        }
        is_file(&at).then_some(at)
    }

    /// The same end of the path below the table's folder, as when a table holds another machine's absolute paths.
    fn elsewhere(&self, path: &str) -> Option<PathBuf> {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != "..").collect();
        (1..parts.len()).map(|first| self.root.join(parts[first..].join("/"))).find(|path| is_file(path))
    }

    /// The file in the same folder whose name is nearest.
    fn near(&mut self, path: &str) -> Option<PathBuf> {
        let path = self.root.join(path);
        let folder = path.parent()?.to_owned();
        let name = path.file_name()?.to_string_lossy().into_owned();
        let found = nearest(&name, self.names(&folder).iter().map(String::as_str)).map(|there| folder.join(there))?;
        is_file(&found).then_some(found)
    }

    fn names(&mut self, folder: &Path) -> &[String] {
        self.listings.entry(folder.to_owned()).or_insert_with(|| {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            let mut names: Vec<String> =
                entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
            names.sort();
            names
        })
    }
}

fn is_file(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn files_are_found_or_the_one_that_is_meant_is_named() {
        let root = tempfile::tempdir().unwrap();
        let touch = |name: &str| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        };
        touch("clips/Dog_1.ogg");
        touch("clips/B\u{e4}r.ogg");
        let mut places = Places::below(root.path());
        let at = |name: &str| root.path().join(name);
        assert_eq!(places.find("clips/Dog_1.ogg"), Found::Here(at("clips/Dog_1.ogg")));
        assert_eq!(
            places.find("clips/Ba\u{308}r.ogg"),
            Found::Otherwise(at("clips/B\u{e4}r.ogg"), "another Unicode form")
        );
        if cfg!(unix) {
            assert_eq!(places.find("clips\\Dog_1.ogg"), Found::Otherwise(at("clips/Dog_1.ogg"), "backslashes"));
        }
        let meant = |places: &mut Places, path: &str| match places.find(path) {
            Found::Missing(_, meant) => meant,
            other => Some(format!("{other:?}")),
        };
        // Where names do not differ by case, as on Windows, these are found.
        if !at("clips/dog_1.ogg").exists() {
            assert_eq!(meant(&mut places, "Clips/dog_1.OGG").unwrap(), "clips/Dog_1.ogg");
        }
        assert_eq!(meant(&mut places, "/home/her/set/clips/Dog_1.ogg").unwrap(), "clips/Dog_1.ogg");
        assert_eq!(meant(&mut places, "clips/Dog_2.ogg").unwrap(), "clips/Dog_1.ogg");
        assert_eq!(meant(&mut places, "clips/whatever.flac"), None);
    }

    #[test]
    fn a_tilde_is_the_home_folder() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("a.wav"), "x").unwrap();
        let root = tempfile::tempdir().unwrap();
        let mut places = Places { home: Some(home.path().to_owned()), ..Places::below(root.path()) };
        let found = places.find("~/a.wav");
        assert_eq!(found, Found::Otherwise(home.path().join("a.wav"), "`~` for the home folder"));
    }
}
