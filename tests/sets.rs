//! Data sets as people have them: folders and tables that were once read wrongly without a word. Each row is a kind: what
//! lies there, and what is right. Layouts are read from names alone, so most sounds here are no sounds. The file is long because
//! it is one table.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use aat_tui::data::{self, Label, Reading, Reason, Split};

/// What is right of a set.
enum Right {
    /// Read: layout, classes, clips to train, validate and test on where it is divided, and what is said of it.
    Read(&'static str, &'static [&'static str], &'static [usize], &'static [&'static str]),
    /// Refused, or an error that stops training: what the message holds.
    Refused(&'static [&'static str]),
}
use Right::{Read, Refused};

struct Row {
    name: &'static str,
    /// Sound files.
    sounds: &'static [&'static str],
    /// Other files with their text.
    texts: &'static [(&'static str, &'static str)],
    right: Right,
}

const fn row(
    name: &'static str,
    sounds: &'static [&'static str],
    texts: &'static [(&'static str, &'static str)],
    right: Right,
) -> Row {
    Row { name, sounds, texts, right }
}

const PAIR: &[&str] = &["dog/1.wav", "dog/2.wav", "rain/1.wav", "rain/2.wav"];
const CLIPS: &[&str] = &["clips/1.wav", "clips/2.wav", "clips/3.wav", "clips/4.wav"];

