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

#[derive(Default)]
struct Waiting {
    window: Option<Window>,
    closed: bool,
    skipped: u64,
}

#[derive(Default)]
struct Desk {
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
        if waiting.window.replace(window).is_some() {
            waiting.skipped += 1;
            self.outbox.send(LiveEvent::Skipped(waiting.skipped));
        }
        self.desk.bell.notify_one();
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

fn run(mut ears: Vec<Box<dyn Listener>>, desk: &Desk, outbox: &Outbox) {
    let mut failures = vec![None; ears.len()];
    loop {
        let window = {
            let waiting = desk.bell.wait_while(desk.lock(), |waiting| waiting.window.is_none() && !waiting.closed);
            match waiting.unwrap_or_else(PoisonError::into_inner).window.take() {
                Some(window) => window,
                None => return,
            }
        };
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

fn ms(since: Instant) -> f32 {
    since.elapsed().as_secs_f32() * 1e3
}
