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
    listener::{Listener, Opinion, Window},
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
    pub said: Vec<(String, Opinion)>,
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
pub(super) struct Desk {
    waiting: Mutex<Waiting>,
    bell: Condvar,
    /// Rung when nothing is left to do.
    idle: Condvar,
    /// The last window that all ears have answered.
    scored: Mutex<Option<Scored>>,
}

impl Desk {
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
    pub(super) fn set_gains(&self, ear: usize, gains: Gains) {
        let mut waiting = self.lock();
        // Only the last position of a knob that is still being turned matters.
        waiting.gains.retain(|(of, _)| *of != ear);
        waiting.gains.push((ear, gains));
        self.bell.notify_one();
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
    desk: Arc<Desk>,
    outbox: Outbox,
    thread: JoinHandle<()>,
}

impl Scoring {
    /// Starts the thread.
    pub(super) fn start(ears: Vec<Box<dyn Listener>>, outbox: Outbox) -> io::Result<Self> {
        let desk = Arc::new(Desk::default());
        let thread = {
            let (desk, outbox) = (desk.clone(), outbox.clone());
            thread::Builder::new().name("live-score".into()).spawn(move || run(ears, &desk, &outbox))?
        };
        Ok(Self { desk, outbox, thread })
    }

    /// Hands over a window; one that still waits is given up.
    pub(super) fn submit(&self, window: Window) {
        let mut waiting = self.desk.lock();
        if waiting.held {
            return;
        }
        if waiting.window.replace(window).is_some() {
            waiting.skipped += 1;
            self.outbox.send(LiveEvent::Skipped(waiting.skipped));
        }
        self.desk.bell.notify_one();
    }

    /// The way to it from other threads.
    pub(super) fn desk(&self) -> Arc<Desk> {
        self.desk.clone()
    }

    /// Waits until the window that waits is answered.
    pub(super) fn settle(&self) {
        let mut waiting = self.desk.lock();
        // A thread that a model's panic ended will answer nothing more.
        while (waiting.busy || waiting.window.is_some()) && !self.thread.is_finished() {
            waiting = self.desk.idle.wait_timeout(waiting, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Lets the thread answer the window that waits, then ends it.
    pub(super) fn finish(self) {
        self.desk.lock().closed = true;
        self.desk.bell.notify_one();
        // Panics of models were caught and reported within.
        let _ = self.thread.join();
    }

    /// Ends the thread after what it is doing, without waiting for it.
    pub(super) fn abandon(self) {
        let mut waiting = self.desk.lock();
        (waiting.window, waiting.closed) = (None, true);
        self.desk.bell.notify_one();
    }
}

fn run(mut ears: Vec<Box<dyn Listener>>, desk: &Desk, outbox: &Outbox) {
    let mut failures = vec![None; ears.len()];
    loop {
        let idle = |waiting: &mut Waiting| waiting.window.is_none() && waiting.gains.is_empty() && !waiting.closed;
        let (window, gains) = {
            let mut waiting = desk.lock();
            waiting.busy = false;
            desk.idle.notify_all();
            let mut waiting = desk.bell.wait_while(waiting, idle).unwrap_or_else(PoisonError::into_inner);
            waiting.busy = true;
            (waiting.window.take(), std::mem::take(&mut waiting.gains))
        };
        for (index, gains) in &gains {
            if let Some(ear) = ears.get_mut(*index)
                && let Err(reason) = guarded(|| ear.set_gains(gains))
            {
                outbox.send(LiveEvent::Problem(format!("{}: {reason}", ear.name())));
            }
        }
        // After a turn of the desk the window of the last answer is answered again, unless a newer one waits; its
        // latency counts from the turn.
        let again = || match &*desk.scored_lock() {
            Some(scored) if !gains.is_empty() => Some(Window { captured: Instant::now(), ..scored.window.clone() }),
            _ => None,
        };
        match window.or_else(again) {
            Some(window) => answer(&mut ears, window, &mut failures, desk, outbox),
            None if gains.is_empty() => return,
            None => {}
        }
    }
}

/// Every ear's answer to one window.
fn answer(
    ears: &mut [Box<dyn Listener>],
    window: Window,
    failures: &mut [Option<String>],
    desk: &Desk,
    outbox: &Outbox,
) {
    let mut said = Vec::with_capacity(ears.len());
    let last = ears.len().saturating_sub(1);
    for (index, ear) in ears.iter_mut().enumerate() {
        let start = Instant::now();
        let event = match guarded(|| ear.score(&window)) {
            Ok(opinion) => {
                said.push((ear.name().to_owned(), opinion.clone()));
                Some(LiveEvent::Answer {
                    ear: index,
                    time_s: window.end_s,
                    opinion,
                    latency_ms: ms(window.captured),
                    compute_ms: ms(start),
                })
            }
            // Told once, not at every hop.
            Err(reason) if failures[index].as_ref() == Some(&reason) => None,
            Err(reason) => {
                let told = LiveEvent::Problem(format!("{}: {reason}", ear.name()));
                failures[index] = Some(reason);
                Some(told)
            }
        };
        // Before the last answer is told: who asks for the window on the screen must not get an older one.
        if index == last {
            *desk.scored_lock() = Some(Scored { window: window.clone(), said: std::mem::take(&mut said) });
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
