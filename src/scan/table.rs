//! The forms in which detections are written: one table for each recording, and one for all.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

use super::Row;

/// A form of table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Comma-separated values, quoted where needed.
    Csv,
    /// One JSON object a line.
    Jsonl,
    /// A label track of Audacity: one for each recording, since its lines name no file.
    Audacity,
    /// A selection table of Raven.
    Raven,
}

/// Highest frequency that reaches a model: half of its sample rate.
const HIGHEST_HZ: u32 = crate::audio::SAMPLE_RATE / 2;

impl FromStr for Format {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name.trim() {
            "csv" => Ok(Self::Csv),
            "jsonl" => Ok(Self::Jsonl),
            "audacity" => Ok(Self::Audacity),
            "raven" => Ok(Self::Raven),
            other => Err(format!("there is no format {other:?}; give csv, jsonl, audacity or raven")),
        }
    }
}

impl Format {
    /// The table of one recording, beside or below the others' under this stem.
    pub(super) fn of_one(self, stem: &Path) -> PathBuf {
        let mut name = stem.as_os_str().to_owned();
        name.push(match self {
            Self::Csv => ".csv",
            Self::Jsonl => ".jsonl",
            Self::Audacity => ".txt",
            Self::Raven => ".Table.1.selections.txt",
        });
        name.into()
    }

    /// The name of the table of all recordings, where this form can say which recording a line is of.
    pub(super) fn of_all(self) -> Option<&'static str> {
        match self {
            Self::Csv => Some("scan.csv"),
            Self::Jsonl => Some("scan.jsonl"),
            Self::Audacity => None,
            Self::Raven => Some("scan.Table.1.selections.txt"),
        }
    }
}

/// A table being written.
pub(super) struct Table<W: Write> {
    format: Format,
    to: W,
    rows: u64,
}

impl<W: Write> Table<W> {
    /// Begins a table with its header, where it has one.
    pub(super) fn new(format: Format, mut to: W) -> io::Result<Self> {
        match format {
            Format::Csv => to.write_all(b"file,start,end,label,score,time\n")?,
            Format::Raven => to.write_all(
                b"Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tAnnotation\
                  \tConfidence\tBegin Path\tFile Offset (s)\n",
            )?,
            Format::Jsonl | Format::Audacity => {}
        }
        Ok(Self { format, to, rows: 0 })
    }

    /// Appends a detection. `rate` is that of the recording, in samples a second.
    pub(super) fn push(&mut self, row: &Row, rate: u32) -> io::Result<()> {
        self.rows += 1;
        let (start, end) = (time(row.start), time(row.end));
        match self.format {
            Format::Csv => {
                let when = row.time.as_deref().unwrap_or_default();
                let (file, label) = (quoted(&row.file), quoted(&row.label));
                writeln!(self.to, "{file},{start},{end},{label},{:.6},{when}", row.score)
            }
            Format::Jsonl => {
                serde_json::to_writer(&mut self.to, row)?;
                self.to.write_all(b"\n")
            }
            Format::Audacity => {
                let label = one_cell(&row.label);
                // Audacity drops the fourth field; readers of tables take it as the sign that a machine made the label.
                writeln!(self.to, "{:.6}\t{:.6}\t{label}\t{:.6}", row.start, row.end, row.score)
            }
            Format::Raven => {
                let (label, file) = (one_cell(&row.label), one_cell(&row.file));
                let (number, high) = (self.rows, (rate / 2).min(HIGHEST_HZ));
                let score = row.score;
                writeln!(
                    self.to,
                    "{number}\tSpectrogram 1\t1\t{start}\t{end}\t0\t{high}\t{label}\t{score:.6}\t{file}\t{start}"
                )
            }
        }
    }
}

/// Seconds to the microsecond, without zeros that say nothing: `12.5`, `3.0`.
pub(super) fn time(seconds: f64) -> String {
    let text = format!("{seconds:.6}");
    let short = text.trim_end_matches('0');
    if short.ends_with('.') { format!("{short}0") } else { short.to_owned() }
}

/// A cell of CSV.
fn quoted(text: &str) -> std::borrow::Cow<'_, str> {
    let needs = text.contains([',', '"', '\n', '\r', ';']) || text.starts_with(' ') || text.ends_with(' ');
    if needs { format!("\"{}\"", text.replace('"', "\"\"")).into() } else { text.into() }
}

/// A cell of a table that TABs divide and that quotes nothing.
fn one_cell(text: &str) -> String {
    text.replace(['\t', '\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn write(format: Format) -> String {
        let row = Row {
            file: "a, b/20240501_040000.WAV".into(),
            start: 606.7,
            end: 3.0 + 604.0,
            label: "say \"hi\"\t".into(),
            score: 0.912_345_6,
            margin: 0.5,
            time: Some("2024-05-01T04:10:06.7".into()),
        };
        let mut bytes = Vec::new();
        let mut table = Table::new(format, &mut bytes).unwrap();
        table.push(&row, 12_000).unwrap();
        table.push(&Row { time: None, ..row }, 48_000).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn each_form_is_what_its_program_reads() {
        assert_eq!(
            write(Format::Csv),
            "file,start,end,label,score,time\n\
             \"a, b/20240501_040000.WAV\",606.7,607.0,\"say \"\"hi\"\"\t\",0.912346,2024-05-01T04:10:06.7\n\
             \"a, b/20240501_040000.WAV\",606.7,607.0,\"say \"\"hi\"\"\t\",0.912346,\n"
        );
        let audacity = write(Format::Audacity);
        assert_eq!(audacity.lines().next(), Some("606.700000\t607.000000\tsay \"hi\" \t0.912346"));
        let raven = write(Format::Raven);
        let lines: Vec<Vec<&str>> = raven.lines().map(|line| line.split('\t').collect()).collect();
        assert!(lines.iter().all(|cells| cells.len() == 11), "{raven}");
        assert_eq!(lines[1][..7], ["1", "Spectrogram 1", "1", "606.7", "607.0", "0", "6000"]);
        assert_eq!((lines[2][0], lines[2][6], lines[2][10]), ("2", "8000", "606.7"));
        let jsonl = write(Format::Jsonl);
        let first: serde_json::Value = serde_json::from_str(jsonl.lines().next().unwrap()).unwrap();
        assert_eq!((first["start"].as_f64(), first["label"].as_str()), (Some(606.7), Some("say \"hi\"\t")));
    }

    #[test]
    fn times_are_short_and_exact() {
        for (seconds, text) in
            [(0.0, "0.0"), (12.5, "12.5"), (606.7, "606.7"), (1.0 / 16_000.0, "0.000063"), (36_000.0, "36000.0")]
        {
            assert_eq!(time(seconds), text);
        }
    }
}
