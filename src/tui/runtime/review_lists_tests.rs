//! Lists that are made of real files, and decisions that are put on the disk.
#![allow(clippy::unwrap_used)]

use std::{fs, sync::Arc};

use super::*;
use crate::{
    audio::testing::wav,
    data::{Decision, Source},
    infer::Score,
    live::{BookmarkedPrediction, Window},
    scan::reviewed,
    session::{Event, LogWriter, Record},
    tui::{runtime::findings::decide, state::ticket::Tickets},
};

/// A store with a session that has these classes.
fn store(folder: &Path) -> Store {
    let session = folder.join("sessions/mine");
    fs::create_dir_all(&session).unwrap();
    let mut config = session::testing::config();
    (config.session, config.labels) = ("mine".into(), ["owl", "rain", "wren"].map(str::to_owned).to_vec());
    let started = Event::Started {
        config: Box::new(config),
        inventory: Default::default(),
        tokens: 9,
        train_clips: 4,
        val_clips: 4,
        steps_per_epoch: 2,
        moment_bytes: 8,
    };
    LogWriter::open(&session).unwrap().append(&Record { at_ms: 1, event: started }).unwrap();
    Store::at(folder.join("sessions"))
}

fn searched(message: Message) -> Result<Arc<ReviewList>, String> {
    let Message::Searched(_, list) = message else { unreachable!("{message:?}") };
    list
}

#[test]
fn detections_of_a_scan_are_decided_on_the_disk_and_not_asked_about_again() {
    let folder = tempfile::tempdir().unwrap();
    let (store, rec) = (store(folder.path()), folder.path().join("rec"));
    fs::create_dir_all(&rec).unwrap();
    for name in ["a.wav", "b.wav"] {
        wav(&rec.join(name), 20 * 60 * 16_000, |n| (n % 200) as i16);
    }
    let row = |file: &str, minute: f64, label: &str, score: f32| Row {
        file: rec.join(file).display().to_string(),
        start: 60.0 * minute + 1.0 / 3.0,
        end: 60.0 * minute + 2.5,
        label: label.into(),
        score,
        margin: score - 0.5,
        time: None,
    };
    let rows: Vec<Row> = (0..12)
        .map(|n| row(["a.wav", "b.wav"][n % 2], n as f64, ["wren", "owl"][n / 6], 0.4 + 0.05 * n as f32))
        .collect();
    let ticket = Tickets::default().draw();
    let wanted = || ToReview::Scan { session: "mine".into(), recordings: rec.clone(), rows: rows.clone() };
    let list = searched(detections(&store, ticket, wanted())).unwrap();
    assert_eq!((list.items.len(), list.place().unwrap().path), (12, rec.join(data::REVIEWED)));
    let random = list.detections().unwrap().sightings.iter().filter(|one| one.chosen == Some(data::Chosen::Random));
    assert_eq!(random.count(), 2, "a fifth");
    // The sound is the detection with half a second on each side.
    let sighting = list.sighting(0).unwrap().clone();
    let Source::Part(part) = &list.dataset.items[0].source else { unreachable!() };
    assert_eq!((&part.path, part.start()), (&sighting.recording, ((sighting.start - 0.5) * 16_000.0).round() as u64));
    let again = list.again.as_ref().unwrap();
    assert_eq!((Path::new(&again.data), again.fold), (rec.join(data::REVIEWED).as_path(), None));

    let label = |at: usize| Decision::Label { label: list.sighting(at).unwrap().detected.clone() };
    let made = [label(0), Decision::Not { label: list.sighting(1).unwrap().detected.clone() }, Decision::Unsure];
    for (index, decision) in made.into_iter().enumerate() {
        let Message::Saved(_, Ok(place)) = decide(ticket, &list, index, decision) else { unreachable!() };
        assert_eq!((place.path, place.apart), (rec.join(data::REVIEWED), false));
        let lines = fs::read_to_string(rec.join(data::REVIEWED)).unwrap();
        assert_eq!(lines.lines().count(), index + 1, "each is on the disk before the next");
    }
    let left = searched(detections(&store, ticket, wanted())).unwrap();
    assert_eq!(left.items.len(), 9);
    assert!(left.notes.iter().any(|note| note.contains("3 detections decided before")), "{:?}", left.notes);
    let keys: HashSet<_> = (0..3).map(|at| list.sighting(at).unwrap().key(&rec.join(data::REVIEWED))).collect();
    assert!((0..9).all(|at| !keys.contains(&left.sighting(at).unwrap().key(&rec.join(data::REVIEWED)))));
    // Thresholds are chosen by them.
    let labels = ["owl", "rain", "wren"].map(str::to_owned);
    let found = reviewed(&rec.join(data::REVIEWED), &labels, "mine").unwrap();
    assert_eq!((found.by_class.iter().map(Vec::len).sum::<usize>(), found.open, found.others), (2, 1, 0));
    // What is taken back is asked about again.
    assert!(matches!(decide(ticket, &list, 0, Decision::Undo), Message::Saved(_, Ok(_))));
    assert_eq!(searched(detections(&store, ticket, wanted())).unwrap().items.len(), 10);
}

