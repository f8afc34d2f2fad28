#![allow(clippy::unwrap_used)]

use std::fs;

use super::*;
use crate::{
    audio::testing::wav,
    data::{self, Label, Split, marks},
};

fn sighting(recording: PathBuf, start: f64, detected: &str) -> Sighting {
    Sighting { recording, start, end: start + 2.0, detected: detected.into(), score: 0.8, chosen: Some(Chosen::Random) }
}

fn label(name: &str) -> Decision {
    Decision::Label { label: name.into() }
}

/// A recording's name that is kept aside, or not, number `n` of such.
fn name(aside: bool, n: usize) -> String {
    (0..).map(|number| format!("night {number}.wav")).filter(|name| is_aside(name) == aside).nth(n).unwrap()
}

#[test]
fn the_last_decision_counts_an_undo_takes_it_back_and_a_torn_line_costs_only_itself() {
    let folder = tempfile::tempdir().unwrap();
    let file = CorrectionsFile::of_recordings(folder.path());
    let one = sighting(folder.path().join("deep/a.wav"), 1.0 / 3.0, "wren");
    let decide = |decision: Decision| file.append_review(&one, "s", &decision, 5).unwrap();
    let place = decide(label("wren"));
    assert_eq!((place.path.clone(), place.apart), (folder.path().join(REVIEWED_NAME), false));
    decide(Decision::Not { label: "wren".into() });
    let standing = || reviews(&place.path).unwrap().standing;
    let [(line, review)] = &standing()[..] else { unreachable!() };
    assert_eq!(
        (*line, review.file.as_str(), &review.decision),
        (2, "deep/a.wav", &Decision::Not { label: "wren".into() })
    );
    assert_eq!(review.key(), one.key(&place.path), "a third of a second is found again");
    decide(Decision::Undo);
    assert_eq!(standing()[0].1.decision, label("wren"));
    decide(Decision::Undo);
    decide(Decision::Undo);
    assert!(standing().is_empty());
    // The power fails within a line; then it goes on.
    let text = fs::read_to_string(&place.path).unwrap();
    fs::write(&place.path, format!("{text}{{\"at_ms\":5,\"file\":\"deep/a")).unwrap();
    decide(label("robin"));
    let found = reviews(&place.path).unwrap();
    assert_eq!((found.torn, found.standing.len()), (vec![6], 1));
    fs::write(&place.path, "{\"at_ms\":5}\n").unwrap();
    assert!(reviews(&place.path).unwrap_err().to_string().contains("line 1"));
}

#[test]
fn one_recording_has_a_file_of_its_own_and_others_are_named_in_full() {
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("night.flac");
    fs::write(&recording, "sound").unwrap();
    let file = CorrectionsFile::of_recordings(&recording);
    assert_eq!(file.path().unwrap(), folder.path().join("night.reviewed.jsonl"));
    let elsewhere = std::env::temp_dir().join("elsewhere.wav");
    assert_eq!(name_in(file.path().unwrap(), &elsewhere), elsewhere.to_string_lossy());
    assert_eq!(name_in(file.path().unwrap(), &recording), "night.flac");
    for (name, is) in [("reviewed.jsonl", true), ("night.reviewed.jsonl", true), ("unreviewed.jsonl", false)] {
        assert_eq!(crate::data::corrections::is_decisions(name), is, "{name}");
    }
}

#[test]
fn decisions_are_marks_that_train_and_a_recording_kept_aside_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = CorrectionsFile::of_recordings(folder.path());
    let names = [name(false, 0), name(false, 1), name(false, 2), name(true, 0)];
    for name in &names {
        wav(&folder.path().join(name), 20 * 16_000, |n| (n % 100) as i16);
    }
    let at = |name: &str, start: f64, detected: &str, decision: Decision| {
        file.append_review(&sighting(folder.path().join(name), start, detected), "s", &decision, 5).unwrap();
    };
    at(&names[0], 2.0, "wren", label("wren"));
    at(&names[0], 12.0, "wren", label("robin"));
    at(&names[1], 2.0, "robin", Decision::Not { label: "robin".into() });
    at(&names[1], 12.0, "robin", label("robin"));
    at(&names[2], 2.0, "wren", Decision::Background);
    at(&names[2], 12.0, "wren", Decision::Unsure);
    at(&names[3], 2.0, "wren", label("wren"));
    at("gone.wav", 2.0, "wren", label("wren"));
    let place = file.path().unwrap();
    let read = marks::read(place, &marks::Options::default()).unwrap();
    assert_eq!(read.form, marks::Form::Reviewed);
    assert!(read.detections().is_none(), "a person made them");
    let spec = place.to_str().unwrap();
    let dataset = data::open(spec).unwrap();
    assert_eq!(dataset.classes, ["robin", "wren"]);
    let notes = dataset.notes.join("\n");
    assert!(notes.contains("no recording `gone.wav`") && notes.contains("1 kept aside as test"), "{notes}");
    let known = |name: &str| -> Vec<Vec<(usize, bool)>> {
        let own = dataset.items.iter().filter(|item| item.id.starts_with(name));
        own.map(|item| if let Label::Many(known) = &item.label { known.clone() } else { unreachable!() }).collect()
    };
    assert_eq!(known(&names[0]), [vec![(1, true)], vec![(0, true), (1, false)]], "other classes are masked");
    assert_eq!(known(&names[1]), [vec![(0, false)], vec![(0, true)]]);
    assert_eq!(known(&names[2]), [vec![(0, false), (1, false)]], "nothing is trained on what nobody could say");
    let division = dataset.divide(None, 1).unwrap();
    let aside: Vec<usize> = (0..dataset.items.len()).filter(|i| dataset.items[*i].id.starts_with(&names[3])).collect();
    assert!(!aside.is_empty() && aside.iter().all(|i| dataset.items[*i].split == Some(Split::Test)));
    assert!(aside.iter().all(|i| !division.train.contains(i)));
    // The recordings' folder is what it was: its own tables decide what it is.
    assert!(data::open(folder.path().to_str().unwrap()).is_err());
}

const REVIEWED_NAME: &str = crate::data::REVIEWED;
