//! The thread on which the ears answer, so that a slow model never holds up hearing.
//!
//! Windows are not queued: while the ears are busy, a newer window takes the place of the one that waits, and is
//! counted. All ears score the same window, so that their answers can be compared.

use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Instant,
};

use super::{
    LiveEvent,
    listener::{Listener, Window},
    outbox::Outbox,
};
use crate::infer::Gains;

#[derive(Default)]
struct Waiting {
    window: Option<Window>,
    /// Gains to be set before the next answer, by ear.
    gains: Vec<(usize, Gains)>,
    closed: bool,
    skipped: u64,
}

/// What lies between those who hand in and the thread that answers.
#[derive(Default)]
pub(super) struct Desk {
    waiting: Mutex<Waiting>,
    bell: Condvar,
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
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
    pub(super) fn start(
        ears: Vec<Box<dyn Listener>>,
        outbox: Outbox,
        scored: Arc<Mutex<Option<Window>>>,
    ) -> io::Result<Self> {
        let desk = Arc::new(Desk::default());
        let thread = {
            let (desk, outbox) = (desk.clone(), outbox.clone());
            thread::Builder::new().name("live-score".into()).spawn(move || run(ears, &desk, &outbox, &scored))?
        };
        Ok(Self { desk, outbox, thread })
    }

    /// Hands over a window; one that still waits is given up.
    pub(super) fn submit(&self, window: Window) {
        let mut waiting = self.desk.lock();
        if waiting.window.replace(window).is_some() {
            waiting.skipped += 1;
            self.outbox.send(LiveEvent::Skipped(waiting.skipped));
        }
        self.desk.bell.notify_one();
    }

    /// Sets an ear's gains and scores the newest window again at once.
    pub(super) fn set_gains(desk: &Desk, ear: usize, gains: Gains) {
        let mut waiting = desk.lock();
        // Only the last position of a knob that is still being turned matters.
        waiting.gains.retain(|(of, _)| *of != ear);
        waiting.gains.push((ear, gains));
        desk.bell.notify_one();
    }

    /// The way to [`Scoring::set_gains`] from other threads.
    pub(super) fn desk(&self) -> Arc<Desk> {
        self.desk.clone()
    }

    /// Lets the thread answer the window that waits, then ends it.
    pub(super) fn finish(self) {
        self.desk.lock().closed = true;
        self.desk.bell.notify_one();
        // A panic in a model was reported by the panic hook; the pipeline ends in good order.
        let _ = self.thread.join();
    }

    /// Ends the thread after what it is doing, without waiting for it.
    pub(super) fn abandon(self) {
        let mut waiting = self.desk.lock();
        (waiting.window, waiting.closed) = (None, true);
        self.desk.bell.notify_one();
    }
}

fn run(mut ears: Vec<Box<dyn Listener>>, desk: &Desk, outbox: &Outbox, scored: &Mutex<Option<Window>>) {
    let mut failures = vec![None; ears.len()];
    loop {
        let idle = |waiting: &mut Waiting| waiting.window.is_none() && waiting.gains.is_empty() && !waiting.closed;
        let (window, gains) = {
            let waiting = desk.bell.wait_while(desk.lock(), idle);
            let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
            (waiting.window.take(), std::mem::take(&mut waiting.gains))
        };
        for (index, gains) in &gains {
            if let Some(ear) = ears.get_mut(*index)
                && let Err(reason) = ear.set_gains(gains)
            {
                outbox.send(LiveEvent::Problem(format!("{}: {reason}", ear.name())));
            }
        }
        // After a turn of the desk the window of the last answer is answered again, unless a newer one waits; its
        // latency counts from the turn.
        let again = || match &*lock(scored) {
            Some(window) if !gains.is_empty() => Some(Window { captured: Instant::now(), ..window.clone() }),
            _ => None,
        };
        let Some(window) = window.or_else(again) else {
            if gains.is_empty() {
                return;
            }
            continue;
        };
        // Before the answers: who asks for the window of the answer on the screen must not get an older one.
        *lock(scored) = Some(window.clone());
        for (index, ear) in ears.iter_mut().enumerate() {
            let start = Instant::now();
            match ear.score(&window) {
                Ok(scores) => outbox.send(LiveEvent::Answer {
                    ear: index,
                    time_s: window.end_s,
                    scores,
                    latency_ms: ms(window.captured),
                    compute_ms: ms(start),
                }),
                Err(reason) => {
                    // Told once, not at every hop.
                    if failures[index].as_ref() != Some(&reason) {
                        outbox.send(LiveEvent::Problem(format!("{}: {reason}", ear.name())));
                        failures[index] = Some(reason);
                    }
                }
            }
        }
    }
}

fn lock(scored: &Mutex<Option<Window>>) -> MutexGuard<'_, Option<Window>> {
    scored.lock().unwrap_or_else(PoisonError::into_inner)
}

fn ms(since: Instant) -> f32 {
    since.elapsed().as_secs_f32() * 1e3
}
