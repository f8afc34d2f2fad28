//! What a scan keeps does not grow with a recording's length.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use crate::trained::Trained;

/// Writes noise of 8 bits at 8 kHz; an hour is 29 MB.
fn write(path: &Path, seconds: u32) {
    let bytes = 8_000 * seconds;
    let mut file = BufWriter::new(File::create(path).unwrap());
    file.write_all(b"RIFF").unwrap();
    file.write_all(&(36 + bytes).to_le_bytes()).unwrap();
    file.write_all(b"WAVEfmt \x10\0\0\0\x01\0\x01\0").unwrap();
    file.write_all(&8_000u32.to_le_bytes()).unwrap();
    file.write_all(&8_000u32.to_le_bytes()).unwrap();
    file.write_all(b"\x01\0\x08\0data").unwrap();
    file.write_all(&bytes.to_le_bytes()).unwrap();
    let mut state = 1u32;
    for _ in 0..bytes {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        file.write_all(&[(state >> 24) as u8]).unwrap();
    }
    file.flush().unwrap();
}

#[test]
fn an_hour_takes_no_more_memory_than_a_minute() {
    let trained = Trained::new();
    write(&trained.path().join("minute.wav"), 60);
    write(&trained.path().join("hour.wav"), 3_600);
    let peak = |name: &str| {
        // A window every five seconds: the whole of the sound is decoded and resampled, and little of it scored.
        let summary = trained.summary(&format!("scan ear {name}.wav --out {name} --hop 5 --json"));
        (summary["peak_rss_bytes"].as_u64().unwrap(), summary["hours"].as_f64().unwrap())
    };
    let (minute, _) = peak("minute");
    let (hour, hours) = peak("hour");
    assert!((hours - 1.0).abs() < 1e-9);
    eprintln!("a minute {} MiB, an hour {} MiB", minute >> 20, hour >> 20);
    if minute > 0 {
        // As samples at 16 kHz the hour alone is 230 MB.
        assert!(hour < minute + (24 << 20), "{minute} {hour}");
    }
}
