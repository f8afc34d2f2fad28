//! Batches: the same from the same seed, from any position; what training and evaluation get.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../src/audio/testing.rs"]
mod wav;

use std::{collections::BTreeSet, fs, ops::ControlFlow, path::Path, sync::Arc};

use aat_tui::{
    audio::{FrontEnd, Normalisation},
    data::{self, Batch, Dataset, FeatureSet, Item, Label, Loader, Recipe, Source},
};

const PLAIN: Normalisation = Normalisation { mean: -6.0, std: 3.0 };

/// A few clips of the demo set, as the whole of a data set.
fn small(classes: usize, clips: u64) -> Arc<Dataset> {
    let mut demo = data::open("demo").unwrap();
    demo.items.retain(|item| matches!(item.source, Source::Demo { class, index } if class < classes && index < clips));
    demo.classes.truncate(classes);
    Arc::new(demo)
}

fn recipe() -> Recipe {
    Recipe {
        frames: 64,
        batch: 4,
        freq_mask: 16,
        time_mask: 16,
        mixup: 0.5,
        noise: true,
        ..Recipe::named("demo").unwrap()
    }
}

fn loader(dataset: &Arc<Dataset>, recipe: &Recipe, seed: u64) -> Loader {
    let set = Arc::new(FeatureSet::new(Arc::clone(dataset), FrontEnd::Kaldi, recipe.frames));
    Loader::training(set, (0..dataset.items.len()).collect(), recipe, PLAIN, seed)
}

fn batches(loader: &Loader, epoch: u32, first: u64) -> Vec<Batch> {
    loader.epoch(epoch, first).map(Result::unwrap).collect()
}

#[test]
fn the_seed_and_the_epoch_decide_everything_and_a_run_may_begin_anywhere() {
    let dataset = small(3, 6);
    let one = loader(&dataset, &recipe(), 5);
    let whole = batches(&one, 2, 0);
    assert_eq!((one.batches(), whole.len(), whole[4].items.len()), (5, 5, 2));
    assert_eq!(batches(&loader(&dataset, &recipe(), 5), 2, 0), whole);
    for first in 0..=5 {
        assert_eq!(batches(&one, 2, first), whole[first as usize..], "from {first}");
    }
    assert_ne!(batches(&one, 3, 0), whole);
    assert_ne!(batches(&loader(&dataset, &recipe(), 6), 2, 0), whole);
    let items: BTreeSet<usize> = whole.iter().flat_map(|batch| batch.items.clone()).collect();
    assert_eq!(items, (0..18).collect());
}

#[test]
fn leaving_an_epoch_early_ends_its_threads() {
    let one = loader(&small(3, 6), &recipe(), 5);
    let mut epoch = one.epoch(1, 0);
    let first = epoch.next().unwrap().unwrap();
    assert_eq!(epoch.position(), 1);
    // Joins the threads; would hang if they waited for someone to take their batches.
    drop(epoch);
    assert_eq!(batches(&one, 1, 0)[0], first);
}

#[test]
fn augmentation_touches_training_and_never_evaluation() {
    let dataset = small(2, 3);
    let plain = Recipe { mixup: 0.0, noise: false, freq_mask: 0, time_mask: 0, ..recipe() };
    let set = Arc::new(FeatureSet::new(Arc::clone(&dataset), FrontEnd::Kaldi, 64));
    let evaluation = Loader::evaluation(Arc::clone(&set), (0..6).collect(), &recipe(), PLAIN, 6);
    let seen = &batches(&evaluation, 0, 0)[0];
    assert_eq!(seen.items, [0, 1, 2, 3, 4, 5]);
    let mel = set.mel(0, &mut FrontEnd::Kaldi.extractor()).unwrap();
    let expected: Vec<f32> = mel.data[..64 * 128].iter().map(|value| (value + 6.0) * (1.0 / 6.0)).collect();
    assert_eq!(seen.features.data[..64 * 128], expected);
    assert_eq!(seen.features.valid, [64; 6]);
    assert_eq!((seen.targets.classes, &seen.targets.mask), (2, &None));
    assert_eq!(seen.targets.values, [1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0]);

    let row = |batch: &Batch, item: usize| {
        let at = batch.items.iter().position(|&here| here == item).unwrap() * 64 * 128;
        batch.features.data[at..at + 64 * 128].to_vec()
    };
    let everything = Recipe { batch: 6, ..recipe() };
    let plain = Recipe { batch: 6, ..plain };
    assert_eq!(row(&batches(&loader(&dataset, &plain, 1), 1, 0)[0], 0), expected);
    assert_ne!(row(&batches(&loader(&dataset, &everything, 1), 1, 0)[0], 0), expected);
}