/// The developers' own rows.
const ROWS: &[Row] = &[
    // Split folders.
    row(
        "usual spellings above the classes",
        &[
            "Train/dog/1.wav",
            "Train/rain/1.wav",
            "Valid/dog/2.wav",
            "Valid/rain/2.wav",
            "TESTING/dog/3.wav",
            "TESTING/rain/3.wav",
        ],
        &[],
        Read("folders", &["dog", "rain"], &[2, 2, 2], &["6 files, all used"]),
    ),
    row(
        "words beside the name of the part",
        &["train_set/dog/1.wav", "train_set/rain/1.wav", "test-data/dog/2.wav", "test-data/rain/2.wav"],
        &[],
        Read("folders", &["dog", "rain"], &[2, 2, 0], &[]),
    ),
    row(
        "Hugging Face's evaluation folder",
        &["training/dog/1.wav", "training/rain/1.wav", "evaluation/dog/2.wav", "evaluation/rain/2.wav"],
        &[],
        Read("folders", &["dog", "rain"], &[2, 2, 0], &[]),
    ),
    row(
        "one more folder of sounds beside the parts",
        &["train/dog/1.wav", "train/rain/1.wav", "test/dog/2.wav", "test/rain/2.wav", "noise/1.wav"],
        &[],
        Refused(&["noise", "is beside test and train", "move it"]),
    ),
    row(
        "one more folder of class folders beside the parts",
        &["train/dog/1.wav", "train/rain/1.wav", "test/dog/2.wav", "test/rain/2.wav", "extra/dog/3.wav"],
        &[],
        Refused(&["extra", "is beside test and train"]),
    ),
    row(
        "one more folder of texts beside the parts",
        &["train/dog/1.wav", "train/rain/1.wav", "test/dog/2.wav", "test/rain/2.wav"],
        &[("docs/readme.md", "x"), ("LICENSE", "x")],
        Read("folders", &["dog", "rain"], &[2, 2, 0], &["6 files, 4 used: 2 not sound"]),
    ),
    row(
        "a training folder beside loose noise",
        &["train/dog/1.wav", "train/rain/1.wav", "noise/1.wav"],
        &[],
        Refused(&["noise", "is beside train"]),
    ),
    row(
        "parts without class folders",
        &["train/1.wav", "train/2.wav", "test/3.wav"],
        &[],
        Refused(&["no class folders in them", "manifest"]),
    ),
    row(
        "a vehicle called train",
        &["train/1.wav", "car/1.wav", "bus/1.wav"],
        &[],
        Read("folders", &["bus", "car", "train"], &[], &[]),
    ),
    row(
        "parts within the classes",
        &[
            "dog/train/1.wav",
            "dog/train/2.wav",
            "dog/val/3.wav",
            "rain/train/1.wav",
            "rain/val/2.wav",
            "rain/test/3.wav",
        ],
        &[],
        Read("folders", &["dog", "rain"], &[3, 2, 1], &[]),
    ),
    row(
        "a loose file beside parts within a class",
        &["dog/train/1.wav", "dog/test/2.wav", "dog/3.wav", "rain/train/1.wav", "rain/test/2.wav"],
        &[],
        Refused(&["3.wav", "is beside test and train"]),
    ),
    row(
        "one class without the parts that others have",
        &["dog/train/1.wav", "dog/test/2.wav", "rain/1.wav", "rain/2.wav"],
        &[],
        Refused(&["rain", "this one is not"]),
    ),
    row(
        "one more folder beside parts within a class",
        &["dog/train/1.wav", "dog/test/2.wav", "dog/old/3.wav", "rain/train/1.wav", "rain/test/2.wav"],
        &[],
        Refused(&["old", "is beside test and train"]),
    ),
    row(
        "a loose file in one part",
        &["train/dog/1.wav", "train/rain/1.wav", "train/loose.wav", "test/dog/2.wav", "test/rain/2.wav"],
        &[],
        Read("folders", &["dog", "rain"], &[2, 2, 0], &["5 files, 4 used: 1 beside the class folders"]),
    ),
    row(
        "folders of folds above the classes",
        &["fold1/dog/1.wav", "fold1/rain/1.wav", "fold2/dog/2.wav", "fold2/rain/2.wav"],
        &[],
        Read("folders", &["dog", "rain"], &[2, 2, 0], &[]),
    ),
    row(
        "nested folders within a class",
        &["dog/a/b/c/d/e/f/g/h/i/j/1.wav", "dog/2.wav", "rain/1.wav"],
        &[],
        Read("folders", &["dog", "rain"], &[], &["3 files, all used"]),
    ),
    // Wrappers.
    row(
        "two wrappers and what archives leave beside them",
        &["sounds-main/data/dog/1.wav", "sounds-main/data/rain/1.wav"],
        &[("sounds-main/README.md", "x"), ("__MACOSX/._data", "x"), ("sounds.zip", "x")],
        Read("folders", &["dog", "rain"], &[], &["sounds-main/data", "the data set was found here"]),
    ),
    row(
        "a wrapper around parts",
        &["set/train/dog/1.wav", "set/train/rain/1.wav", "set/test/dog/2.wav", "set/test/rain/2.wav"],
        &[],
        Read("folders", &["dog", "rain"], &[2, 2, 0], &["was found here"]),
    ),
    row(
        "only a training part",
        &["train/dog/1.wav", "train/dog/2.wav", "train/rain/1.wav", "train/rain/2.wav"],
        &[],
        Read("folders", &["dog", "rain"], &[2, 2, 0], &["was found here"]),
    ),
    row(
        "a wrapper around a manifest",
        &["set/a.wav", "set/b.wav"],
        &[("set/manifest.csv", "path,label\na.wav,dog\nb.wav,rain\n")],
        Read("manifest", &["dog", "rain"], &[], &["was found here"]),
    ),
    row("one class alone is no wrapper", &["dog/1.wav", "dog/2.wav"], &[], Read("folders", &["dog"], &[], &[])),
    row(
        "sounds in one folder and a table beside it",
        CLIPS,
        &[("labels.csv", "path,label\nclips/1.wav,dog\nclips/2.wav,rain\n")],
        Refused(&["only folder of sounds is `clips`", "labels.csv"]),
    ),
    // Housekeeping and what is left out.
    row(
        "housekeeping of every system",
        PAIR,
        &[
            ("@eaDir/dog/1.wav", "x"),
            ("lost+found/a.wav", "x"),
            ("$RECYCLE.BIN/b.wav", "x"),
            ("System Volume Information/c.wav", "x"),
            ("dog/Thumbs.db", "x"),
            ("dog/._1.wav", "x"),
            (".DS_Store", "x"),
        ],
        Read("folders", &["dog", "rain"], &[], &["4 files, all used"]),
    ),
    row(
        "hidden sounds and other kinds",
        PAIR,
        &[("dog/.3.wav", "x"), ("dog/4.xyz", "x"), ("rain/notes.txt", "x"), ("loose.wav", "x")],
        Read(
            "folders",
            &["dog", "rain"],
            &[],
            &["8 files, 4 used: 1 of kinds that are not read, 1 beside the class folders, 1 hidden, 1 not sound"],
        ),
    ),
    row(
        "an empty class folder",
        &["dog/1.wav", "rain/1.wav"],
        &[("cat/x.xyz", "x")],
        Refused(&["cat", "no sound files"]),
    ),
    // Tables.
    row(
        "tabs",
        CLIPS,
        &[("manifest.tsv", "path\tlabel\tnote\nclips/1.wav\tdog\ta, b; c\nclips/2.wav\train\t\n")],
        Read("manifest", &["dog", "rain"], &[], &["4 files, 2 used: 2 that the table does not name"]),
    ),
    row(
        "semicolons around several labels",
        CLIPS,
        &[("manifest.csv", "path;label\nclips/1.wav;\"dog;loud\"\nclips/2.wav;rain\n")],
        Read("manifest", &["dog", "loud", "rain"], &[], &[]),
    ),
    row(
        "Excel's line that declares the separator",
        CLIPS,
        &[("manifest.csv", "sep=;\r\npath;label\r\nclips/1.wav;dog\r\nclips/2.wav;rain\r\n")],
        Read("manifest", &["dog", "rain"], &[], &[]),
    ),
    row(
        "a byte order mark before a quoted header",
        CLIPS,
        &[("manifest.csv", "\u{feff}\"path\",\"label\"\r\n\"clips/1.wav\",\"dog\"\r\n\"clips/2.wav\",\"rain\"\r\n")],
        Read("manifest", &["dog", "rain"], &[], &[]),
    ),
    row(
        "line numbers behind blank and quoted lines",
        CLIPS,
        &[("manifest.csv", "path,label,note\n\nclips/1.wav,dog,\"two\nlines\"\n\nclips/gone.wav,rain,\n")],
        Refused(&["line 6 of", "gone.wav"]),
    ),
    row(
        "onset and offset in milliseconds",
        CLIPS,
        &[(
            "manifest.csv",
            "filename,onset_ms,offset_ms,label\nclips/1.wav,500,1000,dog\nclips/1.wav,1000,2000,rain\n",
        )],
        Refused(&["`onset_ms` and `offset_ms`", "parts of files"]),
    ),
    row(
        "Raven's times with units",
        CLIPS,
        &[("manifest.tsv", "path\tBegin Time (s)\tEnd Time (s)\tlabel\nclips/1.wav\t0\t1\tdog\n")],
        // Marks in a recording, which is opened for its length.
        Refused(&["clips/1.wav", "not sound"]),
    ),
    row(
        "empty columns of times",
        CLIPS,
        &[("manifest.csv", "path,start,end,label\nclips/1.wav,,,dog\nclips/2.wav,,,rain\n")],
        Read("manifest", &["dog", "rain"], &[], &["`start` and `end` are not read"]),
    ),
    row(
        "columns that are not read",
        CLIPS,
        &[("manifest.csv", "path,label,duration,recordist\nclips/1.wav,dog,3,me\nclips/2.wav,rain,3,me\n")],
        Read("manifest", &["dog", "rain"], &[], &["columns `duration` and `recordist` are not read"]),
    ),
    row(
        "commas in a column of labels",
        CLIPS,
        &[("manifest.csv", "path,labels\nclips/1.wav,\"dog, rain\"\nclips/2.wav,rain\n")],
        Read("manifest", &["dog", "rain"], &[], &[]),
    ),
    row(
        "Python's list of labels",
        CLIPS,
        &[("manifest.csv", "path,label\nclips/1.wav,\"['dog', 'rain']\"\nclips/2.wav,['rain']\n")],
        Read("manifest", &["dog", "rain"], &[], &[]),
    ),
    row(
        "commas in a column of one label",
        CLIPS,
        &[("manifest.csv", "path,label\nclips/1.wav,\"Speech, male\"\nclips/2.wav,Music\n")],
        Read("manifest", &["Music", "Speech, male"], &[], &["hold commas and are read as one class"]),
    ),
    row(
        "labels that differ by case and spaces",
        CLIPS,
        &[("manifest.csv", "path,label\nclips/1.wav,Dog Bark\nclips/2.wav,dog_bark\nclips/3.wav,rain\n")],
        Read("manifest", &["Dog Bark", "dog_bark", "rain"], &[], &["differ only in case", "`Dog Bark` and `dog_bark`"]),
    ),
    row(
        "class folders that differ by case",
        &["Dog/1.wav", "dog /2.wav", "rain/1.wav"],
        &[],
        Read("folders", &["Dog", "dog ", "rain"], &[], &["differ only in case"]),
    ),
    row(
        "a path in other letter case",
        CLIPS,
        &[("manifest.csv", "path,label\nClips/1.WAV,dog\nclips/2.wav,rain\n")],
        Refused(&["did you mean `clips/1.wav`?"]),
    ),
    row(
        "another machine's absolute paths",
        CLIPS,
        &[("manifest.csv", "path,label\n/home/her/set/clips/1.wav,dog\nclips/2.wav,rain\n")],
        Refused(&["did you mean `clips/1.wav`?"]),
    ),
    row(
        "folds that pandas made decimal",
        CLIPS,
        &[(
            "manifest.csv",
            "path,label,fold\nclips/1.wav,dog,1.0\nclips/2.wav,rain,1.0\nclips/3.wav,dog,2.0\nclips/4.wav,rain,2.0\n",
        )],
        Read("manifest", &["dog", "rain"], &[2, 2, 0], &[]),
    ),
    // Hugging Face's audiofolder.
    row(
        "metadata.jsonl",
        CLIPS,
        &[(
            "metadata.jsonl",
            "{\"file_name\": \"clips/1.wav\", \"label\": \"dog\"}\n{\"file_name\": \"clips/2.wav\", \"label\": \"rain\"}\n",
        )],
        Read("audiofolder", &["dog", "rain"], &[], &["4 files, 2 used"]),
    ),
    row(
        "metadata in each part",
        &["train/1.wav", "train/2.wav", "test/1.wav", "test/2.wav"],
        &[
            ("train/metadata.csv", "file_name,label\n1.wav,dog\n2.wav,rain\n"),
            ("test/metadata.csv", "file_name,label\n1.wav,dog\n2.wav,rain\n"),
        ],
        Read("audiofolder", &["dog", "rain"], &[2, 2, 0], &["4 files, all used"]),
    ),
    row(
        "metadata above the parts",
        &["data/train/1.wav", "data/train/2.wav", "data/test/1.wav", "data/test/2.wav"],
        &[(
            "metadata.csv",
            "file_name,label\ndata/train/1.wav,dog\ndata/train/2.wav,rain\ndata/test/1.wav,dog\ndata/test/2.wav,rain\n",
        )],
        Read("audiofolder", &["dog", "rain"], &[2, 2, 0], &[]),
    ),
    row(
        "metadata without labels beside class folders",
        PAIR,
        &[("metadata.csv", "file_name,speaker\ndog/1.wav,a\n")],
        Read("folders", &["dog", "rain"], &[], &["5 files, 4 used: 1 not sound"]),
    ),
];

