//! Data and Scan of the real binary: a set is chosen, checked, looked at; recordings are scanned; what was chosen is kept.

use std::{fs, path::Path};

use crate::{pty::Workbench, sounds};

/// The place of these words on the screen, columns and rows counted from 1, as terminals count.
fn place(text: &str, words: &str) -> (usize, usize) {
    let found = text.lines().enumerate().find_map(|(row, line)| {
        let column = line.find(words)?;
        Some((line[..column].chars().count() + 1, row + 1))
    });
    found.unwrap_or_else(|| panic!("no {words} in\n{text}"))
}

/// Clicks on these words: SGR's report of a press and a release.
fn click(bench: &mut Workbench, words: &str) {
    let (column, row) = place(&bench.text(), words);
    bench.press(&format!("\x1b[<0;{column};{row}M\x1b[<0;{column};{row}m"));
}

#[test]
fn data_is_chosen_with_the_mouse_checked_and_remembered() {
    let home = tempfile::tempdir().unwrap();
    let set = home.path().join("sounds");
    fs::create_dir(&set).unwrap();
    sounds::data_set(&set, 6);
    fs::write(set.join("hush/broken.wav"), "RIFF").unwrap();
    let mut bench = Workbench::open_in(home, 120, 40, &[]);
    bench.wait_for("the first frame", |text| text.contains("6 Data"));
    bench.wait_for_bytes("the mouse to be taken", "\x1b[?1000h");
    click(&mut bench, "6 Data");
    bench.wait_for("the folder that is a data set", |text| text.contains("● sounds/"));
    click(&mut bench, "sounds/");
    click(&mut bench, "sounds/");
    bench.wait_for("the check", |text| text.contains("✗ checked") && text.contains("1 error"));
    let text = bench.wait_for("the clip", |text| text.contains("Space plays it"));
    assert!(text.contains("13 clips in 2 classes") && text.contains("broken.wav"), "{text}");
    // The problem leads to its clip, and the other clips are still there to be looked at.
    click(&mut bench, "hush/broken.wav");
    bench.wait_for("why it cannot be played", |text| text.contains("give a sound file"));
    bench.press("o");
    bench.press(":theme light\r");
    bench.press(":mouse off\r");
    bench.wait_for("the mouse to be left", |text| text.contains("the mouse selects text"));
    bench.wait_for_bytes("no reports of the mouse", "\x1b[?1000l");
    bench.press("q");
    assert_eq!(bench.wait_for_end(), 0);
    bench.assert_restored();

    let kept = fs::read_to_string(bench.home().join("config/aat-tui/workbench.toml")).unwrap();
    assert!(kept.contains("theme = \"light\"") && kept.contains("mouse = false"), "{kept}");
    let mut again = Workbench::open_in(bench.into_home(), 120, 40, &[]);
    again.wait_for("the data of the last time", |text| text.contains("sounds · box"));
    again.press("6");
    again.wait_for("the same set", |text| text.contains("13 clips in 2 classes"));
    again.press("q");
    assert_eq!(again.wait_for_end(), 0);
    again.assert_restored();
    assert!(!again.wrote("\x1b[?1000h"), "the mouse was not taken");
}

#[test]
fn keys_of_a_file_work_and_its_conflicts_are_reported() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("config/aat-tui");
    fs::create_dir_all(&config).unwrap();
    fs::write(config.join("keys.toml"), "[Train]\nm = \"w\"\n[Layers]\nx = \"q\"\n").unwrap();
    let mut bench = Workbench::open_in(home, 120, 40, &[]);
    bench.wait_for("the conflict", |text| text.contains("keys.toml") && text.contains("q means something everywhere"));
    assert!(bench.text().contains("● aat  ▲ full"));
    bench.press("m");
    bench.press("w");
    bench.wait_for("another method, once", |text| text.contains("● full  ▲ full"));
    bench.press("q");
    assert_eq!(bench.wait_for_end(), 0);
}

fn recordings(folder: &Path) {
    fs::create_dir(folder).unwrap();
    sounds::write(folder, "hiss", 20.0);
    sounds::write(folder, "background", 20.0);
    fs::write(folder.join("broken.wav"), "RIFF").unwrap();
}

#[test]
fn recordings_are_scanned_and_a_detection_is_decoded() {
    let home = tempfile::tempdir().unwrap();
    let set = home.path().join("sounds");
    fs::create_dir(&set).unwrap();
    sounds::data_set(&set, 6);
    recordings(&home.path().join("rec"));
    Workbench::run_in(home.path(), "train --data sounds --method head --epochs 2 --name ears --json");
    let mut bench = Workbench::open_in(home, 120, 40, &[]);
    bench.press("5");
    bench.wait_for("the session", |text| text.contains("ears"));
    bench.press("\r");
    bench.wait_for("the session on Train", |text| text.contains("ears opened"));
    bench.press(":scan rec\r");
    let text = bench.wait_for("the scan", |text| text.contains("✓ done ─╮"));
    assert!(text.contains("3 of 3 recordings") && text.contains("1 file cannot be read"), "{text}");
    bench.wait_for("the sound of the best detection", |text| text.contains("Space plays it"));
    let table = fs::read_to_string(bench.home().join("scans/ears/scan.csv")).unwrap();
    let low = table.lines().count();
    assert!(low > 2, "{table}");
    // A higher threshold lists fewer, and writes fewer.
    (0..8).for_each(|_| bench.press("+"));
    bench.wait_for("the threshold", |text| text.contains("score ≥ 0.90"));
    bench.press("w");
    let settings = bench.home().join("scans/ears/scan.json");
    bench.wait_for("the tables again", |text| {
        text.contains("✓ done ─╮") && fs::read_to_string(&settings).is_ok_and(|settings| settings.contains("0.9"))
    });
    let high = fs::read_to_string(bench.home().join("scans/ears/scan.csv")).unwrap().lines().count();
    assert!(high <= low, "{high} of {low}");
    bench.press("q");
    assert_eq!(bench.wait_for_end(), 0);
    bench.assert_restored();
}
