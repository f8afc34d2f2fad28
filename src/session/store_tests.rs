#![allow(clippy::unwrap_used)]

use std::time::Duration;

use super::*;
use crate::session::{LogWriter, first_line, testing};

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::at(folder.path().join("sessions"));
    (folder, store)
}

fn with_log(store: &Store, name: &str) -> PathBuf {
    let (_, lock) = store.create(name).unwrap();
    let mut log = LogWriter::open(lock.folder()).unwrap();
    for record in testing::records() {
        log.append(&record).unwrap();
    }
    lock.folder().to_owned()
}

#[test]
fn an_empty_store_lists_nothing_and_says_what_to_do() {
    let (_folder, store) = store();
    assert_eq!(store.list().unwrap(), []);
    assert!(store.find("last").unwrap_err().to_string().contains("aat-tui train makes one"));
}

#[test]
fn names_are_unique_and_safe_as_folders() {
    let (_folder, store) = store();
    let (first, one) = store.create("esc10 f1/aat").unwrap();
    let (second, two) = store.create("esc10 f1/aat").unwrap();
    assert_eq!((first.as_str(), second.as_str()), ("esc10-f1-aat", "esc10-f1-aat-2"));
    let file = |lock: &Lock| fs::write(lock.folder().join(LOG_FILE), "{}\n").unwrap();
    [&one, &two].into_iter().for_each(file);
    let (_, other) = store.create("esc10-f1-aat-m").unwrap();
    file(&other);
    let names: Vec<_> = store.named("esc10 f1/aat").unwrap().into_iter().map(|session| session.name).collect();
    assert_eq!(names, ["esc10-f1-aat", "esc10-f1-aat-2"]);
    assert_eq!(store.create("../..").unwrap().0, "session");
    assert_eq!(store.create("last").unwrap().0, "session-2");
}

#[test]
fn sessions_are_found_by_path_by_name_and_as_last() {
    let (_folder, store) = store();
    let first = with_log(&store, "first");
    let second = with_log(&store, "second");
    let past = SystemTime::now() - Duration::from_secs(60);
    File::options().append(true).open(first.join(LOG_FILE)).unwrap().set_modified(past).unwrap();
    assert_eq!(store.find("first").unwrap(), first);
    assert_eq!(store.find(first.to_str().unwrap()).unwrap(), first);
    assert_eq!(store.find("last").unwrap(), second);
    let error = store.find("frist").unwrap_err().to_string();
    assert!(error.contains("nearest name is \"first\""), "{error}");
    let names: Vec<_> = store.list().unwrap().into_iter().map(|session| session.name).collect();
    assert_eq!(names, ["second", "first"]);
}

#[test]
fn one_writer_at_a_time() {
    let (_folder, store) = store();
    let folder = with_log(&store, "busy");
    let lock = Lock::take(&folder).unwrap();
    assert!(matches!(Lock::take(&folder), Err(SessionError::Busy { .. })));
    assert!(matches!(store.remove(&folder), Err(SessionError::Busy { .. })));
    assert!(store.list().unwrap()[0].in_use);
    drop(lock);
    assert!(!store.list().unwrap()[0].in_use);
    store.remove(&folder).unwrap();
    assert!(!folder.exists());
}

/// A log of arbitrary bytes is an error, not an empty session.
#[test]
fn a_log_without_a_usable_event_is_reported() {
    let (_folder, store) = store();
    for content in ["\u{1}\u{2} random\nbytes\n", "{\"at_ms\":1,\"event\":\"paused\"}\n"] {
        let (_, lock) = store.create("odd").unwrap();
        fs::write(lock.folder().join(LOG_FILE), content).unwrap();
        let why = store.describe(lock.folder()).unwrap_err().to_string();
        assert!(
            why.contains("no usable event in it (2 lines") || why.contains("does not say what was trained"),
            "{why}"
        );
    }
}

#[test]
fn a_bare_name_means_the_store() {
    let (folder, store) = store();
    let elsewhere = with_log(&Store::at(folder.path().join("elsewhere")), "mine");
    let own = with_log(&store, "mine");
    assert_eq!(store.find("mine").unwrap(), own);
    assert_eq!(store.find(elsewhere.to_str().unwrap()).unwrap(), elsewhere);
    assert!(store.find("").is_err());
}

