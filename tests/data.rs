//! Data sets as people have them: layouts, splits, recipes, and what is said when something is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use aat_tui::data::{self, Label, Loss, Metric, Recipe, Split};

/// A tone of so many samples as a 16-bit wav file.
fn wav(path: &Path, samples: usize) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 16_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    // A different pitch for each file, so that no two are the same.
    let hz = path.to_string_lossy().bytes().fold(200u32, |sum, byte| (sum * 31 + u32::from(byte)) % 3_000 + 100);
    for n in 0..samples {
        writer
            .write_sample((8_000.0 * (std::f32::consts::TAU * n as f32 * hz as f32 / 16_000.0).sin()) as i16)
            .unwrap();
    }
    writer.finalize().unwrap();
}

fn shared(folder: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(folder);
    if !path.exists() {
        eprintln!("skipped: {} is not there", path.display());
    }
    path.exists().then_some(path)
}

fn spec(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn demo_is_a_set_of_events_voice_and_music_divided_evenly() {
    let demo = data::open("demo").unwrap();
    assert_eq!((demo.classes.len(), demo.items.len()), (12, 480));
    let division = demo.divide(None, 7).unwrap();
    assert_eq!((division.train.len(), division.val.len(), division.test.len()), (384, 96, 0));
    for class in 0..12 {
        let held_out = division.val.iter().filter(|&&i| demo.items[i].label == Label::One(class)).count();
        assert_eq!(held_out, 8, "{}", demo.classes[class]);
    }
    assert_eq!(division, demo.divide(None, 7).unwrap());
    assert_ne!(division, demo.divide(None, 8).unwrap());
    let error = demo.divide(Some(1), 7).unwrap_err().to_string();
    assert!(error.contains("no folds"), "{error}");
}

#[test]
fn class_folders_with_and_without_parts() {
    let folder = tempfile::tempdir().unwrap();
    for class in ["cat", "dog"] {
        for n in 0..5 {
            wav(&folder.path().join(format!("{class}/deep/{n}.wav")), 8_000);
        }
    }
    wav(&folder.path().join(".hidden/x.wav"), 100);
    let set = data::open(spec(folder.path())).unwrap();
    assert_eq!((set.layout, set.classes.as_slice()), ("folders", ["cat".to_owned(), "dog".to_owned()].as_slice()));
    assert_eq!(set.items[0].id, "cat/deep/0.wav");
    let division = set.divide(None, 1).unwrap();
    assert_eq!((division.train.len(), division.val.len()), (8, 2));

    let folder = tempfile::tempdir().unwrap();
    for (part, clips) in [("train", 3), ("validation", 2), ("test", 1)] {
        for class in ["cat", "dog"] {
            (0..clips).for_each(|n| wav(&folder.path().join(format!("{part}/{class}/{n}.wav")), 8_000));
        }
    }
    let set = data::open(spec(folder.path())).unwrap();
    let division = set.divide(None, 1).unwrap();
    assert_eq!([division.train.len(), division.val.len(), division.test.len()], [6, 4, 2]);
    assert!(division.val.iter().all(|&i| set.items[i].split == Some(Split::Val)));
}

#[test]
fn a_manifest_gives_labels_folds_splits_and_groups() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("birds.csv");
    for n in 0..6 {
        wav(&folder.path().join(format!("clips/{n}.wav")), 8_000);
    }
    fs::write(&manifest, "Path, Label ,fold,group\nclips/0.wav,wren,1,a\nclips/1.wav,robin,1,b\n\"clips/2.wav\",wren,2,c\nclips/3.wav,robin,2,d\n").unwrap();
    let set = data::open(spec(&manifest)).unwrap();
    assert_eq!((set.name.as_str(), set.classes.join(" ").as_str(), set.folds()), ("birds", "robin wren", vec![1, 2]));
    assert_eq!(set.items[2].group.as_deref(), Some("c"));
    let division = set.divide(Some(2), 1).unwrap();
    assert_eq!((division.train, division.val), (vec![0, 1], vec![2, 3]));
    let error = set.divide(Some(9), 1).unwrap_err().to_string();
    assert!(error.contains("no fold 9") && error.contains("1, 2"), "{error}");

    fs::write(&manifest, "path,label,split\nclips/0.wav,wren;robin,train\nclips/1.wav,robin,train\nclips/1.wav,owl,train\nclips/2.wav,wren,test\n").unwrap();
    let set = data::open(spec(&manifest)).unwrap();
    assert!(set.is_multi_label());
    assert_eq!(set.items[1].label, Label::Many(vec![(0, true), (1, true), (2, false)]));
    let recipe = Recipe::for_dataset(&set).unwrap();
    assert_eq!((recipe.loss, recipe.metric), (Loss::Binary, Metric::MeanAveragePrecision));
    let division = set.divide(None, 1).unwrap();
    assert_eq!((division.train, division.val), (vec![0, 1], vec![2]), "without a validation part the test part is it");
}

#[test]
fn everything_wrong_with_a_manifest_is_found_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("m.csv");
    wav(&folder.path().join("here.wav"), 8_000);
    fs::write(&manifest, "path,label,split,fold\nhere.wav,a,train,1\ngone.wav,b,train,1\n,c,train,1\nhere.wav,,train,1\nother.wav,b,treain,1\nx.wav,a,test,one\n").unwrap();
    let problems: Vec<String> = data::read(spec(&manifest)).unwrap().problems.iter().map(ToString::to_string).collect();
    let wanted = [
        "gone.wav",
        "line 4: there is no path",
        "line 5: there is no label",
        "`treain` is not a split",
        "`one` is not a fold",
    ];
    for wanted in wanted {
        assert!(problems.iter().any(|problem| problem.contains(wanted)), "{wanted}: {problems:#?}");
    }
    let error = data::open(spec(&manifest)).unwrap_err().to_string();
    assert!(error.contains("4 more problems") && error.contains("data check"), "{error}");

    fs::write(&manifest, "pathh,label\nhere.wav,a\n").unwrap();
    let error = data::open(spec(&manifest)).unwrap_err().to_string();
    assert!(error.contains("no column `path`") && error.contains("`pathh`"), "{error}");
}

