//! Random keys and sizes against the real binary, while it trains and plays a file.
//!
//! `MONKEY=20000 cargo test --test workbench random_keys -- --nocapture` presses as many; `MONKEY_SEED` gives another order.

use std::{fs, path::Path, thread, time::Duration};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{pty::Workbench, sounds};

/// Keys pressed in `make test`.
const KEYS: usize = 2_000;
/// One key in so many is a change of the terminal's size instead.
const RESIZE: usize = 100;
/// Keys that are more than one byte, or not printable.
const SPECIAL: [&str; 16] = [
    "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\x1b[H", "\x1b[F", "\x1b[5~", "\x1b[6~", "\x1b[3~", "\x1b", "\r", "\t",
    "\x7f", "\x1b[Z", "\x10", "\x17",
];

struct Keys(ChaCha8Rng);

impl Keys {
    fn below(&mut self, count: usize) -> usize {
        (self.0.next_u64() % count as u64) as usize
    }

    /// A third of them change screens or panels, so that every screen gets its share.
    fn next(&mut self) -> String {
        match self.below(12) {
            0..=3 => char::from(b'1' + self.below(9) as u8).to_string(),
            4..=6 => SPECIAL[self.below(SPECIAL.len())].to_owned(),
            // A click somewhere, and its release.
            7 => {
                let (x, y) = (1 + self.below(120), 1 + self.below(40));
                format!("\x1b[<0;{x};{y}M\x1b[<0;{x};{y}m")
            }
            _ => char::from(b' ' + self.below(95) as u8).to_string(),
        }
    }

    fn size(&mut self) -> (u16, u16) {
        (20 + self.below(200) as u16, 5 + self.below(60) as u16)
    }
}

/// Waits until it draws its screen, then begins to train and to play.
fn begin(bench: &mut Workbench) {
    bench.wait_for("the first frame", |text| text.contains("Sessions"));
    bench.press("1\r");
    bench.press(":listen hiss.wav\r");
}

#[test]
fn random_keys_and_sizes_neither_end_it_nor_freeze_it() {
    let of = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let keys = of("MONKEY").map_or(KEYS, |keys| keys as usize);
    let seed = of("MONKEY_SEED").unwrap_or(1);
    eprintln!("MONKEY={keys} MONKEY_SEED={seed}");
    let mut random = Keys(ChaCha8Rng::seed_from_u64(seed));
    let home = tempfile::tempdir().unwrap();
    sounds::write(home.path(), "hiss", 20.0);
    let mut bench = Workbench::open_in(home, 120, 40, &[]);
    begin(&mut bench);
    let (mut resized, mut ended) = (0, 0);
    for pressed in 1..=keys {
        if pressed % RESIZE == 0 {
            let (columns, rows) = random.size();
            bench.resize(columns, rows);
            resized += 1;
        } else {
            // It may have ended by its own keys: q, then y.
            bench.press_if_alive(&random.next());
        }
        thread::sleep(Duration::from_millis(5));
        if let Some(code) = bench.exit_code() {
            assert_eq!(code, 0, "key {pressed} of seed {seed} ended it:\n{}", bench.text());
            bench.assert_restored();
            ended += 1;
            bench = Workbench::open_in(bench.into_home(), 120, 40, &[]);
            begin(&mut bench);
        }
    }
    bench.resize(120, 40);
    // Out of whatever is open; then it answers.
    bench.press("\x1b");
    thread::sleep(Duration::from_millis(200));
    bench.press("\x1b");
    thread::sleep(Duration::from_millis(200));
    bench.press("\x1b");
    thread::sleep(Duration::from_millis(200));
    bench.press("2");
    bench.wait_for("the Layers screen", |text| text.contains("2 Layers"));
    bench.press(":quit!\r");
    assert_eq!(bench.wait_for_end(), 0, "seed {seed}");
    bench.assert_restored();
    let panics = logs(bench.home());
    assert!(panics.is_empty(), "seed {seed}:\n{panics}");
    eprintln!("{keys} keys, {resized} of them sizes; it was quit and opened again {ended} times");
}

/// Lines of any log in a folder that report a panic.
fn logs(folder: &Path) -> String {
    let mut found = String::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            found.push_str(&logs(&path));
        } else if path.extension().is_some_and(|extension| extension == "log") {
            let text = fs::read_to_string(&path).unwrap_or_default();
            text.lines().filter(|line| line.contains("panicked")).for_each(|line| found.push_str(line));
        }
    }
    found
}
