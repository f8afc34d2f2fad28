//! Actions: what keys and commands mean.

use std::path::PathBuf;

use tui_input::InputRequest;

use super::choice::Choice;
use crate::{model::Method, plot::Side, session::NotesChange, tui::graphics::Graphics};

/// The screens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Screen {
    /// Both runs side by side.
    #[default]
    Train,
    /// The adapters' norms, block by block.
    Layers,
    /// What trains and what is frozen.
    Parameters,
    /// Live sound and its classes.
    Live,
    /// All sessions.
    Sessions,
    /// The data before training.
    Data,
    /// What a session gets wrong.
    Results,
    /// Clips to decide about.
    Review,
    /// A scan of recordings.
    Scan,
}

impl Screen {
    /// All, in the order of their digits.
    pub const ALL: [Self; 9] = [
        Self::Train,
        Self::Layers,
        Self::Parameters,
        Self::Live,
        Self::Sessions,
        Self::Data,
        Self::Results,
        Self::Review,
        Self::Scan,
    ];

    /// The digit that shows it.
    pub const fn digit(self) -> char {
        match self {
            Self::Train => '1',
            Self::Layers => '2',
            Self::Parameters => '3',
            Self::Live => '4',
            Self::Sessions => '5',
            Self::Data => '6',
            Self::Results => '7',
            Self::Review => '8',
            Self::Scan => '9',
        }
    }

    /// Its name in the header.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "Train",
            Self::Layers => "Layers",
            Self::Parameters => "Parameters",
            Self::Live => "Live",
            Self::Sessions => "Sessions",
            Self::Data => "Data",
            Self::Results => "Results",
            Self::Review => "Review",
            Self::Scan => "Scan",
        }
    }

    /// Its name where there is little room.
    pub fn short_name(self) -> &'static str {
        if self == Self::Parameters { "Params" } else { self.name() }
    }
}

/// The lower part of the Live screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LivePanel {
    /// The classes, and a cursor over the sound.
    #[default]
    Sound,
    /// The adapters' gains.
    Desk,
    /// Saved clips.
    Bookmarks,
    /// Classes to record and train on.
    Teach,
}

impl LivePanel {
    /// All.
    pub const ALL: [Self; 4] = [Self::Sound, Self::Desk, Self::Bookmarks, Self::Teach];

    /// Its name in the help.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sound => "Live: the sound",
            Self::Desk => "Live: the mixing desk",
            Self::Bookmarks => "Live: bookmarks",
            Self::Teach => "Live: teaching",
        }
    }
}

/// Directions of moving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// One up.
    Up,
    /// One down.
    Down,
    /// One to the left.
    Left,
    /// One to the right.
    Right,
    /// A page up.
    PageUp,
    /// A page down.
    PageDown,
    /// To the first.
    Home,
    /// To the last.
    End,
}

impl Move {
    /// The row that a list's cursor moves to from row `at`: at most `last`, by `page` rows at a time. Left and right stay.
    pub fn row(self, at: usize, last: usize, page: usize) -> usize {
        let to = match self {
            Self::Up => at.saturating_sub(1),
            Self::Down => at + 1,
            Self::PageUp => at.saturating_sub(page),
            Self::PageDown => at + page,
            Self::Home => 0,
            Self::End => last,
            Self::Left | Self::Right => at,
        };
        to.min(last)
    }
}

/// What is shown of several sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TogetherView {
    /// The metric of every epoch, in one chart.
    Curves,
    /// A row for each configuration over its folds, with the paired difference to the first.
    Results,
}

/// A decision about a clip, as a key means it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The proposed label is right.
    Yes,
    /// The clip does not hold this class.
    No,
    /// It holds the class with this number among those that are offered, from 0.
    Class(usize),
    /// It holds none of the classes.
    Background,
    /// Nobody can say.
    Unsure,
}