fn put(path: PathBuf, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Everything that is said of a set: problems, notes, and the line of what was found.
fn said(reading: &Reading) -> String {
    let mut said: Vec<String> = reading.problems.iter().map(ToString::to_string).collect();
    said.extend(reading.dataset.notes.clone());
    said.push(reading.dataset.found.to_string());
    said.join("\n")
}

fn check(name: &str, root: &Path, right: &Right) {
    let spec = root.to_str().unwrap();
    let sizes = |set: &data::Dataset| {
        let division = set.divide(None, 1).unwrap_or_else(|error| panic!("{name}: {error}"));
        [division.train.len(), division.val.len(), division.test.len()]
    };
    match right {
        Read(layout, classes, parts, wanted) => {
            let set = data::open(spec).unwrap_or_else(|error| panic!("{name}: {error}"));
            let read: Vec<&str> = set.classes.iter().map(String::as_str).collect();
            assert_eq!((set.layout, read.as_slice()), (*layout, *classes), "{name}");
            if !parts.is_empty() {
                assert_eq!(sizes(&set).as_slice(), *parts, "{name}");
            }
            let said = said(&data::read(spec).unwrap());
            for wanted in *wanted {
                assert!(said.contains(wanted), "{name}: `{wanted}` is not in\n{said}");
            }
        }
        Refused(wanted) => {
            let error = data::open(spec).map(|set| set.classes).expect_err(name).to_string();
            for wanted in *wanted {
                assert!(error.contains(wanted), "{name}: `{wanted}` is not in\n{error}");
            }
        }
    }
}

#[test]
fn every_row_is_read_or_refused_as_is_right() {
    assert!(ROWS.len() >= 40);
    let names: BTreeSet<&str> = ROWS.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), ROWS.len());
    for row in ROWS {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().join("set");
        row.sounds.iter().for_each(|path| put(root.join(path), "sound"));
        row.texts.iter().for_each(|(path, text)| put(root.join(path), text));
        check(row.name, &root, &row.right);
    }
}

