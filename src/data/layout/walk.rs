//! Folders as people and their systems leave them: what counts as a file of a data set, and what is skipped.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

use crate::data::{DataError, LeftOut, Reason, corrections::is_decisions};

/// Endings of the files that [`crate::audio::load`] decodes.
pub(super) const SOUND_ENDINGS: &[&str] = crate::audio::SOUND_ENDINGS;
/// Endings of files that hold no sound, and names of such files that have no ending.
const DOCUMENT_ENDINGS: &[&str] = &[
    "txt", "md", "rst", "csv", "tsv", "json", "jsonl", "xml", "yaml", "yml", "toml", "ini", "cfg", "log", "pdf", "rtf",
    "doc", "docx", "xls", "xlsx", "ods", "odt", "html", "htm", "tex", "bib", "png", "jpg", "jpeg", "gif", "svg", "bmp",
    "webp", "tif", "tiff", "py", "ipynb", "sh", "bat", "r", "m", "zip", "gz", "tgz", "bz2", "xz", "tar", "7z", "rar",
    "md5", "sha1", "sha256", "url", "npy", "npz", "parquet", "pkl", "lab", "textgrid", "part", "torrent",
];
const DOCUMENT_NAMES: &[&str] =
    &["license", "licence", "readme", "copying", "citation", "notice", "authors", "changelog", "version", "makefile"];
/// Folders and files, in lower case, that systems and programs put beside everything.
const HOUSEKEEPING: &[&str] = &[
    "__macosx",
    "@eadir",
    "#recycle",
    "@recycle",
    "@__thumb",
    "lost+found",
    "$recycle.bin",
    "recycler",
    "system volume information",
    "network trash folder",
    "temporary items",
    "__pycache__",
    "cvs",
    "thumbs.db",
    "ehthumbs.db",
    "ehthumbs_vista.db",
    "desktop.ini",
    "icon\r",
];

/// Whether a path's ending is one of these, in lower case.
pub(super) fn ending_in(path: &Path, endings: &[&str]) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    endings.contains(&ending.as_str())
}

/// The last part of a path, for people.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn is_housekeeping(path: &Path) -> bool {
    let name = file_name(path).to_lowercase();
    // What a person decided about a data set's labels is no part of the set.
    HOUSEKEEPING.contains(&name.as_str()) || is_decisions(&name)
}

/// Why a file that is no sound is not used.
fn unread(path: &Path) -> Reason {
    let stem = file_name(path).to_lowercase();
    if ending_in(path, DOCUMENT_ENDINGS) || DOCUMENT_NAMES.contains(&stem.as_str()) {
        Reason::Document
    } else {
        Reason::Kind
    }
}

/// What is directly in a folder, each part by name. Housekeeping files and folders are in none of them.
#[derive(Debug, Default)]
pub struct Listing {
    /// Folders, and links to folders.
    pub folders: Vec<PathBuf>,
    /// Sound files, by their ending in any letter case.
    pub sounds: Vec<PathBuf>,
    /// Everything else that deserves a word.
    pub left_out: Vec<LeftOut>,
}

impl Listing {
    /// Lists a folder.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of(folder: &Path) -> Result<Self, DataError> {
        let io_error = |source| DataError::Io { path: folder.to_owned(), source };
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder).map_err(io_error)? {
            paths.push(entry.map_err(io_error)?.path());
        }
        paths.sort();
        let mut listing = Self::default();
        for path in paths.into_iter().filter(|path| !is_housekeeping(path)) {
            let is_hidden = file_name(&path).starts_with('.');
            let left_out = |path, reason| LeftOut { path, reason };
            match fs::metadata(&path) {
                // macOS's companions `._x.wav` hold no sound of their own.
                _ if file_name(&path).starts_with("._") => {}
                Ok(metadata) if metadata.is_dir() && !is_hidden => listing.folders.push(path),
                Ok(metadata) if metadata.is_file() && ending_in(&path, SOUND_ENDINGS) => match is_hidden {
                    true => listing.left_out.push(left_out(path, Reason::Hidden)),
                    false => listing.sounds.push(path),
                },
                _ if is_hidden => {}
                Ok(metadata) if metadata.is_file() => {
                    let reason = unread(&path);
                    listing.left_out.push(left_out(path, reason));
                }
                Ok(_) => listing.left_out.push(left_out(path, Reason::Special)),
                Err(error) if fs::symlink_metadata(&path).is_ok_and(|it| it.is_symlink()) => {
                    tracing::debug!("{}: {error}", path.display());
                    listing.left_out.push(left_out(path, Reason::Link));
                }
                Err(source) => return Err(DataError::Io { path, source }),
            }
        }
        Ok(listing)
    }
}

