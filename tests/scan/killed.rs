//! A scan that is killed goes on, and ends with the bytes of one that was left alone.

use std::{
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use crate::trained::{Sound, Trained, recording, results, write};

/// A generator of moments, the same in every run of this test.
fn next(state: &mut u64) -> f64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 40) as f64 / (1u64 << 24) as f64
}

#[test]
fn killed_at_random_moments_the_tables_are_the_same_bytes() {
    let trained = Trained::new();
    let place = trained.path();
    for file in 0..12u32 {
        let seconds = if file % 4 == 0 { 8.0 } else { 0.3 + f64::from(file) / 9.0 };
        let parts =
            [(Sound::Noise(file), seconds), (Sound::Tone(1_000.0 + f64::from(file) * 70.0), 1.0 + seconds / 3.0)];
        write(
            &place.join(format!("in/{file}.wav")),
            [16_000, 22_050][file as usize % 2],
            1,
            &recording([16_000, 22_050][file as usize % 2], &parts),
        );
    }
    std::fs::write(place.join("in/bad.wav"), b"RIFFnothing").unwrap();
    let line =
        |out: &str| format!("scan ear in --out {out} --hop 0.3 --scores --format csv,jsonl,raven,audacity --json");
    let mut alone = None;
    let mut state = 1;
    for threads in ["1", "2"] {
        let (whole, out) = (format!("whole{threads}"), format!("killed{threads}"));
        let begun = Instant::now();
        let mut command = trained.command(&line(&whole));
        let output = command.env("RAYON_NUM_THREADS", threads).output().unwrap();
        let lasted = begun.elapsed().as_secs_f64();
        // One recording cannot be read, and is reported.
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
        let undisturbed = results(&place.join(&whole));
        assert!(undisturbed.len() > 12 * 5, "{:?}", undisturbed.keys());
        // The number of threads changes no byte either.
        assert_eq!(alone.get_or_insert_with(|| undisturbed.clone()), &undisturbed, "{threads} threads");

        let mut kills = 0;
        for _ in 0..10 {
            let mut command = trained.command(&line(&out));
            let mut child = command.env("RAYON_NUM_THREADS", threads).stdout(Stdio::null()).spawn().unwrap();
            thread::sleep(Duration::from_secs_f64(1.1 * lasted * next(&mut state)));
            if child.try_wait().unwrap().is_none() {
                child.kill().unwrap();
                kills += 1;
            }
            child.wait().unwrap();
        }
        let output = trained.command(&line(&out)).env("RAYON_NUM_THREADS", threads).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let disturbed = results(&place.join(&out));
        // A file that a killed process had under a temporary name may be left; no result has such a name.
        let disturbed: std::collections::BTreeMap<_, _> = disturbed
            .into_iter()
            .filter(|(name, _)| !name.file_name().unwrap().to_string_lossy().starts_with(".partial-"))
            .collect();
        assert_eq!(disturbed.keys().collect::<Vec<_>>(), undisturbed.keys().collect::<Vec<_>>());
        assert!(disturbed == undisturbed, "{threads} threads, {kills} kills");
        eprintln!("{threads} threads: killed {kills} times, the same {} files", undisturbed.len());
    }
}

#[test]
fn what_is_scored_stays_scored_until_something_changes_scores() {
    let trained = Trained::new();
    let place = trained.path();
    for file in 0..3u32 {
        write(&place.join(format!("in/{file}.wav")), 16_000, 1, &Sound::Noise(file).samples(16_000, 2.0));
    }
    let known = |line: &str| {
        let summary = trained.summary(line);
        (summary["known"].as_u64().unwrap(), summary["detections"].as_u64().unwrap())
    };
    assert_eq!(known("scan ear in --out out --json").0, 0);
    // Thresholds, gaps and forms of tables need no scores.
    assert_eq!(known("scan ear in --out out --json").0, 3);
    assert_eq!(known("scan ear in --out out --threshold 1 --max-gap 2 --format jsonl,raven --scores --json"), (3, 0));
    std::fs::write(place.join("limits.toml"), "[classes.noise]\nthreshold = 0.0\nlow = 0.0\n").unwrap();
    let (known_now, found) = known("scan ear in --out out --threshold 1 --thresholds limits.toml --json");
    assert_eq!((known_now, found), (3, 3));
    // A file that changes is scored again, by itself.
    write(&place.join("in/1.wav"), 16_000, 1, &Sound::Tone(1_100.0).samples(16_000, 2.5));
    assert_eq!(known("scan ear in --out out --json").0, 2);
    // A damaged part as well.
    let parts: Vec<_> = walk(&place.join("out/.scan/parts"));
    let mut bytes = std::fs::read(&parts[0]).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 0x40;
    std::fs::write(&parts[0], bytes).unwrap();
    assert!(known("scan ear in --out out --json").0 >= 2);
    assert_eq!(known("scan ear in --out out --json").0, 3);
    // Other windows are other scores: they do not take the tables' place unasked.
    let refused = trained.run("scan ear in --out out --hop 0.2 --json");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(1) && said.contains("--replace"), "{said}");
    assert_eq!(known("scan ear in --out out --hop 0.2 --replace --json").0, 0);
    let refused = trained.run("scan ear in/1.wav --out out --hop 0.2 --json");
    assert_eq!(refused.status.code(), Some(1));
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(walk(&path)) } else { all.push(path) }
    }
    all.sort();
    all
}
