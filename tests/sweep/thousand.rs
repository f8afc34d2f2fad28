//! A sweep of a thousand tasks, most of them finished: planned, listed and followed. Times and memory are printed, not
//! judged: `cargo nextest run --test sweep --no-capture thousand`.

use std::{fs, io::Write, path::Path, sync::Arc, time::Instant};

use aat_tui::{
    session::{Event, LOG_FILE, Record},
    sweep::{File, Observer, Place, Plan, State, Task},
    train::peak_rss_bytes,
    tui::testing::fixture,
};

/// Steps of each session's log: 25 epochs.
const STEPS: u64 = 1000;

/// Writes a finished session's log of a task, or the first part of one.
fn session(task: &Task, place: &Place, events: &[Record], finished: bool) {
    let folder = place.session(&task.session);
    fs::create_dir_all(&folder).unwrap();
    let mut out = Vec::new();
    let count = if finished { events.len() } else { events.len() / 2 };
    for record in &events[..count] {
        let mut record = record.clone();
        if let Event::Started { config, .. } = &mut record.event {
            config.session.clone_from(&task.session);
            (config.seed, config.fold, config.method) = (task.request.seed, task.request.fold, task.request.method);
        }
        serde_json::to_writer(&mut out, &record).unwrap();
        out.push(b'\n');
    }
    fs::File::create(folder.join(LOG_FILE)).unwrap().write_all(&out).unwrap();
}

#[test]
fn a_thousand_tasks_are_planned_listed_and_followed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.toml");
    let seeds: Vec<String> = (1..=100).map(|seed| seed.to_string()).collect();
    let text = format!(
        "[fixed]\ndata = \"demo\"\n[axes]\nmethod = [\"aat\", \"full\"]\nfold = [1, 2, 3, 4, 5]\nseed = [{}]\n",
        seeds.join(", ")
    );
    let begun = Instant::now();
    let plan = Arc::new(Plan::of(File::of(&path, &text).unwrap()).unwrap());
    let planned = begun.elapsed();
    assert_eq!(plan.tasks.len(), 1000);

    let before = peak_rss_bytes();
    plan.place.prepare(Path::new(&path)).unwrap();
    let mut bytes = 0;
    let events = ["aat", "full"].map(|method| fixture::events(method.parse().unwrap(), STEPS));
    for task in plan.tasks.iter().take(950) {
        let of = usize::from(task.request.method.id() == "full");
        session(task, &plan.place, &events[of], task.index % 10 != 9);
        bytes += fs::metadata(plan.place.session(&task.session).join(LOG_FILE)).unwrap().len();
    }
    drop(events);
    let written = peak_rss_bytes();

    let mut observer = Observer::new(Arc::clone(&plan));
    let begun = Instant::now();
    observer.look().unwrap();
    let first = begun.elapsed();
    let begun = Instant::now();
    assert!(!observer.look().unwrap(), "nothing has changed");
    let again = begun.elapsed();
    let begun = Instant::now();
    let snapshot = observer.snapshot();
    let counted = begun.elapsed();
    assert_eq!((snapshot.counts.done, snapshot.counts.waiting), (855, 145));
    assert_eq!(snapshot.standings.iter().filter(|standing| standing.is_half_done()).count(), 95);
    assert!(snapshot.standings.iter().all(|standing| standing.state != State::Failed));
    assert_eq!(snapshot.groups.len(), 2);
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    println!(
        "a thousand tasks: planned in {planned:.1?}; 950 logs of {STEPS} steps ({:.0} MB) read in {first:.1?}, looked at again in \
         {again:.1?}, counted and averaged in {counted:.1?}; peak memory {:.0} MB before, {:.0} MB with the logs written, {:.0} MB after",
        megabytes(bytes),
        megabytes(before),
        megabytes(written),
        megabytes(peak_rss_bytes())
    );
}
