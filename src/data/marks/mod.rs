//! Marks: which class sounds where in a recording, as a person or a machine annotated it; read from tables of other programs.
//!
//! The content of a file decides what it is, and columns go by their names, never by their places. A file is read whole or
//! refused with the line that is wrong.

mod audacity;
mod columns;
mod decided;
mod fields;
mod raven;
mod set;
pub(super) mod sounds;
mod subtitles;
mod text;
pub(super) mod windows;

use std::path::{Path, PathBuf};

pub use set::{Marked, Recording};
pub use windows::{Event, Timeline, Window, covered, windows};

use serde::{Deserialize, Serialize};

use super::{DataError, Problem, layout::table::Table, reviewed};
use crate::regular;

/// A form of table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// A label track of Audacity.
    Audacity,
    /// Subtitles: SubRip or WebVTT.
    Subtitles,
    /// A selection table of Raven, or of BirdNET for Raven.
    Raven,
    /// A CSV table of BirdNET.
    Birdnet,
    /// A table of Kaleidoscope.
    Kaleidoscope,
    /// DCASE's and DESED's strong labels.
    Dcase,
    /// AudioSet's strong labels.
    AudiosetStrong,
    /// DCASE's few-shot task: a column for each class, with POS, NEG and UNK.
    FewShot,
    /// A person's decisions about detections, made on Review.
    Reviewed,
    /// Any table with columns for a start, an end and a label.
    Generic,
}

impl Form {
    /// Its name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Audacity => "an Audacity label track",
            Self::Subtitles => "subtitles",
            Self::Raven => "a Raven selection table",
            Self::Birdnet => "a BirdNET table",
            Self::Kaleidoscope => "a Kaleidoscope table",
            Self::Dcase => "strong labels as DCASE has them",
            Self::AudiosetStrong => "AudioSet's strong labels",
            Self::FewShot => "DCASE's few-shot labels",
            Self::Reviewed => "decisions about detections",
            Self::Generic => "a table with start, end and label",
        }
    }
}

/// Who made a mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Annotator {
    /// The file does not name one; nothing in it shows a machine.
    #[default]
    Unknown,
    /// A person.
    Person,
    /// A machine: a score or an automatic column shows it. Such a mark is a detection to review and no truth.
    Machine,
}

/// Whether the class of a mark sounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// It sounds there.
    #[default]
    Present,
    /// It does not.
    Absent,
    /// The annotator was not sure.
    Uncertain,
}

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Mark {
    /// The recording: its name with its ending where the table gives it, else the table's stem; for AudioSet the clip's id.
    pub audio: String,
    /// The same as the table has it, with folders, where it has any; `/` between them.
    pub path: Option<String>,
    /// Seconds from the beginning of the recording.
    pub start: f64,
    /// At least `start`; the same for an instant. May reach beyond the recording's end.
    pub end: f64,
    /// Class name.
    pub label: String,
    /// Lowest frequency, Hz.
    pub low_hz: Option<f64>,
    /// Highest frequency, Hz.
    pub high_hz: Option<f64>,
    /// How sure a machine was.
    pub score: Option<f64>,
    /// Who made a mark.
    pub by: Annotator,
    /// Whether its class sounds.
    pub presence: Presence,
    /// The line that it is on, counted from 1.
    pub line: u64,
    /// The fold, the part and the group of its recording, as a manifest gives them.
    #[serde(skip)]
    pub(super) fold: Option<String>,
    #[serde(skip)]
    pub(super) split: Option<String>,
    #[serde(skip)]
    pub(super) group: Option<String>,
}

/// A file of marks.
#[derive(Clone, Debug, PartialEq)]
pub struct Marks {
    /// The file.
    pub file: PathBuf,
    /// What it is.
    pub form: Form,
    /// Its events, in the order of the file.
    pub marks: Vec<Mark>,
    /// Recordings that it names and that have no event: they were marked in full.
    pub silent: Vec<String>,
    /// Rows with a place and without a label: no events.
    pub unlabelled: usize,
    /// Lines on which a machine says that it detected nothing in a recording.
    pub(super) no_calls: Vec<u64>,
    /// Lines that a power failure cut short, and that are left out.
    pub(super) torn: Vec<u64>,
}

