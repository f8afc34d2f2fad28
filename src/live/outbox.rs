//! The bounded queue from the pipeline to its reader. It never blocks the pipeline.
//!
//! A reader that keeps up gets every event. For a slower one, sound events are merged and only the newest predictions
//! are kept, so that the pipeline neither waits nor grows.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::LiveEvent;

/// Events kept before they are merged: more than a second's worth.
const KEPT: usize = 128;
/// Columns of a merged [`LiveEvent::Sound`]: a screen shows no more.
const KEPT_COLUMNS: usize = 2000;

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<(VecDeque<LiveEvent>, bool)>,
    bell: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, (VecDeque<LiveEvent>, bool)> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The writing end; clones write into the same queue.
#[derive(Clone, Debug, Default)]
pub struct Outbox(Arc<Shared>);

/// The reading end.
#[derive(Debug)]
pub struct Inbox(Arc<Shared>);

/// Both ends of a new queue.
pub fn channel() -> (Outbox, Inbox) {
    let shared = Arc::new(Shared::default());
    (Outbox(shared.clone()), Inbox(shared))
}

impl Outbox {
    /// Adds an event. Never waits for the reader.
    pub fn send(&self, event: LiveEvent) {
        let mut guard = self.0.lock();
        let (queue, _) = &mut *guard;
        if queue.len() >= KEPT {
            make_room(queue);
        }
        queue.push_back(event);
        self.0.bell.notify_one();
    }

    /// Closes the queue.
    pub fn close(&self) {
        self.0.lock().1 = true;
        self.0.bell.notify_one();
    }
}

impl Inbox {
    /// Everything that has arrived, oldest first, without waiting.
    pub fn drain(&self) -> Vec<LiveEvent> {
        self.0.lock().0.drain(..).collect()
    }

    /// As [`Inbox::drain`], but waits up to `patience` for the first event. `None` once nothing more can come.
    pub fn wait(&self, patience: Duration) -> Option<Vec<LiveEvent>> {
        let guard = self.0.lock();
        let waited = self.0.bell.wait_timeout_while(guard, patience, |(queue, closed)| queue.is_empty() && !*closed);
        let (mut guard, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let (queue, closed) = &mut *guard;
        if queue.is_empty() && *closed { None } else { Some(queue.drain(..).collect()) }
    }
}

/// What a later event replaces.
#[derive(PartialEq)]
enum Subject {
    Prediction(usize),
    Dropped,
    Skipped,
}

impl Subject {
    fn of(event: &LiveEvent) -> Option<Self> {
        match event {
            LiveEvent::Prediction { listener, .. } => Some(Self::Prediction(*listener)),
            LiveEvent::Dropped(_) => Some(Self::Dropped),
            LiveEvent::Skipped(_) => Some(Self::Skipped),
            _ => None,
        }
    }
}

/// Shortens a full queue: only the newest predictions and counts stay, and the sound events between them are merged.
fn make_room(queue: &mut VecDeque<LiveEvent>) {
    let mut seen = Vec::new();
    let mut kept: VecDeque<LiveEvent> = VecDeque::new();
    for event in queue.drain(..).rev() {
        if let Some(subject) = Subject::of(&event) {
            if seen.contains(&subject) {
                continue;
            }
            seen.push(subject);
        }
        match (event, kept.front_mut()) {
            (
                LiveEvent::Sound { extremes: mut older, frames: mut older_frames, rms_dbfs, peak_dbfs, .. },
                Some(LiveEvent::Sound { extremes, frames, rms_dbfs: rms, peak_dbfs: peak, .. }),
            ) => {
                (*rms, *peak) = (rms.max(rms_dbfs), peak.max(peak_dbfs));
                older.append(extremes);
                older_frames.append(frames);
                older.drain(..older.len().saturating_sub(KEPT_COLUMNS));
                older_frames.drain(..older_frames.len().saturating_sub(KEPT_COLUMNS));
                (*extremes, *frames) = (older, older_frames);
            }
            (event, _) => kept.push_front(event),
        }
    }
    *queue = kept;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::live::Prediction;

    fn sound(n: usize) -> LiveEvent {
        let level = n as f32;
        LiveEvent::Sound {
            time_s: n as f64,
            rms_dbfs: -level,
            peak_dbfs: -level,
            extremes: vec![(-level, level)],
            frames: vec![Arc::from([level].as_slice())],
        }
    }

    fn answer(listener: usize, n: usize) -> LiveEvent {
        LiveEvent::Prediction {
            listener,
            time_s: n as f64,
            prediction: Prediction::default(),
            latency_ms: 1.0,
            compute_ms: 1.0,
        }
    }

    #[test]
    fn a_reader_that_keeps_up_gets_everything() {
        let (outbox, inbox) = channel();
        for n in 0..1000 {
            outbox.send(sound(n));
            outbox.send(answer(0, n));
            assert_eq!(inbox.drain(), [sound(n), answer(0, n)]);
        }
        outbox.send(LiveEvent::Closed);
        outbox.close();
        assert_eq!(inbox.wait(Duration::from_secs(9)).unwrap(), [LiveEvent::Closed]);
        assert!(inbox.wait(Duration::from_secs(9)).is_none());
    }

    #[test]
    fn a_reader_that_sleeps_finds_all_the_sound_and_the_newest_predictions() {
        let (outbox, inbox) = channel();
        outbox.send(LiveEvent::Problem("gone".into()));
        for n in 0..1900 {
            outbox.send(sound(n));
            if n % 10 == 0 {
                outbox.send(answer(n % 20 / 10, n));
                outbox.send(LiveEvent::Dropped(n as u64));
            }
        }
        let events = inbox.drain();
        assert!(events.len() <= KEPT);
        assert_eq!(events[0], LiveEvent::Problem("gone".into()));
        let columns: Vec<f32> = events
            .iter()
            .filter_map(|event| if let LiveEvent::Sound { extremes, .. } = event { Some(extremes) } else { None })
            .flatten()
            .map(|(_, high)| *high)
            .collect();
        assert_eq!(columns, (0..1900).map(|n| n as f32).collect::<Vec<_>>());
        for listener in 0..2 {
            let newest = events
                .iter()
                .rev()
                .find(|event| matches!(event, LiveEvent::Prediction { listener: of, .. } if *of == listener));
            assert_eq!(newest, Some(&answer(listener, 1880 + 10 * listener)));
        }
        let dropped = events.iter().rev().find(|event| matches!(event, LiveEvent::Dropped(_)));
        assert_eq!(dropped, Some(&LiveEvent::Dropped(1890)));
    }
}
