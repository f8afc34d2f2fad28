//! What is given: folders, lists, files that are no sound, and nothing at all.

use std::{io::Write, process::Stdio};

use crate::trained::{Sound, Trained, lines, write};

#[test]
fn a_bad_file_costs_only_itself_and_is_listed() {
    let trained = Trained::new();
    let place = trained.path();
    let noise = |seconds: f64| Sound::Noise(3).samples(16_000, seconds);
    write(&place.join("in/a/good.wav"), 16_000, 1, &noise(1.0));
    write(&place.join("in/b/Deep/GOOD.WAV"), 16_000, 1, &noise(0.2));
    write(&place.join("in/short.wav"), 16_000, 1, &noise(0.01));
    write(&place.join("in/cut.wav"), 16_000, 1, &noise(3.0));
    let bytes = std::fs::read(place.join("in/cut.wav")).unwrap();
    std::fs::write(place.join("in/cut.wav"), &bytes[..bytes.len() / 2]).unwrap();
    std::fs::write(place.join("in/empty.wav"), b"").unwrap();
    std::fs::write(place.join("in/page.wav"), b"<!DOCTYPE html><html></html>").unwrap();
    std::fs::write(place.join("in/notes.txt"), b"no sound").unwrap();
    let bad = ["cut.wav", "empty.wav", "page.wav", "short.wav"];

    let output = trained.run("scan ear in gone.wav --out out --json");
    assert_eq!(output.status.code(), Some(1));
    let printed = lines(&output);
    let summary = printed.last().unwrap();
    assert_eq!((summary["files"].as_u64(), summary["failed"].as_u64()), (Some(2), Some(5)));
    let files: Vec<&str> =
        printed.iter().filter(|line| line["event"] == "file").map(|line| line["file"].as_str().unwrap()).collect();
    assert_eq!(files, ["in/a/good.wav", "in/b/Deep/GOOD.WAV"]);
    let sidecar: serde_json::Value =
        serde_json::from_slice(&std::fs::read(place.join("out/scan.json")).unwrap()).unwrap();
    let failed = sidecar["failed"].as_array().unwrap();
    for name in bad.iter().chain(&["gone.wav"]) {
        let one = failed.iter().find(|one| one["file"].as_str().unwrap().ends_with(name));
        let reason = one.unwrap_or_else(|| panic!("{name} in {failed:?}"))["error"].as_str().unwrap();
        assert!(reason.contains(name) && reason.len() > name.len() + 10, "{reason}");
    }
    assert_eq!(sidecar["left_out"]["document"], 1);
    let csv = std::fs::read_to_string(place.join("out/scan.csv")).unwrap();
    assert!(csv.contains("in/a/good.wav,0.0,1.0,noise,"), "{csv}");

    // The same recordings by a list on standard input, in its order; a file that is no sound by name is one if it is given.
    std::fs::rename(place.join("in/a/good.wav"), place.join("in/a/good.bin")).unwrap();
    let mut child =
        trained.command("scan ear - --out listed --json").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"in/b\r\nin/a/good.bin\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let files: Vec<String> = lines(&output)
        .iter()
        .filter(|line| line["event"] == "file")
        .map(|line| line["file"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(files, ["in/b/Deep/GOOD.WAV", "in/a/good.bin"]);
}

#[test]
fn what_cannot_be_meant_is_a_sentence() {
    let trained = Trained::new();
    std::fs::create_dir(trained.path().join("none")).unwrap();
    write(&trained.path().join("a.wav"), 16_000, 1, &Sound::Noise(3).samples(16_000, 1.0));
    std::fs::write(trained.path().join("wrong.toml"), "[classes.nose]\nthreshold = 0.4\n").unwrap();
    for (line, code, words) in [
        ("scan ear none", 1, "no sound files"),
        ("scan ear nowhere.wav", 1, "nowhere.wav"),
        ("scan nobody a.wav", 1, "nobody"),
        ("scan ear", 2, "PATH"),
        ("scan ear a.wav --hop 0", 2, "--hop"),
        ("scan ear a.wav --window 9", 2, "0.48"),
        ("scan ear a.wav --threshold 2", 2, "0 to 1"),
        ("scan ear a.wav --threshold 0.3 --low 0.4", 2, "low"),
        ("scan ear a.wav --max-gap=-1", 2, "max-gap"),
        ("scan ear a.wav --format xls", 2, "raven"),
        ("scan ear a.wav --thresholds wrong.toml", 2, "\"noise\""),
    ] {
        let output = trained.run(line);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{line}: {said}");
        assert!(said.contains(words), "{line}: {said}");
    }
}
