//! The demo set: short sounds across events, voice and music, synthesised from their number alone.
//!
//! Every clip varies in pitch, timing, level and background, and some have a second sound far behind the first,
//! so that the long-term spectrum alone does not give the class away.

mod parts;
mod sounds;

use crate::{audio::SAMPLE_RATE, random::KeyedRng};

/// One kind of sound.
pub(super) struct Class {
    /// Its label.
    pub name: &'static str,
    make: fn(&mut KeyedRng, usize) -> Vec<f32>,
}

/// Every kind, in label order.
pub(super) const CLASSES: &[Class] = &[
    Class { name: "rain", make: sounds::rain },
    Class { name: "wind", make: sounds::wind },
    Class { name: "engine", make: sounds::engine },
    Class { name: "siren", make: sounds::siren },
    Class { name: "knock", make: sounds::knock },
    Class { name: "voice ah", make: sounds::ah },
    Class { name: "voice ee", make: sounds::ee },
    Class { name: "voice oo", make: sounds::oo },
    Class { name: "plucked string", make: sounds::plucked_string },
    Class { name: "drum", make: sounds::drum },
    Class { name: "bell", make: sounds::bell },
    Class { name: "chord", make: sounds::chord },
];

/// The set is one set: a run on it can be repeated by anyone.
const SEED: u64 = 2401_10544;

/// Clip `index` of a class: mono at 16 kHz, 1.5 to 2 s. A class that is not there is silence.
pub(super) fn clip(class: usize, index: u64) -> Vec<f32> {
    let name = CLASSES.get(class).map_or("", |class| class.name);
    let mut rng = KeyedRng::new(SEED, name, 0, index);
    let samples = (rng.between(1.5, 2.0) * SAMPLE_RATE as f32) as usize;
    let mut sound = match CLASSES.get(class) {
        Some(class) => (class.make)(&mut rng, samples),
        None => vec![0.0; samples],
    };
    parts::to_rms(&mut sound, 1.0);
    if rng.chance(0.4) {
        let other = (class + 1 + rng.below(CLASSES.len() - 1)) % CLASSES.len();
        let mut behind = (CLASSES[other].make)(&mut rng, samples);
        parts::to_rms(&mut behind, parts::gain(rng.between(-16.0, -8.0)));
        parts::add(&mut sound, &behind);
    }
    let mut background = parts::coloured_noise(&mut rng, samples);
    parts::to_rms(&mut background, parts::gain(rng.between(-26.0, -6.0)));
    parts::add(&mut sound, &background);
    let level = parts::gain(rng.between(-36.0, -14.0));
    sound.iter_mut().for_each(|sample| *sample = (*sample * level).clamp(-1.0, 1.0));
    sound
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clips_repeat_differ_and_are_sound() {
        for (class, kind) in CLASSES.iter().enumerate() {
            let first = clip(class, 0);
            assert_eq!(first, clip(class, 0), "{}", kind.name);
            assert_ne!(first, clip(class, 1), "{}", kind.name);
            for index in 0..4 {
                let clip = clip(class, index);
                assert!((24_000..=32_000).contains(&clip.len()), "{}: {} samples", kind.name, clip.len());
                assert!(clip.iter().all(|sample| sample.is_finite() && sample.abs() <= 1.0), "{}", kind.name);
                let power = clip.iter().map(|sample| sample * sample).sum::<f32>() / clip.len() as f32;
                let level = 10.0 * power.log10();
                assert!((-40.0..=-12.0).contains(&level), "{}: {level} dB", kind.name);
            }
        }
    }
}
