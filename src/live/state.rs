//! What the live pipeline reports, and the state folded from it.

use std::{collections::VecDeque, sync::Arc};

use super::Prediction;
use crate::{infer::Score, model::BlockNorms};

/// What the live pipeline reports.
#[derive(Clone, Debug, PartialEq)]
pub enum LiveEvent {
    /// A source was opened.
    Opened {
        /// Device or file name.
        source: String,
        /// What the device delivers.
        rate: u32,
        /// Its channels.
        channels: u16,
        /// Seconds of the window that is scored.
        window_s: f32,
        /// Seconds between two predictions.
        hop_s: f32,
        /// Names of the listeners, in order.
        listeners: Vec<String>,
    },
    /// New sound: its 16 kHz samples' extremes for the waveform, level and fresh mel frames.
    Sound {
        /// Seconds since opening, at the end of this sound.
        time_s: f64,
        /// Root mean square of it, dB relative to full scale.
        rms_dbfs: f32,
        /// Largest absolute sample of it, dB relative to full scale.
        peak_dbfs: f32,
        /// (least, greatest) sample of each 10 ms.
        extremes: Vec<(f32, f32)>,
        /// Log-mel frames, oldest first.
        frames: Vec<Arc<[f32]>>,
    },
    /// A prediction.
    Prediction {
        /// Which listener, counted from 0.
        listener: usize,
        /// Seconds since opening, at the end of the window scored.
        time_s: f64,
        /// Its scores.
        prediction: Prediction,
        /// Milliseconds from the capture of the window's last sample to this prediction: the time taken by the driver,
        /// the resampler, waiting for a busy model and the model itself.
        latency_ms: f32,
        /// Milliseconds spent in the model. Divided by the hop it is the listener's real-time factor.
        compute_ms: f32,
    },
    /// Samples that could not be kept, at the device's rate, since opening.
    Dropped(u64),
    /// Windows that were never scored because the models were still busy with older ones, since opening.
    Skipped(u64),
    /// The source failed or became silent; the pipeline tries again by itself.
    Problem(String),
    /// Something odd about the file that is played: one sentence.
    Note(String),
    /// Sound comes in again, perhaps from another device than before.
    Recovered {
        /// Device or file name.
        source: String,
        /// What the device delivers.
        rate: u32,
        /// Its channels.
        channels: u16,
    },
    /// The file ended, or listening was stopped.
    Closed,
}

/// Whether sound comes in.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum LiveStatus {
    /// Not listening.
    #[default]
    Idle,
    /// Sound comes in.
    Listening,
    /// Something is wrong: a message to show.
    Trouble(String),
    /// The file ended, or listening was stopped.
    Ended,
    /// It failed and is not tried again, such as a file that cannot be decoded: a message to show.
    Failed(String),
}

/// A listener, and its newest scores.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListenerState {
    /// Session or model.
    pub name: String,
    /// Most likely first.
    pub scores: Vec<Score>,
    /// The scores with every gain at 1, while some gain is not.
    pub untouched: Option<Vec<Score>>,
    /// What its adapters add inside each block.
    pub norms: Vec<BlockNorms>,
    /// The largest ratio of any Spatial Adapter's and any MLP Adapter's output to the residual stream so far: the upper
    /// ends of their meters' scales.
    pub peaks: [f32; 2],
    /// The same classes, most likely first, averaged over about a second: steadier to read, slower to change.
    pub smoothed: Vec<Score>,
    /// Time of that prediction, seconds since opening.
    pub time_s: f64,
    /// From the last sample to the prediction.
    pub latency_ms: f32,
    /// Time spent in the model.
    pub compute_ms: f32,
}

/// Columns of the mel waterfall kept (20 s).
const KEPT_FRAMES: usize = 2000;

