//! What a scan keeps does not grow with a recording's length.

use crate::{long_noise, trained::Trained};

#[test]
fn an_hour_takes_no_more_memory_than_a_minute() {
    let trained = Trained::new();
    long_noise::write(&trained.path().join("minute.wav"), 60, 1);
    long_noise::write(&trained.path().join("hour.wav"), 3_600, 1);
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
