//! One function for each kind of sound: a random generator and a length in, unscaled samples out.

use std::f32::consts::TAU;

use super::{
    KeyedRng,
    parts::{Drift, OnePole, RATE, Resonance, add, add_at, fade, gain, ping, white_noise},
};

/// Drops at random times over a bright hiss.
pub(super) fn rain(rng: &mut KeyedRng, samples: usize) -> Vec<f32> {
    let noise = white_noise(rng, samples);
    let mut sound = Resonance::run(&noise, rng.between(2_000.0, 5_000.0), rng.between(2_000.0, 5_000.0));
    let drops = samples as f32 / RATE * rng.between_log(20.0, 150.0);
    for _ in 0..drops as usize {
        let start = rng.below(samples);
        let (hz, decay) = (rng.between_log(1_200.0, 6_000.0), rng.between_log(0.001, 0.006));
        let level = rng.between_log(0.3, 3.0);
        let drop: Vec<f32> = ping((decay * 6.0 * RATE) as usize, hz, decay).map(|sample| level * sample).collect();
        add_at(&mut sound, start, &drop);
    }
    sound
}

/// Noise through a wandering low resonance, in gusts.
pub(super) fn wind(rng: &mut KeyedRng, samples: usize) -> Vec<f32> {
    let noise = white_noise(rng, samples);
    let (centre, bandwidth) = (rng.between_log(200.0, 700.0), rng.between_log(60.0, 300.0));
    let (pitch, gust) = (Drift::new(rng, 0.7), Drift::new(rng, 0.9));
    let mut resonance = Resonance::default();
    let blow = |(n, &sample): (usize, &f32)| {
        let t = n as f32 / RATE;
        resonance.next(sample, centre * 1.8f32.powf(pitch.at(t)), bandwidth) * 4f32.powf(gust.at(t))
    };
    noise.iter().enumerate().map(blow).collect()
}

/// Firing cylinders of uneven strength through a dull body, revolutions drifting.
pub(super) fn engine(rng: &mut KeyedRng, samples: usize) -> Vec<f32> {
    let rate = rng.between_log(18.0, 80.0);
    let (drift, depth) = (Drift::new(rng, 0.5), rng.between(0.02, 0.25));
    let cylinders: Vec<f32> = (0..[2, 3, 4, 6][rng.below(4)]).map(|_| rng.between(0.5, 1.5)).collect();
    let mut sound = vec![0.0; samples];
    let (mut t, mut stroke) = (0.0, 0);
    while t < samples as f32 / RATE {
        let thump: Vec<f32> = (0..40).map(|n| cylinders[stroke % cylinders.len()] * (-n as f32 / 10.0).exp()).collect();
        add_at(&mut sound, (t * RATE) as usize, &thump);
        t += (1.0 + 0.03 * rng.normal()) / (rate * (1.0 + depth * drift.at(t)));
        stroke += 1;
    }
    let rattle: Vec<f32> = white_noise(rng, samples).iter().map(|sample| 0.05 * sample).collect();
    add(&mut sound, &rattle);
    let body = Resonance::run(&sound, rng.between_log(90.0, 260.0), rng.between(60.0, 160.0));
    OnePole::low_pass(rng.between_log(500.0, 2_500.0)).run(&mut sound);
    let level = rng.between(0.5, 2.0);
    sound.iter().zip(body).map(|(direct, body)| direct + level * body).collect()
}

/// A tone with a few harmonics that rises and falls, or jumps between two pitches.
pub(super) fn siren(rng: &mut KeyedRng, samples: usize) -> Vec<f32> {
    let low = rng.between_log(350.0, 900.0);
    let span = rng.between(1.25, 2.2);
    let (rate, start) = (rng.between_log(0.6, 4.0), rng.unit());
    let jumps = rng.chance(0.3);
    let harmonics: Vec<f32> = (0..4).map(|k| gain(-9.0 * k as f32 + rng.between(-5.0, 5.0))).collect();
    let mut phase = 0.0;
    let wail = |n: usize| {
        let cycle = (n as f32 / RATE * rate + start).fract();
        let height = if jumps { f32::from(cycle < 0.5) } else { 1.0 - (2.0 * cycle - 1.0).abs() };
        phase = (phase + low * span.powf(height) / RATE).fract();
        harmonics.iter().enumerate().map(|(k, level)| level * (TAU * phase * (k + 1) as f32).sin()).sum()
    };
    (0..samples).map(wail).collect()
}

