//! What is done to a training clip on its way to a batch. Every draw is a function of (seed, epoch, item).
//!
//! Origin of the figures: the AAT authors' loader, which follows AST's.

use crate::{
    audio::{LogMel, Normalisation},
    random::KeyedRng,
};

/// Largest amplitude of the added noise: a matrix of uniform draws times one uniform draw, over 10.
const NOISE: f32 = 0.1;
/// Time is rolled by an integer in -10..10 frames.
const ROLL: usize = 10;

/// Where SpecAugment's masks are in one clip.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Masks {
    bins: (usize, usize),
    frames: (usize, usize),
}

impl Masks {
    /// One band of up to `freq_mask` bins and one of up to `time_mask` frames, as torchaudio's
    /// `FrequencyMasking` and `TimeMasking` draw them: a uniform width, then a uniform place.
    pub(super) fn draw(rng: &mut KeyedRng, bins: usize, frames: usize, freq_mask: usize, time_mask: usize) -> Self {
        let mut band = |size: usize, widest: usize| {
            let width = (rng.unit() * widest.min(size) as f32) as usize;
            let start = (rng.unit() * (size - width) as f32) as usize;
            (start, start + width)
        };
        Self { bins: band(bins, freq_mask), frames: band(frames, time_mask) }
    }
}

/// Writes a clip into its place of a batch: cut or padded with rows of 0 to the length of `out`, masked with 0,
/// then normalised; padding and masks are therefore `-mean / (2 std)` there, as in the published recipes.
///
/// `filler` is that 0 for the Kaldi filter bank and the value of silence for Whisper's.
pub(super) fn place(mel: &LogMel, filler: f32, masks: Masks, normalisation: Normalisation, out: &mut [f32]) {
    let Normalisation { mean, std } = normalisation;
    let scale = 1.0 / (2.0 * std);
    let filler = (filler - mean) * scale;
    let given = mel.data.len().min(out.len());
    let (sound, padding) = out.split_at_mut(given);
    for (out, value) in sound.iter_mut().zip(&mel.data) {
        *out = (value - mean) * scale;
    }
    padding.fill(filler);
    if mel.bins == 0 {
        return;
    }
    for (frame, row) in out.chunks_exact_mut(mel.bins).enumerate() {
        if (masks.frames.0..masks.frames.1).contains(&frame) {
            row.fill(filler);
        } else if let Some(band) = row.get_mut(masks.bins.0..masks.bins.1) {
            band.fill(filler);
        }
    }
}

/// By how many decibels a clip is made louder (softer where they are negative): up to `most` either way.
pub(super) fn gain(rng: &mut KeyedRng, most: f32) -> f32 {
    if most > 0.0 { (2.0 * rng.unit() - 1.0) * most } else { 0.0 }
}

/// Adds noise to a normalised clip and rolls it in time.
pub(super) fn noise_and_roll(rng: &mut KeyedRng, bins: usize, clip: &mut [f32]) {
    let level = NOISE * rng.unit();
    clip.iter_mut().for_each(|value| *value += level * rng.unit());
    let frames = clip.len() / bins.max(1);
    if frames > 0 {
        let roll = (rng.below(2 * ROLL) + frames * ROLL - ROLL) % frames;
        clip.rotate_right(roll * bins);
    }
}

