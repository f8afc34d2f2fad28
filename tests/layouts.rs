//! Published data sets in their own layouts: small trees made as the real ones are, and the real ones of ../shared.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

use std::{
    collections::BTreeSet,
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use aat_tui::data::{self, Dataset, Label, Split};

fn write(path: PathBuf, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Layouts are read from names alone: the sounds themselves may be anything.
fn sound(path: PathBuf) {
    write(path, "sound");
}

fn open(root: &Path) -> Dataset {
    data::open(root.to_str().unwrap()).unwrap()
}

fn problems(root: &Path) -> Vec<String> {
    data::read(root.to_str().unwrap()).unwrap().problems.iter().map(ToString::to_string).collect()
}

fn shared(folder: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(folder);
    if !path.exists() {
        eprintln!("skipped: {} is not there", path.display());
    }
    path.exists().then_some(path)
}

fn sizes(set: &Dataset, fold: Option<u32>) -> [usize; 3] {
    let division = set.divide(fold, 1).unwrap();
    [division.train.len(), division.val.len(), division.test.len()]
}

#[test]
fn urbansound8k_has_ten_folds_and_groups_by_recording() {
    let root = tempfile::tempdir().unwrap();
    let mut text = "slice_file_name,fsID,start,end,salience,fold,classID,class\n".to_owned();
    for fold in 1..=10 {
        for (class, name) in [(0, "air_conditioner"), (3, "dog_bark"), (8, "siren")] {
            let source = 1_000 + 10 * fold + class;
            let file = format!("{source}-{class}-0-0.wav");
            text += &format!("{file},{source},0.0,4.0,1,{fold},{class},{name}\n");
            sound(root.path().join(format!("audio/fold{fold}/{file}")));
        }
    }
    write(root.path().join("metadata/UrbanSound8K.csv"), &text);
    let set = open(root.path());
    assert_eq!((set.layout, set.recipe), ("urbansound8k", Some("urbansound8k")));
    assert_eq!(set.classes, ["air_conditioner", "dog_bark", "siren"]);
    assert_eq!(set.folds(), (1..=10).collect::<Vec<u32>>());
    assert_eq!((set.items[1].id.as_str(), set.items[1].group.as_deref()), ("fold1/1013-3-0-0.wav", Some("1013")));
    assert_eq!((set.items[1].label.clone(), sizes(&set, Some(4))), (Label::One(1), [27, 3, 0]));
    fs::remove_file(root.path().join("audio/fold2/1020-0-0-0.wav")).unwrap();
    assert!(problems(root.path())[0].contains("1020-0-0-0.wav"));
}

#[test]
fn speech_commands_has_lists_and_speakers() {
    let root = tempfile::tempdir().unwrap();
    for word in ["yes", "no"] {
        for speaker in ["a1", "b2", "c3", "d4"] {
            sound(root.path().join(format!("{word}/{speaker}_nohash_0.wav")));
        }
    }
    sound(root.path().join("_background_noise_/hum.wav"));
    write(root.path().join("validation_list.txt"), "yes/b2_nohash_0.wav\nno/b2_nohash_0.wav\n");
    write(root.path().join("testing_list.txt"), "yes/c3_nohash_0.wav\nno/c3_nohash_0.wav\n\n");
    let set = open(root.path());
    assert_eq!((set.layout, set.recipe), ("speech-commands", None));
    assert_eq!((set.classes.join(" ").as_str(), sizes(&set, None)), ("no yes", [4, 2, 2]));
    assert_eq!(set.items[0].group.as_deref(), Some("a1"));

    write(root.path().join("testing_list.txt"), "yes/c3_nohash_0.wav\nyes/gone_nohash_0.wav\nno/b2_nohash_0.wav\n");
    let problems = problems(root.path());
    assert!(problems.iter().any(|problem| problem.contains("gone_nohash_0.wav") && problem.contains("testing_list")));
    assert!(problems.iter().any(|problem| problem.contains("both lists name no/b2_nohash_0.wav")), "{problems:?}");
}

#[test]
fn speech_commands_versions_are_told_apart() {
    let root = tempfile::tempdir().unwrap();
    for list in ["validation_list.txt", "testing_list.txt"] {
        write(root.path().join(list), "");
    }
    (0..30).for_each(|word| sound(root.path().join(format!("word{word:02}/a_nohash_0.wav"))));
    assert_eq!(open(root.path()).recipe, Some("speech-commands-v1"));
    for word in ["backward", "follow", "forward", "learn", "visual"] {
        sound(root.path().join(format!("{word}/a_nohash_0.wav")));
    }
    assert_eq!(open(root.path()).recipe, Some("speech-commands-v2"));
}

#[test]
fn gtzan_is_divided_by_the_fault_filtered_split() {
    let root = tempfile::tempdir().unwrap();
    let genres = ["blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock"];
    for genre in genres {
        for number in 0..100 {
            sound(root.path().join(format!("genres_original/{genre}/{genre}.{number:05}.wav")));
        }
    }
    let set = open(root.path());
    assert_eq!((set.layout, set.recipe, set.classes.len()), ("gtzan", Some("gtzan"), 10));
    assert_eq!(sizes(&set, None), [443, 197, 290]);
    assert!(set.notes[0].starts_with("70 excerpts"), "{:?}", set.notes);
}

#[test]
fn openmic_honours_relevance_and_masks_what_nobody_was_asked() {
    let root = tempfile::tempdir().unwrap();
    write(root.path().join("class-map.json"), r#"{"banjo": 0, "cello": 1, "flute": 2}"#);
    let labels = root.path().join("openmic-2018-aggregated-labels.csv");
    let text = "sample_key,instrument,relevance,num_responses\n000_1,flute,0.9,3\n000_1,banjo,0.1,3\n001_2,cello,0.5,3\n001_3,cello,0.6,3\n001_4,cello,1.0,3\n";
    write(labels.clone(), text);
    write(root.path().join("partitions/split01_train.csv"), "000_1\n001_2\n");
    write(root.path().join("partitions/split01_test.csv"), "001_3\n");
    ["000/000_1", "001/001_2", "001/001_3", "001/001_4"]
        .iter()
        .for_each(|key| sound(root.path().join(format!("audio/{key}.ogg"))));
    let set = open(root.path());
    assert_eq!(
        (set.layout, set.recipe, set.classes.join(" ").as_str()),
        ("openmic", Some("openmic"), "banjo cello flute")
    );
    assert_eq!(set.items[0].label, Label::Many(vec![(2, true), (0, false)]));
    assert_eq!(set.items[1].label, Label::Many(vec![(1, false)]), "0.5 is not above 0.5");
    let division = set.divide(None, 1).unwrap();
    assert_eq!((division.train, division.val), (vec![0, 1], vec![2]));
    assert!(set.notes[0].contains("1 annotated clips"), "{:?}", set.notes);

    write(labels, &format!("{text}000_1,celo,0.9,3\n"));
    fs::remove_file(root.path().join("audio/001/001_3.ogg")).unwrap();
    let problems = problems(root.path());
    assert!(problems.iter().any(|problem| problem.contains("`celo`") && problem.contains("did you mean `cello`?")));
    assert!(problems.iter().any(|problem| problem.contains("001_3.ogg")), "{problems:?}");
}

#[test]
fn spoken_digits_of_three_speakers_train() {
    let Some(root) = shared("digits") else { return };
    let set = open(&root);
    assert_eq!((set.layout, set.classes.len(), sizes(&set, None)), ("speech-commands", 10, [1_500, 500, 500]));
    let division = set.divide(None, 1).unwrap();
    let speakers = |part| -> BTreeSet<&str> {
        division.part(part).iter().map(|&i| set.items[i].group.as_deref().unwrap()).collect()
    };
    let [train, val, test] = [Split::Train, Split::Val, Split::Test].map(speakers);
    assert_eq!((train.len(), val.len(), test.len()), (3, 1, 1));
    assert!(train.is_disjoint(&val) && train.is_disjoint(&test) && val.is_disjoint(&test));
}

#[test]
fn a_real_openmic_tree_has_partial_labels() {
    let Some(root) = shared("openmic-mini") else { return };
    let set = open(&root);
    assert_eq!((set.layout, set.classes.len(), set.items.len()), ("openmic", 20, 198));
    assert!(set.is_multi_label());
    let known: usize = set
        .items
        .iter()
        .map(|item| match &item.label {
            Label::Many(known) => known.len(),
            Label::One(_) | Label::Not(_) => 1,
        })
        .sum();
    assert!(known < 20 * 198, "{known}");
    // Two of the twenty never occur: worth a word, no reason to stop.
    let report = data::check(root.to_str().unwrap(), &mut |_, _| ControlFlow::Continue(())).unwrap();
    assert_eq!(report.errors(), 0, "{:#?}", report.problems);
    let absent = report.problems.iter().filter(|problem| problem.problem.starts_with("no clip holds")).count();
    assert_eq!((absent, report.clips), (2, 198));
}
