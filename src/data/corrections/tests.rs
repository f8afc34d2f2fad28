#![allow(clippy::unwrap_used)]
use std::{fs, path::Path};

use super::*;
use crate::data::{self, Dataset, Label, marks::Options};

/// Three class folders of three files each; sounds are not decoded here.
fn set(root: &Path) -> String {
    for class in ["cat", "dog", "owl"] {
        fs::create_dir_all(root.join(class)).unwrap();
        for clip in ["1.wav", "2.wav", "3.wav"] {
            fs::write(root.join(class).join(clip), format!("{class} {clip}")).unwrap();
        }
    }
    root.to_str().unwrap().to_owned()
}

fn index(dataset: &Dataset, id: &str) -> usize {
    dataset.items.iter().position(|item| item.id == id).unwrap()
}

fn decide(spec: &str, id: &str, decision: Decision) {
    let dataset = data::open(spec).unwrap();
    let correction = dataset.decide(index(&dataset, id), decision, "a test", 5).unwrap();
    dataset.corrections.as_ref().unwrap().file.append(&correction).unwrap();
}

fn label(name: &str) -> Decision {
    Decision::Label { label: name.into() }
}

fn not(name: &str) -> Decision {
    Decision::Not { label: name.into() }
}

fn now(spec: &str, id: &str) -> Label {
    let dataset = data::open(spec).unwrap();
    dataset.items[index(&dataset, id)].label.clone()
}

#[test]
fn decisions_change_labels_in_order_and_an_undo_takes_the_last_one_back() {
    let folder = tempfile::tempdir().unwrap();
    let spec = set(&folder.path().join("set"));
    decide(&spec, "dog/1.wav", label("owl"));
    assert_eq!(now(&spec, "dog/1.wav"), Label::One(2));
    decide(&spec, "dog/1.wav", not("owl"));
    assert_eq!(now(&spec, "dog/1.wav"), Label::Not(vec![2]));
    decide(&spec, "dog/1.wav", not("cat"));
    assert_eq!(now(&spec, "dog/1.wav"), Label::Not(vec![0, 2]));
    decide(&spec, "dog/1.wav", Decision::Undo);
    decide(&spec, "dog/1.wav", Decision::Undo);
    assert_eq!(now(&spec, "dog/1.wav"), Label::One(2));
    decide(&spec, "dog/1.wav", Decision::Undo);
    decide(&spec, "dog/1.wav", Decision::Undo);
    assert_eq!(now(&spec, "dog/1.wav"), Label::One(1));
    decide(&spec, "dog/2.wav", Decision::Unsure);
    decide(&spec, "dog/3.wav", Decision::Background);
    assert_eq!(now(&spec, "dog/2.wav"), Label::One(1));
    assert_eq!(now(&spec, "dog/3.wav"), Label::Not(vec![0, 1, 2]));

    let lines = fs::read_to_string(folder.path().join("set").join(CORRECTIONS)).unwrap();
    assert_eq!(lines.lines().count(), 9, "an undo is a line of its own");
    let first: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    let said = ["decision", "label", "before", "after", "source"].map(|key| first[key].as_str().unwrap().to_owned());
    assert_eq!(said, ["label", "owl", "dog", "owl", "a test"]);
    let notes = data::open(&spec).unwrap().notes.join("\n");
    assert!(notes.contains("1 clip left as they were") && notes.contains("1 clip without any"), "{notes}");
}

#[test]
fn the_first_lines_give_the_labels_of_then_and_no_clip_changes_its_part() {
    let folder = tempfile::tempdir().unwrap();
    let spec = set(&folder.path().join("set"));
    let before = data::open(&spec).unwrap();
    let division = before.divide(None, 3).unwrap();
    let held_out = division.val[0];
    decide(&spec, "cat/1.wav", label("owl"));
    let then = data::open(&spec).unwrap().corrections.unwrap().record.clone();
    assert_eq!(then.lines, 1);
    for (place, item) in before.items.iter().enumerate().filter(|(place, _)| *place != held_out) {
        if item.id != "cat/1.wav" && place % 2 == 0 {
            decide(&spec, &item.id, label("owl"));
        }
    }
    let after = data::open(&spec).unwrap();
    assert_eq!(after.divide(None, 3).unwrap(), division, "labels changed, parts did not");
    let again = data::open_corrected(&spec, &Options::default(), Corrected::First(1)).unwrap();
    assert_eq!(again.corrections.as_ref().unwrap().record, then);
    assert_eq!(again.corrections.unwrap().filed.len(), 1);

    // What is known only in part trains and does not validate; what holds nothing does neither.
    let id = before.items[held_out].id.clone();
    let Label::One(class) = now(&spec, &id) else { unreachable!() };
    let held = before.classes[class].clone();
    decide(&spec, &id, not(&held));
    let trained = before.items[division.train[0]].id.clone();
    decide(&spec, &trained, Decision::Background);
    let now = data::open(&spec).unwrap().divide(None, 3).unwrap();
    assert!(!now.val.contains(&held_out) && !now.train.contains(&held_out));
    assert!(!now.train.contains(&division.train[0]) && now.train.len() + 1 == division.train.len());
}

