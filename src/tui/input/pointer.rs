//! What the mouse points at, and what is done with it.

use super::action::Screen;
use crate::plot::Side;

/// A place in a spectrogram that moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Frames of 10 ms before the newest.
    pub frame: usize,
    /// Mel bin.
    pub bin: usize,
}

/// A list with a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum List {
    /// Modules on Parameters.
    Modules,
    /// Sessions.
    Sessions,
    /// Classes on Data.
    Classes,
    /// Clips on Data.
    Clips,
    /// Problems on Data.
    Problems,
    /// What can be chosen in the browser.
    Browser,
    /// Classes on Scan.
    ScanClasses,
    /// Detections on Scan.
    Detections,
}

/// A place that means something.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// A screen's name in the header.
    Tab(Screen),
    /// `? help` in the header.
    Help,
    /// A run's panel.
    Side(Side),
    /// A list, and the row that is pointed at, if there is one.
    List(List, Option<usize>),
    /// A clip's spectrogram or waveform, at this share of what it shows.
    Clip(f64),
    /// A file that is listened to, at this share of it.
    File(f64),
    /// A place of the spectrogram on Live.
    Waterfall(Place),
    /// The keys, or another panel over the screen.
    Overlay,
    /// A message over the screen's lowest rows.
    Notice,
}

/// What is done with the mouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Press {
    /// The left button was pressed.
    Click,
    /// It is held, and the mouse has moved.
    Drag,
    /// The wheel was turned: rows down, negative up.
    Wheel(i32),
}