#[test]
fn a_session_called_like_a_model_does_not_hide_the_model() {
    let (_folder, store) = store();
    let own = with_log(&store, "mine");
    assert_eq!(Path::new(&store.model("mine")), std::path::absolute(own).unwrap());
    for name in model::names().chain(model::PUBLISHED.iter().map(|published| published.name)) {
        with_log(&store, name);
        assert_eq!(store.model(name), name);
    }
    assert_eq!(store.model("hf:mine"), "hf:mine");
}

#[test]
fn a_session_without_any_event_is_reported() {
    let (_folder, store) = store();
    let (_, lock) = store.create("empty").unwrap();
    fs::write(lock.folder().join(LOG_FILE), "").unwrap();
    assert!(load(lock.folder()).unwrap_err().to_string().contains("no usable event"));
}

/// Of 80 letters that have four bytes each there is a folder, and a second one of the same name.
#[test]
fn a_name_of_long_letters_fits_into_a_file_system() {
    let (_folder, store) = store();
    let wanted = "\u{20BB7}".repeat(300);
    let (first, _one) = store.create(&wanted).unwrap();
    let (second, _two) = store.create(&wanted).unwrap();
    assert_eq!((first.len(), second), (200, format!("{first}-2")));
    assert_eq!(folder_name(&"x".repeat(300)).len(), 80);
}

/// Somebody tidies up and removes `lock` while a run writes: no second writer begins, and the session is not removed.
#[cfg(unix)]
#[test]
fn a_lock_that_was_removed_by_hand_lets_no_second_writer_in() {
    let (_folder, store) = store();
    let (name, lock) = store.create("busy").unwrap();
    let folder = lock.folder().to_owned();
    let mut log = LogWriter::open(&folder).unwrap();
    testing::records().iter().for_each(|record| log.append(record).unwrap());
    fs::remove_file(folder.join(LOCK_FILE)).unwrap();
    assert!(Lock::is_taken(&folder), "{name} is still written");
    for refused in [Lock::take(&folder).err(), LogWriter::open(&folder).err(), store.remove(&folder).err()] {
        assert!(matches!(refused, Some(SessionError::Busy { .. })), "{refused:?}");
    }
    assert!(folder.join(LOG_FILE).exists());
    drop(log);
    drop(lock);
    assert!(!Lock::is_taken(&folder));
    assert_eq!(store.remove(&folder).unwrap(), Vec::<PathBuf>::new());
}

/// The log's first line is damaged: each checkpoint knows what was trained, and the list says where it is taken from. Without
/// a checkpoint the session is named as damaged, not listed as one that has not begun.
#[test]
fn a_log_without_its_beginning_is_recovered_from_a_checkpoint_or_named() {
    let (_folder, store) = store();
    let folder = with_log(&store, "torn");
    let whole = load(&folder).unwrap();
    let line = first_line(&folder).unwrap();
    let path = folder.join(LOG_FILE);
    let text = fs::read_to_string(&path).unwrap();
    for beginning in ["{\"at_ms\":17", "\u{0}\u{1}garbage", "{\"at_ms\":1,\"event\":\"bogus\"}"] {
        fs::write(&path, text.replacen(&line, beginning, 1)).unwrap();
        assert_eq!(first_line(&folder), None);
        let (listed, unreadable) = store.list_all().unwrap();
        assert_eq!(listed, [], "{beginning}");
        assert!(unreadable[0].to_string().contains("what was trained"), "{}", unreadable[0]);
    }
    let tensor = crate::session::Tensor { shape: vec![1], data: vec![0.5] };
    let checkpoints = crate::session::Checkpoints::of(&folder);
    let position = crate::session::Position::default();
    crate::session::Checkpoint::write_with(&checkpoints.path(3), &position, Some(&line), [("head", &tensor)]).unwrap();
    // A newer one of an older version has no such line.
    crate::session::Checkpoint::write(&checkpoints.path(4), &position, [("head", &tensor)]).unwrap();
    let state = load(&folder).unwrap();
    assert_eq!((&state.config, state.step(), &state.epochs), (&whole.config, whole.step(), &whole.epochs));
    assert!(state.warnings.last().unwrap().contains("checkpoint-00000003.safetensors"), "{:?}", state.warnings);
    let (listed, unreadable) = store.list_all().unwrap();
    assert_eq!((listed.len(), unreadable.len(), listed[0].state.config.is_some()), (1, 0, true));
    // A damaged checkpoint is not believed.
    let mut bytes = fs::read(checkpoints.path(3)).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(checkpoints.path(3), bytes).unwrap();
    assert!(store.list().unwrap().is_empty());
}
