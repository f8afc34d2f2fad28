//! The Live screen of the real binary, on files played in real time: a lesson is recorded, learned and recognised; a
//! clip is bookmarked and replayed; adapters are turned, and the desk is evaluated.

use std::{thread, time::Duration};

use crate::{pty::Workbench, sounds::write};

/// Seconds of each recording: some examples, and enough to press keys by.
const SECONDS: f64 = 30.0;
/// How long a class is recorded.
const RECORDED: Duration = Duration::from_secs(7);

/// Sounds that even a backbone of random weights distinguishes.
const SOUNDS: [&str; 3] = ["background", "hiss", "whistle"];

/// The row of the screen with these words.
fn row(text: &str, words: &str) -> String {
    text.lines().find(|line| line.contains(words)).unwrap_or_default().to_owned()
}

#[test]
fn the_spectrogram_is_drawn_with_what_the_terminal_has() {
    let mut bench = Workbench::open(120, 40, &["--graphics", "kitty"]);
    bench.wait_for("the first frame", |text| text.contains("Sessions"));
    write(bench.home(), "whistle", SECONDS);
    bench.press("4");
    bench.press(":listen whistle.wav\r");
    bench.wait_for("the file being played", |text| text.contains("listening  whistle.wav"));
    bench.wait_for_bytes("a picture", "\x1b_Ga=T,f=100,");
    assert!(!bench.text().contains('▀'));
    bench.press(":graphics octant\r");
    bench.wait_for("octants", |text| text.contains(|c| ('\u{1cd00}'..='\u{1cde5}').contains(&c)));
    assert!(bench.wrote_after("\x1b_Ga=d,d=I,", "\x1b_Ga=T,"), "the picture is gone");
    bench.press(":graphics half\r");
    bench.wait_for("half-blocks", |text| text.contains('▀'));
    bench.press(":graphics kitty\r");
    bench.wait_for("pictures again", |text| text.contains("listening") && !text.contains('▀'));
    bench.press("q");
    assert_eq!(bench.wait_for_end(), 0);
    bench.assert_restored();
    assert!(bench.wrote_after("\x1b_Ga=d,d=I,", "\x1b_Ga=T,"), "the picture is gone");
}

#[test]
fn a_lesson_is_recorded_learned_and_recognised_then_bookmarked_and_turned() {
    let mut bench = Workbench::open(120, 40, &["--model", "tiny", "--epochs", "12"]);
    bench.wait_for("the first frame", |text| text.contains("Sessions"));
    SOUNDS.iter().for_each(|name| write(bench.home(), name, SECONDS));

    // Record: a class each, from a file that is played.
    bench.press("4");
    bench.press("T");
    bench.wait_for("the lesson", |text| text.contains("background"));
    for name in SOUNDS {
        bench.press(&format!(":class {name}\r"));
        bench.wait_for("the class under the cursor", |text| text.contains(&format!("▸ {name}")));
        bench.press(&format!(":listen {name}.wav\r"));
        bench.wait_for("the file being played", |text| text.contains(&format!("listening  {name}.wav")));
        bench.press(" ");
        bench.wait_for("the recording", |text| text.contains(&format!("recording {name}")));
        thread::sleep(RECORDED);
        bench.press(" ");
        bench.wait_for("its examples", |text| {
            let row = row(text, &format!("▸ {name}"));
            !row.is_empty() && !row.contains("Space records")
        });
    }
    let lesson = bench.home().join("lessons/mine");
    for name in SOUNDS {
        let clips = std::fs::read_dir(lesson.join(name)).unwrap().count();
        assert!(clips >= 5, "{clips} clips of {name}");
    }
    Workbench::run_in(bench.home(), "data check lessons/mine");

    // Learn.
    bench.press("\r");
    bench.wait_for("the learning", |text| text.contains("learns, epoch"));
    bench.wait_for("the result", |text| text.contains("it listens now"));

    // Recognise: what leads is what is played.
    bench.press("T");
    for name in ["whistle", "hiss"] {
        bench.press(&format!(":listen {name}.wav\r"));
        bench.wait_for("the file being played", |text| text.contains(&format!("listening  {name}.wav")));
        bench.wait_for("the right class", |text| {
            let first = text.lines().skip_while(|line| !line.contains("A ●")).nth(1).unwrap_or_default();
            first.contains(name) && first.contains("▇▇▇▇▇▇")
        });
    }

    // Bookmark and replay.
    bench.press("f");
    bench.wait_for("the held sound", |text| text.contains("held"));
    bench.press("b");
    bench.wait_for("the bookmark", |text| text.contains("bookmarked"));
    bench.press("B");
    bench.wait_for("the list", |text| text.contains("1 clip"));
    bench.press("\r");
    let text = bench.wait_for("every checkpoint's answer", |text| text.contains("epoch"));
    assert!(text.contains("best") && text.contains("step"), "{text}");
    bench.press("xy");
    bench.wait_for("its end", |text| text.contains("No bookmarks yet"));

    // Turn the desk: everything but one adapter is silent, the held window is answered again, with the shift.
    bench.press("d");
    bench.wait_for("the desk", |text| text.contains("Spatial") && text.contains("MLP"));
    bench.press("s-");
    bench.wait_for("the shift", |text| text.contains("adjusted") && text.contains("S0.9"));
    bench.press("w");
    bench.wait_for("the desk to be saved", |text| text.contains("saved with"));
    let session = crate::pty::session_names(&bench.sessions()).pop().unwrap();
    let printed = Workbench::run_in(bench.home(), &format!("eval {session} --gains saved"));
    assert!(printed.contains("accuracy"), "{printed}");
    bench.press("0");
    bench.wait_for("the desk as it was", |text| text.contains("as trained"));

    bench.press("q");
    assert_eq!(bench.wait_for_end(), 0);
    bench.assert_restored();
}
