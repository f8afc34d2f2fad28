//! The live pipeline as the workbench runs it: on a thread of its own, with a handle to turn its knobs.

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
    live::{self, ClassifierListener, Listener, LiveEvent, Pipeline, Settings},
    session::Store,
    train::Request,
    tui::{state::ticket::Ticket, text, update::message::Message},
};

/// How long the thread that forwards events waits before it looks whether anybody still wants them.
const PATIENCE: Duration = Duration::from_millis(500);

const GO_ON: u8 = 0;
const STOP: u8 = 1;
const REPLACED: u8 = 2;

/// What is to be heard, and by whom.
pub struct Asked {
    /// What everything that is told of it carries.
    pub ticket: Ticket,
    /// A file, or the default microphone.
    pub file: Option<PathBuf>,
    /// Sessions by folder or name.
    pub sessions: Vec<PathBuf>,
    /// Names the device.
    pub setup: Request,
}

/// What is heard now, from the outside.
#[derive(Clone, Default)]
pub struct ListenTask(Arc<Shared>);

#[derive(Default)]
struct Shared {
    wish: AtomicU8,
    pipeline: Mutex<Option<Arc<Pipeline>>>,
}

impl ListenTask {
    /// Ends it. With another to follow, nothing is told of this one's end.
    pub fn stop(&self, replaced: bool) {
        self.0.wish.store(if replaced { REPLACED } else { STOP }, Ordering::Relaxed);
        if let Some(pipeline) = self.pipeline() {
            pipeline.stop();
        }
    }

    /// Its pipeline, once that runs.
    pub fn pipeline(&self) -> Option<Arc<Pipeline>> {
        self.0.pipeline.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn wish(&self) -> u8 {
        self.0.wish.load(Ordering::Relaxed)
    }

    /// Listens until it is stopped, and sends what is heard under this ticket. Blocks; sends `Closed` last.
    pub fn run(&self, asked: &Asked, store: &Store, inbox: &Inbox) {
        let tell = |event| inbox.send(Message::Live(asked.ticket, event));
        if let Err(problem) = self.listen(asked, store, inbox) {
            let _ = tell(LiveEvent::Problem(problem));
        }
        *self.0.pipeline.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if self.wish() != REPLACED {
            let _ = tell(LiveEvent::Closed);
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
                    listeners.push(Box::new(ClassifierListener::new(text::file_name(session), classifier)))
                }
                Err(error) => {
                    let _ = inbox.send(Message::trouble(error.to_string()));
                }
            }
        }
        let file = file.as_ref().map(|file| file.to_string_lossy().into_owned());
        let settings = Settings { linger: true, ..Settings::default() };
        let pipeline = Pipeline::start(live::source(file.as_deref()), listeners, settings)
            .map_err(|error| format!("listening could not begin: {error}"))?;
        let pipeline = Arc::new(pipeline);
        *self.0.pipeline.lock().unwrap_or_else(PoisonError::into_inner) = Some(pipeline.clone());
        while let Some(events) = pipeline.events().wait(PATIENCE) {
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
