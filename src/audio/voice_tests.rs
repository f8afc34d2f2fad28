#![allow(clippy::unwrap_used)]

use super::*;

const RATE: u32 = 48_000;
/// Frames of a fade.
const FADE: usize = (RATE / FADES_PER_S) as usize;

struct Bench {
    controls: Arc<Controls>,
    reports: Arc<Reports>,
    voice: Voice,
    feed: Feed,
    out: Vec<f32>,
}

fn bench() -> Bench {
    let controls = Arc::new(Controls::default());
    let reports = Arc::<Reports>::default();
    let (voice, feed) = voice(&controls, &reports, RATE);
    Bench { controls, reports, voice, feed, out: Vec::new() }
}

impl Bench {
    /// Plays samples 1, 2, 3, ... of a thousandth each.
    fn play(&mut self, number: u64, length: usize, from: usize) {
        let samples = (1..=length).map(|n| n as f32 / 1000.0).collect();
        assert!(self.feed.play(Loaded { number, samples, from }));
    }

    fn fill(&mut self, frames: usize, delay: usize) -> &[f32] {
        let begin = self.out.len();
        self.out.resize(begin + frames, -1.0);
        self.voice.fill(&mut self.out[begin..], 1, delay);
        &self.out[begin..]
    }
}

fn count(from: usize, frames: usize) -> Vec<f32> {
    (from + 1..=from + frames).map(|n| n as f32 / 1000.0).collect()
}

#[test]
fn a_sound_is_played_once_as_it_is_then_there_is_silence() {
    let mut bench = bench();
    assert_eq!(bench.fill(10, 0), [0.0; 10]);
    bench.play(1, 700, 0);
    assert_eq!(bench.fill(500, 480), count(0, 500));
    assert_eq!(bench.reports.playhead(), None, "the buffer before was silent");
    let rest = bench.fill(500, 480).to_vec();
    assert_eq!((&rest[..200], &rest[200..]), (&count(500, 200)[..], &[0.0; 300][..]));
    // 500 frames were filled and 480 of them wait in the driver.
    assert_eq!(bench.reports.playhead(), Some((1, 20)));
    bench.fill(500, 480);
    assert_eq!((bench.reports.playhead(), bench.reports.ended()), (Some((1, 520)), 0));
    bench.fill(500, 480);
    assert_eq!((bench.reports.playhead(), bench.reports.ended()), (None, 1));
}

#[test]
fn a_loop_has_no_gap_and_its_playhead_wraps() {
    let mut bench = bench();
    bench.controls.set_looped(true);
    bench.play(1, 300, 0);
    let expected: Vec<f32> = (0..3).flat_map(|_| count(0, 300)).collect();
    assert_eq!(bench.fill(900, 0), expected);
    bench.fill(100, 50);
    assert_eq!(bench.reports.playhead(), Some((1, 250)));
    bench.fill(100, 50);
    assert_eq!(bench.reports.playhead(), Some((1, 50)));
    bench.controls.set_looped(false);
    bench.fill(100, 50);
    assert_eq!(bench.fill(100, 0), [0.0; 100], "it ends with the round that it was in");
}

#[test]
fn a_stop_is_silent_after_one_fade_and_also_stops_what_waits() {
    let mut bench = bench();
    bench.play(1, 10_000, 0);
    bench.fill(1000, 0);
    bench.controls.stop(1);
    let after = bench.fill(1000, 0).to_vec();
    let last = after.iter().rposition(|sample| *sample != 0.0).unwrap();
    assert!((FADE - 2..=FADE + 1).contains(&last), "{last}");
    bench.fill(10, 0);
    assert_eq!(bench.reports.playhead(), None);
    bench.play(2, 100, 0);
    bench.controls.stop(2);
    assert_eq!(bench.fill(100, 0), [0.0; 100]);
    bench.play(3, 100, 0);
    assert_eq!(bench.fill(100, 0), count(0, 100));
}

#[test]
fn a_jump_and_another_sound_fade_over() {
    let mut bench = bench();
    bench.play(1, 20_000, 0);
    bench.fill(100, 0);
    bench.controls.jump(1, 10_000);
    let after = bench.fill(2000, 0).to_vec();
    // The gain reaches 0 in one fade and 1 in another; then the samples are those behind the jump.
    let filled = 2000 - FADE;
    assert!((after[1999] - (10_000 + filled) as f32 / 1000.0).abs() < 0.003, "{}", after[1999]);
    bench.fill(10, 0);
    let (number, frame) = bench.reports.playhead().unwrap();
    assert!(number == 1 && frame.abs_diff(10_000 + filled) < 3, "{frame}");
    bench.play(2, 500, 0);
    bench.play(3, 500, 100);
    let after = bench.fill(FADE + 300, 0).to_vec();
    assert!((after[FADE + 299] - 0.4).abs() < 0.003, "only the newest is played: {}", after[FADE + 299]);
    bench.controls.jump(3, 99_999);
    bench.fill(2 * FADE, 0);
    bench.fill(10, 0);
    assert_eq!(bench.reports.ended(), 3, "a jump behind the end ends it");
}

