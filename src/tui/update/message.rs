//! Everything that can happen to the workbench.

use std::{path::PathBuf, sync::Arc};

use crate::{
    audio::playback,
    data::{CorrectionsPlace, Problem},
    export::Report,
    findings::{Against, SessionFindings},
    infer::{Mix, Replay},
    live::{BookmarkList, FileOverview, Lesson, LiveEvent},
    model::ModelConfig,
    session::NotesChange,
    sweep::Snapshot,
    train::News,
    tui::{
        input::{
            action::Action,
            pointer::{Press, Target},
        },
        state::{
            browser::Listed, clip_panel::Loaded, data::Found, data_view::DataView, look::Look, review::ReviewList,
            run_slot::Opened, scanning::ScanNews, sessions::Listing, ticket::Ticket, together::ReadTogether,
        },
    },
};

/// A message to the workbench.
#[derive(Debug)]
pub enum Message {
    /// An action.
    Do(Action),
    /// A key without a meaning here, or not looked up yet.
    Key(crossterm::event::KeyEvent),
    /// Something was done with the mouse, to what it points at.
    Pointed(Option<Target>, Press),
    /// Text pasted into the command line.
    Paste(String),
    /// The clock: milliseconds since the Unix epoch.
    Tick(u64),
    /// A frame is about to be drawn, so many milliseconds after the last one.
    Drawing(f64),
    /// The terminal has another size.
    Resized(u16, u16),
    /// News of the run with this ticket.
    Run(Ticket, News),
    /// The trainer of this run is gone; why, if it could not even be watched.
    RunOver(Ticket, Option<String>),
    /// The sessions were read.
    Sessions(Result<Vec<Listing>, String>),
    /// The notes of these sessions were changed in this way, or not.
    Annotated(Vec<PathBuf>, Box<NotesChange>, Result<(), String>),
    /// Several sessions were read.
    Together(Ticket, Arc<ReadTogether>),
    /// Where the tasks of the watched sweep stand, or why it cannot be read.
    Sweep(Ticket, Result<Arc<Snapshot>, String>),
    /// The requested session was read.
    Opened(Ticket, Result<Box<Opened>, String>),
    /// The session in this folder was deleted at this time, ms since the Unix epoch; or why it was not.
    Removed(PathBuf, Result<u64, String>),
    /// The shape of the model that would be trained next.
    Shape(Ticket, Result<Box<ModelConfig>, String>),
    /// An event of the live pipeline.
    Live(Ticket, LiveEvent),
    /// The file that is listened to: all of it, once, and the playhead, in seconds from its beginning.
    LiveFile(Ticket, Option<Arc<FileOverview>>, f64),
    /// A key was released, where the terminal reports that.
    Released(crossterm::event::KeyEvent),
    /// A session's bookmarks were read.
    Bookmarks(PathBuf, BookmarkList),
    /// The bookmark of this time was replayed through every checkpoint.
    Replayed(u64, Result<Vec<Replay>, String>),
    /// A session's saved desk was loaded.
    Desk(String, Mix),
    /// So many clips of so many were compared with what an export wrote.
    Exporting(Ticket, usize, usize),
    /// An export is over: what was written, or why nothing was.
    Exported(Ticket, Result<Box<Report>, String>),
    /// Words were found that complete the command line's.
    Completed(Ticket, Vec<String>),
    /// A clip was decoded for a panel; or why it could not be.
    Clip(Ticket, Result<Arc<Loaded>, String>),
    /// How a sound goes on.
    Playing(Ticket, playback::Status),
    /// The data of the next run was read; or why it could not be.
    DataRead(Ticket, Result<Arc<DataView>, String>),
    /// A check has found something.
    DataFound(Ticket, Box<Found>),
    /// A check is complete: every problem; or why it ended.
    DataChecked(Ticket, Result<Vec<Problem>, String>),
    /// A folder was listed: its path from the root on, and what is in it.
    Folder(Ticket, Listed),
    /// What something in the browser is recognised as.
    Recognised(Ticket, String, Look),
    /// Something happened in a scan.
    Scan(Ticket, Box<ScanNews>),
    /// What a session gets wrong was computed, or cannot be.
    Results(Ticket, Result<Arc<SessionFindings>, String>),
    /// The other side's session was compared with it.
    Against(Ticket, Result<Arc<Against>, String>),
    /// A search for likely wrong labels has come so far: clips done, and clips in all.
    Searching(Ticket, usize, usize),
    /// It has made a list, or could not.
    Searched(Ticket, Result<Arc<ReviewList>, String>),
    /// A decision is on the disk, or is not.
    Saved(Ticket, Result<CorrectionsPlace, String>),
    /// The current lesson.
    Lesson(Box<Lesson>),
    /// A notice.
    Notice(Arc<str>),
    /// An error.
    Trouble(Arc<str>),
}

impl Message {
    /// An error, from any thread.
    pub fn trouble(words: impl Into<Arc<str>>) -> Self {
        Self::Trouble(words.into())
    }
}
