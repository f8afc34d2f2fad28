//! Long jobs that can be stopped: an export, a scan, a check of data, a search for wrong labels. One of each at a time.

use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use super::{inbox::Inbox, scan_task};
use crate::{
    export::{self, ExportError, Stage},
    panics,
    session::Store,
    tui::{
        state::{
            scanning::{ScanNews, ScanRequest},
            ticket::Ticket,
        },
        update::message::Message,
    },
};

/// Runs some work; when it panics, `failed` makes the message of it.
pub(super) fn guarded(failed: impl FnOnce(String) -> Message, work: impl FnOnce() -> Message) -> Message {
    panics::caught(work).unwrap_or_else(|words| failed(fault(&words)))
}

/// Starts a thread for some work. `failed` makes the message when the work panics, and when the system cannot start the
/// thread: then it is returned.
pub(super) fn start(
    name: &str,
    inbox: &Inbox,
    failed: impl FnOnce(String) -> Message + Clone + Send + 'static,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, Message> {
    let (inbox, of_panic) = (inbox.clone(), failed.clone());
    let guarded = move || {
        if let Err(words) = panics::caught(work) {
            let _ = inbox.send(of_panic(fault(&words)));
        }
    };
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(guarded)
        .map_err(|error| failed(format!("the system could not start a thread: {error}")))
}

/// The message of a panic.
pub(super) fn fault(words: &str) -> String {
    tracing::error!(words, "a job panicked");
    format!("a fault in this program stopped it ({words}); please report it")
}

/// The running jobs: the stop flag of each, and the thread of those that are waited for.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    exporting: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
    scanning: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
    checking: Option<Arc<AtomicBool>>,
    searching: Option<Arc<AtomicBool>>,
}

impl Jobs {
    /// Exports a session.
    pub(super) fn export(
        &mut self,
        store: &Store,
        inbox: &Inbox,
        ticket: Ticket,
        request: export::Request,
    ) -> Vec<Message> {
        let (store, sender, stop) = (store.clone(), inbox.clone(), Arc::new(AtomicBool::new(false)));
        let asked = stop.clone();
        let failed = move |why| Message::Exported(ticket, Err(why));
        let started = start("export", inbox, failed, move || {
            let mut watch = |stage: Stage| {
                let sent = match stage {
                    Stage::Writing(_) => Ok(()),
                    Stage::Verifying(done, total) => sender.send(Message::Exporting(ticket, done, total)),
                };
                // Nobody watches any more once the workbench is closed.
                if sent.is_err() || asked.load(Ordering::Relaxed) {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            };
            let result = export::export(&request, &store, &mut watch).map(Box::new).map_err(|error| match error {
                ExportError::Interrupted => "stopped: nothing was written".to_owned(),
                error => error.to_string(),
            });
            let _ = sender.send(Message::Exported(ticket, result));
        });
        match started {
            Ok(thread) => {
                self.exporting = Some((stop, thread));
                Vec::new()
            }
            Err(message) => vec![message],
        }
    }

    /// Stops the export: nothing is kept.
    pub(super) fn stop_export(&self) {
        if let Some((stop, _)) = &self.exporting {
            stop.store(true, Ordering::Relaxed);
        }
    }

    /// Scans recordings.
    pub(super) fn scan(&mut self, store: &Store, inbox: &Inbox, ticket: Ticket, request: ScanRequest) -> Vec<Message> {
        let (store, sender, stop) = (store.clone(), inbox.clone(), Arc::new(AtomicBool::new(false)));
        let asked = stop.clone();
        let failed = move |why| Message::Scan(ticket, Box::new(ScanNews::Over(Err(why))));
        let work = move || scan_task::scan(&sender, ticket, &store, &request, &asked);
        match start("scan", inbox, failed, work) {
            Ok(thread) => {
                self.scanning = Some((stop, thread));
                Vec::new()
            }
            Err(message) => vec![message],
        }
    }

    /// Stops the scan: what is done is kept.
    pub(super) fn stop_scan(&self) {
        if let Some((stop, _)) = &self.scanning {
            stop.store(true, Ordering::Relaxed);
        }
    }

    /// The stop flag of a search for wrong labels that begins now; an earlier one ends.
    pub(super) fn begin_search(&mut self) -> Arc<AtomicBool> {
        self.stop_search();
        self.searching.insert(Arc::default()).clone()
    }

    /// Stops the search for wrong labels.
    pub(super) fn stop_search(&mut self) {
        if let Some(stop) = self.searching.take() {
            stop.store(true, Ordering::Relaxed);
        }
    }

    /// Begins a check of data, in place of the one before: its stop flag.
    pub(super) fn begin_check(&mut self) -> Arc<AtomicBool> {
        self.stop_check();
        self.checking.insert(Arc::default()).clone()
    }

    /// Stops the check of data.
    pub(super) fn stop_check(&mut self) {
        if let Some(stop) = self.checking.take() {
            stop.store(true, Ordering::Relaxed);
        }
    }

    /// Stops everything.
    pub(super) fn stop(&mut self) {
        self.stop_export();
        self.stop_scan();
        self.stop_check();
        self.stop_search();
    }

    /// Waits for the jobs that have files to remove or to complete.
    pub(super) fn wait(&mut self) {
        for (_, thread) in self.exporting.take().into_iter().chain(self.scanning.take()) {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;
    use crate::tui::{runtime::inbox, state::ticket::Tickets};

    #[test]
    fn a_job_that_panics_ends_as_failed_and_not_as_running_for_ever() {
        let (sender, mut answers) = inbox::channel();
        let ticket = Tickets::default().draw();
        let failed = move |why| Message::DataRead(ticket, Err(why));
        start("reader", &sender, failed, || panic!("no such {}", "column")).unwrap().join().unwrap();
        let Some(Message::DataRead(of, Err(why))) = answers.blocking_recv() else { unreachable!() };
        assert_eq!(of, ticket);
        assert!(why.contains("(no such column); please report it"), "{why}");
    }
}
