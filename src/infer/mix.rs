//! A mixing desk's faders as a person sets them: gain, mute and solo of each adapter. Together they give [`Gains`].

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::gains::{Gains, LOUDEST};
use crate::{atomic, limits, regular};

/// The file in which a session stores its desk.
const FILE: &str = "mix.json";
/// Steps of a gain of 1: the resolution of one key press.
const STEPS: f32 = 10.0;

/// One adapter's fader.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fader {
    /// 0 to [`LOUDEST`].
    pub gain: f32,
    /// Muted, whatever its gain.
    #[serde(default)]
    pub muted: bool,
    /// In solo: while any fader is, all others are silent.
    #[serde(default)]
    pub solo: bool,
}

impl Default for Fader {
    fn default() -> Self {
        Self { gain: 1.0, muted: false, solo: false }
    }
}

impl Fader {
    /// Moves it by so many steps of a tenth.
    pub fn turn(&mut self, steps: i32) {
        // Counted in whole steps, so that there and back ends exactly where it began.
        self.gain = ((self.gain * STEPS).round() + steps as f32).clamp(0.0, LOUDEST * STEPS) / STEPS;
    }
}

/// Both faders of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// Of the Spatial Adapter.
    pub spatial: Fader,
    /// Of the MLP Adapter.
    pub mlp: Fader,
}

/// Every fader of a desk; those that were never moved are neutral.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mix {
    channels: Vec<Channel>,
}

impl Mix {
    /// The faders of this block.
    pub fn channel(&self, block: usize) -> Channel {
        self.channels.get(block).copied().unwrap_or_default()
    }

    /// The faders of this block, to move.
    pub fn channel_mut(&mut self, block: usize) -> &mut Channel {
        if self.channels.len() <= block {
            self.channels.resize(block + 1, Channel::default());
        }
        &mut self.channels[block]
    }

    /// Blocks up to the last that was moved.
    pub fn len(&self) -> usize {
        self.channels.len()
    }

    /// Whether nothing was ever moved.
    pub fn is_empty(&self) -> bool {
        self.channels.is_empty()
    }

    /// Whether some fader is in solo.
    pub fn has_solo(&self) -> bool {
        self.channels.iter().any(|channel| channel.spatial.solo || channel.mlp.solo)
    }

    /// Whether every gain comes to 1.
    pub fn is_neutral(&self) -> bool {
        // Blocks that were never moved are silent while another is in solo.
        !self.has_solo() && self.gains(self.channels.len()).are_neutral()
    }

    /// A fader's gain, given the others.
    pub fn audible(&self, fader: Fader) -> f32 {
        if fader.muted || (self.has_solo() && !fader.solo) { 0.0 } else { fader.gain }
    }

    /// The gains of a model of so many blocks.
    pub fn gains(&self, blocks: usize) -> Gains {
        let mut gains = Gains::default();
        for block in 0..blocks {
            let Channel { spatial, mlp } = self.channel(block);
            let strip = gains.strip_mut(block);
            (strip.spatial, strip.mlp) = (self.audible(spatial), self.audible(mlp));
        }
        gains
    }

    /// The file in which a session stores its desk.
    pub fn path(session: &Path) -> PathBuf {
        session.join(FILE)
    }

    /// Stores it with a session.
    ///
    /// # Errors
    /// When the session's folder cannot be written.
    pub fn save(&self, session: &Path) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(self)?;
        atomic::write(&Self::path(session), |file| file.write_all(&text))
    }

    /// The desk that a session stores, if it has one.
    ///
    /// # Errors
    /// When the file exists and is not a desk.
    pub fn saved(session: &Path) -> io::Result<Option<Self>> {
        match regular::read_up_to(&Self::path(session), limits::SETTINGS) {
            Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn turning_goes_in_steps_and_back_to_where_it_was() {
        let mut fader = Fader::default();
        (0..7).for_each(|_| fader.turn(1));
        (0..7).for_each(|_| fader.turn(-1));
        assert_eq!(fader, Fader::default());
        fader.turn(-30);
        assert_eq!(fader.gain, 0.0);
        fader.turn(50);
        assert_eq!(fader.gain, LOUDEST);
    }

    #[test]
    fn mute_wins_over_solo_and_solo_over_the_rest() {
        let mut mix = Mix::default();
        assert!(mix.is_neutral());
        mix.channel_mut(2).spatial.muted = true;
        assert_eq!(mix.gains(4), Gains::read("2.spatial=0", 4).map(|gains| padded(gains, 4)).unwrap());
        mix.channel_mut(1).mlp.solo = true;
        mix.channel_mut(1).mlp.turn(2);
        let gains = mix.gains(3);
        assert_eq!((gains.strip(1).mlp, gains.strip(1).spatial, gains.strip(0).mlp), (1.2, 0.0, 0.0));
        mix.channel_mut(1).mlp.muted = true;
        assert_eq!(mix.gains(3).strip(1).mlp, 0.0);
        assert!(!mix.is_neutral());
        // A fader in solo at its trained gain silences the blocks that were never moved.
        let mut alone = Mix::default();
        alone.channel_mut(0).spatial.solo = true;
        alone.channel_mut(0).mlp.solo = true;
        assert!(!alone.is_neutral());
        assert_eq!(alone.gains(2).strip(1).mlp, 0.0);
    }

    fn padded(mut gains: Gains, blocks: usize) -> Gains {
        gains.strip_mut(blocks - 1);
        gains
    }

    #[test]
    fn a_session_stores_its_desk_and_eval_reads_it() {
        let session = tempfile::tempdir().unwrap();
        assert_eq!(Mix::saved(session.path()).unwrap(), None);
        let mut mix = Mix::default();
        mix.channel_mut(3).mlp.turn(-5);
        mix.channel_mut(0).spatial.muted = true;
        mix.save(session.path()).unwrap();
        assert_eq!(Mix::saved(session.path()).unwrap(), Some(mix.clone()));
        let file = Mix::path(session.path());
        assert_eq!(Gains::read(file.to_str().unwrap(), 12).unwrap(), mix.gains(12));
        assert!(Gains::read(file.to_str().unwrap(), 3).is_err(), "it has a block that the model has not");
        std::fs::write(&file, "{").unwrap();
        assert!(Mix::saved(session.path()).is_err());
    }
}
