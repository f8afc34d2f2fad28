//! The only place that writes to standard output: text for people, or one JSON object per line.

use std::io::{self, Write};

use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use crate::{
    data::DataError,
    printable::{printable, printable_json},
    train::TrainError,
};

/// Why a subcommand ended without its result.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The request itself is wrong: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// The work failed: exit code 1.
    #[error("{0}")]
    Failed(String),
    /// Nothing failed, but something is not finished, and the same command may finish it later: exit code 75, the system's
    /// `EX_TEMPFAIL`.
    #[error("{0}")]
    Unfinished(String),
    /// Someone pressed Ctrl-C: exit code 130.
    #[error("interrupted")]
    Interrupted,
    /// The reader of the output is gone; nothing is printed.
    #[error("the output was closed")]
    Closed,
}

impl CliError {
    /// The process's exit code for it.
    pub fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Failed(_) => 1,
            Self::Unfinished(_) => 75,
            Self::Interrupted => 130,
            Self::Closed => 0,
        }
    }
}

impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::Closed } else { Self::Failed(error.to_string()) }
    }
}

/// Failures of other modules are failures of the work; their messages already say what to do.
macro_rules! failed_from {
    ($($error:ty),* $(,)?) => {$(
        impl From<$error> for CliError {
            fn from(error: $error) -> Self {
                Self::Failed(error.to_string())
            }
        }
    )*};
}
failed_from!(
    crate::comparison::ComparisonError,
    crate::audio::AudioError,
    crate::model::ModelError,
    crate::session::SessionError,
    crate::infer::InferError,
    serde_json::Error,
);

impl From<DataError> for CliError {
    fn from(error: DataError) -> Self {
        match error {
            DataError::Cancelled => Self::Interrupted,
            error => Self::Failed(error.to_string()),
        }
    }
}

impl From<TrainError> for CliError {
    fn from(error: TrainError) -> Self {
        match error {
            TrainError::Data(error) => error.into(),
            error => Self::Failed(error.to_string()),
        }
    }
}

/// The output of a subcommand.
pub struct Output {
    json: bool,
    /// Whether the work continues when the output cannot be written.
    beside: bool,
    /// Whether the output failed, and is no longer written.
    lost: bool,
    to: Box<dyn Write + Send>,
}

impl Output {
    /// Standard output, as JSON lines or text.
    pub fn stdout(json: bool) -> Self {
        Self { json, beside: false, lost: false, to: Box::new(io::stdout()) }
    }

    /// The same for work that leaves something else, such as a session: when standard output is closed or full, a
    /// message on standard error says so once, and the work continues without it.
    pub fn beside_work(json: bool) -> Self {
        Self { beside: true, ..Self::stdout(json) }
    }

    /// An error when some output was lost, for commands whose last lines are a result of their own.
    ///
    /// # Errors
    /// Only then.
    pub fn complete(&self) -> Result<(), CliError> {
        match self.lost {
            true => Err(CliError::Failed("not everything could be written to standard output".to_owned())),
            false => Ok(()),
        }
    }

    fn put(&mut self, text: &str) -> Result<(), CliError> {
        if self.lost {
            return Ok(());
        }
        let Err(error) = writeln!(self.to, "{text}").and_then(|()| self.to.flush()) else { return Ok(()) };
        if self.beside {
            self.lost = true;
            warn(&format!("standard output: {error}; the work continues without it"));
            return Ok(());
        }
        match error.kind() {
            io::ErrorKind::BrokenPipe => Err(CliError::Closed),
            _ => Err(CliError::Failed(format!("standard output: {error}"))),
        }
    }

    /// Whether JSON was requested.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Prints one JSON object as a line, if JSON was requested.
    ///
    /// # Errors
    /// When the output is closed or cannot be written.
    pub fn object(&mut self, value: &impl Serialize) -> Result<(), CliError> {
        if self.json {
            let line = serde_json::to_string(value)?;
            self.put(&printable_json(&line))?;
        }
        Ok(())
    }

    /// Prints one line for people, unless JSON was requested. Control characters are shown, not sent.
    ///
    /// # Errors
    /// When the output is closed or cannot be written.
    pub fn line(&mut self, text: impl AsRef<str>) -> Result<(), CliError> {
        if !self.json {
            self.put(&printable(text.as_ref()))?;
        }
        Ok(())
    }
}

/// A warning of a command that continues, on standard error.
pub(super) fn warn(message: &str) {
    let _ = writeln!(io::stderr(), "aat-tui: {}", printable(message));
}

/// The error of a command that failed, on standard error.
pub(super) fn print_error(error: &CliError) {
    // A closed standard error cannot be reported.
    let _ = writeln!(io::stderr(), "aat-tui: {}", printable(&error.to_string()));
}

/// A text in a column of so many cells, in any script; a wider one ends in `…`. Control characters are shown.
pub(super) fn column(text: &str, cells: usize) -> String {
    let mut text = printable(text).into_owned();
    if text.width() > cells {
        while text.width() + 1 > cells && text.pop().is_some() {}
        text.push('…');
    }
    let gap = cells.saturating_sub(text.width());
    text + &" ".repeat(gap)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_look() {
        for label in ["dog", "Bär", "Ba\u{308}r", "雨の音", "कुत्ता", "كلب", "🐕", "ｄｏｇ", "a\u{1b}[31m"]
        {
            assert_eq!(column(label, 12).width(), 12, "{label:?}");
        }
        assert_eq!(column("雨の音がする", 6), "雨の… ");
        assert_eq!(column("abcdefgh", 5), "abcd…");
    }
}
