//! From tables to windows: names, times, parts, and what is reported.

use std::{fs, ops::ControlFlow, path::Path};

use aat_tui::data::{self, ClipList, Dataset, Label, Source, marks::Options};

use crate::made::recording;

fn spec(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn full() -> Options {
    Options { marked_in_full: true, ..Options::default() }
}

fn go_on(_: usize, _: usize) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn digest(dataset: &Dataset) -> String {
    let division = dataset.divide(None, 1).unwrap();
    ClipList::of(dataset, &division, &mut go_on).unwrap().digest()
}

/// Three recordings with a track beside each.
fn field(root: &Path) {
    // Each recording has a tone of its own.
    for (hertz, name, marks) in [
        (300.0, "site1/a", "2.0\t3.0\twren\n10.0\t10.5\train\n10.2\t14.0\twren\n"),
        (400.0, "site1/b", "5.0\t6.0\twren\n7.0\t8.0\train\n19.5\t22.0\twren\n25.0\t26.0\twren\n9.0\t9.5\t\n"),
        (500.0, "site2/c", "1.0\t2.0\train\n12.0\t13.0\twren\n"),
    ] {
        recording(&root.join(format!("{name}.wav")), 20.0, &[(hertz, 18.0, 18.5)]);
        fs::write(root.join(format!("{name}.txt")), marks).unwrap();
    }
}

#[test]
fn a_folder_of_recordings_with_tracks_gives_windows_and_tells_what_is_left_out() {
    let root = tempfile::tempdir().unwrap();
    field(root.path());
    recording(&root.path().join("site2/unmarked.wav"), 5.0, &[]);
    let set = data::open(spec(root.path())).unwrap();
    assert_eq!((set.layout, set.classes.as_slice()), ("marks", ["rain".to_owned(), "wren".to_owned()].as_slice()));
    let found = set.marks.clone().unwrap();
    assert_eq!((found.unlabelled, found.outside, found.beyond, found.background), (1, 1, 1, 0));
    let by_class = found.by_class(2);
    assert_eq!((by_class[0].0, by_class[1].0), (3, 5));
    for ((_, seconds), right) in by_class.iter().zip([2.5, 1.0 + 3.8 + 1.0 + 0.5 + 1.0]) {
        assert!((seconds - right).abs() < 1e-9, "{by_class:?}");
    }
    let notes = set.notes.join("\n");
    for words in [
        "3 recordings of 0.02 h with 8 marks",
        "1 row without a label left out",
        "1 mark outside of the recordings left out",
        "cut at the end of a recording: 1 mark",
        "--marked-in-full",
    ] {
        assert!(notes.contains(words), "{words}: {notes}");
    }
    assert_eq!(set.found.to_string(), "4 files, 3 used: 1 that the table does not name");
    // Several labels where they fall, and every window inside its recording.
    let both = Label::Many(vec![(0, true), (1, true)]);
    assert!(set.items.iter().any(|item| item.label == both), "{:?}", set.items);
    for item in &set.items {
        let Source::Part(part) = &item.source else { panic!("{item:?}") };
        assert!(part.starts.iter().all(|start| start + part.samples <= 20 * 16_000), "{part:?}");
        assert!(item.id.starts_with("site") && item.id.contains(".wav@"), "{}", item.id);
    }
    // Marked in full, there is background between.
    let complete = data::open_with(spec(root.path()), &full()).unwrap();
    assert!(complete.marks.as_ref().unwrap().background > 0);
    assert!(!complete.notes.join("\n").contains("--marked-in-full"));
    // Windows of one recording never are on both sides.
    let division = complete.divide(None, 3).unwrap();
    let group = |items: &[usize]| -> Vec<String> {
        let mut groups: Vec<String> = items.iter().filter_map(|&item| complete.items[item].group.clone()).collect();
        groups.sort();
        groups.dedup();
        groups
    };
    let (train, val) = (group(&division.train), group(&division.val));
    assert_eq!((train.len(), val.len()), (2, 1));
    assert!(train.iter().all(|one| !val.contains(one)));
}

#[test]
fn one_recording_alone_cannot_be_divided_and_that_is_said() {
    let root = tempfile::tempdir().unwrap();
    recording(&root.path().join("a.wav"), 20.0, &[]);
    fs::write(root.path().join("a.txt"), "2.0\t3.0\twren\n5\t6\train\n").unwrap();
    let error = data::open(spec(root.path())).unwrap().divide(None, 1).unwrap_err().to_string();
    assert!(error.contains("1 recording") && error.contains("divided by recording"), "{error}");
}

#[test]
fn one_table_for_all_and_a_manifest_with_parts_are_read() {
    let root = tempfile::tempdir().unwrap();
    for name in ["a.wav", "deep/b.wav", "c.wav"] {
        recording(&root.path().join(name), 10.0, &[]);
    }
    let table = root.path().join("events.tsv");
    fs::write(&table, "filename\tonset\toffset\tevent_label\na.wav\t1\t2\tx\nb.wav\t1\t3\ty\nc.wav\t\t\t\n").unwrap();
    for given in [root.path(), &table] {
        let set = data::open(spec(given)).unwrap();
        let found = set.marks.unwrap();
        assert_eq!((found.recordings.len(), found.tables, found.complete()), (3, 1, 1));
        // The recording of which the table says that it holds nothing is background, as much as is needed.
        assert_eq!((found.with_events, found.background), (2, 3));
    }
    let manifest = root.path().join("parts.csv");
    let rows = "path,start,end,label,fold,group\na.wav,1,2,x;y,1,s\ndeep/b.wav,1,3,y,2,s\nc.wav,0,1,x,3,t\n";
    fs::write(&manifest, rows).unwrap();
    let set = data::open(spec(&manifest)).unwrap();
    assert_eq!((set.classes.len(), set.folds()), (2, vec![1, 2, 3]));
    assert_eq!(set.items[0].label, Label::Many(vec![(0, true), (1, true)]));
    // Windows are as long as the parts: what lies beside one is not in it.
    assert_eq!(set.marks.as_ref().unwrap().frames, 112);
    for item in &set.items {
        let group = if item.id.starts_with("c.wav") { "t" } else { "s" };
        assert_eq!(item.group.as_deref(), Some(group), "{}", item.id);
    }
    // A manifest of whole clips whose columns of places are empty stays one.
    let whole = root.path().join("whole.csv");
    fs::write(&whole, "path,label,start,end\na.wav,x,,\nc.wav,y,,\n").unwrap();
    assert_eq!(data::open(spec(&whole)).unwrap().layout, "manifest");
}

#[test]
fn what_does_not_fit_is_refused_with_its_line() {
    let root = tempfile::tempdir().unwrap();
    for name in ["a.wav", "1/b.wav", "2/b.wav"] {
        recording(&root.path().join(name), 10.0, &[]);
    }
    let refused = |name: &str, text: &str| {
        let table = root.path().join(name);
        fs::write(&table, text).unwrap();
        let error = data::open(spec(&table)).unwrap_err().to_string();
        fs::remove_file(table).unwrap();
        error
    };
    for (text, words) in [
        ("file,start,end,label\na.wav,0,1,x\ngone.wav,1,2,y\n", "line 3: there is no recording `gone.wav`"),
        ("file,start,end,label\na.wav,0,1,x\nb.wav,1,2,y\n", "line 3: `b.wav` may be"),
        ("file,start,end,label\na.wav,0,1,x\na.wav,2,1,y\n", "line 3: it ends at 1 s"),
        ("file,start,end,label,fold\na.wav,0,1,x,1\na.wav,2,3,y,2\n", "more than one fold"),
        ("file,start,end,label,score\na.wav,0,1,x,0.5\n", "--trust-detections"),
    ] {
        let error = refused("t.csv", text);
        assert!(error.contains(words), "{text}: {error}");
    }
}

/// What a session remembers of its data changes with every mark, and with nothing else.
#[test]
fn the_digest_includes_the_marks() {
    let root = tempfile::tempdir().unwrap();
    field(root.path());
    let first = digest(&data::open(spec(root.path())).unwrap());
    assert_eq!(first, digest(&data::open(spec(root.path())).unwrap()));
    for (from, to) in [("12.0\t13.0", "12.5\t13.0"), ("wren", "robin")] {
        let track = root.path().join("site2/c.txt");
        let text = fs::read_to_string(&track).unwrap();
        fs::write(&track, text.replace(from, to)).unwrap();
        assert_ne!(first, digest(&data::open(spec(root.path())).unwrap()), "{from}");
        fs::write(&track, text).unwrap();
    }
    assert_ne!(first, digest(&data::open_with(spec(root.path()), &full()).unwrap()));
    assert_eq!(first, digest(&data::open(spec(root.path())).unwrap()));
}

/// Another table of the same recordings does not hide that they were trained on.
#[test]
fn recordings_that_trained_are_known_by_their_content() {
    let root = tempfile::tempdir().unwrap();
    field(root.path());
    let set = data::open(spec(root.path())).unwrap();
    let division = set.divide(None, 1).unwrap();
    let clips = ClipList::of(&set, &division, &mut go_on).unwrap();
    let trained = clips.trained();
    let hex = |bytes: [u8; 32]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let all: Vec<usize> = (0..set.items.len()).collect();
    let files = set.files(&all, &mut go_on).unwrap();
    let known: Vec<usize> = all.iter().copied().filter(|&item| trained.contains(hex(files[item]).as_str())).collect();
    let mut train = division.train.clone();
    train.sort_unstable();
    assert_eq!(known, train);
}

#[test]
fn check_decodes_every_recording_once_and_counts_seconds() {
    let root = tempfile::tempdir().unwrap();
    field(root.path());
    let report = data::check(spec(root.path()), &mut go_on).unwrap();
    assert_eq!(report.errors(), 0, "{:?}", report.problems);
    assert!((report.seconds - 60.0).abs() < 0.01, "{}", report.seconds);
    assert_eq!(report.clips, report.dataset.items.len());
    fs::write(root.path().join("site1/b.wav"), b"RIFF").unwrap();
    let report = data::check(spec(root.path()), &mut go_on).unwrap();
    assert_eq!(report.errors(), 1, "{:?}", report.problems);
}

/// A label in two Unicode forms is one class, in windows and in what detections are compared with.
#[test]
fn labels_in_two_unicode_forms_are_one_class() {
    let root = tempfile::tempdir().unwrap();
    recording(&root.path().join("a.wav"), 20.0, &[]);
    fs::write(root.path().join("a.txt"), "2\t3\tBa\u{308}r\n9\t10\tB\u{e4}r\n15\t16\tdog\n").unwrap();
    let set = data::open(spec(root.path())).unwrap();
    assert_eq!(set.classes, ["B\u{e4}r", "dog"]);
    assert_eq!(set.marks.unwrap().by_class(2).iter().map(|(marks, _)| *marks).collect::<Vec<_>>(), [2, 1]);
    assert!(set.notes.join("\n").contains("Unicode"), "{:?}", set.notes);
}
