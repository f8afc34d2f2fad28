//! The loop that mends a data set: train, look for wrong labels, decide, train again.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::{
    pty::{Workbench, session_names},
    sounds,
    virtual_mic::VirtualMic,
};

/// Each validates once; its labels stay as published, so that both accuracies are on the same true labels.
const FOLDS: [&str; 4] = ["1", "2", "3", "4"];
/// The session that is trained first.
const BEFORE: &str = "before";
/// A training of ten epochs of AAT beside other work, at most.
const LONG: Duration = Duration::from_secs(1_800);

/// ESC-10 in this folder, with one in twenty labels of the folds to train on exchanged for another class. Returns every
/// clip's true class, and the exchanged clips.
fn exchanged(from: &Path, folder: &Path, held_out: &str) -> (BTreeMap<String, String>, BTreeSet<String>) {
    fs::create_dir_all(folder.join("meta")).unwrap();
    std::os::unix::fs::symlink(from.join("audio"), folder.join("audio")).unwrap();
    let mut rows = csv::Reader::from_path(from.join("meta/esc50.csv")).unwrap();
    let header = rows.headers().unwrap().clone();
    let mut rows: Vec<Vec<String>> =
        rows.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
    let [name, fold, target, category] =
        ["filename", "fold", "target", "category"].map(|column| header.iter().position(|h| h == column).unwrap());
    let truth: BTreeMap<String, String> = rows.iter().map(|row| (row[name].clone(), row[category].clone())).collect();
    let classes: BTreeSet<(String, String)> =
        rows.iter().map(|row| (row[category].clone(), row[target].clone())).collect();
    let classes: Vec<_> = classes.into_iter().collect();
    let mut random = ChaCha8Rng::seed_from_u64(held_out.parse().unwrap());
    let mut below = |count: usize| (random.next_u64() % count as u64) as usize;
    let mut training: Vec<usize> = (0..rows.len()).filter(|row| rows[*row][fold] != held_out).collect();
    let mut wrong = BTreeSet::new();
    for _ in 0..training.len() / 20 {
        let row = training.swap_remove(below(training.len()));
        let others: Vec<_> = classes.iter().filter(|class| class.0 != rows[row][category]).collect();
        let (label, number) = others[below(others.len())].clone();
        (rows[row][category], rows[row][target]) = (label, number);
        wrong.insert(rows[row][name].clone());
    }
    let mut table = csv::Writer::from_path(folder.join("meta/esc50.csv")).unwrap();
    table.write_record(&header).unwrap();
    rows.iter().for_each(|row| table.write_record(row).unwrap());
    table.flush().unwrap();
    (truth, wrong)
}

/// The first number before this word.
fn number_before(text: &str, word: &str) -> Option<usize> {
    let before = &text[..text.find(word)?];
    before.split_whitespace().next_back()?.parse().ok()
}

/// The clip on the screen.
fn clip(text: &str) -> Option<String> {
    text.split_whitespace().find(|word| word.ends_with(".ogg")).map(str::to_owned)
}

/// The key that says this class: its number among those offered, or its name typed.
fn keys_for(text: &str, class: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let offered = words.windows(3).find(|three| {
        three[1] == class && three[2].parse::<f32>().is_ok() && three[0].len() == 1 && three[0].parse::<u8>().is_ok()
    });
    offered.map_or_else(|| format!("/{class}\r"), |three| three[0].to_owned())
}

fn last(home: &Path, session: &str) -> f64 {
    let shown: Value =
        serde_json::from_str(&Workbench::run_in(home, &format!("sessions show {session} --json"))).unwrap();
    shown["last"]["value"].as_f64().unwrap()
}

/// What became of one fold.
struct Mended {
    /// Clips whose label was exchanged, and those of them among the shown.
    wrong: usize,
    found: usize,
    shown: usize,
    /// Accuracy on the fold held out, trained on the exchanged labels and on what was decided.
    before: f64,
    after: f64,
}