/// Strikes on wood: two or three short low resonances and a click, some times over.
pub(super) fn knock(rng: &mut KeyedRng, samples: usize) -> Vec<f32> {
    let modes: Vec<(f32, f32)> = (0..3)
        .map(|k| (rng.between_log(110.0, 420.0) * (1.0 + 1.3 * k as f32), rng.between_log(0.012, 0.05)))
        .collect();
    let spacing = rng.between(0.12, 0.4);
    let mut sound = vec![0.0; samples];
    let mut t = rng.between(0.02, 0.3);
    for _ in 0..2 + rng.below(5) {
        let strength = rng.between_log(0.5, 1.5);
        for &(hz, decay) in &modes {
            let level = strength * rng.between(0.4, 1.0);
            let strike: Vec<f32> = ping(4_000, hz, decay).map(|sample| level * sample).collect();
            add_at(&mut sound, (t * RATE) as usize, &strike);
        }
        let click: Vec<f32> = (0..80).map(|n| strength * rng.between(-0.6, 0.6) * (-n as f32 / 20.0).exp()).collect();
        add_at(&mut sound, (t * RATE) as usize, &click);
        t += spacing * rng.between(0.9, 1.1);
    }
    sound
}

/// The vowel of "father".
pub(super) fn ah(rng: &mut KeyedRng, samples: usize) -> Vec<f32> {
    vowel(rng, samples, [730.0, 1_090.0, 2_440.0])
}

/// The vowel of "see".
pub(super) fn ee(rng: &mut KeyedRng, samples: usize) -> Vec<f32> {
    vowel(rng, samples, [270.0, 2_290.0, 3_010.0])
}

/// The vowel of "food".
pub(super) fn oo(rng: &mut KeyedRng, samples: usize) -> Vec<f32> {
    vowel(rng, samples, [300.0, 870.0, 2_240.0])
}

/// A breathing voice through three formants; their frequencies are the means of men's voices in Peterson and
/// Barney (1952), scaled by the length of the vocal tract.
fn vowel(rng: &mut KeyedRng, samples: usize, formants: [f32; 3]) -> Vec<f32> {
    let pitch = rng.between_log(85.0, 290.0);
    let tract = rng.between(0.95, 1.2);
    let (vibrato, depth) = (rng.between(4.0, 6.5), rng.between(0.0, 0.02));
    let (drift, breath) = (Drift::new(rng, 0.8), rng.between_log(0.002, 0.05));
    let mut phase = 0.0;
    let mut source = Vec::with_capacity(samples);
    for n in 0..samples {
        let t = n as f32 / RATE;
        phase += pitch * (1.0 + depth * (TAU * vibrato * t).sin()) * 1.15f32.powf(drift.at(t)) / RATE;
        let pulse = if phase >= 1.0 { 1.0 } else { 0.0 };
        phase = phase.fract();
        source.push(pulse + breath * rng.normal());
    }
    OnePole::low_pass(300.0).run(&mut source);
    let mut sound = vec![0.0; samples];
    for (k, hz) in formants.into_iter().enumerate() {
        let level = gain(-4.0 * k as f32 + rng.between(-3.0, 3.0));
        let hz = hz * tract * rng.between(0.95, 1.05);
        let formant = Resonance::run(&source, hz, rng.between(50.0, 130.0) * (1.0 + 0.3 * k as f32));
        sound.iter_mut().zip(formant).for_each(|(sum, sample)| *sum += level * sample * (hz / 500.0).sqrt());
    }
    let (attack, release) = (rng.between(0.02, 0.2), rng.between(0.05, 0.5));
    fade(&mut sound, attack, release);
    sound
}

/// Notes on a string (Karplus and Strong, 1983).
pub(super) fn plucked_string(rng: &mut KeyedRng, samples: usize) -> Vec<f32> {
    let mut sound = vec![0.0; samples];
    let mut hz = rng.between_log(90.0, 440.0);
    let (loss, brightness) = (rng.between(0.985, 0.998), rng.between(0.3, 0.9));
    let mut t = rng.between(0.0, 0.2);
    for _ in 0..1 + rng.below(5) {
        let period = (RATE / hz) as usize;
        let mut string = white_noise(rng, period);
        OnePole::low_pass(rng.between_log(1_500.0, 7_000.0)).run(&mut string);
        let start = (t * RATE) as usize;
        let mut last = 0.0;
        for n in 0..samples.saturating_sub(start) {
            let here = string[n % period];
            sound[start + n] += here;
            string[n % period] = loss * (brightness * here + (1.0 - brightness) * last);
            last = here;
        }
        t += rng.between(0.15, 0.6);
        hz = (hz * 2f32.powf((rng.below(13) as f32 - 6.0) / 12.0)).clamp(70.0, 700.0);
    }
    sound
}