/// An action; keys and the command line both produce it.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Go to a screen.
    Show(Screen),
    /// Move the focus to the other run, or the next part of the screen.
    NextFocus,
    /// Move the cursor.
    Move(Move),
    /// Resume the run in focus if it was stopped; else start one.
    Start,
    /// Begin a new session on the side in focus, even if one was stopped there.
    Anew,
    /// Start both, paired.
    StartBoth,
    /// Pause or continue whatever runs.
    Pause,
    /// Stop the focused run; it can be resumed.
    Stop,
    /// Give the focused side the next method.
    NextMethod,
    /// Give the focused side the next built-in backbone.
    NextBackbone,
    /// Start the focused side's method on two backbones, paired.
    Versus,
    /// Give the focused side this method.
    SetMethod(Method),
    /// Change the quantity along x.
    NextX,
    /// Toggle the logarithmic loss axis.
    ToggleLog,
    /// Average the training loss over more steps, around the end.
    NextSmooth,
    /// The next theme.
    NextTheme,
    /// A theme by name.
    SetTheme(String),
    /// Set the graphics of the spectrogram.
    SetGraphics(Graphics),
    /// Take the mouse from the terminal, or leave it to it.
    Mouse(bool),
    /// Write the curves to a file; without a name, one in the working folder.
    Export(Option<PathBuf>),
    /// Open the export panel for the session in focus, or under the cursor.
    ExportSession,
    /// Show or hide the keys.
    Help,
    /// Open the command line.
    CommandLine,
    /// Give the terminal to the shell until it continues the process.
    Suspend,
    /// Quit, asking if something would be lost.
    Quit,
    /// Quit at once, stopping what runs.
    QuitNow,
    /// Close what is over the screen.
    Cancel,
    /// Confirm the question, or run the command line.
    Confirm,
    /// A letter for the command line.
    Type(char),
    /// Delete the letter before the cursor.
    Erase,
    /// Edit the command line.
    Edit(InputRequest),
    /// Complete the word at the cursor, or insert the next one that fits; `true`: the one before.
    Complete(bool),
    /// Open or close the branch under the cursor.
    Toggle,
    /// Open the session under the cursor on the focused side, and show it.
    OpenSession,
    /// Put the session under the cursor on a side, and stay on the list.
    ChooseSession(Side),
    /// Resume the session under the cursor.
    ResumeSession,
    /// Delete the session under the cursor, after a question.
    DeleteSession,
    /// The next order of the list of sessions.
    SortSessions,
    /// List only sessions with these words; all without any.
    FilterSessions(String),
    /// Mark the session under the cursor for what concerns several, or not.
    MarkSession,
    /// Mark every session on show, or none.
    MarkAll,
    /// Show the curves or the results of the marked sessions.
    Together(TogetherView),
    /// Change the notes of the marked sessions, or of the one under the cursor.
    Annotate(NotesChange),
    /// Begin to type a note, after the one that is there.
    BeginNote,
    /// Archive the marked sessions, or the one under the cursor; restore them if all are archived.
    Archive,
    /// List archived sessions too, or not.
    ShowArchived,
    /// Close the curves, else remove the filter, else the marks.
    LeaveSessions,
    /// Read the list of sessions again.
    Refresh,
    /// Watch a sweep, by its file; without one, the sweep whose sessions these are.
    WatchSweep(Option<PathBuf>),
    /// Show the list of sessions again in place of a sweep.
    LeaveSweep,
    /// List a sweep's tasks in the next state only, or all.
    NextFilter,
    /// Listen to the microphone, or to a file.
    Listen(Option<PathBuf>),
    /// Hold the waterfall still, or continue it.
    Freeze,
    /// Show this panel of the Live screen, or the sound again.
    Panel(LivePanel),
    /// Bookmark the window on the screen with its predictions.
    Bookmark,
    /// Replay the bookmark under the cursor through every checkpoint.
    Replay,
    /// Delete the bookmark under the cursor, after a question.
    DeleteBookmark,
    /// Turn the fader under the cursor by so many steps.
    Turn(i32),
    /// Mute or unmute the adapter under the cursor.
    Mute,
    /// Toggle solo of the adapter under the cursor.
    Solo,
    /// Reset every fader.
    ResetDesk,
    /// Save the desk with its session.
    SaveDesk,
    /// Load the saved desk.
    LoadDesk,
    /// Begin to record an example, or end it.
    Record,
    /// Name a class of the lesson.
    NameClass(String),
    /// Open the command line with these words.
    Begin(&'static str),
    /// Remove the example under the cursor, after a question.
    RemoveExample,
    /// Train on the lesson, then listen with the result.
    Learn,
    /// Open a lesson; without a folder, the default one beside the sessions.
    Teach(Option<PathBuf>),
    /// Play the clip on show, or stop it.
    PlayClip,
    /// Show and play the original, or what the model gets.
    SwitchSound,
    /// Go on so many twentieths of the clip later.
    Scrub(i32),
    /// Play the clip again and again, or once.
    LoopClip,
    /// Raise the volume by so many steps.
    Louder(i32),
    /// Open what is under the cursor: on Data a class or a problem's clip, in the browser a folder; there it chooses, too.
    Choose,
    /// Go back from there.
    Back,
    /// Choose something in the browser.
    Browse(Choice),
    /// Choose what the command line asks for in the browser.
    BrowseForCommand,
    /// Order the clips of a class in another way.
    SortClips,
    /// Decode every clip of the data and list what is wrong; or stop that.
    CheckData,
    /// Scan a recording, or a folder of them.
    Scan(PathBuf),
    /// Stop the scan.
    StopScan,
    /// Write the tables of the scan at the threshold on show.
    WriteScan,
    /// Raise the threshold of the detections on show by so many steps.
    Threshold(i32),
    /// Go to the next confusion on Results, the most frequent first.
    NextConfusion,
    /// List all clips on Results.
    AllClips,
    /// Write the clips on Results to a file.
    ExportErrors,
    /// Fit a calibration to the session on Results, or remove the one that it has.
    Calibrate,
    /// Review the clips that Results lists, the detections that Scan lists, or the bookmarks.
    ReviewThese,
    /// Decide about the clip on Review, and go on.
    Decide(Verdict),
    /// Take the last decision back.
    UndoDecision,
    /// Go on without a decision.
    Skip,
    /// Play the clip on Review from its beginning.
    PlayAgain,
    /// Type the name of a class on Review.
    TypeClass,
    /// Look for labels that are likely wrong, or stop that.
    SearchErrors,
    /// Train again with the decisions made on Review.
    TrainAgain,
    /// Go on training the session under review from its own weights, with the decisions.
    TrainOn,
    /// Find the clips that are most like the one on show, as the next list.
    Alike,
    /// Train on this data.
    SetData(String),
    /// Adapt this backbone.
    SetModel(String),
    /// Set one setting of the next run, by its flag's name.
    Set(String, String),
}