/// Trains on exchanged labels, looks for wrong ones, gives each clip shown its true class as a person who listens does, and
/// trains again.
fn mend(esc10: &Path, fold: &str) -> Mended {
    let home = tempfile::tempdir().unwrap();
    let (truth, wrong) = exchanged(esc10, &home.path().join("esc10"), fold);
    Workbench::run_in(
        home.path(),
        &format!("train --data esc10 --fold {fold} --method aat --recipe few --name {BEFORE}"),
    );
    let before = last(home.path(), BEFORE);

    let mut bench = Workbench::open_in(home, 140, 48, &["--data", "esc10"]);
    bench.wait_for("the first frame", |text| text.contains("Sessions"));
    bench.press("5");
    bench.wait_for("the session", |text| text.contains(BEFORE));
    bench.press("\r");
    bench.wait_for("its curves", |text| text.contains("opened as A"));
    bench.press("8e");
    bench.wait_long("the suspects", LONG, |text| text.contains("label now"));

    // Twice as many as are wrong, and a quarter of that at random.
    let shown = 2 * wrong.len() * 5 / 4;
    let mut found = 0;
    for number in 1..=shown {
        let text = bench.wait_for(&format!("suspect {number}"), |text| {
            text.contains("label now") && number_before(text, " of ") == Some(number) && clip(text).is_some()
        });
        let name = clip(&text).unwrap();
        found += usize::from(wrong.contains(&name));
        bench.press(&keys_for(&text, &truth[&name]));
    }
    let next = shown + 1;
    bench.wait_for("the decisions on the disk", |text| {
        text.contains("on disk: ") && number_before(text, " of ") == Some(next)
    });
    let decisions = fs::read_to_string(bench.home().join("esc10/corrections.jsonl")).unwrap();
    assert_eq!(decisions.lines().count(), shown, "{decisions}");
    bench.press("T");
    bench.wait_long("the second training", LONG, |text| text.matches("done in").count() == 2);
    let sessions = session_names(&bench.sessions());
    let after = sessions.iter().find(|name| *name != BEFORE).expect("a second session");
    let after = last(bench.home(), after);
    bench.press(":quit!\r");
    assert_eq!(bench.wait_for_end(), 0);
    Mended { wrong: wrong.len(), found, shown, before, after }
}

/// `cargo test --release --test workbench wrong_labels -- --ignored --nocapture` prints the figures of docs/review.md. One fold
/// has 80 clips, fewer than show what 12 wrong labels of 240 cost: all four are played.
#[test]
#[ignore = "trains AAT eight times on ESC-10: half an hour on two cores"]
fn wrong_labels_are_found_decided_and_trained_again() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/esc10");
    if !shared.is_dir() {
        eprintln!("skipped: {} is not there", shared.display());
        return;
    }
    let esc10 = shared.canonicalize().unwrap();
    let folds = FOLDS.map(|fold| {
        let one = mend(&esc10, fold);
        let Mended { wrong, found, shown, before, after } = one;
        eprintln!(
            "fold {fold}: {found} of {wrong} exchanged labels among {shown} shown; accuracy {before:.4} before, {after:.4} after"
        );
        one
    });
    let mean = |of: fn(&Mended) -> f64| folds.iter().map(of).sum::<f64>() / folds.len() as f64;
    let [before, after] = [mean(|fold| fold.before), mean(|fold| fold.after)];
    let [wrong, found] =
        [folds.iter().map(|fold| fold.wrong).sum::<usize>(), folds.iter().map(|fold| fold.found).sum()];
    eprintln!("all: {found} of {wrong} exchanged labels found; accuracy {before:.4} before, {after:.4} after");
    assert!(found * 10 >= wrong * 9, "{found} of {wrong}");
    assert!(after > before, "{before} before, {after} after");
}

/// A home with a session that was trained on two classes of so many clips for an epoch.
fn trained(clips: u32) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    sounds::data_set(&home.path().join("set"), clips);
    Workbench::run_in(home.path(), "train --data set --model tiny --method head --epochs 1 --name heard");
    home
}

/// Shows the session of [`trained`] on A.
fn show(bench: &mut Workbench) {
    bench.wait_for("the first frame", |text| text.contains("Sessions"));
    bench.press("5");
    bench.wait_for("the session", |text| text.contains("heard"));
    bench.press("\r");
    bench.wait_for("its curves", |text| text.contains("opened as A"));
}

#[test]
fn detections_of_a_scan_are_decided_one_key_each_and_choose_thresholds() {
    let home = trained(12);
    let rec = home.path().join("rec");
    fs::create_dir_all(&rec).unwrap();
    for name in ["hiss", "background"] {
        sounds::write(&rec, name, 12.0);
    }
    let mut bench = Workbench::open_in(home, 120, 40, &[]);
    show(&mut bench);
    bench.press(":scan rec\r");
    bench.wait_for("the end of the scan", |text| text.contains("tables: "));
    bench.press("-----R");
    bench.wait_for("the first detection", |text| text.contains("detected  h") && text.contains("1 of "));
    let file = bench.home().join("rec/reviewed.jsonl");
    assert!(!file.exists());
    bench.press("a");
    bench.wait_for("the decision on the disk", |text| text.contains("on disk: ") && text.contains("1 right"));
    let lines = || fs::read_to_string(bench.home().join("rec/reviewed.jsonl")).unwrap();
    assert_eq!(lines().lines().count(), 1);
    bench.press("\x7f");
    bench.wait_for("the decision taken back", |text| text.contains("0 right") && text.contains("decisions go to "));
    bench.press("x");
    bench.wait_for("another decision", |text| text.contains("1 wrong"));
    let text = fs::read_to_string(&file).unwrap();
    let decisions: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let said: Vec<&str> = decisions.iter().map(|one| one["decision"].as_str().unwrap()).collect();
    assert_eq!(said, ["label", "undo", "not"]);
    assert!(decisions.iter().all(|one| one["session"] == "heard" && !one["file"].as_str().unwrap().contains('/')));
    bench.press("\x1b");
    bench.wait_for("the scan again", |text| text.contains("detections  of all classes"));
    bench.press(":quit!\r");
    assert_eq!(bench.wait_for_end(), 0);
    let home = bench.into_home();
    let chosen = Workbench::run_in(home.path(), "eval heard --reviewed rec/reviewed.jsonl --precision 0.9 --json");
    let chosen: Value = serde_json::from_str(&chosen).unwrap();
    assert_eq!((chosen["reviewed"].as_u64(), chosen["others"].as_u64()), (Some(1), Some(0)), "{chosen}");
}

