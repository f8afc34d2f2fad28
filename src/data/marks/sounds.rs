//! Which sound file a table means by the name of a recording.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use unicode_normalization::UnicodeNormalization;

use crate::audio::SOUND_ENDINGS;

/// The sound files that tables may name.
pub(in crate::data) struct Sounds {
    paths: Vec<PathBuf>,
    by_name: HashMap<String, Vec<usize>>,
    by_stem: HashMap<String, Vec<usize>>,
}

/// Why a name leads to no file.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::data) enum Lost {
    /// There is none.
    Missing,
    /// There are several, and nothing says which.
    Several(PathBuf, PathBuf),
}

fn folded(name: &str) -> String {
    name.nfc().flat_map(char::to_lowercase).collect()
}

impl Sounds {
    /// These files.
    pub(in crate::data) fn of(paths: Vec<PathBuf>) -> Self {
        let (mut by_name, mut by_stem) = (HashMap::<_, Vec<usize>>::new(), HashMap::<_, Vec<usize>>::new());
        for (place, path) in paths.iter().enumerate() {
            let name = |part: Option<&std::ffi::OsStr>| folded(&part.unwrap_or_default().to_string_lossy());
            by_name.entry(name(path.file_name())).or_default().push(place);
            by_stem.entry(name(path.file_stem())).or_default().push(place);
        }
        Self { paths, by_name, by_stem }
    }

    /// The file that a table in the folder `beside` means: by the recording's name with its ending, else by its stem; of
    /// several, the one whose folders are those of `path`, else the one beside the table.
    pub(in crate::data) fn find(&self, audio: &str, path: Option<&str>, beside: &Path) -> Result<&Path, Lost> {
        let name = folded(audio);
        let mut found = self.by_name.get(&name).or_else(|| self.by_stem.get(&name));
        // Another ending: the table was made from a copy of another kind.
        let stem = name.rsplit_once('.').filter(|(_, ending)| SOUND_ENDINGS.contains(ending));
        found = found.or_else(|| self.by_stem.get(stem?.0));
        let found = found.ok_or(Lost::Missing)?;
        if let [one] = found.as_slice() {
            return Ok(&self.paths[*one]);
        }
        let folders: Vec<String> = path.unwrap_or_default().split('/').rev().skip(1).map(folded).collect();
        let alike = |place: usize| {
            let own = self.paths[place].parent().into_iter().flat_map(|folder| folder.components().rev());
            let own = own.map(|part| folded(&part.as_os_str().to_string_lossy()));
            own.zip(&folders).take_while(|(own, given)| own == *given && !given.is_empty()).count()
        };
        let most = found.iter().map(|&place| alike(place)).max().unwrap_or(0);
        let best: Vec<usize> = found.iter().copied().filter(|&place| alike(place) == most).collect();
        let near: Vec<usize> =
            best.iter().copied().filter(|&place| self.paths[place].parent() == Some(beside)).collect();
        match (best.as_slice(), near.as_slice()) {
            ([one], _) | (_, [one]) => Ok(&self.paths[*one]),
            ([first, second, ..], _) => Err(Lost::Several(self.paths[*first].clone(), self.paths[*second].clone())),
            _ => Err(Lost::Missing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_files_by_name_stem_and_folders() {
        let sounds = ["r/a/x.WAV", "r/b/x.wav", "r/b/y.flac", "r/c/-example-02.wav", "r/c/B\u{e4}r.wav"];
        let sounds = Sounds::of(sounds.map(PathBuf::from).to_vec());
        let find = |audio: &str, path: Option<&str>, beside: &str| {
            let found = sounds.find(audio, path, Path::new(beside))?;
            Ok(sounds.paths.iter().position(|path| path == found).unwrap_or(usize::MAX))
        };
        assert_eq!(find("y.wav", None, "r"), Ok(2));
        assert_eq!(find("y", None, "r"), Ok(2));
        assert_eq!(find("Y.FLAC", None, "elsewhere"), Ok(2));
        assert_eq!(find("x.wav", Some("D:/card/b/x.wav"), "r"), Ok(1));
        assert_eq!(find("x.wav", Some("x.wav"), "r/a"), Ok(0));
        assert_eq!(find("x", None, "r/b"), Ok(1));
        assert_eq!(find("x.wav", None, "r"), Err(Lost::Several("r/a/x.WAV".into(), "r/b/x.wav".into())));
        assert_eq!(find("-example-02.mp3", None, "r"), Ok(3));
        // What looks like another part of the name, or like an ending, is none.
        assert_eq!(find("y_2", None, "r"), Err(Lost::Missing));
        assert_eq!(find("y.2", None, "r"), Err(Lost::Missing));
        assert_eq!(find("ba\u{308}r.wav", None, "r"), Ok(4));
        assert_eq!(find("z.wav", None, "r"), Err(Lost::Missing));
    }
}