/// Mixes two clips: each without its mean, the second cut or padded to the first's length, `lambda` of the first;
/// the mean of the mix is taken out again.
pub(super) fn mix(first: &[f32], second: &[f32], lambda: f32) -> Vec<f32> {
    let mean = |samples: &[f32]| {
        (samples.iter().map(|&sample| f64::from(sample)).sum::<f64>() / samples.len().max(1) as f64) as f32
    };
    let (first_mean, second_mean) = (mean(first), mean(second));
    let second = second.iter().map(|sample| sample - second_mean).chain(std::iter::repeat(0.0));
    let mut mixed: Vec<f32> =
        first.iter().zip(second).map(|(one, other)| lambda * (one - first_mean) + (1.0 - lambda) * other).collect();
    let rest = mean(&mixed);
    mixed.iter_mut().for_each(|sample| *sample -= rest);
    mixed
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Normalisation = Normalisation { mean: -4.0, std: 2.0 };

    #[test]
    fn padding_and_masks_are_zero_before_normalisation() {
        let mel = LogMel { frames: 2, bins: 4, data: vec![-4.0; 8] };
        let mut out = vec![9.0; 16];
        place(&mel, 0.0, Masks { bins: (1, 2), frames: (1, 2) }, PLAIN, &mut out);
        // -4 is the mean: 0. Filler: (0 + 4) / 4 = 1.
        let expected = [[0.0, 1.0, 0.0, 0.0], [1.0; 4], [1.0; 4], [1.0; 4]].concat();
        assert_eq!(out, expected);
        let mut cut = vec![9.0; 4];
        place(&mel, 0.0, Masks::default(), PLAIN, &mut cut);
        assert_eq!(cut, [0.0; 4]);
    }

    #[test]
    fn masks_stay_inside_and_below_their_width() {
        let mut widest = (0, 0);
        for index in 0..2_000 {
            let masks = Masks::draw(&mut KeyedRng::new(3, "masks", 0, index), 128, 512, 24, 96);
            assert!(masks.bins.1 <= 128 && masks.frames.1 <= 512);
            widest.0 = widest.0.max(masks.bins.1 - masks.bins.0);
            widest.1 = widest.1.max(masks.frames.1 - masks.frames.0);
        }
        assert_eq!(widest, (23, 95));
        let none = Masks::draw(&mut KeyedRng::new(3, "masks", 0, 0), 128, 512, 0, 0);
        assert!(none.bins.0 == none.bins.1 && none.frames.0 == none.frames.1);
        // A mask wider than the clip covers at most the clip.
        let masks = Masks::draw(&mut KeyedRng::new(3, "masks", 0, 1), 4, 5, 48, 576);
        assert!(masks.bins.1 <= 4 && masks.frames.1 <= 5);
    }

    #[test]
    fn gains_are_spread_over_what_is_allowed() {
        let gains: Vec<f32> = (0..500).map(|i| gain(&mut KeyedRng::new(1, "gain", 0, i), 10.0)).collect();
        let (least, most) = gains.iter().fold((0f32, 0f32), |(least, most), g| (least.min(*g), most.max(*g)));
        assert!((-10.0..-9.5).contains(&least) && (9.5..10.0).contains(&most), "{least} {most}");
        assert_eq!(gain(&mut KeyedRng::new(1, "gain", 0, 0), 0.0), 0.0);
    }

    #[test]
    fn rolling_moves_rows_by_at_most_ten_frames() {
        let mut seen = std::collections::BTreeSet::new();
        for index in 0..500 {
            let frames = 33;
            let mut clip: Vec<f32> = (0..frames).flat_map(|frame| [1e3 * frame as f32; 2]).collect();
            noise_and_roll(&mut KeyedRng::new(1, "noise", 0, index), 2, &mut clip);
            let first = (clip[0] / 1e3).round() as i64;
            let roll = if first == 0 {
                0
            } else if first > 16 {
                frames - first
            } else {
                -first
            };
            assert!((-10..10).contains(&roll), "{roll}");
            assert!(clip.iter().all(|value| (value - (value / 1e3).round() * 1e3).abs() < 0.11));
            seen.insert(roll);
        }
        assert_eq!(seen.len(), 20);
    }

    #[test]
    fn a_mix_has_no_mean_and_the_first_clips_length() {
        let mixed = mix(&[1.0, 3.0, 1.0, 3.0], &[5.0, 7.0], 0.75);
        assert_eq!(mixed, [-1.0, 1.0, -0.75, 0.75]);
        assert_eq!(mix(&[1.0, 3.0], &[0.0, 2.0, 90.0, 70.0, 33.0], 1.0), [-1.0, 1.0]);
    }
}
