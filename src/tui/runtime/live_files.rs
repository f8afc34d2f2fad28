//! The Live screen's files: bookmarks, desks, lessons.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{inbox::Inbox, listen_task::ListenTask};
use crate::{
    audio::SAMPLE_RATE,
    infer::{self, Mix},
    live::{Bookmark, BookmarkedPrediction, ClipError, Lesson},
    session::{SessionError, Store},
    tui::{text, update::message::Message},
};

/// The folder of lessons beside that of sessions, and the default lesson.
const LESSONS: &str = "lessons";
const LESSON: &str = "mine";

/// A session's bookmarks.
pub fn bookmarks(store: &Store, session: PathBuf) -> Message {
    let list = || -> Result<_, String> { Bookmark::list(&find(store, &session)?).map_err(words) };
    match list() {
        Ok(list) => Message::Bookmarks(session, list),
        Err(problem) => Message::trouble(problem),
    }
}

/// Saves the last predictions as a bookmark of a session.
pub fn bookmark(
    store: &Store,
    inbox: &Inbox,
    task: Option<&ListenTask>,
    session: PathBuf,
    source: &str,
    gains: &[String],
) -> Message {
    let keep = || -> Result<Option<Bookmark>, String> {
        let Some(scored) = task.and_then(ListenTask::pipeline).and_then(|pipeline| pipeline.scored()) else {
            return Ok(None);
        };
        let gains = gains.iter().cloned().chain(std::iter::repeat(String::new()));
        let predictions = scored.predictions.iter().zip(gains);
        let predictions = predictions
            .map(|((listener, prediction), gains)| BookmarkedPrediction {
                gains,
                ..BookmarkedPrediction::new(listener, &prediction.scores)
            })
            .collect();
        Bookmark::save(&find(store, &session)?, source, &scored.window, predictions).map(Some).map_err(words)
    };
    match keep() {
        Ok(None) => Message::Notice("there is no prediction yet".into()),
        Ok(Some(kept)) => {
            let notice = format!("bookmarked {:.1} s of {source} in {}", kept.time_s, text::file_name(&session));
            let _ = inbox.send(Message::Notice(notice.into()));
            bookmarks(store, session)
        }
        Err(problem) => Message::trouble(problem),
    }
}

/// Deletes a bookmark, then lists again.
pub fn remove_bookmark(store: &Store, inbox: &Inbox, session: PathBuf, bookmark: Bookmark) -> Message {
    let removed = find(store, &session).and_then(|folder| bookmark.remove(&folder).map_err(words));
    let message = match removed {
        Ok(()) => Message::Notice("the bookmark is deleted".into()),
        Err(problem) => Message::trouble(problem),
    };
    let _ = inbox.send(message);
    bookmarks(store, session)
}

/// The scores of a bookmark by every checkpoint of its session.
pub fn replay(store: &Store, session: &Path, bookmark: &Bookmark, device: &str) -> Message {
    let ask = || -> Result<_, String> {
        let folder = find(store, session)?;
        let samples = bookmark.samples(&folder).map_err(words)?;
        infer::replay(&folder, device, &samples).map_err(words)
    };
    Message::Replayed(bookmark.at_ms, ask())
}

/// Saves a desk with its session.
pub fn save_desk(store: &Store, session: &Path, mix: &Mix) -> Message {
    match find(store, session).and_then(|folder| mix.save(&folder).map_err(words)) {
        Ok(()) => {
            let name = text::file_name(session);
            Message::Notice(format!("saved with {name}: aat-tui eval {name} --gains saved").into())
        }
        Err(problem) => Message::trouble(format!("the desk could not be saved: {problem}")),
    }
}

/// Loads a session's saved desk.
pub fn load_desk(store: &Store, session: &Path, name: String) -> Message {
    match find(store, session).and_then(|folder| Mix::saved(&folder).map_err(words)) {
        Ok(Some(mix)) => Message::Desk(name, mix),
        Ok(None) => Message::Notice(format!("{name} has no desk saved with it yet: w saves this one").into()),
        Err(problem) => Message::trouble(format!("the saved desk cannot be read: {problem}; save it again")),
    }
}

/// The current lesson, shared by the threads that change it.
#[derive(Clone, Default)]
pub struct Taught(Arc<Mutex<Option<Lesson>>>);

impl Taught {
    fn lock(&self) -> MutexGuard<'_, Option<Lesson>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a lesson; without a folder, the default one beside the sessions.
    pub fn open(&self, store: &Store, folder: Option<PathBuf>) -> Message {
        let beside = || store.root().parent().unwrap_or(Path::new(".")).join(LESSONS).join(LESSON);
        match Lesson::open(folder.unwrap_or_else(beside)) {
            Ok(lesson) => {
                *self.lock() = Some(lesson.clone());
                Message::Lesson(Box::new(lesson))
            }
            Err(error) => Message::trouble(error.to_string()),
        }
    }

    /// Changes the lesson and sends its new state.
    pub fn change(&self, store: &Store, change: impl FnOnce(&mut Lesson) -> Result<(), ClipError>) -> Message {
        if self.lock().is_none()
            && let problem @ Message::Trouble(_) = self.open(store, None)
        {
            return problem;
        }
        match &mut *self.lock() {
            Some(lesson) => match change(lesson) {
                Ok(()) => Message::Lesson(Box::new(lesson.clone())),
                Err(error) => Message::trouble(error.to_string()),
            },
            None => Message::trouble("the lesson could not be opened"),
        }
    }

    /// Saves a recording, except its last milliseconds.
    pub fn keep(&self, store: &Store, inbox: &Inbox, class: &str, mut samples: Vec<f32>, without_ms: u64) -> Message {
        let surplus = without_ms as usize * SAMPLE_RATE as usize / 1000;
        // Never shorter than the example of a tap.
        samples.truncate(samples.len().saturating_sub(surplus).max(samples.len().min(SAMPLE_RATE as usize)));
        self.change(store, |lesson| {
            let kept = lesson.keep(class, &samples)?;
            let more = if kept == 1 { "" } else { "s" };
            let _ = inbox.send(Message::Notice(format!("{kept} example{more} of {class}").into()));
            Ok(())
        })
    }
}

fn find(store: &Store, session: &Path) -> Result<PathBuf, String> {
    store.find(&session.to_string_lossy()).map_err(|error: SessionError| error.to_string())
}

fn words(error: impl ToString) -> String {
    error.to_string()
}
