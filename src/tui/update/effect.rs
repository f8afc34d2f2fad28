//! Effects: requests of the state to trainer, sound and files.

use std::path::PathBuf;

use crate::{
    export,
    infer::{Gains, Mix},
    live::Bookmark,
    plot::Chart,
    train,
    tui::{input::completion::Wanted, state::ticket::Ticket},
};

/// A trainer's task.
#[derive(Clone, Debug, PartialEq)]
pub enum Task {
    /// Begin a session.
    New(Box<train::Request>),
    /// Resume the session in this folder, or of this name, that began at this time, ms since the Unix epoch.
    Resume(PathBuf, Option<u64>),
}

/// An effect to perform.
#[derive(Debug, PartialEq)]
pub enum Effect {
    /// Train these; two of them alternate step by step.
    Train(Vec<(Ticket, Task)>),
    /// Send a command to a run.
    Command(Ticket, train::Command),
    /// Read the list of sessions.
    List,
    /// Read a session.
    Open(Ticket, PathBuf),
    /// Watch a sweep, by its file; without one, the sweep whose sessions these are.
    WatchSweep(Ticket, Option<PathBuf>),
    /// Stop watching it.
    LeaveSweep,
    /// Delete a session.
    Remove(PathBuf),
    /// Determine the shape of the model that would be trained.
    Shape(Ticket, Box<train::Request>),
    /// Listen with these sessions to the microphone or a file.
    Listen(Ticket, Option<PathBuf>, Vec<PathBuf>, Box<train::Request>),
    /// Stop listening.
    StopListening,
    /// Keep scoring the last window, or follow the sound again.
    Hold(bool),
    /// Set a listener's gains.
    Gains(usize, Gains),
    /// Save a desk with its session.
    SaveDesk(PathBuf, Mix),
    /// Load a session's saved desk; the session's name comes back with it.
    LoadDesk(PathBuf, String),
    /// Save the last scored window in a session as a bookmark: source, and the gains of each listener.
    Bookmark(PathBuf, String, Vec<String>),
    /// Read a session's bookmarks.
    Bookmarks(PathBuf),
    /// Replay a bookmark through its session's checkpoints, on this device.
    Replay(PathBuf, Box<Bookmark>, String),
    /// Delete a session's bookmark, then list again.
    RemoveBookmark(PathBuf, Box<Bookmark>),
    /// Open a lesson; without a folder, the default one beside the sessions.
    OpenLesson(Option<PathBuf>),
    /// Name a class of the lesson.
    NameClass(String),
    /// Begin to record.
    Record,
    /// End the recording and save it, except its last milliseconds, as examples of this class.
    Recorded(String, u64),
    /// Remove an example: its class, and its place among the class's.
    RemoveExample(String, usize),
    /// Find the names of sessions, files and folders that complete a word.
    Complete(Ticket, Box<Wanted>),
    /// Draw charts to a file.
    Export(PathBuf, Vec<Chart>),
    /// Export a session.
    ExportSession(Ticket, Box<export::Request>),
    /// Stop the export: nothing is kept.
    StopExport,
    /// Stop the process until the shell continues it.
    Suspend,
    /// Leave.
    Quit,
}
