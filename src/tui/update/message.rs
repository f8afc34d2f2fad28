//! Everything that can happen to the workbench.

use std::{path::PathBuf, sync::Arc};

use crate::{
    export::Report,
    infer::{Mix, Replay},
    live::{Bookmark, Lesson, LiveEvent},
    model::ModelConfig,
    train::News,
    tui::{
        input::action::Action,
        state::{run_slot::Opened, sessions::Listing, ticket::Ticket},
    },
};

/// What the world tells.
#[derive(Debug)]
pub enum Message {
    /// Someone asks.
    Do(Action),
    /// A key that is bound to nothing here, or not yet looked up.
    Key(crossterm::event::KeyEvent),
    /// Text pasted into the command line.
    Paste(String),
    /// The clock: milliseconds since the Unix epoch.
    Tick(u64),
    /// A frame is about to be drawn, so many milliseconds after the one before.
    Drawing(f64),
    /// The terminal has another size.
    Resized(u16, u16),
    /// A trainer of this process tells of the run with this ticket.
    Run(Ticket, News),
    /// The trainer of this run is gone; why, if it could not even be watched.
    RunOver(Ticket, Option<String>),
    /// The sessions were read.
    Sessions(Result<Vec<Listing>, String>),
    /// The session that was asked for was read.
    Opened(Ticket, Result<Box<Opened>, String>),
    /// The session in this folder was deleted at this time, ms since the Unix epoch; or why it was not.
    Removed(PathBuf, Result<u64, String>),
    /// The shape of the model that would be trained next.
    Shape(Ticket, Result<Box<ModelConfig>, String>),
    /// Something was heard or thought by those who were asked to listen.
    Live(Ticket, LiveEvent),
    /// A key was let go, where the terminal tells.
    Released(crossterm::event::KeyEvent),
    /// A session's bookmarks were read.
    Bookmarks(PathBuf, Vec<Bookmark>),
    /// Every checkpoint was asked about the bookmark of this time.
    Replayed(u64, Result<Vec<Replay>, String>),
    /// The desk that a session keeps was read.
    Desk(String, Mix),
    /// So many clips of so many were compared with what an export wrote.
    Exporting(Ticket, usize, usize),
    /// An export is over: what was written, or why nothing was.
    Exported(Ticket, Result<Box<Report>, String>),
    /// Words were found that complete the command line's.
    Completed(Ticket, Vec<String>),
    /// The lesson as it now is.
    Lesson(Box<Lesson>),
    /// Something worth telling.
    Notice(Arc<str>),
    /// Something went wrong.
    Trouble(Arc<str>),
}

impl Message {
    /// What went wrong, from any thread.
    pub fn trouble(words: impl Into<Arc<str>>) -> Self {
        Self::Trouble(words.into())
    }
}
