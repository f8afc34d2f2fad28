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
    session::Store,
    tui::{
        state::{
            scanning::{ScanNews, ScanRequest},
            ticket::Ticket,
        },
        update::message::Message,
    },
};

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
        let (store, inbox, stop) = (store.clone(), inbox.clone(), Arc::new(AtomicBool::new(false)));
        let asked = stop.clone();
        let spawned = thread::Builder::new().name("export".into()).spawn(move || {
            let mut watch = |stage: Stage| {
                let sent = match stage {
                    Stage::Writing(_) => Ok(()),
                    Stage::Verifying(done, total) => inbox.send(Message::Exporting(ticket, done, total)),
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
            let _ = inbox.send(Message::Exported(ticket, result));
        });
        match spawned {
            Ok(thread) => {
                self.exporting = Some((stop, thread));
                Vec::new()
            }
            Err(error) => vec![Message::Exported(ticket, Err(format!("the system could not start a thread: {error}")))],
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
        let (store, inbox, stop) = (store.clone(), inbox.clone(), Arc::new(AtomicBool::new(false)));
        let asked = stop.clone();
        let spawned = thread::Builder::new()
            .name("scan".into())
            .spawn(move || scan_task::scan(&inbox, ticket, &store, &request, &asked));
        match spawned {
            Ok(thread) => {
                self.scanning = Some((stop, thread));
                Vec::new()
            }
            Err(error) => {
                let problem = format!("the system could not start a thread: {error}");
                vec![Message::Scan(ticket, Box::new(ScanNews::Over(Err(problem))))]
            }
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