#[test]
fn bookmarks_are_decided_beside_their_sounds_and_train() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let session = folder.path().join("sessions/mine");
    let score = |label: &str, score: f32| Score { label: label.into(), score };
    for n in 0..3 {
        let samples: Arc<[f32]> = (0..24_000).map(|at| ((at * (n + 3)) as f32 * 0.01).sin() / 3.0).collect();
        let window =
            Window { end_s: 5.0 + n as f64, captured: std::time::Instant::now(), samples, frames: Vec::new().into() };
        let scores = [score(["wren", "owl", "bat"][n], 0.8), score("rain", 0.1)];
        let predictions = vec![BookmarkedPrediction::new("mine", &scores)];
        Bookmark::save(&session, "mic", &window, predictions).unwrap();
    }
    let ticket = Tickets::default().draw();
    let wanted = || ToReview::Bookmarks("mine".into());
    let list = searched(detections(&store, ticket, wanted())).unwrap();
    // The third has an answer of which only the second class is this session's.
    assert_eq!(list.items.len(), 3);
    for index in 0..3 {
        let one = list.sighting(index).unwrap();
        assert_eq!((one.start, one.end), (0.0, 1.5));
        let label = one.detected.clone();
        assert!(matches!(decide(ticket, &list, index, Decision::Label { label }), Message::Saved(_, Ok(_))));
    }
    assert!(searched(detections(&store, ticket, wanted())).unwrap_err().contains("is decided"));
    let data = list.again.as_ref().unwrap().data.clone();
    assert_eq!(Path::new(&data), session.join("bookmarks").join(data::REVIEWED));
    let dataset = data::open(&data).unwrap();
    assert_eq!((dataset.classes.join(" "), dataset.items.len()), ("owl rain wren".to_owned(), 3));
    // A bookmark that is deleted leaves its decision behind, and the others count.
    let first = Bookmark::list(&session).unwrap().bookmarks.remove(0);
    first.remove(&session).unwrap();
    let dataset = data::open(&data).unwrap();
    assert_eq!(dataset.items.len(), 2);
    assert!(dataset.notes.iter().any(|note| note.contains("no recording")), "{:?}", dataset.notes);
}

#[test]
fn the_clips_most_like_one_come_first_and_what_is_decided_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let set = folder.path().join("set");
    for (class, step) in [("high", 900), ("low", 90)] {
        fs::create_dir_all(set.join(class)).unwrap();
        for n in 0..4u32 {
            // A saw tooth, each of another pitch.
            let wave = move |at: u32| ((at * (step + 37 * n)) % 20_000) as i16 - 10_000;
            wav(&set.join(class).join(format!("{n}.wav")), 8_000, wave);
        }
    }
    fs::copy(set.join("low/2.wav"), set.join("low/again.wav")).unwrap();
    let data = set.display().to_string();
    let request = Request { data: data.clone(), model: "tiny".into(), frames: Some(64), ..Request::default() };
    let (sender, _answers) = crate::tui::runtime::inbox::channel();
    let store = Store::at(folder.path().join("sessions"));
    let (ticket, stop) = (Tickets::default().draw(), AtomicBool::new(false));
    let like = |clip: &str| {
        let session = Some("/sessions/mine".into());
        searched(alike(&store, &sender, ticket, request.clone(), session, clip, &stop))
    };
    let list = like("low/2.wav").unwrap();
    let names = |list: &ReviewList| -> Vec<String> {
        list.items.iter().map(|item| list.dataset.items[item.index].id.clone()).collect()
    };
    assert_eq!((list.items.len(), names(&list)[0].as_str()), (8, "low/again.wav"), "all but itself");
    assert!((list.items[0].of_proposed - 1.0).abs() < 1e-4 && list.items[7].of_proposed < 0.9, "{:?}", list.items);
    let low = list.dataset.classes.iter().position(|class| class == "low").unwrap();
    assert!(list.items.iter().all(|item| item.proposed == low), "each may be what the example is");
    assert_eq!((list.again.as_deref(), list.session.as_deref()), (Some(&request), Some(Path::new("/sessions/mine"))));
    let index = list.items[0].index;
    assert!(matches!(decide(ticket, &list, index, Decision::Label { label: "low".into() }), Message::Saved(_, Ok(_))));
    assert_eq!(names(&like("low/2.wav").unwrap()).len(), 7);
    assert!(like("low/gone.wav").unwrap_err().contains("is not in set any more"));
}
