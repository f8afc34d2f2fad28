//! The thread that scores windows, so that a slow model never blocks the sound.
//!
//! Windows are not queued: while the listeners are busy, a newer window replaces the waiting one, which is counted as
//! skipped. All listeners score the same window, so that their predictions can be compared.

use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{
    LiveEvent,
    listener::{Listener, Prediction, Window},
    outbox::Outbox,
};
use crate::{infer::Gains, panics};

/// How often a waiting thread checks that the scoring thread is alive.
const LOOK: Duration = Duration::from_millis(100);

/// A window with the predictions of every listener that succeeded.
#[derive(Clone, Debug)]
pub struct Scored {
    /// The sound that was scored.
    pub window: Window,
    /// Name and prediction of each listener, in order.
    pub predictions: Vec<(String, Prediction)>,
}

#[derive(Default)]
struct Waiting {
    window: Option<Window>,
    /// Gains to set before the next prediction, by listener.
    gains: Vec<(usize, Gains)>,
    /// Whether the last window stays, whatever sound follows.
    held: bool,
    busy: bool,
    closed: bool,
    skipped: u64,
}

/// Shared between the threads that submit and the thread that scores.
#[derive(Default)]
pub(super) struct ScoringQueue {
    waiting: Mutex<Waiting>,
    work_ready: Condvar,
    /// Notified when there is nothing left to do.
    idle: Condvar,
    /// The last window that all listeners have scored.
    scored: Mutex<Option<Scored>>,
}

impl ScoringQueue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn scored_lock(&self) -> MutexGuard<'_, Option<Scored>> {
        self.scored.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last window that was scored.
    pub(super) fn scored(&self) -> Option<Scored> {
        self.scored_lock().clone()
    }

    /// Sets a listener's gains and scores the newest window again at once.
    pub(super) fn set_gains(&self, listener: usize, gains: Gains) {
        let mut waiting = self.lock();
        // Only the last position of a fader that is still moving matters.
        waiting.gains.retain(|(of, _)| *of != listener);
        waiting.gains.push((listener, gains));
        self.work_ready.notify_one();
    }

    /// Keeps to the last scored window, or follows the sound again.
    pub(super) fn hold(&self, held: bool) {
        let mut waiting = self.lock();
        waiting.held = held;
        if held {
            waiting.window = None;
        }
    }
}

/// Scores windows on its own thread.
pub(super) struct Scoring {
    queue: Arc<ScoringQueue>,
    outbox: Outbox,
    thread: JoinHandle<()>,
}

impl Scoring {
    /// Starts the thread.
    pub(super) fn start(listeners: Vec<Box<dyn Listener>>, outbox: Outbox) -> io::Result<Self> {
        let queue = Arc::new(ScoringQueue::default());
        let thread = {
            let (queue, outbox) = (queue.clone(), outbox.clone());
            thread::Builder::new().name("live-score".into()).spawn(move || run(listeners, &queue, &outbox))?
        };
        Ok(Self { queue, outbox, thread })
    }

    /// Submits a window; one that still waits is dropped.
    pub(super) fn submit(&self, window: Window) {
        let mut waiting = self.queue.lock();
        if waiting.held {
            return;
        }
        if waiting.window.replace(window).is_some() {
            waiting.skipped += 1;
            self.outbox.send(LiveEvent::Skipped(waiting.skipped));
        }
        self.queue.work_ready.notify_one();
    }

    /// The queue, for other threads.
    pub(super) fn queue(&self) -> Arc<ScoringQueue> {
        self.queue.clone()
    }

    /// Waits until the waiting window is scored.
    pub(super) fn settle(&self) {
        let mut waiting = self.queue.lock();
        // A thread that ended by a panic scores nothing more.
        while (waiting.busy || waiting.window.is_some()) && !self.thread.is_finished() {
            waiting = self.queue.idle.wait_timeout(waiting, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Lets the thread score the waiting window, then ends it.
    pub(super) fn finish(self) {
        self.queue.lock().closed = true;
        self.queue.work_ready.notify_one();
        // Panics of models were caught and reported on the thread.
        let _ = self.thread.join();
    }

    /// Ends the thread after its current work, without waiting for it.
    pub(super) fn abandon(self) {
        let mut waiting = self.queue.lock();
        (waiting.window, waiting.closed) = (None, true);
        self.queue.work_ready.notify_one();
    }
}

fn run(mut listeners: Vec<Box<dyn Listener>>, queue: &ScoringQueue, outbox: &Outbox) {
    let mut failures = vec![None; listeners.len()];
    loop {
        let idle = |waiting: &mut Waiting| waiting.window.is_none() && waiting.gains.is_empty() && !waiting.closed;
        let (window, gains) = {
            let mut waiting = queue.lock();
            waiting.busy = false;
            queue.idle.notify_all();
            let mut waiting = queue.work_ready.wait_while(waiting, idle).unwrap_or_else(PoisonError::into_inner);
            waiting.busy = true;
            (waiting.window.take(), std::mem::take(&mut waiting.gains))
        };
        for (index, gains) in &gains {
            if let Some(listener) = listeners.get_mut(*index)
                && let Err(reason) = guarded(|| listener.set_gains(gains))
            {
                outbox.send(LiveEvent::Problem(format!("{}: {reason}", listener.name())));
            }
        }
        // After a change of gains the last window is scored again, unless a newer one waits; its latency counts from
        // the change.
        let again = || match &*queue.scored_lock() {
            Some(scored) if !gains.is_empty() => Some(Window { captured: Instant::now(), ..scored.window.clone() }),
            _ => None,
        };
        match window.or_else(again) {
            Some(window) => answer(&mut listeners, window, &mut failures, queue, outbox),
            None if gains.is_empty() => return,
            None => {}
        }
    }
}

/// Every listener's prediction for one window.
fn answer(
    listeners: &mut [Box<dyn Listener>],
    window: Window,
    failures: &mut [Option<String>],
    queue: &ScoringQueue,
    outbox: &Outbox,
) {
    let mut predictions = Vec::with_capacity(listeners.len());
    let last = listeners.len().saturating_sub(1);
    for (index, listener) in listeners.iter_mut().enumerate() {
        let start = Instant::now();
        let event = match guarded(|| listener.score(&window)) {
            Ok(prediction) => {
                predictions.push((listener.name().to_owned(), prediction.clone()));
                Some(LiveEvent::Prediction {
                    listener: index,
                    time_s: window.end_s,
                    prediction,
                    latency_ms: ms(window.captured),
                    compute_ms: ms(start),
                })
            }
            // Reported once, not at every hop.
            Err(reason) if failures[index].as_ref() == Some(&reason) => None,
            Err(reason) => {
                let problem = LiveEvent::Problem(format!("{}: {reason}", listener.name()));
                failures[index] = Some(reason);
                Some(problem)
            }
        };
        // Stored before the last prediction is sent: a request for the window on the screen must not get an older
        // one.
        if index == last {
            *queue.scored_lock() =
                Some(Scored { window: window.clone(), predictions: std::mem::take(&mut predictions) });
        }
        event.into_iter().for_each(|event| outbox.send(event));
    }
}

/// Runs a model and turns a panic into an error message: the other models continue, and so does this one with the next
/// window.
fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    panics::caught(work).unwrap_or_else(|message| {
        tracing::error!(message, "a model panicked while it scored");
        Err(format!("a fault in this program stopped its prediction ({message}); please report it"))
    })
}

fn ms(since: Instant) -> f32 {
    since.elapsed().as_secs_f32() * 1e3
}
