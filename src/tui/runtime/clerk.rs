//! The thread that reads and changes sessions and lists on disk: one job after the other, in order.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Sender},
    },
    thread::{self, JoinHandle},
};

use super::{inbox::Inbox, jobs::guarded};
use crate::{session::Store, tui::update::message::Message};

/// A job.
struct Job {
    /// Whether it changes files: it is done even when the workbench closes meanwhile.
    writes: bool,
    /// Returns a message, also when it panics.
    work: Box<dyn FnOnce(&Store) -> Message + Send>,
}

/// The thread and its queue.
#[derive(Debug)]
pub(super) struct Clerk {
    jobs: Option<Sender<Job>>,
    closing: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Clerk {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system cannot start a thread.
    pub(super) fn start(store: Store, inbox: Inbox) -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let closing = Arc::<AtomicBool>::default();
        let is_closing = closing.clone();
        let thread = thread::Builder::new().name("clerk".into()).spawn(move || {
            for job in queue {
                if is_closing.load(Ordering::Relaxed) && !job.writes {
                    continue;
                }
                // The loop may have ended: the jobs that write are done all the same.
                let _ = inbox.send((job.work)(&store));
            }
        })?;
        Ok(Self { jobs: Some(jobs), closing, thread: Some(thread) })
    }

    /// Reads something. `failed` is the message when that panics.
    pub(super) fn read(
        &self,
        failed: impl FnOnce(String) -> Message + Send + 'static,
        work: impl FnOnce(&Store) -> Message + Send + 'static,
    ) -> Vec<Message> {
        self.send(Job { writes: false, work: Box::new(|store| guarded(failed, || work(store))) })
    }

    /// Changes something on disk. `failed` is the message when that panics.
    pub(super) fn write(
        &self,
        failed: impl FnOnce(String) -> Message + Send + 'static,
        work: impl FnOnce(&Store) -> Message + Send + 'static,
    ) -> Vec<Message> {
        self.send(Job { writes: true, work: Box::new(|store| guarded(failed, || work(store))) })
    }

    fn send(&self, job: Job) -> Vec<Message> {
        match self.jobs.as_ref().map(|jobs| jobs.send(job)) {
            Some(Ok(())) => Vec::new(),
            _ => {
                vec![Message::trouble("the thread that reads sessions is gone: leave and open the workbench again")]
            }
        }
    }

    /// Waits until everything that changes files is done; what would only be read is left out.
    pub(super) fn stop(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use std::{fs, time::Duration};

    use super::*;
    use crate::tui::runtime::inbox;

    #[test]
    fn a_decision_made_just_before_leaving_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let (sender, answers) = inbox::channel();
        let mut clerk = Clerk::start(Store::at(folder.path()), sender).unwrap();
        // The event loop has ended, and the thread is still busy.
        drop(answers);
        clerk.read(Message::trouble, |_| {
            thread::sleep(Duration::from_millis(50));
            Message::trouble("a list that is not shown any more")
        });
        for number in 0..3 {
            let path = folder.path().join(number.to_string());
            clerk.write(Message::trouble, move |_| {
                fs::write(path, "decided").unwrap();
                Message::trouble("")
            });
        }
        clerk.stop();
        assert!((0..3).all(|number| folder.path().join(number.to_string()).exists()));
    }

    #[test]
    fn a_job_that_panics_is_reported_and_the_next_one_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let (sender, mut answers) = inbox::channel();
        let clerk = Clerk::start(Store::at(folder.path()), sender).unwrap();
        clerk.read(Message::trouble, |_| panic!("at the disco"));
        clerk.read(Message::trouble, |_| Message::trouble("the next one"));
        let Some(Message::Trouble(text)) = answers.blocking_recv() else { unreachable!() };
        assert!(format!("{text:?}").contains("at the disco"), "{text:?}");
        let Some(Message::Trouble(text)) = answers.blocking_recv() else { unreachable!() };
        assert!(format!("{text:?}").contains("the next one"), "{text:?}");
    }
}
