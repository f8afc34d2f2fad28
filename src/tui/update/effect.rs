//! What the state asks of the world: trainer, sound, files.

use std::path::PathBuf;

use crate::{
    export,
    infer::{Gains, Mix},
    live::Bookmark,
    plot::Chart,
    train,
    tui::{input::completion::Wanted, state::ticket::Ticket},
};

/// What a trainer is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Task {
    /// Begin a session.
    New(Box<train::Request>),
    /// Go on with the session in this folder, or of this name, that began at this time, ms since the Unix epoch.
    Resume(PathBuf, Option<u64>),
}

/// Something to be done in the world.
#[derive(Debug, PartialEq)]
pub enum Effect {
    /// Train these; two of them alternate step by step.
    Train(Vec<(Ticket, Task)>),
    /// Tell a run.
    Command(Ticket, train::Command),
    /// Read the list of sessions.
    List,
    /// Read a session.
    Open(Ticket, PathBuf),
    /// Delete a session.
    Remove(PathBuf),
    /// Find out the shape of the model that would be trained.
    Shape(Ticket, Box<train::Request>),
    /// Listen with these sessions to the microphone or a file.
    Listen(Ticket, Option<PathBuf>, Vec<PathBuf>, train::Request),
    /// Stop listening.
    StopListening,
    /// Keep to the window that was answered last, or follow what is heard again.
    Hold(bool),
    /// Turn the adapters of an ear.
    Gains(usize, Gains),
    /// Keep a desk with its session.
    SaveDesk(PathBuf, Mix),
    /// Read the desk that a session keeps; its name comes back with it.
    LoadDesk(PathBuf, String),
    /// Keep the window that was answered last with a session: what was heard, and the gains of each ear.
    Bookmark(PathBuf, String, Vec<String>),
    /// Read a session's bookmarks.
    Bookmarks(PathBuf),
    /// Ask a session's checkpoints about a bookmark, on this device.
    Replay(PathBuf, Box<Bookmark>, String),
    /// Delete a session's bookmark, then list again.
    RemoveBookmark(PathBuf, Box<Bookmark>),
    /// Open a lesson; without a folder, the one beside the sessions.
    OpenLesson(Option<PathBuf>),
    /// Name a class of the lesson.
    NameClass(String),
    /// Begin to record.
    Record,
    /// End the recording and keep it, but for its last milliseconds, as examples of this class.
    Recorded(String, u64),
    /// Remove an example: its class, and its place among the class's.
    RemoveExample(String, usize),
    /// Find the names of sessions, files and folders that complete a word.
    Complete(Ticket, Box<Wanted>),
    /// Draw charts to a file.
    Export(PathBuf, Vec<Chart>),
    /// Write a session for use elsewhere.
    ExportSession(Ticket, Box<export::Request>),
    /// Stop what is being exported: nothing is kept of it.
    StopExport,
    /// Stop the process until the shell continues it.
    Suspend,
    /// Leave.
    Quit,
}
