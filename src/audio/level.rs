//! Levels of sound, in decibels relative to full scale (dBFS).

/// An amplitude in dBFS, full scale 1; minus infinity for 0.
pub fn dbfs(amplitude: f32) -> f32 {
    20.0 * amplitude.log10()
}

/// The level of some samples, in dBFS; minus infinity where they are silent or there are none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// Their root mean square.
    pub rms_dbfs: f32,
    /// The greatest absolute sample.
    pub peak_dbfs: f32,
}

impl Level {
    /// Of these samples, full scale 1.
    pub fn of(samples: &[f32]) -> Self {
        let mut meter = LevelMeter::default();
        meter.push(samples);
        meter.level()
    }
}

/// The level of a sound that comes piece by piece.
#[derive(Clone, Copy, Debug, Default)]
pub struct LevelMeter {
    samples: u64,
    squares: f64,
    peak: f32,
}

impl LevelMeter {
    /// Takes the next samples, full scale 1.
    pub fn push(&mut self, samples: &[f32]) {
        self.samples += samples.len() as u64;
        for sample in samples {
            self.squares += f64::from(*sample).powi(2);
            self.peak = self.peak.max(sample.abs());
        }
    }

    /// How many samples it took.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// The level of all that it took.
    pub fn level(&self) -> Level {
        let power = self.squares / self.samples.max(1) as f64;
        Level { rms_dbfs: (10.0 * power.log10()) as f32, peak_dbfs: dbfs(self.peak) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_full_scale_is_six_decibels_below_and_silence_is_far_below() {
        let square = Level::of(&[0.5, -0.5, 0.5, -0.5]);
        assert!((square.rms_dbfs + 6.0206).abs() < 1e-3 && (square.peak_dbfs + 6.0206).abs() < 1e-3, "{square:?}");
        let silent = Level { rms_dbfs: f32::NEG_INFINITY, peak_dbfs: f32::NEG_INFINITY };
        assert_eq!((Level::of(&[0.0; 3]), Level::of(&[])), (silent, silent));
        assert_eq!(Level::of(&[1.0, -1.0]), Level { rms_dbfs: 0.0, peak_dbfs: 0.0 });
    }
}