/// The folders and files directly in a folder, by name, without what is hidden or housekeeping.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let Listing { folders, sounds, left_out } = Listing::of(folder)?;
    let others = left_out.into_iter().filter(|one| matches!(one.reason, Reason::Kind | Reason::Document));
    let mut all: Vec<PathBuf> = folders.into_iter().chain(sounds).chain(others.map(|one| one.path)).collect();
    all.sort();
    Ok(all)
}

/// Everything below a folder at any depth.
#[derive(Default)]
pub(super) struct Tree {
    /// Sound files, by path.
    pub(super) sounds: Vec<PathBuf>,
    /// Everything else that deserves a word.
    pub(super) left_out: Vec<LeftOut>,
}

/// Everything below a folder, depth first and by name. A link to a folder is followed once: what leads back to a folder
/// that was listed already is left out.
///
/// # Errors
/// When a folder cannot be read.
pub(super) fn tree(folder: &Path) -> Result<Tree, DataError> {
    let mut tree = Tree::default();
    let real = folder.canonicalize().map_err(|source| DataError::Io { path: folder.to_owned(), source })?;
    // What leads upward would bring the other classes in under this one's name.
    let mut seen: HashSet<PathBuf> = real.ancestors().skip(1).map(Path::to_owned).collect();
    // Ends at the last folder, not at a depth: a stack in memory, since people nest deeper than threads like.
    let mut waiting = vec![Step::Folder(folder.to_owned())];
    while let Some(step) = waiting.pop() {
        let folder = match step {
            Step::Sound(path) => {
                tree.sounds.push(path);
                continue;
            }
            Step::Folder(folder) => folder,
        };
        let real = folder.canonicalize().map_err(|source| DataError::Io { path: folder.clone(), source })?;
        if !seen.insert(real) {
            tree.left_out.push(LeftOut::new(folder, Reason::Link));
            continue;
        }
        let listing = Listing::of(&folder)?;
        tree.left_out.extend(listing.left_out);
        let mut steps: Vec<Step> =
            listing.folders.into_iter().map(Step::Folder).chain(listing.sounds.into_iter().map(Step::Sound)).collect();
        steps.sort_by(|a, b| b.path().cmp(a.path()));
        waiting.extend(steps);
    }
    Ok(tree)
}

enum Step {
    Folder(PathBuf),
    Sound(PathBuf),
}

impl Step {
    fn path(&self) -> &Path {
        match self {
            Self::Folder(path) | Self::Sound(path) => path,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn touch(path: PathBuf) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }

    fn reasons(tree: &Tree) -> Vec<Reason> {
        let mut reasons: Vec<Reason> = tree.left_out.iter().map(|one| one.reason).collect();
        reasons.sort();
        reasons
    }

    #[test]
    fn housekeeping_is_passed_over_and_hidden_sounds_are_told() {
        let root = tempfile::tempdir().unwrap();
        for name in [
            "a.wav",
            "Thumbs.db",
            "desktop.ini",
            ".DS_Store",
            "._a.wav",
            "__MACOSX/b.wav",
            "@eaDir/c.wav",
            "lost+found/d.wav",
            "$RECYCLE.BIN/e.wav",
            "System Volume Information/f.wav",
        ] {
            touch(root.path().join(name));
        }
        let tree = tree(root.path()).unwrap();
        assert_eq!((tree.sounds.len(), reasons(&tree)), (1, vec![]));
        touch(root.path().join(".g.wav"));
        touch(root.path().join("notes.txt"));
        touch(root.path().join("h.m4x"));
        assert_eq!(reasons(&super::tree(root.path()).unwrap()), [Reason::Kind, Reason::Hidden, Reason::Document]);
    }

    #[test]
    fn forty_folders_deep_is_found() {
        let root = tempfile::tempdir().unwrap();
        let deep = (0..40).fold(root.path().to_owned(), |path, n| path.join(format!("level{n}")));
        touch(deep.join("a.wav"));
        assert_eq!(tree(root.path()).unwrap().sounds.len(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn links_in_circles_end_and_are_told() {
        let root = tempfile::tempdir().unwrap();
        touch(root.path().join("dog/a.wav"));
        std::os::unix::fs::symlink(root.path(), root.path().join("dog/up")).unwrap();
        std::os::unix::fs::symlink(root.path().join("dog"), root.path().join("dog/self")).unwrap();
        std::os::unix::fs::symlink("nowhere.wav", root.path().join("dog/gone.wav")).unwrap();
        let tree = tree(root.path()).unwrap();
        assert_eq!((tree.sounds.len(), reasons(&tree)), (1, vec![Reason::Link; 3]));
    }
}
