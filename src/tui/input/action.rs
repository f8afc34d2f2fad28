//! What a person asks for. Keys and the command line both come to this.

use std::path::PathBuf;

use tui_input::InputRequest;

use crate::{model::Method, plot::Side, tui::graphics::Graphics};

/// The five screens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Screen {
    /// Both runs side by side.
    #[default]
    Train,
    /// The adapters' norms, block by block.
    Layers,
    /// What trains and what is frozen.
    Parameters,
    /// What is heard and what is thought of it.
    Live,
    /// What ran.
    Sessions,
}

impl Screen {
    /// All, in the order of their digits.
    pub const ALL: [Self; 5] = [Self::Train, Self::Layers, Self::Parameters, Self::Live, Self::Sessions];

    /// Its name in the header.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "Train",
            Self::Layers => "Layers",
            Self::Parameters => "Parameters",
            Self::Live => "Live",
            Self::Sessions => "Sessions",
        }
    }

    /// Its name where there is little room.
    pub fn short_name(self) -> &'static str {
        if self == Self::Parameters { "Params" } else { self.name() }
    }
}

/// What the Live screen shows beneath the sound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LivePanel {
    /// The classes, and a cursor over the sound.
    #[default]
    Sound,
    /// The adapters' gains.
    Desk,
    /// Clips that were kept.
    Bookmarks,
    /// Classes to be learned.
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

/// Where to move.
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

/// What a person asks for; keys and the command line both come to this.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Go to a screen.
    Show(Screen),
    /// Turn the keyboard to the other run, or the next part of the screen.
    NextFocus,
    /// Move the cursor.
    Move(Move),
    /// Go on with the run in focus where it was stopped; start one where there is none to go on with.
    Start,
    /// Begin a new session on the side in focus, whatever was stopped there.
    Anew,
    /// Start both, paired.
    StartBoth,
    /// Pause or go on, whatever runs.
    Pause,
    /// Stop the focused run; it can be resumed.
    Stop,
    /// Give the focused side the next method.
    NextMethod,
    /// Give the focused side the next backbone in the box.
    NextBackbone,
    /// Start the focused side's method on two backbones, paired.
    Versus,
    /// Give the focused side this method.
    SetMethod(Method),
    /// Change what runs along x.
    NextX,
    /// Logarithmic loss, or not.
    ToggleLog,
    /// Average the training loss over more steps, around the end.
    NextSmooth,
    /// The next theme.
    NextTheme,
    /// A theme by name.
    SetTheme(String),
    /// Draw the spectrogram with these.
    SetGraphics(Graphics),
    /// Write the curves to a file; without a name, one in the working folder.
    Export(Option<PathBuf>),
    /// Ask how the session in focus, or under the cursor, is exported.
    ExportSession,
    /// Show or hide the keys.
    Help,
    /// Ask for a command.
    CommandLine,
    /// Leave the terminal to the shell until it calls us back.
    Suspend,
    /// Leave, asking if something would be lost.
    Quit,
    /// Leave now, stopping what runs.
    QuitNow,
    /// Close what lies over the screen.
    Cancel,
    /// Yes to the question; the command line's Enter.
    Confirm,
    /// A letter for the command line.
    Type(char),
    /// Delete the letter before the cursor.
    Erase,
    /// Edit the command line.
    Edit(InputRequest),
    /// Complete the word at the cursor, or put in the next one that fits; `true`: the one before.
    Complete(bool),
    /// Open or close the branch under the cursor.
    Toggle,
    /// Open the session under the cursor in the focused slot, and look at it.
    OpenSession,
    /// Put the session under the cursor in a slot, and stay.
    ChooseSession(Side),
    /// Go on training the session under the cursor.
    ResumeSession,
    /// Delete the session under the cursor, after a question.
    DeleteSession,
    /// Read the list of sessions again.
    Refresh,
    /// Listen to the microphone, or to a file.
    Listen(Option<PathBuf>),
    /// Hold the waterfall still, or let it go on.
    Freeze,
    /// Show this part of the Live screen, or the sound again.
    Panel(LivePanel),
    /// Keep the window on the screen with its answers.
    Bookmark,
    /// Ask every checkpoint about the bookmark under the cursor.
    Replay,
    /// Delete the bookmark under the cursor, after a question.
    DeleteBookmark,
    /// Turn the fader under the cursor by so many steps.
    Turn(i32),
    /// Silence the adapter under the cursor, or let it be heard.
    Mute,
    /// Hear the adapter under the cursor alone, or with the others.
    Solo,
    /// Every fader as it was trained.
    ResetDesk,
    /// Keep the desk with its session.
    SaveDesk,
    /// The desk as it was kept.
    LoadDesk,
    /// Begin to record an example, or end it.
    Record,
    /// Name a class to be taught.
    NameClass(String),
    /// Begin a command with these words.
    Begin(&'static str),
    /// Remove the example under the cursor, after a question.
    RemoveExample,
    /// Train on the lesson, then listen with the result.
    Learn,
    /// Open a lesson; without a folder, the one that is kept beside the sessions.
    Teach(Option<PathBuf>),
    /// Train on this data.
    SetData(String),
    /// Adapt this backbone.
    SetModel(String),
    /// A setting of the next run by its flag's name.
    Set(String, String),
}
