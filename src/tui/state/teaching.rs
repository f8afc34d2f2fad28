//! Teaching on the Live screen: classes with their examples, the current recording, and the run that trains on them.
//!
//! Few terminals report the release of a key. One press begins a recording and the next ends it; a key that is held
//! down arrives as many presses in quick succession, and the recording ends when they stop; where a release is
//! reported, it ends the recording too.

use crate::{live::Lesson, plot::Side, tui::input::action::Move};

/// Presses nearer to one another than this are one key held down, milliseconds.
const REPEAT_MS: u64 = 150;
/// A press sooner than this after the first is the key's own repetition: systems wait this long before they begin it.
const FIRST_REPEAT_MS: u64 = 700;
/// After how long without a press a held key counts as released.
const LET_GO_MS: u64 = 400;
/// A key released sooner than this was tapped: the next tap ends the recording.
const TAP_MS: u64 = 300;

/// A recording in progress.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// Its class.
    pub class: String,
    /// Seconds of the stream when it began.
    pub since_s: f64,
    /// When the key was first pressed and when last, ms since the Unix epoch.
    pressed_ms: (u64, u64),
    held: bool,
}

/// The state of teaching.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Teaching {
    /// Classes and examples, once read.
    pub lesson: Option<Box<Lesson>>,
    /// The class under the cursor.
    pub class: usize,
    /// The example under the cursor.
    pub example: usize,
    /// The current recording.
    pub recording: Option<Recording>,
    /// The side whose run trains on this lesson now.
    pub learning: Option<Side>,
}

impl Teaching {
    /// Shows a lesson; the cursor follows a new class.
    pub fn show(&mut self, lesson: Lesson) {
        let names = |lesson: &Lesson| lesson.classes().map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
        let known = self.lesson.as_ref().map(|lesson| names(lesson)).unwrap_or_default();
        let before = self.selected().map(|(name, examples)| (name.to_owned(), examples.len()));
        let now = names(&lesson);
        let new = now.iter().position(|name| !known.is_empty() && !known.contains(name));
        let same = || before.as_ref().and_then(|(before, _)| now.iter().position(|name| name == before));
        self.class = new.or_else(same).unwrap_or(0);
        self.lesson = Some(Box::new(lesson));
        // The cursor moves to what was just recorded.
        let count = self.count();
        let grown = before.is_some_and(|(_, had)| count > had);
        self.example = if grown { count.saturating_sub(1) } else { self.example.min(count.saturating_sub(1)) };
    }

    /// The class under the cursor with its examples.
    pub fn selected(&self) -> Option<(&str, &[crate::live::Example])> {
        self.lesson.as_ref()?.classes().nth(self.class)
    }

    fn count(&self) -> usize {
        self.selected().map_or(0, |(_, examples)| examples.len())
    }

    /// Moves the cursor: up and down through classes, left and right through examples.
    pub fn go(&mut self, to: Move) {
        let classes = self.lesson.as_ref().map_or(0, |lesson| lesson.classes().count());
        match to {
            Move::Up | Move::Down => self.class = to.row(self.class, classes.saturating_sub(1), 1),
            Move::Left => self.example = self.example.saturating_sub(1),
            Move::Right => self.example += 1,
            Move::Home => self.example = 0,
            Move::End => self.example = usize::MAX,
            _ => {}
        }
        self.example = self.example.min(self.count().saturating_sub(1));
    }

    /// Begins to record for the class under the cursor.
    pub fn begin(&mut self, since_s: f64, now_ms: u64) {
        let class = self.selected().map(|(name, _)| name.to_owned());
        self.recording = class.map(|class| Recording { class, since_s, pressed_ms: (now_ms, now_ms), held: false });
    }

    /// The key was pressed again, or repeats; returns whether that ends the recording.
    pub fn press_ends(&mut self, now_ms: u64) -> bool {
        let Some(Recording { pressed_ms: (first, last), held, .. }) = &mut self.recording else { return false };
        let gap = now_ms.saturating_sub(*last);
        let repeats = gap < REPEAT_MS || now_ms.saturating_sub(*first) < FIRST_REPEAT_MS;
        *held |= gap < REPEAT_MS;
        *last = now_ms;
        !repeats
    }

    /// The key was released; returns whether that ends the recording.
    pub fn release_ends(&self, now_ms: u64) -> bool {
        self.recording.as_ref().is_some_and(|recording| now_ms.saturating_sub(recording.pressed_ms.0) > TAP_MS)
    }

    /// Milliseconds since the last press of a held key, once it was released.
    pub fn let_go(&self, now_ms: u64) -> Option<u64> {
        let recording = self.recording.as_ref().filter(|recording| recording.held)?;
        let still = now_ms.saturating_sub(recording.pressed_ms.1);
        (still > LET_GO_MS).then_some(still)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn recording() -> Teaching {
        let folder = tempfile::tempdir().unwrap();
        let mut teaching = Teaching::default();
        teaching.show(Lesson::open(folder.path()).unwrap());
        teaching.begin(1.0, 10_000);
        assert!(teaching.recording.is_some());
        teaching
    }

    #[test]
    fn two_taps_begin_and_end() {
        let mut teaching = recording();
        assert!(!teaching.release_ends(10_100));
        assert_eq!(teaching.let_go(12_000), None);
        assert!(teaching.press_ends(12_000));
    }

    #[test]
    fn a_key_held_down_ends_when_it_is_let_go() {
        let mut teaching = recording();
        for repeat in 0..40 {
            assert!(!teaching.press_ends(10_500 + 33 * repeat), "{repeat}");
        }
        let last = 10_500 + 33 * 39;
        assert_eq!(teaching.let_go(last + 300), None);
        assert_eq!(teaching.let_go(last + 500), Some(500));
        assert!(teaching.release_ends(last + 10));
    }
}