/// Decisions that are measured.
const MEASURED: usize = 10;

/// `cargo test --release --test workbench next_sound -- --ignored --nocapture` prints how long a decision takes to the disk, and
/// the next sound to the speaker, as its monitor records it: the sound server's delay and the recorder's are in it.
#[test]
#[ignore = "measures: it needs a machine that does nothing else, and a sound server"]
fn a_decision_is_on_the_disk_and_the_next_sound_starts() {
    /// Bytes of a millisecond of the recording: 48 samples of 4 bytes.
    const MS: usize = 48 * 4;
    /// Samples beyond this are sound.
    const LOUD: f32 = 1e-3;
    let Some(mic) = VirtualMic::start() else { return };
    let home = trained(60);
    let recording = home.path().join("monitor.raw");
    let words = "--device=speaker.monitor --format=float32le --channels=1 --rate=48000 --latency-msec=5";
    let mut recorder = Command::new("parec")
        .args(words.split(' '))
        .envs(&mic.env)
        .stdout(Stdio::from(File::create(&recording).unwrap()))
        .spawn()
        .unwrap();
    let size = || fs::metadata(&recording).map_or(0, |meta| meta.len() as usize);
    let loud_from = |from: usize| -> bool {
        let (mut file, mut rest) = (File::open(&recording).unwrap(), Vec::new());
        file.seek(SeekFrom::Start((from / 4 * 4) as u64)).unwrap();
        file.read_to_end(&mut rest).unwrap();
        rest.as_chunks::<4>().0.iter().any(|bytes| f32::from_le_bytes(*bytes).abs() > LOUD)
    };
    let mut bench = Workbench::open_with(home, 120, 40, &[], &mic.env);
    show(&mut bench);
    bench.press("7");
    bench.wait_for("its results", |text| text.contains("heard") && text.contains("hush"));
    let (from, pressed) = (size(), Instant::now());
    bench.press("cR");
    bench.wait_for("the first clip", |text| text.contains("label now"));
    // A person hears a clip before deciding about it.
    while !loud_from(from) {
        assert!(pressed.elapsed() < Duration::from_secs(5), "the first clip does not play");
        thread::sleep(Duration::from_millis(1));
    }
    eprintln!("the first clip, from the key that opens the list: {:.1} ms", 1e3 * pressed.elapsed().as_secs_f64());
    let file = bench.home().join("set/corrections.jsonl");
    let lines = || fs::read_to_string(&file).map_or(0, |text| text.lines().count());
    let (mut to_disk, mut to_ear) = (Vec::new(), Vec::new());
    for number in 0..MEASURED {
        // The clip before has ended: silence for a while.
        let patience = Instant::now();
        while loud_from(size().saturating_sub(500 * MS)) {
            assert!(patience.elapsed() < Duration::from_secs(30), "it never ends");
            thread::sleep(Duration::from_millis(100));
        }
        if !bench.text().contains("label now") {
            break;
        }
        let (from, before, pressed) = (size(), lines(), Instant::now());
        bench.press("a");
        let (mut disk, mut ear) = (None, None);
        while (disk.is_none() || ear.is_none()) && pressed.elapsed() < Duration::from_secs(5) {
            if disk.is_none() && lines() > before {
                disk = Some(pressed.elapsed());
            }
            if ear.is_none() && loud_from(from) {
                ear = Some(pressed.elapsed());
            }
            thread::sleep(Duration::from_micros(500));
        }
        if let (Some(disk), Some(ear)) = (disk, ear) {
            eprintln!(
                "decision {}: disk {:.1} ms, sound {:.1} ms",
                number + 1,
                1e3 * disk.as_secs_f64(),
                1e3 * ear.as_secs_f64()
            );
            to_disk.push(disk);
            to_ear.push(ear);
        }
    }
    let _ = recorder.kill();
    let _ = recorder.wait();
    assert!(!to_disk.is_empty(), "nothing was measured:\n{}", bench.text());
    for (what, mut times) in [("on the disk", to_disk), ("next sound", to_ear)] {
        times.sort_unstable();
        let ms = |time: Duration| 1e3 * time.as_secs_f64();
        let (middle, most) = (times[times.len() / 2], times[times.len() - 1]);
        eprintln!("{what}: median {:.1} ms, most {:.1} ms of {}", ms(middle), ms(most), times.len());
    }
}
