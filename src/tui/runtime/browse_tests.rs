#![allow(clippy::unwrap_used)]

use super::*;
use crate::{
    audio::testing::wav,
    tui::{runtime::inbox, state::ticket::Tickets},
};

fn store() -> Store {
    Store::at("no sessions")
}

/// The listing of a folder, and what each entry is recognised as, in order.
fn browsed(choice: Choice, place: Place, known: &[&str]) -> (Listed, Vec<(String, Look)>) {
    let (sender, mut answers) = inbox::channel();
    let known = known.iter().map(|spec| (*spec).to_owned()).collect();
    let asked = Browse { ticket: Tickets::default().draw(), choice, place, known };
    let newest = Newest::default();
    let number = newest.begin();
    browse(&store(), &sender, asked, &newest, number);
    drop(sender);
    let Some(Message::Folder(_, listed)) = answers.blocking_recv() else { unreachable!() };
    let mut looks = Vec::new();
    while let Some(Message::Recognised(_, spec, look)) = answers.blocking_recv() {
        looks.push((crate::tui::text::last_part(&spec), look));
    }
    (listed, looks)
}

fn verdicts(looks: &[(String, Look)]) -> Vec<(&str, Recognised)> {
    looks.iter().map(|(name, look)| (name.as_str(), look.recognised)).collect()
}

#[test]
fn a_folder_is_listed_and_what_is_in_it_is_recognised() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["dog/a", "dog/b", "rain/c"] {
        wav(&folder.path().join(format!("{name}.wav")), 8_000, |n| n as i16);
    }
    fs::create_dir(folder.path().join("empty")).unwrap();
    let spec = folder.path().to_string_lossy().into_owned();
    let around = Place::Around(format!("{spec}/dog"));
    let (listed, looks) = browsed(Choice::Data, around, &[&spec, "demo"]);
    assert_eq!(listed.folder, Some(folder.path().canonicalize().unwrap()));
    assert_eq!((listed.entries.unwrap().len(), listed.left_out), (3, None));
    use Recognised::{Fits, Other};
    let own = crate::tui::text::last_part(&spec);
    let expected = [("demo", Fits), ("dog", Other), ("empty", Other), ("rain", Other), (own.as_str(), Fits)];
    assert_eq!(verdicts(&looks), expected);
    assert!(looks[4].1.is_folder && !looks[0].1.is_folder);
}

#[test]
fn models_are_recognised_and_damaged_ones_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("whole")).unwrap();
    fs::copy("models/box/model.safetensors", at("whole/model.safetensors")).unwrap();
    fs::write(at("pointer.pth"), "version https://git-lfs.github.com/spec/v1\nsize 1000000\n").unwrap();
    fs::write(at("notes.txt"), "x").unwrap();
    let (listed, looks) = browsed(Choice::Model, Place::In(folder.path().to_owned()), &["box", "ced-tiny", "/gone"]);
    assert_eq!(listed.entries.unwrap().len(), 2);
    use Recognised::{Fits, Unusable};
    let expected = [("box", Fits), ("ced-tiny", Fits), ("whole", Fits), ("pointer.pth", Unusable), ("gone", Unusable)];
    assert_eq!(verdicts(&looks), expected);
    assert!(looks[0].1.what.starts_with("Whisper, built in, 8.2") && looks[0].1.what.ends_with(" M, MIT"), "{looks:?}");
    assert!(looks[1].1.what.contains("CED, 5.40 M, Apache-2.0"), "{looks:?}");
    assert!(looks[3].1.what.contains("a Git LFS pointer"), "{looks:?}");
    assert!(looks[3].1.about.as_ref().unwrap().contains("git lfs pull"), "{looks:?}");
}

#[test]
fn recipes_are_described_and_other_toml_files_say_why_they_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("mine.toml"), "base = \"few\"\nepochs = 7\n").unwrap();
    fs::write(at("theme.toml"), "name = \"dark\"\naccent = \"#fff\"\n").unwrap();
    fs::write(at("broken.toml"), "epochs = \n").unwrap();
    fs::File::create(at("huge.toml")).unwrap().set_len(crate::limits::SETTINGS + 1).unwrap();
    let (_, looks) = browsed(Choice::Recipe, Place::In(folder.path().to_owned()), &["few", "default"]);
    use Recognised::{Fits, Unusable};
    let expected = [
        ("few", Fits),
        ("default", Fits),
        ("broken.toml", Unusable),
        ("huge.toml", Unusable),
        ("mine.toml", Fits),
        ("theme.toml", Unusable),
    ];
    assert_eq!(verdicts(&looks), expected);
    assert!(looks[4].1.what.starts_with("7 epochs"), "{looks:?}");
    assert!(looks[5].1.what.contains("accent"), "{looks:?}");
}

