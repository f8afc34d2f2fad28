//! The fields of a table's rows, by the names of their columns.

use super::text;
use crate::data::layout::table::{Row, find};

pub(super) const AUDIO: &[&str] = &[
    "file",
    "filename",
    "file_name",
    "filepath",
    "path",
    "audio",
    "audio_file",
    "audio_path",
    "recording",
    "input",
    "begin file",
    "begin path",
];
const LOW: &[&str] = &["low_f", "low_hz", "low_freq", "low freq (hz)", "fmin"];
const HIGH: &[&str] = &["high_f", "high_hz", "high_freq", "high freq (hz)", "fmax"];

/// The columns of a table by name, in lower case.
pub(super) struct Columns<'a> {
    pub(super) names: &'a [String],
    /// The one with labels.
    pub(super) label: usize,
}

impl Columns<'_> {
    /// A row's text in the first of these columns that the table has.
    pub(super) fn text(&self, row: &Row, names: &[&str]) -> Option<String> {
        row.text(find(self.names, names)?)
    }

    /// A row's number there, where it holds one.
    pub(super) fn number(&self, row: &Row, names: &[&str]) -> Option<f64> {
        self.text(row, names).and_then(|cell| text::number(&cell))
    }

    /// A row's label.
    pub(super) fn label(&self, row: &Row) -> String {
        row.text(self.label).unwrap_or_default()
    }

    /// Low and high frequency.
    pub(super) fn band(&self, row: &Row) -> (Option<f64>, Option<f64>) {
        (self.number(row, LOW), self.number(row, HIGH))
    }
}