/// Beats of a kit: a skin whose pitch falls, with more or less snare.
pub(super) fn drum(rng: &mut KeyedRng, samples: usize) -> Vec<f32> {
    let mut sound = vec![0.0; samples];
    let (hz, fall) = (rng.between_log(50.0, 220.0), rng.between(0.3, 1.6));
    let (decay, snare) = (rng.between_log(0.06, 0.25), rng.between_log(0.05, 0.8));
    let beat = rng.between(0.18, 0.5);
    let mut t = rng.between(0.0, 0.2);
    while t * RATE < samples as f32 {
        let strength = rng.between_log(0.4, 1.2);
        let mut phase = 0.0;
        let hit: Vec<f32> = (0..8_000)
            .map(|n| {
                let t = n as f32 / RATE;
                phase += hz * (1.0 + fall * (-t / 0.03).exp()) / RATE;
                let skin = (TAU * phase).sin() * (-t / decay).exp();
                strength * (skin + snare * rng.between(-1.0, 1.0) * (-t / (0.6 * decay)).exp())
            })
            .collect();
        add_at(&mut sound, (t * RATE) as usize, &hit);
        t += beat * [0.5, 1.0, 1.0, 1.5][rng.below(4)];
    }
    sound
}

/// Strikes of a bell; the partials' ratios are those of J.-C. Risset's catalogue (1969).
pub(super) fn bell(rng: &mut KeyedRng, samples: usize) -> Vec<f32> {
    const RATIOS: [f32; 9] = [0.56, 0.92, 1.19, 1.71, 2.0, 2.74, 3.0, 3.76, 4.07];
    let hz = rng.between_log(250.0, 1_300.0);
    let decay = rng.between_log(0.25, 1.5);
    let partials: Vec<(f32, f32)> =
        RATIOS.iter().map(|ratio| (hz * ratio * rng.between(0.985, 1.015), rng.between_log(0.2, 1.0))).collect();
    let mut sound = vec![0.0; samples];
    let mut t = rng.between(0.0, 0.4);
    for _ in 0..1 + rng.below(3) {
        for &(hz, level) in partials.iter().filter(|(hz, _)| *hz < RATE / 2.0) {
            let ring: Vec<f32> = ping(samples, hz, decay * 600.0 / (300.0 + hz)).map(|sample| level * sample).collect();
            add_at(&mut sound, (t * RATE) as usize, &ring);
        }
        t += rng.between(0.3, 0.8);
    }
    sound
}

/// A held triad, major or minor, of tones with many harmonics.
pub(super) fn chord(rng: &mut KeyedRng, samples: usize) -> Vec<f32> {
    let root = rng.between_log(110.0, 330.0);
    let third = if rng.chance(0.5) { 4.0 } else { 3.0 };
    let notes = [0.0, third, 7.0, 12.0];
    let voices = 3 + rng.below(2);
    let (slope, odd) = (rng.between(4.0, 11.0), rng.between_log(0.1, 1.0));
    let tremolo = (rng.between(3.0, 7.0), rng.between(0.0, 0.3));
    let mut sound = vec![0.0; samples];
    for semitones in &notes[..voices] {
        let hz = root * 2f32.powf(semitones / 12.0) * rng.between(0.997, 1.003);
        for harmonic in 1..=(0.9 * RATE / 2.0 / hz).min(16.0) as usize {
            let level = gain(-slope * (harmonic as f32).log2()) * if harmonic % 2 == 0 { odd } else { 1.0 };
            let (rate, phase) = (TAU * hz * harmonic as f32 / RATE, rng.between(0.0, TAU));
            sound.iter_mut().enumerate().for_each(|(n, sample)| *sample += level * (rate * n as f32 + phase).sin());
        }
    }
    for (n, sample) in sound.iter_mut().enumerate() {
        *sample *= 1.0 - tremolo.1 * (0.5 + 0.5 * (TAU * tremolo.0 * n as f32 / RATE).sin());
    }
    let (attack, release) = (rng.between_log(0.01, 0.3), rng.between_log(0.05, 0.6));
    fade(&mut sound, attack, release);
    sound
}
