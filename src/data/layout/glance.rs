//! What a path looks like, without walking all of it: for a person who looks for a data set.

use std::path::Path;

use super::{LAYOUTS, Listing, folders, marked};
use crate::data::Reason;

/// Folders in a folder that are looked into.
const LOOKED_INTO: usize = 64;
/// Files beside sounds that are looked at for marks.
const LOOKED_AT: usize = 16;

/// What a path looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Glance {
    /// The name of the layout that it is recognised as. Opening it may still find that something is wrong.
    pub layout: Option<&'static str>,
    /// Folders directly in it.
    pub folders: usize,
    /// How many of them were looked into, the first ones.
    pub looked_into: usize,
    /// How many of those hold sounds directly.
    pub with_sounds: usize,
    /// Sounds directly in it.
    pub sounds: usize,
    /// Whether it cannot be read, or is not there.
    pub is_unread: bool,
}

/// Looks at a path: a folder, or a table. Bounded: it reads the folder and some of those in it, and nothing deeper, so
/// that a data set inside of several folders is recognised there only.
pub fn glance(path: &Path) -> Glance {
    let Ok(listing) = Listing::of(path) else {
        let layout = LAYOUTS.iter().find(|layout| (layout.recognise)(path)).filter(|_| path.is_file());
        let is_unread = !path.is_file();
        return Glance { layout: layout.map(|layout| layout.name), is_unread, ..Glance::default() };
    };
    // These two walk whole trees to know.
    let walks = [marked::LAYOUT.name, folders::LAYOUT.name];
    let particular = LAYOUTS.iter().find(|layout| !walks.contains(&layout.name) && (layout.recognise)(path));
    let has_sounds = |folder: &&std::path::PathBuf| Listing::of(folder).is_ok_and(|below| !below.sounds.is_empty());
    let looked_into = listing.folders.len().min(LOOKED_INTO);
    let with_sounds = listing.folders.iter().take(looked_into).filter(has_sounds).count();
    let tables = listing.left_out.iter().filter(|one| one.reason == Reason::Document).take(LOOKED_AT);
    let has_marks =
        || !listing.sounds.is_empty() && tables.into_iter().any(|one| (marked::LAYOUT.recognise)(&one.path));
    let layout = match particular {
        Some(layout) => Some(layout.name),
        None if has_marks() => Some(marked::LAYOUT.name),
        None if with_sounds > 1 => Some(folders::LAYOUT.name),
        None => None,
    };
    let (folders, sounds) = (listing.folders.len(), listing.sounds.len());
    Glance { layout, folders, looked_into, with_sounds, sounds, is_unread: false }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use super::*;

    #[test]
    fn folders_and_tables_are_recognised_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let touch = |name: &str, content: &str| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        };
        for name in ["set/dog/a.wav", "set/rain/b.wav", "esc/audio/1-1-A-0.wav", "wrapped/set/dog/a.wav", "one/a.wav"] {
            touch(name, "x");
        }
        touch("esc/meta/esc50.csv", "filename,fold,target,category\n");
        touch("table.csv", "path,label\na.wav,dog\n");
        touch("field/day.wav", "x");
        touch("field/day.txt", "0.5\t1.5\tdog\n");
        let layout = |name: &str| glance(&root.path().join(name)).layout;
        assert_eq!(
            (layout("set"), layout("esc"), layout("table.csv")),
            (Some("folders"), Some("esc50"), Some("manifest"))
        );
        assert_eq!(layout("field"), Some("marks"));
        assert_eq!((layout("one"), layout("wrapped"), layout("nowhere")), (None, None, None));
        let set = glance(&root.path().join("set"));
        assert_eq!((set.folders, set.with_sounds, set.sounds, set.is_unread), (2, 2, 0, false));
        let unread = |name: &str| glance(&root.path().join(name)).is_unread;
        assert_eq!((unread("nowhere"), unread("table.csv"), unread("one/a.wav")), (true, false, false));
        (0..70).for_each(|n| touch(&format!("many/{n:02}/a.wav"), "x"));
        let many = glance(&root.path().join("many"));
        assert_eq!((many.folders, many.looked_into, many.with_sounds), (70, LOOKED_INTO, LOOKED_INTO));
        assert_eq!(glance(&root.path().join("one")).sounds, 1);
    }
}
