//! The live pipeline in the workbench: on its own thread, with a handle.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use super::inbox::Inbox;
use crate::{
    infer::Classifier,
    live::{self, ClassifierListener, FileControl, FileSource, Listener, LiveEvent, Pipeline, Settings, Source},
    session::Store,
    train::Request,
    tui::{state::ticket::Ticket, text, update::message::Message},
};

/// How long the thread that forwards events waits before it checks whether they are still wanted.
const PATIENCE: Duration = Duration::from_millis(500);

const GO_ON: u8 = 0;
const STOP: u8 = 1;
const REPLACED: u8 = 2;

/// What to listen to, and with which sessions.
pub struct Asked {
    /// The ticket of its messages.
    pub ticket: Ticket,
    /// A file, or the default microphone.
    pub file: Option<PathBuf>,
    /// Sessions by folder or name.
    pub sessions: Vec<PathBuf>,
    /// Names the device.
    pub setup: Request,
}

/// A handle to the current listen task.
#[derive(Clone, Default)]
pub struct ListenTask(Arc<Shared>);

#[derive(Default)]
struct Shared {
    wish: AtomicU8,
    pipeline: Mutex<Option<Arc<Pipeline>>>,
    /// Of a file that is played.
    file: FileControl,
}

impl ListenTask {
    /// Ends it. If another one replaces it, its end is not reported.
    pub fn stop(&self, replaced: bool) {
        self.0.wish.store(if replaced { REPLACED } else { STOP }, Ordering::Relaxed);
        if let Some(pipeline) = self.pipeline() {
            pipeline.stop();
        }
    }

    /// Its pipeline, once it runs.
    pub fn pipeline(&self) -> Option<Arc<Pipeline>> {
        self.0.pipeline.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Goes on at so many seconds from the beginning of the file that is played.
    pub fn seek(&self, seconds: f64) {
        self.0.file.seek(seconds);
    }

    fn wish(&self) -> u8 {
        self.0.wish.load(Ordering::Relaxed)
    }

    /// Listens until it is stopped, and sends the pipeline's events under this ticket. Blocks; sends `Closed` last.
    pub fn run(&self, asked: &Asked, store: &Store, inbox: &Inbox) {
        let send = |event| inbox.send(Message::Live(asked.ticket, event));
        if let Err(problem) = self.listen(asked, store, inbox) {
            let _ = send(LiveEvent::Problem(problem));
        }
        *self.0.pipeline.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if self.wish() != REPLACED {
            let _ = send(LiveEvent::Closed);
        }
    }

    fn listen(&self, asked: &Asked, store: &Store, inbox: &Inbox) -> Result<(), String> {
        let Asked { ticket, file, sessions, setup } = asked;
        if let Some(file) = file.as_ref().filter(|file| !file.is_file()) {
            return Err(format!("{}: there is no such file", file.display()));
        }
        let mut listeners: Vec<Box<dyn Listener>> = Vec::new();
        for session in sessions {
            match Classifier::open(&session.to_string_lossy(), store, &setup.device) {
                Ok(classifier) => {
                    if !classifier.notes().is_empty() {
                        let notice = format!("{}: {}", text::file_name(session), classifier.notes().join("; "));
                        let _ = inbox.send(Message::Notice(notice.into()));
                    }
                    listeners.push(Box::new(ClassifierListener::new(text::file_name(session), classifier)))
                }
                Err(error) => {
                    let _ = inbox.send(Message::trouble(error.to_string()));
                }
            }
        }
        let control = &self.0.file;
        let source: Box<dyn Source> = match file {
            Some(file) => Box::new(FileSource { path: file.clone(), control: control.clone() }),
            None => live::source(None),
        };
        let settings = Settings { linger: true, ..Settings::default() };
        let pipeline = Pipeline::start(source, listeners, settings)
            .map_err(|error| format!("listening could not begin: {error}"))?;
        let pipeline = Arc::new(pipeline);
        *self.0.pipeline.lock().unwrap_or_else(PoisonError::into_inner) = Some(pipeline.clone());
        let mut sent = false;
        while let Some(events) = pipeline.events().wait(PATIENCE) {
            if let Some(overview) = control.overview().filter(|_| file.is_some()) {
                let overview = (!std::mem::replace(&mut sent, true)).then_some(overview);
                let _ = inbox.send(Message::LiveFile(*ticket, overview, control.position_s()));
            }
            for event in events {
                if self.wish() != GO_ON || inbox.send(Message::Live(*ticket, event)).is_err() {
                    return Ok(());
                }
            }
            if self.wish() != GO_ON {
                break;
            }
        }
        Ok(())
    }
}
