//! Data sets as people have them: layouts, splits, recipes, and what is said when something is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

#[path = "../src/audio/testing.rs"]
mod wav;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use aat_tui::data::{self, Label, Loss, Metric, Recipe, Split};

/// A tone of so many samples as a 16-bit wav file.
fn wav(path: &Path, samples: u32) {
    // A different pitch for each file, so that no two are the same.
    let hz = path.to_string_lossy().bytes().fold(200u32, |sum, byte| (sum * 31 + u32::from(byte)) % 3_000 + 100);
    wav::wav(path, samples, |n| (8_000.0 * (std::f32::consts::TAU * n as f32 * hz as f32 / 16_000.0).sin()) as i16);
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
    let schedule = data::Schedule { every: 2.0, ..base.schedule.stretched(25, 3) };
    assert_eq!(mine, Recipe { name: "mine".into(), epochs: 3, schedule, ..base });

    let random = |text: &str| {
        let mut recipe = read(text).unwrap();
        recipe.settle_start(true);
        (recipe.lr, recipe.lr_full, recipe.schedule.warmup_steps)
    };
    assert_eq!(random(""), (2e-3, 5e-4, 50));
    assert_eq!(random("epochs = 4"), (2e-3, 5e-4, 10));
    assert_eq!(random("lr = 3e-4\n[schedule]\nwarmup_steps = 7"), (3e-4, 5e-4, 7));
    assert_eq!(random("lr = 3e-4\n[random]\nlr = 4e-4"), (4e-4, 5e-4, 50));

    for (text, wanted) in [
        ("[random]\nlr_ful = 3", "`random.lr_ful` (did you mean `lr_full`?)"),
        ("[rates]\nhed = 3.0", "`rates.hed` (did you mean `head`?)"),
        ("[rates]\nhead = -1.0", "must not be negative"),
        ("gain = -3.0", "gain is -3"),
        ("clip_norm = -1.0", "clip_norm is -1"),
        ("average_last = 2\npatience = 2", "set patience to 0"),
        ("epocs = 3", "`epocs` (did you mean `epochs`?)"),
        ("[schedule]\nwarmup = 3", "`schedule.warmup` (did you mean `warmup_steps`?)"),
        ("base = \"esc5\"", "did you mean `esc50`?"),
        ("epochs = \"three\"", "invalid type"),
        ("epochs = 0", "epochs is 0"),
        ("epochs = -3", "-3"),
        ("[schedule]\nevery = 0", "schedule.every is 0"),
        ("[schedule]\nconstant_until = -1", "schedule.constant_until is -1"),
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

/// Epochs alone: the base's shares of the run. What a file says of the schedule itself counts in its own epochs, so a
/// file that was written with whole epochs keeps them.
#[test]
fn a_recipe_file_of_another_length_stretches_the_schedule_of_its_base() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.toml");
    let read = |text: &str| {
        fs::write(&file, text).unwrap();
        let schedule = Recipe::find(spec(&file)).unwrap().schedule;
        (schedule.warmup_steps, schedule.constant_until, schedule.every)
    };
    assert_eq!(read("base = \"few\""), (30, 4.0, 1.0));
    assert_eq!(read("base = \"few\"\nepochs = 5"), (15, 2.0, 0.5));
    assert_eq!(read("base = \"few\"\nepochs = 5\n[schedule]\nconstant_until = 3\nevery = 1"), (15, 3.0, 1.0));
    let mut mine = Recipe::find(spec(&file)).unwrap();
    mine.set_epochs(10);
    assert_eq!((mine.epochs, mine.schedule.constant_until, mine.schedule.every), (10, 6.0, 2.0));
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

#[test]
fn data_check_lists_every_problem_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for n in 0..4 {
        wav(&at(&format!("cat/{n}.wav")), 8_000);
        wav(&at(&format!("dog/{n}.wav")), 8_000);
    }
    fs::write(at("cat/empty.wav"), "").unwrap();
    fs::write(at("cat/text.wav"), "not sound").unwrap();
    wav(&at("cat/short.wav"), 160);
    let spec_float = hound::WavSpec {
        channels: 1,
        sample_rate: 16_000,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let mut nan = hound::WavWriter::create(at("dog/nan.wav"), spec_float).unwrap();
    (0..8_000).for_each(|_| nan.write_sample(f32::NAN).unwrap());
    nan.finalize().unwrap();
    fs::copy(at("cat/1.wav"), at("dog/copy.wav")).unwrap();
    fs::copy(at("cat/2.wav"), at("cat/twin.wav")).unwrap();
    fs::write(at("cat/phone.wma"), [0; 9]).unwrap();
    fs::create_dir(at("nothing")).unwrap();
    let mut wanted =
        vec!["empty.wav", "text.wav", "short.wav", "nan.wav", "copy.wav", "twin.wav", "phone.wma", "nothing"];
    if let Some(ogg) = shared("esc10/audio/1-100032-A-0.ogg") {
        let bytes = fs::read(ogg).unwrap();
        fs::write(at("dog/cut.ogg"), &bytes[..bytes.len() / 2]).unwrap();
        wanted.push("cut.ogg");
    }
    let mut command = assert_cmd::Command::cargo_bin("aat-tui").unwrap();
    let run = command.args(["data", "check", "--json", spec(folder.path())]).assert().code(1);
    let lines: Vec<serde_json::Value> = String::from_utf8_lossy(&run.get_output().stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for wanted in wanted {
        let problem = lines.iter().find(|line| line["path"].as_str().is_some_and(|path| path.ends_with(wanted)));
        let problem = problem.unwrap_or_else(|| panic!("{wanted} is not listed: {lines:#?}"));
        assert!(!problem["remedy"].as_str().unwrap().is_empty());
        let severity = if matches!(wanted, "twin.wav" | "phone.wma") { "warning" } else { "error" };
        assert_eq!(problem["severity"], severity, "{wanted}");
    }
    let summary = lines.last().unwrap();
    assert_eq!((summary["summary"].as_bool(), summary["layout"].as_str()), (Some(true), Some("folders")));
    assert_eq!(summary["clips"], 10);
}

#[test]
fn data_check_is_content_with_what_is_good() {
    let mut command = assert_cmd::Command::cargo_bin("aat-tui").unwrap();
    command.args(["data", "check", "demo"]).assert().code(0);
    let folder = tempfile::tempdir().unwrap();
    wav(&folder.path().join("only/1.wav"), 8_000);
    let report = data::check(spec(folder.path()), &mut |_, _| std::ops::ControlFlow::Continue(())).unwrap();
    assert!(report.problems.iter().any(|problem| problem.problem.contains("one class only")));
}

#[test]
fn groups_on_both_sides_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = "path,label,fold,speaker\n".to_owned();
    for n in 0..8 {
        wav(&folder.path().join(format!("{n}.wav")), 8_000);
        text += &format!("{n}.wav,{},{},s{}\n", ["a", "b"][n % 2], 1 + n / 4, n % 3);
    }
    fs::write(folder.path().join("manifest.csv"), text).unwrap();
    let report = data::check(spec(folder.path()), &mut |_, _| std::ops::ControlFlow::Continue(())).unwrap();
    let leaks = report.problems.iter().filter(|problem| problem.problem.contains("are in fold 1 and fold 2")).count();
    assert_eq!(leaks, 3, "{:#?}", report.problems);
}

#[test]
fn data_stats_measures_the_training_part() {
    let mut command = assert_cmd::Command::cargo_bin("aat-tui").unwrap();
    let run = command.args(["data", "stats", "demo", "--json"]).assert().code(0);
    let report: serde_json::Value = serde_json::from_slice(&run.get_output().stdout).unwrap();
    assert_eq!((report["train"].as_u64(), report["val"].as_u64()), (Some(384), Some(96)));
    assert_eq!(report["classes"].as_array().unwrap().len(), 12);
    let (mean, std) = (report["mean"].as_f64().unwrap(), report["std"].as_f64().unwrap());
    assert!((-12.0..-2.0).contains(&mean) && (1.0..8.0).contains(&std), "{mean} {std}");
}

/// Multinomial logistic regression on each clip's mean log-mel, by plain gradient descent: the accuracy on what it
/// was not fitted to.
#[test]
fn the_demo_set_is_not_given_away_by_its_mean_spectrum() {
    let demo = std::sync::Arc::new(data::open("demo").unwrap());
    let division = demo.divide(None, 1).unwrap();
    let set = data::FeatureSet::new(demo.clone(), aat_tui::audio::FrontEnd::Kaldi, 160);
    let all: Vec<usize> = (0..demo.items.len()).collect();
    set.prepare(&all, &mut |_, _| std::ops::ControlFlow::Continue(())).unwrap();
    let norm = set.statistics(&division.train).unwrap();
    let mut extractor = aat_tui::audio::FrontEnd::Kaldi.extractor();
    let features: Vec<Vec<f32>> = all
        .iter()
        .map(|&item| {
            let mel = set.mel(item, &mut extractor).unwrap();
            let mean = |bin| (0..mel.frames).map(|frame| mel.row(frame)[bin]).sum::<f32>() / mel.frames as f32;
            (0..128).map(|bin| (mean(bin) - norm.mean) / norm.std).chain([1.0]).collect()
        })
        .collect();
    let class = |item: usize| if let Label::One(class) = demo.items[item].label { class } else { 0 };
    let scores = |weights: &[Vec<f32>], x: &[f32]| -> Vec<f32> {
        weights.iter().map(|row| row.iter().zip(x).map(|(w, x)| w * x).sum()).collect()
    };
    let mut weights = vec![vec![0.0f32; 129]; 12];
    for _ in 0..400 {
        let mut gradient = vec![vec![0.0f32; 129]; 12];
        for &item in &division.train {
            let scores = scores(&weights, &features[item]);
            let most = scores.iter().fold(f32::MIN, |most, &score| most.max(score));
            let total: f32 = scores.iter().map(|score| (score - most).exp()).sum();
            for (c, row) in gradient.iter_mut().enumerate() {
                let error = (scores[c] - most).exp() / total - f32::from(c == class(item));
                row.iter_mut().zip(&features[item]).for_each(|(g, x)| *g += error * x / division.train.len() as f32);
            }
        }
        for (row, gradient) in weights.iter_mut().zip(&gradient) {
            row.iter_mut().zip(gradient).for_each(|(w, g)| *w -= 0.1 * g);
        }
    }
    let right = |items: &[usize]| {
        let best = |item: &&usize| {
            let scores = scores(&weights, &features[**item]);
            (0..12).max_by(|&a, &b| scores[a].total_cmp(&scores[b])) == Some(class(**item))
        };
        items.iter().filter(best).count() as f32 / items.len() as f32
    };
    let (train, val) = (right(&division.train), right(&division.val));
    eprintln!("linear probe on mean mel: {train} on training clips, {val} on validation clips");
    assert!((0.2..0.95).contains(&val), "{val}");
}