#[test]
fn sounds_are_described_and_a_folder_of_them_can_be_scanned() {
    let folder = tempfile::tempdir().unwrap();
    wav(&folder.path().join("night/a.wav"), 8_000, |n| n as i16);
    wav(&folder.path().join("b.wav"), 40_000, |n| n as i16);
    fs::write(folder.path().join("text.wav"), "no sound").unwrap();
    let within = || Place::In(folder.path().to_owned());
    let (_, looks) = browsed(Choice::Sound, within(), &[]);
    use Recognised::{Fits, Other, Unusable};
    assert_eq!(verdicts(&looks), [("night", Other), ("b.wav", Fits), ("text.wav", Unusable)]);
    assert_eq!((looks[1].1.what.as_str(), looks[0].1.what.as_str()), ("2.5 s, 16 kHz, mono", "1 sound"));
    assert_eq!(looks[2].1.what, "it holds text, not sound");
    let (listed, looks) = browsed(Choice::Recordings, within(), &[]);
    assert_eq!(listed.entries.unwrap()[0].spec, folder.path().canonicalize().unwrap().to_string_lossy());
    let verdicts: Vec<Recognised> = looks.iter().map(|(_, look)| look.recognised).collect();
    assert_eq!(verdicts, [Fits, Fits, Fits, Unusable], "{looks:?}");
}

#[test]
fn a_folder_that_is_not_there_is_named_and_names_that_cannot_be_typed_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let gone = folder.path().join("gone");
    let listed = list(Choice::Data, &Place::In(gone.clone()));
    assert_eq!(listed.folder, Some(gone.clone()));
    assert!(listed.entries.unwrap_err().contains("gone"));
    #[cfg(unix)]
    {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
        fs::create_dir(folder.path().join(OsStr::from_bytes(b"d\xf6gs"))).unwrap();
        fs::create_dir(folder.path().join("cats")).unwrap();
        std::os::unix::fs::symlink(&gone, folder.path().join("dangling")).unwrap();
        std::os::unix::fs::symlink("around", folder.path().join("around")).unwrap();
        let listed = list(Choice::Data, &Place::In(folder.path().to_owned()));
        let left_out = listed.left_out.unwrap();
        assert!(left_out.contains("1 name that cannot be typed"), "{left_out}");
        let entries = listed.entries.unwrap();
        assert!(entries.len() == 1 && entries[0].spec.ends_with("cats"), "{entries:?}");
    }
}

#[cfg(unix)]
#[test]
fn pipes_are_not_opened_and_a_folder_in_a_circle_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["a.wav", "b.toml", "c.pth", "d.csv"] {
        nix::unistd::mkfifo(&at(name), nix::sys::stat::Mode::S_IRWXU).unwrap();
    }
    std::os::unix::fs::symlink(folder.path(), at("circle")).unwrap();
    for choice in Choice::ALL {
        let used = [at("a.wav"), at("c.pth")].map(|path| path.to_string_lossy().into_owned());
        let used: Vec<&str> = used.iter().map(String::as_str).collect();
        let (listed, looks) = browsed(choice, Place::In(folder.path().to_owned()), &used);
        let all = usize::from(choice.takes_folders());
        assert_eq!(listed.entries.unwrap().len(), all + 1, "{choice:?}");
        assert!(looks.iter().rev().take(2).all(|(_, look)| look.what.contains("a pipe")), "{looks:?}");
    }
}

#[test]
fn a_newer_request_ends_an_older_one() {
    let (sender, mut answers) = inbox::channel();
    let newest = Newest::default();
    let number = newest.begin();
    newest.begin();
    let (place, known) = (Place::In(".".into()), vec!["box".to_owned()]);
    let asked = Browse { ticket: Tickets::default().draw(), choice: Choice::Model, place, known };
    browse(&store(), &sender, asked, &newest, number);
    drop(sender);
    assert!(matches!(answers.blocking_recv(), Some(Message::Folder(..))));
    assert!(answers.blocking_recv().is_none());
}

#[test]
fn examples_are_added_to_the_folder_on_show_an_empty_one_or_one_of_class_folders() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["begun/door/1", "knocks/door/1", "knocks/table/1", "loose/a"] {
        wav(&at(&format!("{name}.wav")), 8_000, |n| n as i16);
    }
    fs::create_dir(at("new")).unwrap();
    let (listed, looks) = browsed(Choice::Lesson, Place::In(folder.path().to_owned()), &[]);
    assert_eq!(listed.entries.unwrap().len(), 5);
    use Recognised::{Fits, Other};
    let own = crate::tui::text::last_part(&folder.path().to_string_lossy());
    let expected = [(own.as_str(), Fits), ("begun", Fits), ("knocks", Fits), ("loose", Other), ("new", Fits)];
    assert_eq!(verdicts(&looks), expected);
    assert!(looks.iter().all(|(_, look)| look.is_folder));
    assert_eq!(looks[2].1.what, "2 folders with sounds");
}

#[test]
fn sweeps_are_described_and_other_toml_files_say_why_they_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(
        at("rates.toml"),
        "[fixed]\ndata = \"demo\"\n[axes]\nmethod = [\"aat\", \"head\"]\nlr = [1e-3, 5e-4, 1e-4]\n",
    )
    .unwrap();
    fs::write(at("recipe.toml"), "base = \"few\"\nepochs = 7\n").unwrap();
    let (_, looks) = browsed(Choice::Sweep, Place::In(folder.path().to_owned()), &[]);
    use Recognised::{Fits, Unusable};
    assert_eq!(verdicts(&looks), [("rates.toml", Fits), ("recipe.toml", Unusable)]);
    assert_eq!(looks[0].1.what, "6 combinations: method, lr");
    assert!(looks[1].1.what.starts_with("no sweep: "), "{looks:?}");
}