#[test]
fn what_is_not_a_data_set_is_said_to_be_none() {
    let folder = tempfile::tempdir().unwrap();
    let error = data::open(spec(&folder.path().join("nowhere"))).unwrap_err().to_string();
    assert!(error.contains("nowhere") && error.contains("no such data set"), "{error}");
    let error = data::open(spec(folder.path())).unwrap_err().to_string();
    assert!(error.contains("no layout"), "{error}");
    wav(&folder.path().join("a.wav"), 8_000);
    let error = data::open(spec(&folder.path().join("a.wav"))).unwrap_err().to_string();
    assert!(error.contains("no layout"), "{error}");
    fs::create_dir(folder.path().join("empty")).unwrap();
    let error = data::open(spec(folder.path())).unwrap_err().to_string();
    assert!(error.contains("no sound files") && error.contains("empty"), "{error}");
}

#[test]
fn groups_stay_together_when_a_set_is_divided() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("m.csv");
    let mut text = "path,label,speaker\n".to_owned();
    for speaker in 0..10 {
        for word in ["yes", "no"] {
            for take in 0..3 {
                let name = format!("{speaker}-{word}-{take}.wav");
                wav(&folder.path().join(&name), 1_000);
                text += &format!("{name},{word},s{speaker}\n");
            }
        }
    }
    fs::write(&manifest, text).unwrap();
    let set = data::open(spec(&manifest)).unwrap();
    for seed in 0..5 {
        let division = set.divide(None, seed).unwrap();
        let speakers =
            |part: &[usize]| part.iter().map(|&i| set.items[i].group.clone().unwrap()).collect::<BTreeSet<_>>();
        assert!(speakers(&division.train).is_disjoint(&speakers(&division.val)));
        assert_eq!(division.val.len(), 12);
    }
}

#[test]
fn esc10_keeps_its_folds_and_its_sources() {
    let Some(root) = shared("esc10") else { return };
    let set = data::open(spec(&root)).unwrap();
    assert_eq!((set.layout, set.recipe, set.classes.len(), set.items.len()), ("esc50", Some("esc50"), 10, 320));
    assert_eq!(set.folds(), [1, 2, 3, 4]);
    assert_eq!((set.classes[0].as_str(), set.items[0].label.clone()), ("dog", Label::One(0)));
    assert_eq!(set.items[0].group.as_deref(), Some("100032"));
    let division = set.divide(Some(1), 0).unwrap();
    assert_eq!((division.train.len(), division.val.len()), (240, 80));
}

#[test]
fn published_recipes_carry_published_figures() {
    let esc50 = Recipe::named("esc50").unwrap();
    let normalisation = esc50.normalisation.unwrap();
    assert_eq!((esc50.frames, esc50.batch, esc50.epochs, normalisation.mean), (512, 48, 25, -6.6268077));
    assert_eq!((esc50.lr_full, esc50.lr, esc50.schedule.factor), (1e-5, 1e-4, 0.85));
    let openmic = Recipe::named("openmic").unwrap();
    assert_eq!(
        (openmic.metric, openmic.loss, openmic.schedule.warmup_steps),
        (Metric::MeanAveragePrecision, Loss::Binary, 1000)
    );
    for name in Recipe::names() {
        let recipe = Recipe::named(name).unwrap();
        assert_eq!(recipe.name, name);
        recipe.check().unwrap();
    }
    let error = Recipe::named("ecs50").unwrap_err().to_string();
    assert!(error.contains("did you mean `esc50`?"), "{error}");
}

#[test]
fn a_recipe_file_says_only_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.toml");
    let read = |text: &str| {
        fs::write(&file, text).unwrap();
        Recipe::find(spec(&file)).map_err(|error| error.to_string())
    };
    let mine = read("base = \"esc50\"\nepochs = 3\n[schedule]\nevery = 2\n").unwrap();
    let base = Recipe::named("esc50").unwrap();
    let schedule = data::Schedule { every: 2, ..base.schedule };
    assert_eq!(mine, Recipe { name: "mine".into(), epochs: 3, schedule, ..base });

    for (text, wanted) in [
        ("epocs = 3", "`epocs` (did you mean `epochs`?)"),
        ("[schedule]\nwarmup = 3", "`schedule.warmup` (did you mean `warmup_steps`?)"),
        ("base = \"esc5\"", "did you mean `esc50`?"),
        ("epochs = \"three\"", "invalid type"),
        ("batch = 0", "batch is 0"),
        ("lr = -1.0", "lr is -1"),
        ("mixup = 2.0", "mixup is 2"),
        ("epochs = ", "mine.toml"),
        ("loss = \"hinge\"", "cross_entropy"),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.contains(wanted) && error.contains("mine.toml"), "{text}: {error}");
    }
}

#[test]
fn the_default_recipe_takes_its_length_from_the_clips() {
    let folder = tempfile::tempdir().unwrap();
    for n in 0..6 {
        wav(&folder.path().join(format!("a/{n}.wav")), 16_000);
        wav(&folder.path().join(format!("b/{n}.wav")), 16_000);
    }
    let set = data::open(spec(folder.path())).unwrap();
    // 98 frames, up to a whole number of patches.
    assert_eq!(Recipe::for_dataset(&set).unwrap().frames, 112);
}
