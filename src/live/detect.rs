//! Turns scores, one per hop, into detections with a beginning and an end.

use serde::Serialize;

use crate::infer::Score;

/// When a class counts as detected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// Score at which it begins.
    pub threshold: f32,
    /// Score below which it ends: lower than the threshold, so that a score that crosses it repeatedly makes one
    /// detection, not ten.
    pub release: f32,
    /// Consecutive predictions that it takes to begin, and to end.
    pub debounce: usize,
}

impl Rule {
    /// Begins at `threshold`, ends below four fifths of it.
    pub fn new(threshold: f32, debounce: usize) -> Self {
        Self { threshold, release: 0.8 * threshold, debounce: debounce.max(1) }
    }
}

/// A detection. Times are accurate to one hop: it began in the hop before the first prediction that reached the
/// threshold, and ended with the last prediction above the lower one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Detection {
    /// Class name.
    pub label: String,
    /// Seconds since the stream was opened.
    pub start: f64,
    /// Seconds since the stream was opened.
    pub end: f64,
    /// Its highest score.
    pub peak: f32,
}

/// What a detector reports.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A class began, at this time and with this score.
    Began {
        /// Class name.
        label: String,
        /// Seconds since the stream was opened.
        start: f64,
    },
    /// It ended.
    Ended(Detection),
}

/// A class that has begun, or is about to.
#[derive(Debug)]
struct Track {
    found: Detection,
    /// Consecutive predictions that count towards beginning or, once begun, towards ending.
    count: usize,
    begun: bool,
}

/// Follows the predictions of one listener.
#[derive(Debug)]
pub struct Detector {
    rule: Rule,
    hop_s: f64,
    tracks: Vec<Track>,
}

impl Detector {
    /// A detector for predictions that come every `hop_s` seconds.
    pub fn new(rule: Rule, hop_s: f64) -> Self {
        Self { rule, hop_s, tracks: Vec::new() }
    }

    /// Takes a prediction: all classes with their scores, for the window that ends at `time_s`.
    pub fn push(&mut self, time_s: f64, scores: &[Score]) -> Vec<Change> {
        let Rule { threshold, release, debounce } = self.rule;
        let mut changes = Vec::new();
        for Score { label, score } in scores {
            let known = self.tracks.iter().position(|track| track.found.label == *label);
            let Some(at) = known.or_else(|| {
                (*score >= threshold).then(|| {
                    let start = (time_s - self.hop_s).max(0.0);
                    let found = Detection { label: label.clone(), start, end: time_s, peak: *score };
                    self.tracks.push(Track { found, count: 0, begun: false });
                    self.tracks.len() - 1
                })
            }) else {
                continue;
            };
            let track = &mut self.tracks[at];
            let holds = *score >= if track.begun { release } else { threshold };
            if holds {
                track.found.end = time_s;
                track.found.peak = track.found.peak.max(*score);
            }
            track.count = if holds == track.begun { 0 } else { track.count + 1 };
            match (track.begun, holds) {
                (false, false) => drop(self.tracks.swap_remove(at)),
                (false, true) if track.count >= debounce => {
                    (track.begun, track.count) = (true, 0);
                    changes.push(Change::Began { label: label.clone(), start: track.found.start });
                }
                (true, false) if track.count >= debounce => {
                    changes.push(Change::Ended(self.tracks.swap_remove(at).found));
                }
                _ => {}
            }
        }
        changes
    }

    /// Ends every open detection, at the end of the stream.
    pub fn finish(&mut self) -> Vec<Detection> {
        self.tracks.drain(..).filter(|track| track.begun).map(|track| track.found).collect()
    }
}

/// A line of an Audacity label track: start, end and label, separated by tabs.
///
/// Format: Audacity's manual, "Importing and Exporting Labels".
pub fn audacity_label(detection: &Detection) -> String {
    let label: String = detection.label.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("{:.6}\t{:.6}\t{label}\n", detection.start, detection.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(rule: Rule, scores: &[f32]) -> (Vec<Change>, Vec<Detection>) {
        let mut detector = Detector::new(rule, 0.5);
        let changes = scores
            .iter()
            .enumerate()
            .flat_map(|(n, &score)| {
                let answer = [Score { label: "dog".into(), score }, Score { label: "rain".into(), score: 0.1 }];
                detector.push(0.5 * (n + 1) as f64, &answer)
            })
            .collect();
        (changes, detector.finish())
    }

    fn dog(start: f64, end: f64, peak: f32) -> Detection {
        Detection { label: "dog".into(), start, end, peak }
    }

    #[test]
    fn a_sound_begins_and_ends_once_though_its_score_trembles() {
        let (changes, rest) = follow(Rule::new(0.5, 1), &[0.1, 0.6, 0.45, 0.9, 0.41, 0.2, 0.1]);
        let began = Change::Began { label: "dog".into(), start: 0.5 };
        assert_eq!(changes, [began, Change::Ended(dog(0.5, 2.5, 0.9))]);
        assert!(rest.is_empty());
    }

    #[test]
    fn one_answer_is_not_enough_when_two_are_asked_for_and_one_gap_is_bridged() {
        let (changes, rest) = follow(Rule::new(0.5, 2), &[0.9, 0.1, 0.6, 0.7, 0.1, 0.8, 0.1, 0.1]);
        let began = Change::Began { label: "dog".into(), start: 1.0 };
        assert_eq!(changes, [began, Change::Ended(dog(1.0, 3.0, 0.8))]);
        assert!(rest.is_empty());
    }

    #[test]
    fn open_detections_are_reported_at_the_end() {
        let (changes, rest) = follow(Rule::new(0.5, 1), &[0.1, 0.6, 0.7]);
        assert_eq!(changes.len(), 1);
        assert_eq!(rest, [dog(0.5, 1.5, 0.7)]);
    }

    #[test]
    fn labels_are_audacitys_and_stay_on_their_line() {
        let mut detection = dog(0.5, 1.25, 0.9);
        detection.label = "do\tg\n".into();
        assert_eq!(audacity_label(&detection), "0.500000\t1.250000\tdo g \n");
    }
}