#[test]
fn another_sound_under_the_same_name_is_not_corrected_and_a_half_line_costs_itself() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("set");
    let spec = set(&root);
    decide(&spec, "dog/1.wav", label("owl"));
    fs::write(root.join("dog/1.wav"), "another dog").unwrap();
    assert_eq!(now(&spec, "dog/1.wav"), Label::One(1));
    let file = root.join(CORRECTIONS);
    let mut text = fs::read_to_string(&file).unwrap();
    text.push_str("{\"at_ms\":5,\"clip\":\"dog/2");
    fs::write(&file, text).unwrap();
    let notes = data::open(&spec).unwrap().notes.join("\n");
    assert!(notes.contains("another sound now (dog/1.wav)") && notes.contains("line 2 was not written"), "{notes}");
    decide(&spec, "dog/3.wav", label("cat"));
    assert_eq!(now(&spec, "dog/3.wav"), Label::One(0));
    let dataset = data::open(&spec).unwrap();
    assert!(dataset.decide(0, label("car"), "", 0).unwrap_err().to_string().contains("nearest is \"cat\""));
}

#[test]
fn corrections_are_no_file_of_the_data_set() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("set");
    let spec = set(&root);
    let before = data::open(&spec).unwrap();
    decide(&spec, "dog/1.wav", label("dog"));
    let after = data::open(&spec).unwrap();
    assert_eq!((before.found, before.layout), (after.found.clone(), after.layout));
    assert_eq!(after.corrections.unwrap().decided.len(), 1);
    // Beside a table they bear its name.
    fs::write(root.join("birds.csv"), "path,label\ncat/1.wav,cat\ndog/1.wav,dog\n").unwrap();
    let table = root.join("birds.csv");
    let dataset = data::open(table.to_str().unwrap()).unwrap();
    assert_eq!(dataset.corrections.unwrap().file.path(), Some(root.join("birds.corrections.jsonl").as_path()));
}

#[test]
fn data_that_cannot_be_written_to_is_corrected_in_the_users_folder() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("own");
    let file = CorrectionsFile::of("demo", None, Some(own.clone()));
    let place = CorrectionsPlace { path: own.join("demo.jsonl"), apart: true };
    assert_eq!(file.place(), Some(place.clone()));
    let mut dataset = data::read("demo").unwrap().dataset;
    apply(&mut dataset, file.clone(), Corrected::Now).unwrap();
    let correction = dataset.decide(0, not(&dataset.classes[0].clone()), "", 1).unwrap();
    assert_eq!(file.append(&correction).unwrap(), place);
    apply(&mut dataset, file, Corrected::Now).unwrap();
    assert_eq!(dataset.items[0].label, Label::Not(vec![0]));
    assert_eq!(dataset.filed_label(0), Some(&Label::One(0)));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let root = folder.path().join("closed");
        set(&root);
        fs::set_permissions(&root, fs::Permissions::from_mode(0o555)).unwrap();
        // The superuser may write anywhere.
        if fs::write(root.join("try"), "").is_err() {
            let file = CorrectionsFile::of("closed", Some(&root), Some(own.clone()));
            let place = file.append(&correction).unwrap();
            assert!(place.apart && place.path.starts_with(&own));
        }
        fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn decisions_in_the_users_folder_that_do_not_count_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let (root, own) = (folder.path().join("set"), folder.path().join("own"));
    let spec = set(&root);
    let mut dataset = data::open(&spec).unwrap();
    let file = CorrectionsFile::of("set", Some(&root), Some(own.clone()));
    let apart = CorrectionsFile { beside: None, ..file.clone() };
    let correction = dataset.decide(0, label("owl"), "", 1).unwrap();
    let place = apart.append(&correction).unwrap();
    let is_ignored =
        |problem: &data::Problem| problem.path == place.path && problem.to_string().contains("not applied");
    assert!(!apply(&mut dataset, file.clone(), Corrected::Now).unwrap().iter().any(is_ignored));
    assert_eq!(dataset.items[0].label, Label::One(2));
    fs::write(root.join(CORRECTIONS), "").unwrap();
    assert!(apply(&mut dataset, file, Corrected::Now).unwrap().iter().any(is_ignored));
}

#[test]
fn labels_of_then_come_from_the_corrections_alone() {
    let folder = tempfile::tempdir().unwrap();
    let spec = set(&folder.path().join("set"));
    for (clip, class) in [("dog/1.wav", "owl"), ("dog/2.wav", "cat"), ("dog/1.wav", "cat")] {
        decide(&spec, clip, label(class));
    }
    let now = data::open(&spec).unwrap();
    for lines in 0..4 {
        let then = now.corrected_as(Corrected::First(lines)).unwrap();
        let opened = data::open_corrected(&spec, &Options::default(), Corrected::First(lines)).unwrap();
        assert_eq!((&then.items, &then.corrections), (&opened.items, &opened.corrections), "{lines} lines");
    }
}