fn awkward(folder: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/awkward/sets").join(folder);
    if !path.exists() {
        eprintln!("skipped: {} is not there", path.display());
    }
    path.exists().then_some(path)
}

/// The rows of `../shared/data/awkward`, as its README has them.
#[test]
fn awkward_sets_are_right() {
    let rows: &[(&str, Right)] = &[
        ("semicolons", Read("manifest", &["crying_baby", "dog", "rain"], &[12, 3, 0], &["24 files, 15 used: 9 that"])),
        ("start-end-columns", Read("marks", &["dog", "rain"], &[], &[])),
        ("backslashes", Read("manifest", &["dog", "rain"], &[], &["6 paths are written with backslashes"])),
        ("class-then-split", Read("folders", &["dog", "rain"], &[6, 2, 0], &["8 files, all used"])),
        ("housekeeping-folders", Read("folders", &["dog", "rain"], &[], &["8 files, all used"])),
        ("hf-metadata-csv", Read("audiofolder", &["dog", "rain"], &[], &["24 files, 6 used: 18 that"])),
        ("split-folders-and-one-more", Refused(&["background_noise", "is beside testing, training and validation"])),
        ("loose-files", Read("folders", &["dog", "rain"], &[], &["9 files, 8 used: 1 beside the class folders"])),
        ("unread-kinds", Read("folders", &["dog", "rain"], &[], &["24 files, ", "of kinds that are not read"])),
    ];
    for (folder, right) in rows {
        if let Some(root) = awkward(folder) {
            check(folder, &root, right);
        }
    }
    if let Some(root) = awkward("semicolons") {
        let set = data::open(root.to_str().unwrap()).unwrap();
        assert_eq!((set.items.len(), set.folds().len()), (15, 5));
    }
    if let Some(root) = awkward("comma-labels") {
        let set = data::open(root.to_str().unwrap()).unwrap();
        assert!(set.is_multi_label());
        for class in ["Animal", "Bark", "Dog", "Rain", "Water"] {
            assert!(set.classes.iter().any(|known| known == class), "{class}: {:?}", set.classes);
        }
        assert!(set.classes.iter().all(|class| !class.contains(',')), "{:?}", set.classes);
    }
    if let Some(root) = awkward("label-unicode-forms") {
        let reading = data::read(root.to_str().unwrap()).unwrap();
        assert_eq!(reading.dataset.classes.iter().filter(|class| class.starts_with('B')).count(), 1);
        assert!(said(&reading).contains("several Unicode forms"), "{}", said(&reading));
    }
    if let Some(root) = awkward("wrapper-folder") {
        let reading = data::read(root.to_str().unwrap()).unwrap();
        assert_eq!((reading.dataset.layout, reading.dataset.name.as_str()), ("esc50", "wrapper-folder"));
        assert!(said(&reading).contains("ESC-50-master: the data set was found here"), "{}", said(&reading));
        assert!(reading.dataset.items.len() > 10 && !reading.dataset.folds().is_empty());
    }
}

