//! A clip to look at and to listen to: the state of one clip panel.
//!
//! A screen that shows clips owns a [`ClipPanel`] and
//!
//! - lists it in [`App::clip_panels`](super::app::App::clip_panels) and [`App::clip_panel_mut`](super::app::App::clip_panel_mut),
//!   so that results reach it and keys mean it;
//! - calls [`clips::show`](crate::tui::update::clips::show) when another clip is chosen, and returns its effects;
//! - draws it with [`clip_panel::draw`](crate::tui::view::clip_panel::draw), and returns its picture;
//! - adds [`Context::Clip`](crate::tui::input::keymap::Context) behind its own contexts: Space plays.
//!
//! Reading, decoding and playing happen elsewhere; each result carries the ticket of its request.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::ticket::Ticket;
use crate::{
    audio::{LogMel, SAMPLE_RATE, playback},
    data::{Part, Source},
};

/// Steps that scrubbing divides a clip into.
const SCRUBS: f64 = 20.0;
/// Steps of the volume.
const VOLUMES: f32 = 10.0;

/// A clip, and what is written beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Clip {
    /// Where its sound is: a file, a stretch of one, or a clip that the program synthesises.
    pub source: Source,
    /// Its name in the title.
    pub name: String,
    /// A line on it: its label, or the answers of models.
    pub label: String,
    /// Samples at 16 kHz that a model gets of it, where that is known; a shorter clip is padded to them.
    pub cut: Option<u64>,
}

impl Clip {
    /// A whole file.
    pub fn file(path: impl Into<PathBuf>, name: impl Into<String>) -> Self {
        Self { source: Source::File(path.into()), name: name.into(), label: String::new(), cut: None }
    }

    /// The seconds `from_s..to_s` of a recording.
    pub fn part(path: impl Into<PathBuf>, from_s: f64, to_s: f64, name: impl Into<String>) -> Self {
        let samples = |seconds: f64| (seconds.max(0.0) * f64::from(SAMPLE_RATE)).round() as u64;
        let (start, end) = (samples(from_s), samples(to_s));
        let part = Part { path: path.into(), starts: vec![start], samples: end.saturating_sub(start).max(1) };
        Self { source: Source::Part(part), name: name.into(), label: String::new(), cut: None }
    }

    /// With this line beneath its name.
    #[must_use]
    pub fn labelled(self, label: impl Into<String>) -> Self {
        Self { label: label.into(), ..self }
    }

    /// With the number of samples at 16 kHz that a model gets of it.
    #[must_use]
    pub fn cut_to(self, samples: u64) -> Self {
        Self { cut: Some(samples), ..self }
    }

    /// Its file; none for what the program synthesises.
    pub fn path(&self) -> Option<&Path> {
        self.source.path()
    }

    /// Where it begins in its file, seconds.
    pub fn start_s(&self) -> f64 {
        match &self.source {
            Source::Part(part) => part.start() as f64 / f64::from(SAMPLE_RATE),
            _ => 0.0,
        }
    }
}

/// A decoded clip, ready to draw and to play.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The mean of the file's channels at the file's rate.
    pub original: playback::Sound,
    /// Channels of the file.
    pub channels: usize,
    /// The same at 16 kHz, uncut: what a model gets the beginning of.
    pub model: playback::Sound,
    /// Log-mel of all of it; of a long one, means over several frames.
    pub mel: LogMel,
    /// Least and greatest sample of equal stretches, in order.
    pub extremes: Vec<(f32, f32)>,
    /// The greatest absolute sample.
    pub peak: f32,
    /// What is odd about the file, and what was left out.
    pub notes: Vec<String>,
}

impl Loaded {
    /// Its length, seconds.
    pub fn seconds(&self) -> f64 {
        self.model.samples.len() as f64 / f64::from(SAMPLE_RATE)
    }

    /// The share of it that a model gets which takes so many samples at 16 kHz.
    pub fn share_of(&self, cut: Option<u64>) -> f64 {
        let all = self.model.samples.len().max(1) as f64;
        cut.map_or(1.0, |cut| (cut as f64 / all).min(1.0))
    }
}

/// What plays, or did.
#[derive(Clone, Debug, PartialEq)]
pub struct Played {
    /// The ticket of its messages.
    pub ticket: Ticket,
    /// Whether it is what a model gets.
    pub as_model: bool,
    /// The state of the player.
    pub status: playback::Status,
}

/// The state of a clip panel.
#[derive(Clone, Debug, Default)]
pub struct ClipPanel {
    /// The clip on show.
    pub clip: Option<Clip>,
    /// The request for its sound, while it is awaited.
    pub asked: Option<Ticket>,
    /// Its sound, or why there is none.
    pub sound: Option<Result<Arc<Loaded>, String>>,
    /// Whether to play it as soon as it is there.
    pub play_next: bool,
    /// Whether to show and play what a model gets, in place of the original.
    pub as_model: bool,
    /// Whether to play again and again.
    pub looped: bool,
    /// The volume, in tenths below the full one.
    quieter: u8,
    /// What plays, or did.
    pub played: Option<Played>,
}