impl Marks {
    /// Rows that a machine made, and the line of the first: detections to review and no truth.
    pub fn detections(&self) -> Option<(usize, u64)> {
        let marks = self.marks.iter().filter(|mark| mark.by == Annotator::Machine).map(|mark| mark.line);
        let lines: Vec<u64> = marks.chain(self.no_calls.iter().copied()).collect();
        Some((lines.len(), lines.iter().copied().min()?))
    }
}

/// How marks are read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// The column with the labels, where it has no usual name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_column: Option<String>,
    /// What a machine detected is taken as if a person had marked it.
    pub trust_detections: bool,
    /// Everything in every recording that the tables name was marked, so that what is between marks is background.
    pub marked_in_full: bool,
    /// Frames of 10 ms of a window; 3 seconds by default. A run's recipe has its own.
    #[serde(skip)]
    pub frames: Option<usize>,
}

impl Options {
    /// Whether there is nothing that a session has to record.
    pub fn is_default(&self) -> bool {
        *self == Self { frames: self.frames, ..Self::default() }
    }
}

/// What is looked for, where a file is none of it.
const LOOKED_FOR: &str = "looked for: an Audacity label track (start, TAB, end, TAB, label), subtitles, Raven (`Begin Time (s)` and TABs), \
     BirdNET (`Start (s)`), Kaleidoscope (`IN FILE`, `OFFSET`), DCASE (`onset`, `offset`, `event_label`), AudioSet strong \
     (`segment_id`), few-shot (`Audiofilename`), or a header with start, end and label";

/// Reads a file of marks.
///
/// # Errors
/// When it cannot be read, is none of the forms, has no column for times or labels, or one of its lines is wrong; then
/// nothing of it counts.
pub fn read(file: &Path, options: &Options) -> Result<Marks, DataError> {
    let text = text::read(file)?;
    let refused = |problem: String, remedy: &str| DataError::Unusable {
        path: file.to_owned(),
        problem,
        remedy: remedy.to_owned(),
    };
    let first = text.lines().find(|line| !line.trim().is_empty());
    let Some(first) = first else { return Err(refused("it is empty".into(), "leave it out, or export it again")) };
    let reading = Reading::new(file);
    let marks = if reviewed::holds_reviews(&text) {
        decided::read(&text, reading)
    } else if subtitles::is(&text) {
        subtitles::read(&text, reading)
    } else if audacity::is(first) {
        audacity::read(&text, reading)
    } else {
        let table = Table::of_text(file, &text, |names| columns::form_of(names).is_some());
        let names = table.lower();
        match columns::form_of(&names) {
            Some(form) => {
                let mut reading = reading;
                reading.problems.extend(table.problems.iter().cloned());
                columns::read(&table, form, options, reading)?
            }
            None => return Err(columns::refuse(&text, &names, refused)),
        }
    };
    marks.map_err(|(first, more)| DataError::Problems { first, more, spec: file.display().to_string() })
}

/// Most bytes of a file that are read to recognise it.
const LOOK: u64 = 1 << 16;

/// What form of marks a file is, by its beginning; `None` where it is none, or cannot be read.
pub(super) fn sniff(file: &Path) -> Option<Form> {
    use std::io::Read;
    let mut bytes = Vec::new();
    regular::open(file).ok()?.take(LOOK).read_to_end(&mut bytes).ok()?;
    let whole = bytes.len() < LOOK as usize;
    let text = text::decode_beginning(&bytes, whole)?;
    let first = text.lines().find(|line| !line.trim().is_empty())?;
    if reviewed::holds_reviews(&text) {
        return Some(Form::Reviewed);
    }
    if subtitles::is(&text) {
        return Some(Form::Subtitles);
    }
    if audacity::is(first) {
        return Some(Form::Audacity);
    }
    let table = Table::of_text(file, &text, |names| columns::form_of(names).is_some());
    let form = columns::form_of(&table.lower())?;
    // A manifest may have columns for a place that it never fills.
    (form != Form::Generic || columns::has_places(&table)).then_some(form)
}