/// A recipe's gain changes the level of what is trained on, whichever log-mel the backbone takes.
#[test]
fn gain_moves_every_front_ends_features_by_its_decibels() {
    let dataset = small(2, 3);
    let plain = Recipe { mixup: 0.0, noise: false, freq_mask: 0, time_mask: 0, batch: 6, ..recipe() };
    let gained = Recipe { gain: 12.0, ..plain.clone() };
    // How far 12 dB move (x - mean) / (2 std): natural logarithms of power, and (log10 + 4) / 4.
    for (front_end, most) in [(FrontEnd::Kaldi, 1.2 * std::f32::consts::LN_10 / 6.0), (FrontEnd::Whisper, 0.3)] {
        let set = Arc::new(FeatureSet::new(Arc::clone(&dataset), front_end, 64));
        let normalisation = front_end.normalisation().unwrap_or(PLAIN);
        let batch = |recipe: &Recipe| {
            let loader = Loader::training(Arc::clone(&set), (0..6).collect(), recipe, normalisation, 3);
            batches(&loader, 1, 0).remove(0)
        };
        let (before, after) = (batch(&plain), batch(&gained));
        assert_eq!(before.items, after.items);
        let size = before.features.data.len() / 6;
        let moves: Vec<f32> = (0..6)
            .map(|clip| {
                let own = clip * size..(clip + 1) * size;
                // The loudest value is far above the floor.
                let at = own.clone().max_by(|&a, &b| before.features.data[a].total_cmp(&before.features.data[b]));
                after.features.data[at.unwrap()] - before.features.data[at.unwrap()]
            })
            .collect();
        assert!(moves.iter().all(|by| by.abs() <= most + 1e-5), "{front_end:?}: {moves:?}");
        assert!(moves.iter().any(|by| by.abs() > 0.3 * most), "{front_end:?}: {moves:?}");
        assert!(moves.iter().any(|by| (by - moves[0]).abs() > 0.1 * most), "{front_end:?}: {moves:?}");
    }
}

#[test]
fn mixing_mixes_labels_as_it_mixes_sounds() {
    let dataset = small(3, 8);
    let mixed = Recipe { mixup: 1.0, batch: 24, ..recipe() };
    let batch = &batches(&loader(&dataset, &mixed, 3), 1, 0)[0];
    for row in batch.targets.values.chunks(3) {
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
    }
    let soft = batch.targets.values.iter().filter(|value| **value > 0.05 && **value < 0.95).count();
    assert!(soft >= 16, "{:?}", batch.targets.values);
}

