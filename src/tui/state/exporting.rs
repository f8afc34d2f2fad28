//! The panel that exports a session: the request, the progress, the result.

use std::path::PathBuf;

use super::ticket::Ticket;
use crate::{
    export::{Report, Request, Storage, Verify},
    tui::input::action::Move,
};

/// The end of an ONNX file's name.
const EXTENSION: &str = ".onnx";

/// A format to export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// One ONNX file.
    #[default]
    Onnx,
    /// The same with its matrices in half precision.
    Half,
    /// A folder for Hugging Face's transformers, where there is a form for the model.
    Folder,
    /// Only what was trained.
    Adapter,
}

impl Form {
    /// All, in the order of the panel.
    pub const ALL: [Self; 4] = [Self::Onnx, Self::Half, Self::Folder, Self::Adapter];

    /// Its name.
    pub fn title(self) -> &'static str {
        match self {
            Self::Onnx => "ONNX file",
            Self::Half => "ONNX file, f16",
            Self::Folder => "Hugging Face folder",
            Self::Adapter => "adapter folder",
        }
    }

    /// Its purpose, in a line.
    pub fn what(self) -> &'static str {
        match self {
            Self::Onnx => "raw 16 kHz samples in, scores out: onnxruntime, browsers, Rust",
            Self::Half => "the same in half the size; scores may differ by up to 1e-2",
            Self::Folder => "for transformers where it has such a model, else our own form",
            Self::Adapter => "what was trained, without the backbone; LoRA on an AST for peft",
        }
    }

    fn is_file(self) -> bool {
        matches!(self, Self::Onnx | Self::Half)
    }
}

/// The stage of an export.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// Format and target are being chosen; why the last attempt failed.
    Asking(Option<String>),
    /// It is being written and compared with the program.
    Working {
        /// The ticket of its messages.
        ticket: Ticket,
        /// Clips compared, and clips in all, once comparing has begun.
        compared: Option<(usize, usize)>,
        /// Whether it was told to stop.
        stopping: bool,
    },
    /// It is complete.
    Written(Box<Report>),
}

/// An export.
#[derive(Clone, Debug, PartialEq)]
pub struct Exporting {
    /// The session: its folder, or its name.
    pub session: PathBuf,
    /// Its name.
    pub name: String,
    /// The format.
    pub form: Form,
    /// The target: a file or folder, as typed.
    pub target: String,
    /// The stage.
    pub stage: Stage,
}

impl Exporting {
    /// Opens the panel for a session.
    pub fn new(session: PathBuf, name: String) -> Self {
        let target = format!("{name}{EXTENSION}");
        Self { session, name, form: Form::default(), target, stage: Stage::Asking(None) }
    }

    /// Chooses the next format or the one before, and changes the target's extension.
    pub fn go(&mut self, to: Move) {
        let Stage::Asking(problem) = &mut self.stage else { return };
        let last = Form::ALL.len() - 1;
        let at = Form::ALL.iter().position(|form| *form == self.form).unwrap_or(0);
        let at = match to {
            Move::Left | Move::Up => at.checked_sub(1).unwrap_or(last),
            Move::Right | Move::Down => (at + 1) % Form::ALL.len(),
            _ => at,
        };
        *problem = None;
        self.form = Form::ALL[at];
        self.target = self.named();
    }

    /// Adds a character to the target.
    pub fn push(&mut self, text: &str) {
        if let Stage::Asking(problem) = &mut self.stage {
            self.target.extend(text.chars().filter(|c| !c.is_control()));
            *problem = None;
        }
    }

    /// Deletes the target's last character.
    pub fn erase(&mut self) {
        if let Stage::Asking(problem) = &mut self.stage {
            self.target.pop();
            *problem = None;
        }
    }

    /// The target with the extension of its format.
    fn named(&self) -> String {
        let stem = self.target.strip_suffix(EXTENSION).unwrap_or(&self.target).trim_end();
        if self.form.is_file() { format!("{stem}{EXTENSION}") } else { stem.to_owned() }
    }

    /// Begins to write under this ticket; `None`, with a message on the panel, if the target has no name.
    pub fn begin(&mut self, ticket: Ticket) -> Option<Request> {
        self.target = self.named();
        if matches!(self.target.as_str(), "" | EXTENSION) {
            self.stage = Stage::Asking(Some("type the name of a file or folder".to_owned()));
            return None;
        }
        self.stage = Stage::Working { ticket, compared: None, stopping: false };
        Some(Request {
            source: self.session.to_string_lossy().into_owned(),
            target: PathBuf::from(&self.target),
            weights: None,
            storage: if self.form == Form::Half { Storage::F16 } else { Storage::F32 },
            samples: None,
            logits: false,
            embeddings: false,
            verify: Verify::Own,
            adapter: self.form == Form::Adapter,
        })
    }

    /// Whether this ticket is that of the running export.
    fn waits_for(&self, answer: Ticket) -> bool {
        matches!(self.stage, Stage::Working { ticket, .. } if ticket == answer)
    }

    /// Records the progress of comparing.
    pub fn compared(&mut self, answer: Ticket, done: usize, total: usize) {
        if let Stage::Working { ticket, compared, .. } = &mut self.stage
            && *ticket == answer
        {
            *compared = Some((done, total));
        }
    }

    /// Ends the export with this ticket; ignores another one.
    pub fn over(&mut self, answer: Ticket, result: Result<Box<Report>, String>) {
        if self.waits_for(answer) {
            self.stage = match result {
                Ok(report) => Stage::Written(report),
                Err(problem) => Stage::Asking(Some(problem)),
            };
        }
    }
}
