//! The thread on which the ears answer, so that a slow model never holds up hearing.
//!
//! Windows are not queued: while the ears are busy, a newer window takes the place of the one that waits, and is
//! counted. All ears score the same window, so that their answers can be compared.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{
    LiveEvent,
    listener::{Listener, Prediction, Window},
    outbox::Outbox,
};
use crate::infer::Gains;

/// How often a wait for the thread looks whether it is still alive.
const LOOK: Duration = Duration::from_millis(100);

/// A window with what every ear that could said of it, by name.
#[derive(Clone, Debug)]
pub struct Scored {
    /// What was heard.
    pub window: Window,
    /// Name and opinion of each ear, in order.
    pub predictions: Vec<(String, Prediction)>,
}

#[derive(Default)]
struct Waiting {
    window: Option<Window>,
    /// Gains to be set before the next answer, by ear.
    gains: Vec<(usize, Gains)>,
    /// Whether the window of the last answer stays, whatever is heard.
    held: bool,
    busy: bool,
    closed: bool,
    skipped: u64,
}

/// What lies between those who hand in and the thread that answers.
#[derive(Default)]
pub(super) struct ScoringQueue {
    waiting: Mutex<Waiting>,
    work_ready: Condvar,
    /// Rung when nothing is left to do.
    idle: Condvar,
    /// The last window that all ears have answered.
    scored: Mutex<Option<Scored>>,
}

impl ScoringQueue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn scored_lock(&self) -> MutexGuard<'_, Option<Scored>> {
        self.scored.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last window that was answered.
    pub(super) fn scored(&self) -> Option<Scored> {
        self.scored_lock().clone()
    }

    /// Sets an ear's gains and scores the newest window again at once.
    pub(super) fn set_gains(&self, listener: usize, gains: Gains) {
        let mut waiting = self.lock();
        // Only the last position of a knob that is still being turned matters.
        waiting.gains.retain(|(of, _)| *of != listener);
        waiting.gains.push((listener, gains));
        self.work_ready.notify_one();
    }

    /// Keeps to the window of the last answer, or follows what is heard again.
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

    /// Hands over a window; one that still waits is given up.
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

    /// The way to it from other threads.
    pub(super) fn queue(&self) -> Arc<ScoringQueue> {
        self.queue.clone()
    }

    /// Waits until the window that waits is answered.
    pub(super) fn settle(&self) {
        let mut waiting = self.queue.lock();
        // A thread that a model's panic ended will answer nothing more.
        while (waiting.busy || waiting.window.is_some()) && !self.thread.is_finished() {
            waiting = self.queue.idle.wait_timeout(waiting, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Lets the thread answer the window that waits, then ends it.
    pub(super) fn finish(self) {
        self.queue.lock().closed = true;
        self.queue.work_ready.notify_one();
        // Panics of models were caught and reported within.
        let _ = self.thread.join();
    }

    /// Ends the thread after what it is doing, without waiting for it.
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
        // After a turn of the desk the window of the last answer is answered again, unless a newer one waits; its
        // latency counts from the turn.
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

/// Every ear's answer to one window.
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
            // Told once, not at every hop.
            Err(reason) if failures[index].as_ref() == Some(&reason) => None,
            Err(reason) => {
                let problem = LiveEvent::Problem(format!("{}: {reason}", listener.name()));
                failures[index] = Some(reason);
                Some(problem)
            }
        };
        // Before the last answer is told: who asks for the window on the screen must not get an older one.
        if index == last {
            *queue.scored_lock() =
                Some(Scored { window: window.clone(), predictions: std::mem::take(&mut predictions) });
        }
        event.into_iter().for_each(|event| outbox.send(event));
    }
}

/// Runs a model, with a panic turned into a reason for people: the other models go on, and so does this one with the next
/// window.
fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let message = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let message = message.or_else(|| payload.downcast_ref::<String>().cloned());
        let message = message.unwrap_or_else(|| "no message".to_owned());
        tracing::error!(message, "a model panicked while it scored");
        Err(format!("a fault in this program stopped its answer ({message}); please report it"))
    })
}

fn ms(since: Instant) -> f32 {
    since.elapsed().as_secs_f32() * 1e3
}