#[test]
fn labels_in_two_unicode_forms_are_one_class_of_all_their_clips() {
    let root = tempfile::tempdir().unwrap();
    for path in ["Ba\u{308}r/1.wav", "B\u{e4}r/2.wav", "rain/1.wav"] {
        put(root.path().join(path), "sound");
    }
    let set = data::open(root.path().to_str().unwrap()).unwrap();
    assert_eq!(set.classes, ["B\u{e4}r", "rain"]);
    assert_eq!(set.items.iter().filter(|item| item.label == Label::One(0)).count(), 2);
}

#[test]
fn a_class_in_the_test_part_alone_is_named() {
    let root = tempfile::tempdir().unwrap();
    for path in ["train/dog/1.wav", "train/rain/1.wav", "test/dog/2.wav", "test/rain/2.wav", "test/owl/1.wav"] {
        put(root.path().join(path), "sound");
    }
    let set = data::open(root.path().to_str().unwrap()).unwrap();
    let division = set.divide(None, 1).unwrap();
    assert_eq!(set.untrained(&division), ["owl"]);
    assert!(set.items.iter().all(|item| item.split.is_some_and(|split| split != Split::Val)));
}

#[cfg(unix)]
#[test]
fn a_folder_that_links_to_itself_ends() {
    let root = tempfile::tempdir().unwrap();
    PAIR.iter().for_each(|path| put(root.path().join(path), "sound"));
    std::os::unix::fs::symlink(root.path(), root.path().join("dog/again")).unwrap();
    let reading = data::read(root.path().to_str().unwrap()).unwrap();
    assert_eq!((reading.dataset.items.len(), reading.dataset.classes.len()), (4, 2));
    assert_eq!(reading.left_out.iter().filter(|one| one.reason == Reason::Link).count(), 1);
}

#[test]
fn a_table_of_utf_16_is_read() {
    let root = tempfile::tempdir().unwrap();
    CLIPS.iter().for_each(|path| put(root.path().join(path), "sound"));
    let text = "\u{feff}path\tlabel\r\nclips/1.wav\tdog\r\nclips/2.wav\train\r\n";
    let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(root.path().join("manifest.csv"), bytes).unwrap();
    assert_eq!(data::open(root.path().to_str().unwrap()).unwrap().classes, ["dog", "rain"]);
}