#[test]
fn what_was_not_annotated_is_masked() {
    let known = [vec![(0, true), (2, false)], vec![(1, true)]];
    let mut dataset = Dataset::clone(&small(3, 1));
    dataset.items.truncate(2);
    for (item, known) in dataset.items.iter_mut().zip(&known) {
        item.label = Label::Many(known.clone());
    }
    let set = Arc::new(FeatureSet::new(Arc::new(dataset), FrontEnd::Kaldi, 64));
    let evaluation = Loader::evaluation(Arc::clone(&set), vec![0, 1], &recipe(), PLAIN, 2);
    let targets = &batches(&evaluation, 0, 0)[0].targets;
    assert_eq!(targets.values, [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    assert_eq!(targets.mask.as_deref(), Some([1.0, 0.0, 1.0, 0.0, 1.0, 0.0].as_slice()));

    // Mixed: a class that one clip alone was annotated for keeps its value at that clip's share.
    let mixed = Loader::training(set, vec![0, 1], &Recipe { mixup: 1.0, ..recipe() }, PLAIN, 1);
    let targets = batches(&mixed, 1, 0).remove(0).targets;
    assert!(targets.values.iter().all(|value| *value == 0.0 || *value == 1.0), "{targets:?}");
    let mask = targets.mask.unwrap();
    assert!(mask.iter().all(|weight| (0.0..=1.0).contains(weight)));
}

#[test]
fn a_balanced_epoch_draws_classes_equally_often() {
    let mut dataset = Dataset::clone(&small(2, 40));
    // 40 of the first class, 4 of the second.
    dataset
        .items
        .retain(|item| item.label == Label::One(0) || matches!(item.source, Source::Demo { index, .. } if index < 4));
    let recipe = Recipe { balanced: true, batch: 44, mixup: 0.0, frames: 16, ..recipe() };
    let batch = &batches(&loader(&Arc::new(dataset.clone()), &recipe, 9), 1, 0)[0];
    let second = batch.items.iter().filter(|&&item| dataset.items[item].label == Label::One(1)).count();
    assert!((12..=32).contains(&second), "{second} of 44");
}

#[test]
fn short_clips_are_padded_and_say_how_long_they_are() {
    let recipe = Recipe { frames: 300, mixup: 0.0, noise: false, freq_mask: 0, time_mask: 0, ..recipe() };
    let dataset = small(1, 2);
    for front_end in [FrontEnd::Kaldi, FrontEnd::Whisper] {
        let bins = front_end.bins();
        let set = Arc::new(FeatureSet::new(Arc::clone(&dataset), front_end, 300));
        let normalisation = front_end.normalisation().unwrap_or(PLAIN);
        let batch = batches(&Loader::evaluation(Arc::clone(&set), vec![0], &recipe, normalisation, 1), 0, 0).remove(0);
        let mel = set.mel(0, &mut front_end.extractor()).unwrap();
        assert_eq!(batch.features.valid, [mel.frames]);
        let filler = (front_end.padding(&mel) - normalisation.mean) / (2.0 * normalisation.std);
        assert!(mel.frames < 300);
        assert!(batch.features.data[mel.frames * bins..].iter().all(|value| *value == filler));
        if front_end == FrontEnd::Whisper {
            assert_eq!(batch.features.data[..mel.data.len()], mel.data);
        }
    }
}

/// Two class folders with some clips.
fn folders(root: &Path) {
    for class in ["a", "b"] {
        for n in 0..3 {
            let path = root.join(class).join(format!("{n}.wav"));
            wav::wav(&path, 8_000, |t| (t as i32 * (n + 1) % 997) as i16);
        }
    }
}

#[test]
fn preparing_names_every_bad_clip_and_can_be_broken_off() {
    let folder = tempfile::tempdir().unwrap();
    folders(folder.path());
    let dataset = Arc::new(data::open(folder.path().to_str().unwrap()).unwrap());
    let all: Vec<usize> = (0..6).collect();
    let set = FeatureSet::new(Arc::clone(&dataset), FrontEnd::Kaldi, 64);
    let mut last = (0, 0);
    set.prepare(&all, &mut |done, total| {
        last = (done, total);
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(last, (6, 6));

    fs::write(folder.path().join("a/1.wav"), "text").unwrap();
    fs::write(folder.path().join("b/0.wav"), "").unwrap();
    let set = FeatureSet::new(dataset, FrontEnd::Kaldi, 64);
    let error = set.prepare(&all, &mut |_, _| ControlFlow::Continue(())).unwrap_err().to_string();
    assert!(error.contains("1.wav") && error.contains("one more problem") && error.contains("data check"), "{error}");
    let broken = set.prepare(&all, &mut |_, _| ControlFlow::Break(())).unwrap_err();
    assert!(matches!(broken, data::DataError::Cancelled));
}

#[test]
fn statistics_are_the_mean_and_deviation_of_all_values() {
    let set = FeatureSet::new(small(2, 3), FrontEnd::Kaldi, 64);
    let mut extractor = FrontEnd::Kaldi.extractor();
    let values: Vec<f64> =
        (0..6).flat_map(|item| set.mel(item, &mut extractor).unwrap().data.clone()).map(f64::from).collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let std = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt();
    let measured = set.statistics(&[0, 1, 2, 3, 4, 5]).unwrap();
    assert!((f64::from(measured.mean) - mean).abs() < 1e-5 && (f64::from(measured.std) - std).abs() < 1e-5);
    assert!(set.statistics(&[]).is_err());
}

#[test]
fn a_clip_from_nowhere_ends_the_epoch_with_its_name() {
    let mut dataset = Dataset::clone(&small(2, 2));
    dataset.items.push(Item {
        id: "gone".into(),
        source: Source::File("nowhere/gone.wav".into()),
        label: Label::One(0),
        fold: None,
        split: None,
        group: None,
    });
    let set = Arc::new(FeatureSet::new(Arc::new(dataset), FrontEnd::Kaldi, 64));
    let evaluation = Loader::evaluation(set, (0..5).collect(), &recipe(), PLAIN, 5);
    let error = evaluation.epoch(0, 0).next().unwrap().unwrap_err().to_string();
    assert!(error.contains("gone.wav"), "{error}");
}