/// Everything the Live screen shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LiveState {
    /// Whether sound comes in.
    pub status: LiveStatus,
    /// Device or file.
    pub source: String,
    /// What the device delivers.
    pub rate: u32,
    /// Its channels.
    pub channels: u16,
    /// Seconds of the window that is scored.
    pub window_s: f32,
    /// Seconds between two predictions.
    pub hop_s: f32,
    /// What is odd about the file that is played.
    pub notes: Vec<String>,
    /// The listeners.
    pub listeners: Vec<ListenerState>,
    /// Level of the newest sound.
    pub rms_dbfs: f32,
    /// Peak of the newest sound.
    pub peak_dbfs: f32,
    /// (least, greatest) sample of each 10 ms, oldest first.
    pub extremes: VecDeque<(f32, f32)>,
    /// Log-mel frames, oldest first.
    pub frames: VecDeque<Arc<[f32]>>,
    /// Samples lost since opening.
    pub dropped: u64,
    /// Windows never scored since opening.
    pub skipped: u64,
    /// Seconds of sound since opening.
    pub time_s: f64,
    /// Mel frames since opening, including those no longer kept.
    pub frame_count: u64,
}

impl LiveState {
    /// Folds one event.
    pub fn apply(&mut self, event: LiveEvent) {
        match event {
            LiveEvent::Opened { source, rate, channels, window_s, hop_s, listeners } => {
                *self = Self {
                    status: LiveStatus::Listening,
                    source,
                    rate,
                    channels,
                    window_s,
                    hop_s,
                    listeners: listeners
                        .into_iter()
                        .map(|name| ListenerState { name, ..ListenerState::default() })
                        .collect(),
                    rms_dbfs: f32::NEG_INFINITY,
                    peak_dbfs: f32::NEG_INFINITY,
                    ..Self::default()
                };
            }
            LiveEvent::Sound { time_s, rms_dbfs, peak_dbfs, extremes, frames } => {
                self.time_s = time_s;
                self.frame_count += frames.len() as u64;
                self.rms_dbfs = rms_dbfs;
                self.peak_dbfs = peak_dbfs;
                keep(&mut self.extremes, extremes);
                keep(&mut self.frames, frames);
            }
            LiveEvent::Prediction { listener, time_s, prediction, latency_ms, compute_ms } => {
                if let Some(listener) = self.listeners.get_mut(listener) {
                    let Prediction { scores, untouched, norms } = prediction;
                    let smoothed = smooth(listener, &scores, time_s);
                    let peaks = norms.iter().fold(listener.peaks, |[spatial, mlp], block| {
                        [spatial.max(block.spatial_ratio), mlp.max(block.mlp_ratio)]
                    });
                    let name = std::mem::take(&mut listener.name);
                    *listener = ListenerState {
                        name,
                        scores,
                        untouched,
                        norms,
                        peaks,
                        smoothed,
                        time_s,
                        latency_ms,
                        compute_ms,
                    };
                }
            }
            LiveEvent::Dropped(total) => self.dropped = total,
            LiveEvent::Problem(problem) => self.status = LiveStatus::Trouble(problem),
            LiveEvent::Skipped(total) => self.skipped = total,
            LiveEvent::Note(note) => self.notes.push(note),
            LiveEvent::Recovered { source, rate, channels } => {
                self.status = LiveStatus::Listening;
                (self.source, self.rate, self.channels) = (source, rate, channels);
            }
            LiveEvent::Closed => {
                self.status = match std::mem::take(&mut self.status) {
                    LiveStatus::Trouble(why) | LiveStatus::Failed(why) => LiveStatus::Failed(why),
                    LiveStatus::Idle => LiveStatus::Idle,
                    LiveStatus::Listening | LiveStatus::Ended => LiveStatus::Ended,
                }
            }
        }
    }

