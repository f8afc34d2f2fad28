//! The recordings of a data set of marks, and what was counted on the way from tables to windows.

use std::path::PathBuf;

use super::{Event, Presence, covered};
use crate::{
    audio::SAMPLE_RATE,
    data::Split,
    digits::{counted, thousands},
};

/// A recording with its marks.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// Its name within the data set: the place below its folder.
    pub id: String,
    /// The file.
    pub path: PathBuf,
    /// Its length, samples at 16 kHz.
    pub samples: u64,
    /// Its events, cut to its length, in the order of their beginnings.
    pub events: Vec<Event>,
    /// Everything in it was marked.
    pub complete: bool,
    /// Each of its marks speaks of one class, and says nothing of the others.
    pub single: bool,
    /// Its fold.
    pub fold: Option<u32>,
    /// Its official part.
    pub split: Option<Split>,
    /// What it belongs to: recordings of one group never are on both sides of a split.
    pub group: String,
}

/// The recordings of a data set, and what was counted on the way to its windows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Marked {
    /// The recordings that tables name.
    pub recordings: Vec<Recording>,
    /// Tables that were read.
    pub tables: usize,
    /// Frames of 10 ms of a window.
    pub frames: usize,
    /// Windows with events, and windows of background.
    pub with_events: usize,
    /// Windows in which nothing is marked.
    pub background: usize,
    /// Windows of which a class is masked: a sliver of an event, or one that was uncertain.
    pub masked: usize,
    /// Background windows that are not used, since there are enough.
    pub spare: usize,
    /// Rows without a label.
    pub unlabelled: usize,
    /// Events that are outside of their recordings.
    pub outside: usize,
    /// Events that reach beyond the end of their recordings, and are cut there.
    pub beyond: usize,
    /// Rows of tables that a machine made and that are taken as truth, because `trust_detections` asks for it.
    pub trusted: usize,
}

impl Marked {
    /// Hours of all recordings.
    pub fn hours(&self) -> f64 {
        self.recordings.iter().map(|recording| recording.samples).sum::<u64>() as f64 / f64::from(SAMPLE_RATE) / 3_600.0
    }

    /// For each of so many classes, its events and the seconds in which it sounds, overlaps counted once.
    pub fn by_class(&self, classes: usize) -> Vec<(usize, f64)> {
        let mut all = vec![(0, 0.0); classes];
        for recording in &self.recordings {
            for event in recording.events.iter().filter(|event| event.presence == Presence::Present) {
                if let Some(own) = all.get_mut(event.class) {
                    own.0 += 1;
                }
            }
            for (class, samples) in covered(&recording.events) {
                if let Some(own) = all.get_mut(class) {
                    own.1 += samples as f64 / f64::from(SAMPLE_RATE);
                }
            }
        }
        all
    }

    /// Recordings in which everything was marked.
    pub fn complete(&self) -> usize {
        self.recordings.iter().filter(|recording| recording.complete).count()
    }

    /// What should be known of it, a sentence each: what the windows are, and everything that is left out.
    pub fn notes(&self) -> Vec<String> {
        let events: usize = self.recordings.iter().map(|recording| recording.events.len()).sum();
        let window = self.frames as f64 / 100.0;
        let mut notes = vec![format!(
            "{} of {:.2} h with {}: {} with events and {} of background, {window:.2} s each; split by recording",
            counted(self.recordings.len(), "recording"),
            self.hours(),
            counted(events, "mark"),
            counted(self.with_events, "window"),
            thousands(self.background),
        )];
        let mut say = |count: usize, sentence: &dyn Fn() -> String| {
            if count > 0 {
                notes.push(sentence());
            }
        };
        say(self.unlabelled, &|| {
            format!("{} without a label left out; give them one to use them", counted(self.unlabelled, "row"))
        });
        say(self.outside, &|| {
            format!("{} outside of the recordings left out; check the table's times", counted(self.outside, "mark"))
        });
        say(self.beyond, &|| format!("cut at the end of a recording: {}", counted(self.beyond, "mark")));
        say(self.masked, &|| {
            let masked = counted(self.masked, "window");
            format!("too little of a mark to count, so that its class is masked, neither on nor off: in {masked}")
        });
        say(self.spare, &|| format!("{} of background more than is needed left out", counted(self.spare, "window")));
        let single = self.recordings.iter().filter(|recording| recording.single).count();
        say(single, &|| {
            let aside = self.recordings.iter().filter(|recording| recording.split == Some(Split::Test)).count();
            format!(
                "decisions about detections say nothing of other classes, which are masked: in {}; {} kept aside as test",
                counted(single, "recording"),
                thousands(aside)
            )
        });
        say(self.trusted, &|| {
            format!("{} that a machine made taken as truth, as was asked", counted(self.trusted, "row"))
        });
        let open = self.recordings.iter().filter(|recording| !recording.complete && !recording.single).count();
        say(open, &|| {
            format!(
                "it is not known that {} marked in full, so background is not taken from there; give --marked-in-full if it was",
                if open == 1 { "1 recording was".to_owned() } else { format!("{} recordings were", thousands(open)) }
            )
        });
        notes
    }
}
