//! The only place that writes to standard output: text for people or one JSON object a line.

use std::io::{self, Write};

use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use crate::{
    data::DataError,
    printable::{printable, printable_json},
};

/// Why a subcommand ended without its result.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The request itself is off: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// The work failed: exit code 1.
    #[error("{0}")]
    Failed(String),
    /// Someone pressed Ctrl-C: exit code 130.
    #[error("interrupted")]
    Interrupted,
    /// The reader of our output went away; nothing to say, and nobody to say it to.
    #[error("the output was closed")]
    Closed,
}

impl CliError {
    /// The process's exit code for it.
    pub fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Failed(_) => 1,
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

/// Failures of the layers below are failures of the work; their messages already say what to do.
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
    crate::audio::AudioError,
    crate::model::ModelError,
    crate::session::SessionError,
    crate::train::TrainError,
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

/// Where a subcommand's answer goes.
pub struct Output {
    json: bool,
    /// Whether the work matters more than its report: when the output cannot be written, the work continues.
    beside: bool,
    /// Whether it could not be written, and is not written any more.
    lost: bool,
    to: Box<dyn Write + Send>,
}

impl Output {
    /// Standard output, as JSON lines or text.
    pub fn stdout(json: bool) -> Self {
        Self { json, beside: false, lost: false, to: Box::new(io::stdout()) }
    }

    /// The same for work that leaves something else, such as a session: when standard output is closed or full, that is
    /// said once on standard error, and the work continues without it.
    pub fn beside_work(json: bool) -> Self {
        Self { beside: true, ..Self::stdout(json) }
    }

    /// An error when something of the output was lost, for commands whose last lines are a result of their own.
    ///
    /// # Errors
    /// Then, and only then.
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

    /// Whether JSON was asked for.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// One JSON object as a line, when JSON was asked for.
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

    /// One line for people, when JSON was not asked for. What a terminal would obey is shown, not sent.
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

/// The last words of a command that failed, on standard error.
pub(super) fn print_error(error: &CliError) {
    // Nobody is left to hear about a closed standard error.
    let _ = writeln!(io::stderr(), "aat-tui: {}", printable(&error.to_string()));
}

/// A text as a column so many cells wide, whatever its script; one that is too wide ends in `…`. Control characters are
/// shown.
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
