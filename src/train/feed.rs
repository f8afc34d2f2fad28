//! The bounded queue from the trainer's thread to its watcher: a slow watcher never blocks the trainer.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::session::{Event, Record, RunState};

/// Updates kept for a watcher that does not read them; beyond that, every second step is dropped.
const CAPACITY: usize = 4096;

/// An update about one of a trainer's runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// Which run, in the order they were given to the trainer.
    pub run: usize,
    /// What happened.
    pub news: News,
}

/// News of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// The run is resumed: its whole log so far, folded. Sent once, before the run's own events.
    Past(Box<RunState>),
    /// An event.
    Now(Record),
}

impl Update {
    /// The event, unless it is a resumed run's past.
    pub fn event(&self) -> Option<&Event> {
        match &self.news {
            News::Past(_) => None,
            News::Now(record) => Some(&record.event),
        }
    }
}

/// A queue of updates. Clones share it. A newer progress count replaces the older; steps are thinned when nothing is
/// read for long; everything else is kept. The log on disk has every event.
#[derive(Clone, Default)]
pub struct Feed {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Update>,
    closed: bool,
}

impl Feed {
    /// An empty queue.
    pub fn new() -> Self {
        Self::default()
    }

    /// Every update since the last call, without waiting.
    pub fn drain(&self) -> Vec<Update> {
        self.state().queue.drain(..).collect()
    }

    /// Waits until there is an update, the feed is closed, or time is up; then as [`drain`](Self::drain).
    /// `None` once the feed is closed and empty.
    pub fn wait(&self, timeout: Duration) -> Option<Vec<Update>> {
        let nothing = |state: &mut State| state.queue.is_empty() && !state.closed;
        let waited = self.shared.changed.wait_timeout_while(self.state(), timeout, nothing);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.queue.is_empty() && state.closed { None } else { Some(state.queue.drain(..).collect()) }
    }

    pub(super) fn push(&self, update: Update) {
        let mut state = self.state();
        let replaces = state.queue.back().is_some_and(|last| supersedes(&update, last));
        if replaces {
            state.queue.pop_back();
        } else if state.queue.len() >= CAPACITY {
            thin(&mut state.queue);
        }
        state.queue.push_back(update);
        self.shared.changed.notify_all();
    }

    /// Closes the feed.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.shared.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The queue is valid between any two operations on it, even after a panic.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a new count replaces the one before it.
fn supersedes(new: &Update, last: &Update) -> bool {
    new.run == last.run
        && matches!(
            (new.event(), last.event()),
            (Some(Event::Preparing { .. }), Some(Event::Preparing { .. }))
                | (Some(Event::Evaluating { .. }), Some(Event::Evaluating { .. }))
        )
}

/// Discards every second step.
fn thin(queue: &mut VecDeque<Update>) {
    let mut keep = true;
    queue.retain(|update| {
        let is_step = matches!(update.event(), Some(Event::Step(_) | Event::Norms { .. }));
        keep ^= is_step;
        !is_step || keep
    });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::session::StepRecord;

    fn update(event: Event) -> Update {
        Update { run: 0, news: News::Now(Record { at_ms: 0, event }) }
    }

    #[test]
    fn a_watcher_that_never_reads_costs_bounded_memory_and_loses_only_steps() {
        let feed = Feed::new();
        for step in 0..100_000 {
            feed.push(update(Event::Step(StepRecord { step, ..StepRecord::default() })));
            if step % 10_000 == 0 {
                feed.push(update(Event::Paused));
            }
        }
        let seen = feed.drain();
        assert!(seen.len() <= CAPACITY);
        assert_eq!(seen.iter().filter(|update| update.event() == Some(&Event::Paused)).count(), 10);
        let steps: Vec<_> = seen
            .iter()
            .filter_map(|update| if let Some(Event::Step(step)) = update.event() { Some(step.step) } else { None })
            .collect();
        assert!(steps.is_sorted());
        assert_eq!(steps.last(), Some(&99_999));
    }

    #[test]
    fn counts_replace_one_another() {
        let feed = Feed::new();
        for done in 0..10 {
            feed.push(update(Event::Evaluating { done, total: 10 }));
        }
        assert_eq!(feed.drain(), [update(Event::Evaluating { done: 9, total: 10 })]);
    }

    #[test]
    fn waiting_ends_with_an_update_and_with_the_end() {
        let feed = Feed::new();
        let trainer = feed.clone();
        let thread = std::thread::spawn(move || {
            trainer.push(update(Event::Paused));
            trainer.close();
        });
        let mut seen = Vec::new();
        while let Some(updates) = feed.wait(Duration::from_secs(60)) {
            seen.extend(updates);
        }
        assert_eq!(seen, [update(Event::Paused)]);
        thread.join().unwrap();
    }
}
