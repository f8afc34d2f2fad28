//! The readers of tables and logs on damaged input: the fuzzers' seeds with bytes changed, cut and doubled, the same every
//! time. `AAT_TUI_MUTATIONS` says how many of each (300 by default); the fuzzers of fuzz/ look further.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use aat_tui::{
    data,
    session::{self, LOG_FILE, Store},
};

/// Numbers that look random and are the same each time (xorshift, Marsaglia 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }
}

/// Pieces that tables and logs are made of, and some that they should not be.
const PIECES: &[&[u8]] = &[
    b",",
    b";",
    b"\t",
    b"\"",
    b"\n",
    b"\r\n",
    b"\r",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"null",
    b"1e999",
    b"-1",
    b"18446744073709551616",
    b"4294967295",
    b"[",
    b"]",
    b"{",
    b"}",
    b"path",
    b"label",
    b"file_name",
    b"../",
    b"~/",
    b"\\",
    b"//",
    b"/dev/zero",
    b"/proc/self/mem",
    b"\xcc\x88",
    b"\xe2\x80\xae",
    b"true",
    b"\"event\":\"epoch\"",
    b"\"step\":",
];

fn mutated(seed: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=random.below(6) {
        let at = random.below(bytes.len() + 1);
        match random.below(6) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => bytes[at] = random.below(256) as u8,
            2 if at < bytes.len() => {
                bytes.remove(at);
            }
            3 => {
                let piece = PIECES[random.below(PIECES.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
            4 => {
                let end = (at + random.below(64)).min(bytes.len());
                let again = bytes[at.min(end)..end].to_vec();
                bytes.splice(at..at, again);
            }
            _ => {
                let end = (at + random.below(16)).min(bytes.len());
                bytes.drain(at.min(end)..end);
            }
        }
    }
    bytes
}

fn each_mutation(target: &str, mut read: impl FnMut(&[u8])) {
    let count = std::env::var("AAT_TUI_MUTATIONS").ok().and_then(|count| count.parse().ok()).unwrap_or(300);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut seeds: Vec<PathBuf> = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()).collect();
    seeds.sort();
    assert!(seeds.len() >= 3);
    let seeds: Vec<Vec<u8>> = seeds.iter().map(|path| fs::read(path).unwrap()).collect();
    seeds.iter().for_each(|seed| read(seed));
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for _ in 0..count {
        let seed = random.below(seeds.len());
        read(&mutated(&seeds[seed], &mut random));
    }
}

fn put(path: PathBuf, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Reads a data set, and does what can be done with whatever was read.
fn use_set(spec: &Path) {
    if let Ok(reading) = data::read(spec.to_str().unwrap()) {
        let set = &reading.dataset;
        let division = set.divide(None, 1);
        set.items.iter().for_each(|item| assert!(!set.label_of(item).is_empty()));
        assert_eq!(set.counts().len(), set.classes.len());
        assert_eq!(set.found.used, set.items.len());
        if let Ok(division) = division {
            assert!(division.train.len() + division.val.len() + division.test.len() == set.items.len());
        }
        reading.problems.iter().for_each(|problem| drop(problem.to_string()));
    }
}

#[test]
fn manifests() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path().join("clips/1.wav"), b"x");
    put(folder.path().join("2.wav"), b"x");
    each_mutation("manifest", |bytes| {
        let Some((choice, table)) = bytes.split_first() else { return };
        let file = folder.path().join(["m.csv", "m.tsv", "m.jsonl"][usize::from(choice % 3)]);
        put(file.clone(), table);
        use_set(&file);
    });
}

#[test]
fn metadata_of_audiofolders() {
    let folder = tempfile::tempdir().unwrap();
    ["train/1.wav", "train/2.wav", "test/3.wav"].iter().for_each(|name| put(folder.path().join(name), b"x"));
    each_mutation("audiofolder", |bytes| {
        let Some((choice, table)) = bytes.split_first() else { return };
        let at = if choice & 2 == 0 { folder.path().to_owned() } else { folder.path().join("train") };
        let file = at.join(if choice & 1 == 0 { "metadata.csv" } else { "metadata.jsonl" });
        put(file.clone(), table);
        use_set(folder.path());
        fs::remove_file(file).unwrap();
    });
}

#[test]
fn tables_of_marks() {
    let folder = tempfile::tempdir().unwrap();
    let header = b"RIFF\x64\x1f\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0data\x40\x1f\0\0";
    put(folder.path().join("a.wav"), &[header.as_slice(), &[0x80; 8_000]].concat());
    each_mutation("marks", |bytes| {
        let Some((choice, table)) = bytes.split_first() else { return };
        let ending = ["txt", "csv", "tsv", "srt", "vtt", "selections.txt"][usize::from(choice % 6)];
        let file = folder.path().join(format!("a.{ending}"));
        put(file.clone(), table);
        // Its clips are windows of recordings, of which a file has several.
        for spec in [folder.path(), &file] {
            if let Ok(reading) = data::read(spec.to_str().unwrap()) {
                let set = &reading.dataset;
                assert_eq!(set.counts().len(), set.classes.len());
                if let Ok(division) = set.divide(None, 1) {
                    assert!(division.train.len() + division.val.len() + division.test.len() <= set.items.len());
                }
                reading.problems.iter().for_each(|problem| drop(problem.to_string()));
            }
        }
        fs::remove_file(file).unwrap();
    });
}

#[test]
fn event_logs() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("run");
    each_mutation("events", |bytes| {
        put(folder.join(LOG_FILE), bytes);
        if let Ok(state) = session::load(&folder) {
            let _ = (state.best(), state.last(), state.total_steps(), state.is_over());
            let _ = state.config.map(|config| (config.data_spec(), config.dataset));
        }
        let _ = session::outline(&folder);
        let _ = Store::at(root.path()).list();
    });
}