/// A file while it is being read: what was understood, and what is wrong with it.
struct Reading {
    file: PathBuf,
    marks: Vec<Mark>,
    silent: Vec<String>,
    no_calls: Vec<u64>,
    torn: Vec<u64>,
    unlabelled: usize,
    problems: Vec<Problem>,
}

/// A file's marks, or the first problem and the number of others.
type Outcome = Result<Marks, (Problem, usize)>;

impl Reading {
    fn new(file: &Path) -> Self {
        let (marks, silent, problems) = (Vec::new(), Vec::new(), Vec::new());
        let (no_calls, torn) = (Vec::new(), Vec::new());
        Self { file: file.to_owned(), marks, silent, no_calls, torn, unlabelled: 0, problems }
    }

    /// Notes that a line is wrong.
    fn wrong(&mut self, line: u64, problem: impl std::fmt::Display) {
        let remedy = "correct the line or take it out";
        self.problems.push(Problem::error(&self.file, format!("line {line}: {problem}"), remedy));
    }

    /// A time of a line: seconds, or hours, minutes and seconds. Point and comma are read.
    fn time(&mut self, line: u64, what: &str, text: &str) -> Option<f64> {
        match text::seconds(text) {
            Ok(seconds) => Some(seconds),
            Err(why) => {
                self.wrong(line, format!("its {what} {text:?} {why}"));
                None
            }
        }
    }

    /// Takes an event: checks its times, and counts it apart where it has no label.
    fn take(&mut self, mark: Mark) {
        if mark.end < mark.start {
            let Mark { line, start, end, .. } = mark;
            self.wrong(line, format!("it ends at {end} s, before it starts at {start} s"));
        } else if mark.label.is_empty() {
            self.unlabelled += 1;
        } else {
            self.marks.push(mark);
        }
    }

    /// Takes a machine's row that says that it detected nothing in a recording.
    fn no_call(&mut self, audio: String, line: u64) {
        self.silent.push(audio);
        self.no_calls.push(line);
    }

    fn finish(self, form: Form) -> Outcome {
        let Self { file, marks, mut silent, no_calls, torn, unlabelled, problems } = self;
        let mut problems = problems.into_iter();
        if let Some(first) = problems.next() {
            return Err((first, problems.count()));
        }
        silent.sort();
        silent.dedup();
        silent.retain(|audio| !marks.iter().any(|mark| mark.audio == *audio));
        Ok(Marks { file, form, marks, silent, unlabelled, no_calls, torn })
    }
}

/// The name of the recording that a table without names is of: the table's own, without what programs put behind it.
pub fn stem_of(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut stem = match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem.to_owned(),
        _ => name,
    };
    let lower = |text: &str| text.to_ascii_lowercase();
    for ending in [".selections", ".selection.table", ".results", ".birdnet"] {
        if lower(&stem).ends_with(ending) && stem.len() > ending.len() {
            stem.truncate(stem.len() - ending.len());
        }
    }
    // Raven numbers the tables of a recording: `creek.Table.1`.
    let numbered = stem.rsplit_once('.').filter(|(_, number)| number.bytes().all(|byte| byte.is_ascii_digit()));
    if let Some((before, _)) = numbered.map(|(before, number)| (before.to_owned(), number))
        && lower(&before).ends_with(".table")
    {
        stem = before[..before.len() - ".table".len()].to_owned();
    }
    stem
}

/// The last part of a path from any system.
fn last_part(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

#[cfg(test)]
mod tests;