    /// Whether all listeners put the same class first, once they have scored the same window; `None` before, with fewer
    /// than two listeners, and where their classes differ.
    pub fn agreement(&self) -> Option<bool> {
        let (first, others) = self.listeners.split_first()?;
        let top = first.scores.first()?;
        let knows = |listener: &ListenerState, label: &str| listener.scores.iter().any(|score| score.label == label);
        let comparable = !others.is_empty()
            && others.iter().all(|listener| {
                listener.time_s == first.time_s
                    && listener.scores.len() == first.scores.len()
                    && first.scores.iter().all(|score| knows(listener, &score.label))
            });
        comparable.then(|| {
            others.iter().all(|listener| listener.scores.first().is_some_and(|other| other.label == top.label))
        })
    }
}

/// Time constant of smoothed scores, seconds.
const SMOOTHING_S: f64 = 1.0;

/// The listener's smoothed scores after another prediction: an exponential average weighted by time, so that it does
/// not depend on the hop.
fn smooth(listener: &ListenerState, scores: &[Score], time_s: f64) -> Vec<Score> {
    let kept = if listener.smoothed.is_empty() {
        0.0
    } else {
        (-(time_s - listener.time_s).max(0.0) / SMOOTHING_S).exp() as f32
    };
    let before =
        |label: &str| listener.smoothed.iter().find(|score| score.label == label).map_or(0.0, |score| score.score);
    let mut smoothed: Vec<_> = scores
        .iter()
        .map(|Score { label, score }| Score {
            label: label.clone(),
            score: kept * before(label) + (1.0 - kept) * score,
        })
        .collect();
    smoothed.sort_by(|a, b| b.score.total_cmp(&a.score));
    smoothed
}

fn keep<T>(queue: &mut VecDeque<T>, new: Vec<T>) {
    queue.extend(new);
    queue.drain(..queue.len().saturating_sub(KEPT_FRAMES));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(listener: usize, time_s: f64, scores: &[(&str, f32)]) -> LiveEvent {
        let scores = scores.iter().map(|&(label, score)| Score { label: label.into(), score }).collect();
        let prediction = Prediction { scores, ..Prediction::default() };
        LiveEvent::Prediction { listener, time_s, prediction, latency_ms: 40.0, compute_ms: 30.0 }
    }

    fn listening() -> LiveState {
        let mut state = LiveState::default();
        state.apply(LiveEvent::Opened {
            source: "mic".into(),
            rate: 48_000,
            channels: 2,
            window_s: 5.0,
            hop_s: 0.5,
            listeners: vec!["a".into(), "b".into()],
        });
        state
    }

    #[test]
    fn ears_are_compared_on_one_window_only() {
        let mut state = listening();
        assert_eq!(state.agreement(), None);
        state.apply(answer(0, 1.0, &[("dog", 0.9), ("rain", 0.1)]));
        assert_eq!(state.agreement(), None);
        state.apply(answer(1, 1.0, &[("dog", 0.6), ("rain", 0.4)]));
        assert_eq!(state.agreement(), Some(true));
        state.apply(answer(0, 1.5, &[("rain", 0.9), ("dog", 0.1)]));
        assert_eq!(state.agreement(), None, "the other has not scored it yet");
        state.apply(answer(1, 1.5, &[("dog", 0.6), ("rain", 0.4)]));
        assert_eq!(state.agreement(), Some(false));
    }

    #[test]
    fn smoothed_scores_follow_by_time_and_not_by_count() {
        let one = Score { label: "dog".into(), score: 1.0 };
        let after = |times: &[f64]| {
            let mut state = listening();
            state.apply(answer(0, 0.0, &[("dog", 0.0)]));
            times.iter().for_each(|&time| state.apply(answer(0, time, &[("dog", 1.0)])));
            assert_eq!(state.listeners[0].scores[0], one);
            state.listeners[0].smoothed[0].score
        };
        let expected = 1.0 - (-1.0f32).exp();
        assert!((after(&[1.0]) - expected).abs() < 1e-6);
        assert!((after(&[0.25, 0.5, 0.75, 1.0]) - expected).abs() < 1e-6);
    }
}
