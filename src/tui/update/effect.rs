//! Effects: requests of the state to trainer, sound and files.

use std::{path::PathBuf, sync::Arc};

use crate::{
    audio::playback,
    data::{Decision, Source},
    export,
    findings::SessionFindings,
    infer::{Gains, Mix},
    live::Bookmark,
    plot::Chart,
    session::NotesChange,
    train,
    tui::{
        input::{choice::Choice, completion::Wanted},
        state::{
            data_view::DataView,
            preferences::Preferences,
            review::{ReviewList, ToReview},
            scanning::ScanRequest,
            ticket::Ticket,
        },
    },
};

/// A trainer's task.
#[derive(Clone, Debug, PartialEq)]
pub enum Task {
    /// Begin a session.
    New(Box<train::Request>),
    /// Resume the session in this folder, or of this name, that began at this time, ms since the Unix epoch.
    Resume(PathBuf, Option<u64>),
}

/// An order to whatever plays.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Playback {
    /// Open the speaker: a sound is expected.
    Prepare,
    /// Stop.
    Stop,
    /// Go on at this sample of the sound.
    Seek(u64),
    /// Set the volume: 1 is full.
    Volume(f32),
    /// Play again and again, or once.
    Loop(bool),
}

/// A folder to browse.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// The folder around this file or folder; the working folder where it is not there.
    Around(String),
    /// This folder.
    In(PathBuf),
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
    /// Change the notes of these sessions.
    Annotate(Vec<PathBuf>, NotesChange),
    /// Read these sessions for one chart, and compare their results.
    Together(Ticket, Vec<PathBuf>),
    /// Determine the shape of the model that would be trained.
    Shape(Ticket, Box<train::Request>),
    /// Listen with these sessions to the microphone or a file.
    Listen(Ticket, Option<PathBuf>, Vec<PathBuf>, Box<train::Request>),
    /// Stop listening.
    StopListening,
    /// Keep scoring the last window, or follow the sound again.
    Hold(bool),
    /// Go on at so many seconds from the beginning of the file that is listened to.
    SeekFile(f64),
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
    /// Decode a clip for a panel.
    LoadClip {
        /// The ticket of its result.
        ticket: Ticket,
        /// Where its sound is.
        source: Source,
        /// A request that this one replaces.
        instead_of: Option<Ticket>,
    },
    /// A clip is not wanted any more: it is not decoded, or no further.
    ForgetClip(Ticket),
    /// Play a sound in place of whatever plays.
    Play {
        /// The ticket of its news.
        ticket: Ticket,
        /// The sound.
        sound: playback::Sound,
        /// The sample to begin at.
        from: u64,
    },
    /// Give an order to whatever plays.
    Playback(Playback),
    /// Read the data of a run with this setup, without decoding.
    ReadData(Ticket, Box<train::Request>),
    /// Decode every clip of the data, and list what is wrong.
    CheckData(Ticket, Arc<DataView>),
    /// Stop that.
    StopCheck,
    /// List a folder for a choice, and recognise what is in it and what is known without it.
    Browse {
        /// The ticket of its results.
        ticket: Ticket,
        /// What is being chosen.
        choice: Choice,
        /// The folder.
        place: Place,
        /// What was used before, and names.
        known: Vec<String>,
    },
    /// Nothing more is looked at for the browser.
    LeaveBrowser,
    /// Scan recordings.
    Scan(Ticket, Box<ScanRequest>),
    /// Stop that: what is done is kept.
    StopScan,
    /// Keep this for the next start.
    SavePreferences(Box<Preferences>),
    /// Compute what the first session gets wrong, then compare the second with it.
    Results(Ticket, PathBuf, Option<PathBuf>),
    /// Fit a calibration to the session that this was computed of, or remove its own; then compute everything again.
    Calibrate {
        /// The ticket of what is computed.
        ticket: Ticket,
        /// The session.
        session: PathBuf,
        /// The other side's session.
        other: Option<PathBuf>,
        /// What was computed of it.
        found: Arc<SessionFindings>,
    },
    /// Write the clips of a session's validation to a file.
    WriteErrors(PathBuf, Arc<SessionFindings>),
    /// Rank the labels of a data set with this backbone; the second request trains again with what is decided.
    SearchErrors(Ticket, Box<train::Request>, Box<train::Request>),
    /// Make a list of detections to decide about.
    ReviewDetections(Ticket, Box<ToReview>),
    /// Find the clips of a data set that are most like the clip of this name, by a backbone's vectors.
    SearchAlike {
        /// The ticket of the list.
        ticket: Ticket,
        /// The data and the backbone; what trains again with the decisions.
        request: Box<train::Request>,
        /// The session that training can go on from.
        session: Option<PathBuf>,
        /// The clip's name in the data set.
        clip: String,
    },
    /// Stop that.
    StopSearch,
    /// Put a decision about a clip of a list on the disk.
    Decide {
        /// The ticket of its result.
        ticket: Ticket,
        /// The list.
        list: Arc<ReviewList>,
        /// The clip's index in its data set.
        index: usize,
        /// The decision.
        decision: Decision,
    },
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