#[test]
fn the_volume_scales_and_every_channel_gets_the_sound() {
    let mut bench = bench();
    bench.controls.set_volume(0.5);
    bench.play(1, 1000, 0);
    let mut stereo = [0i16; 400];
    bench.voice.fill(&mut stereo, 2, 0);
    assert_eq!(stereo[398], stereo[399]);
    assert!((f32::from(stereo[398]) / 32_768.0 - 0.1).abs() < 1e-3, "{}", stereo[398]);
    bench.controls.set_volume(0.0);
    assert_eq!(bench.fill(1000, 0)[FADE..], vec![0.0; 1000 - FADE]);
}

#[test]
fn a_jump_is_done_before_a_sound_begins_and_one_of_another_sound_is_dropped() {
    let mut bench = bench();
    bench.play(1, 10_000, 0);
    bench.fill(100, 0);
    // It waits for the fade of the one before.
    bench.play(2, 10_000, 0);
    bench.fill(10, 0);
    bench.controls.jump(2, 5_000);
    bench.fill(2 * FADE, 0);
    bench.fill(10, 0);
    let (number, frame) = bench.reports.playhead().unwrap();
    assert!(number == 2 && frame >= 5_000, "{number} {frame}");
    assert!(!bench.controls.is_jumping(2));
    bench.controls.jump(1, 9_000);
    bench.fill(2 * FADE, 0);
    bench.fill(10, 0);
    let (number, after) = bench.reports.playhead().unwrap();
    assert!(number == 2 && after < 7_000 && !bench.controls.is_jumping(1), "{number} {after}");
    // One of a sound that is on its way stays until it is there.
    bench.controls.jump(3, 300);
    bench.fill(10, 0);
    assert!(bench.controls.is_jumping(3));
    bench.play(3, 10_000, 0);
    bench.fill(FADE + 100, 0);
    bench.fill(10, 0);
    assert!(bench.reports.playhead().is_some_and(|(number, frame)| number == 3 && frame >= 300));
}

#[test]
fn a_jump_is_waited_for_until_the_playhead_is_there() {
    let mut bench = bench();
    bench.play(1, 30_000, 0);
    bench.fill(1000, 0);
    bench.controls.jump(1, 20_000);
    bench.fill(FADE / 2, 0);
    assert!(bench.controls.is_jumping(1), "the playhead still reports where the sound fades out");
    bench.fill(FADE, 0);
    assert!(!bench.controls.is_jumping(1));
    assert!(bench.reports.playhead().unwrap().1 >= 20_000);
}

#[test]
fn a_jump_as_the_last_sample_leaves_goes_on_there() {
    let mut bench = bench();
    bench.play(1, 500, 0);
    bench.fill(500, 0);
    bench.controls.jump(1, 100);
    bench.fill(200, 0);
    bench.fill(10, 0);
    assert_eq!(bench.reports.playhead(), Some((1, 300)));
}

#[test]
fn a_speaker_that_is_being_closed_reports_nothing_of_the_next_one() {
    let mut bench = bench();
    let next = Arc::<Reports>::default();
    let (mut voice, mut feed) = voice(&bench.controls, &next, RATE);
    bench.play(1, 500, 0);
    feed.play(Loaded { number: 2, samples: vec![0.5; 1000].into(), from: 0 });
    voice.fill(&mut [0.0f32; 100], 1, 0);
    voice.fill(&mut [0.0f32; 100], 1, 0);
    bench.fill(1000, 0);
    bench.fill(1000, 0);
    bench.reports.fail(|| "closed".to_owned());
    assert_eq!((next.playhead(), next.ended(), next.taken(), next.failure()), (Some((2, 100)), 0, 2, None));
}

#[test]
fn a_gap_counts_only_while_a_sound_plays() {
    let mut bench = bench();
    bench.reports.gap();
    bench.play(1, 500, 0);
    bench.fill(100, 0);
    bench.fill(100, 0);
    bench.reports.gap();
    bench.fill(500, 0);
    bench.fill(500, 0);
    bench.reports.gap();
    assert_eq!(bench.reports.gaps(), 1);
}