impl ClipPanel {
    /// The decoded clip.
    pub fn loaded(&self) -> Option<&Arc<Loaded>> {
        self.sound.as_ref()?.as_ref().ok()
    }

    /// Whether it plays, or is about to.
    pub fn is_playing(&self) -> bool {
        let playing =
            |played: &Played| matches!(played.status.state, playback::State::Opening | playback::State::Playing);
        self.play_next || self.played.as_ref().is_some_and(playing)
    }

    /// The sound to play: the original, or the part of it that a model gets.
    pub fn sound_to_play(&self) -> Option<playback::Sound> {
        let loaded = self.loaded()?;
        let cut = self.clip.as_ref().and_then(|clip| clip.cut).unwrap_or(u64::MAX);
        Some(match self.as_model {
            false => loaded.original.clone(),
            true if cut >= loaded.model.samples.len() as u64 => loaded.model.clone(),
            true => playback::Sound { samples: loaded.model.samples[..cut as usize].into(), ..loaded.model },
        })
    }

    /// The share of the clip on show: all of it, or what a model gets.
    pub fn shown_share(&self) -> f64 {
        let cut = self.clip.as_ref().and_then(|clip| clip.cut).filter(|_| self.as_model);
        self.loaded().map_or(1.0, |loaded| loaded.share_of(cut))
    }

    /// Where the playhead is, seconds from the clip's beginning; `None` while nothing plays.
    pub fn playhead_s(&self) -> Option<f64> {
        let played = self.played.as_ref().filter(|_| self.is_playing())?;
        let loaded = self.loaded()?;
        let rate = if played.as_model { loaded.model.rate } else { loaded.original.rate };
        Some(played.status.position as f64 / f64::from(rate.max(1)))
    }

    /// The sample of the playing sound that is so many steps of a twentieth of it after the playhead.
    pub fn scrubbed(&self, steps: i32) -> Option<u64> {
        let length = self.sound_to_play()?.samples.len() as f64;
        let now = self.played.as_ref().map_or(0.0, |played| played.status.position as f64);
        Some((now + f64::from(steps) * length / SCRUBS).clamp(0.0, (length - 1.0).max(0.0)) as u64)
    }

    /// The volume: 1 is full.
    pub fn volume(&self) -> f32 {
        // Squared: equal steps sound equal, more or less.
        (1.0 - f32::from(self.quieter) / VOLUMES).powi(2)
    }

    /// The volume in percent of its steps, for people.
    pub fn volume_percent(&self) -> u32 {
        100 - 10 * u32::from(self.quieter)
    }

    /// Changes the volume by so many steps.
    pub fn louder(&mut self, steps: i32) {
        self.quieter = (i32::from(self.quieter) - steps).clamp(0, VOLUMES as i32) as u8;
    }

    /// Why its sound cannot be played.
    pub fn playback_problem(&self) -> Option<String> {
        match &self.played.as_ref()?.status.state {
            playback::State::Failed(error) => Some(error.to_string()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn panel(samples: usize, cut: Option<u64>) -> ClipPanel {
        let sound = |rate: u32, samples: usize| playback::Sound { samples: vec![0.5; samples].into(), rate };
        let loaded = Loaded {
            original: sound(48_000, 3 * samples),
            channels: 2,
            model: sound(16_000, samples),
            mel: LogMel::default(),
            extremes: Vec::new(),
            peak: 0.5,
            notes: Vec::new(),
        };
        let clip = Clip { cut, ..Clip::file("a.wav", "a") };
        ClipPanel { clip: Some(clip), sound: Some(Ok(Arc::new(loaded))), ..ClipPanel::default() }
    }

    #[test]
    fn the_model_gets_its_cut_and_the_original_is_whole() {
        let mut panel = panel(16_000, Some(4_000));
        assert_eq!(panel.sound_to_play().unwrap().samples.len(), 48_000);
        panel.as_model = true;
        let sound = panel.sound_to_play().unwrap();
        assert_eq!((sound.samples.len(), sound.rate, panel.shown_share()), (4_000, 16_000, 0.25));
        panel.clip.as_mut().unwrap().cut = Some(99_000);
        assert_eq!((panel.sound_to_play().unwrap().samples.len(), panel.shown_share()), (16_000, 1.0));
    }

    #[test]
    fn scrubbing_stays_inside_and_the_volume_has_ends() {
        let mut panel = panel(16_000, None);
        assert_eq!((panel.scrubbed(1), panel.scrubbed(-1), panel.scrubbed(99)), (Some(2_400), Some(0), Some(47_999)));
        panel.louder(5);
        assert_eq!((panel.volume(), panel.volume_percent()), (1.0, 100));
        panel.louder(-3);
        assert_eq!(panel.volume_percent(), 70);
        panel.louder(-30);
        assert_eq!((panel.volume(), panel.volume_percent()), (0.0, 0));
    }

    #[test]
    fn seconds_of_a_recording_are_its_samples() {
        let clip = Clip::part("a.wav", 1.5, 2.0, "a");
        let Source::Part(part) = &clip.source else { unreachable!() };
        assert_eq!((part.start(), part.samples, clip.start_s()), (24_000, 8_000, 1.5));
    }
}
