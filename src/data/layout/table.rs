//! Tables as people save them: commas, semicolons, tabs or bars between fields, byte order marks, UTF-16, any line ends,
//! blank lines, quoted line breaks; or one JSON object a line. Rows know the line of the file that they begin on.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use csv::StringRecord;
use serde::de::DeserializeOwned;

use crate::{
    data::{DataError, Problem},
    limits, regular,
};

/// What may stand between fields; the first is meant where nothing speaks for another.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// One field.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::data) enum Field {
    /// Text, trimmed, never empty.
    Text(String),
    /// A list, from JSON or as Python writes it: `['dog', 'rain']`.
    List(Vec<String>),
}

/// One row: the line it begins on, counted from 1, and its fields by column.
#[derive(Clone, Debug)]
pub(in crate::data) struct Row {
    pub(in crate::data) line: u64,
    fields: Vec<Option<Field>>,
}

impl Row {
    /// The field of a column; `None` where it is empty or missing.
    pub(in crate::data) fn field(&self, column: usize) -> Option<&Field> {
        self.fields.get(column)?.as_ref()
    }

    /// A field as text: a list's parts with `;` between.
    pub(in crate::data) fn text(&self, column: usize) -> Option<String> {
        Some(match self.field(column)? {
            Field::Text(text) => text.clone(),
            Field::List(parts) => parts.join(";"),
        })
    }
}

/// A table, and what is wrong with single lines of it.
#[derive(Clone, Debug)]
pub(in crate::data) struct Table {
    pub(in crate::data) file: PathBuf,
    /// Names of its columns as they are written, trimmed.
    pub(in crate::data) columns: Vec<String>,
    pub(in crate::data) rows: Vec<Row>,
    pub(in crate::data) problems: Vec<Problem>,
}

impl Table {
    /// Reads a file that ends in `.jsonl` or `.ndjson` as one JSON object a line, any other as separated values.
    /// `wanted` says whether column names, in lower case, are those of a table that can be used: the separator is the
    /// first for which they are.
    ///
    /// # Errors
    /// When the file cannot be read, is too large, or is no text.
    pub(in crate::data) fn read(file: &Path, wanted: impl Fn(&[String]) -> bool) -> Result<Self, DataError> {
        let text = text_of(file)?;
        Ok(Self::of_text(file, &text, wanted))
    }

    /// As [`Table::read`], from the file's text.
    pub(in crate::data) fn of_text(file: &Path, text: &str, wanted: impl Fn(&[String]) -> bool) -> Self {
        if super::ending_in(file, &["jsonl", "ndjson"]) {
            return of_json(file, text);
        }
        let (body, first_line) = behind_separator_line(text);
        let separator = declared(text).unwrap_or_else(|| separator_of(body, wanted));
        let mut records = Records::new(body, separator, first_line);
        let mut table = Self { file: file.to_owned(), columns: Vec::new(), rows: Vec::new(), problems: Vec::new() };
        let mut header = true;
        while let Some((line, record)) = records.next() {
            match record {
                Ok(record) if header => {
                    table.columns = record.iter().map(|name| name.trim().to_owned()).collect();
                    header = false;
                }
                // A line of separators alone, as spreadsheets leave them behind the last row.
                Ok(record) if record.iter().all(|field| field.trim().is_empty()) => {}
                Ok(record) => {
                    if record.len() > table.columns.len()
                        && record.iter().skip(table.columns.len()).any(|f| !f.trim().is_empty())
                    {
                        let problem = format!(
                            "line {line}: it has {} fields and the first line names {}",
                            record.len(),
                            table.columns.len()
                        );
                        let remedy = "put fields that hold a separator in double quotes";
                        table.problems.push(Problem::error(file, problem, remedy));
                        continue;
                    }
                    table.rows.push(Row { line, fields: record.iter().map(field_of).collect() });
                }
                Err(error) => table.problems.push(bad_line(file, line, &error)),
            }
        }
        table
    }

    /// Names of columns in lower case.
    pub(in crate::data) fn lower(&self) -> Vec<String> {
        self.columns.iter().map(|name| name.to_lowercase()).collect()
    }
}

/// Where the first of these names is; the order of `names` is that of preference.
pub(in crate::data) fn find(columns: &[String], names: &[&str]) -> Option<usize> {
    names.iter().find_map(|name| columns.iter().position(|column| column == name))
}

/// The rows of a separated table that can be understood as `Row`, and what is wrong with the others.
///
/// # Errors
/// As [`Table::read`].
pub(in crate::data) fn rows<Row: DeserializeOwned>(file: &Path) -> Result<(Vec<Row>, Vec<Problem>), DataError> {
    let text = text_of(file)?;
    let (mut rows, mut problems) = (Vec::new(), Vec::new());
    let mut records = Records::new(&text, separator_of(&text, |_| false), 1);
    let mut header: Option<StringRecord> = None;
    while let Some((line, record)) = records.next() {
        match record {
            Ok(record) if header.is_none() => header = Some(record.iter().map(str::trim).collect()),
            Ok(record) => match record.deserialize(header.as_ref()) {
                Ok(row) => rows.push(row),
                Err(error) => problems.push(bad_line(file, line, &error)),
            },
            Err(error) => problems.push(bad_line(file, line, &error)),
        }
    }
    Ok((rows, problems))
}

fn bad_line(file: &Path, line: u64, error: &csv::Error) -> Problem {
    let why = match error.kind() {
        csv::ErrorKind::Deserialize { err, .. } => err.kind().to_string(),
        _ => error.to_string(),
    };
    Problem::error(file, format!("line {line}: {why}"), "correct the line or take it out")
}

/// The file as text: UTF-8 or, with its mark, UTF-16.
fn text_of(file: &Path) -> Result<String, DataError> {
    let io_error = |source| DataError::Io { path: file.to_owned(), source };
    let unusable = |problem: String, remedy: &str| DataError::Unusable {
        path: file.to_owned(),
        problem,
        remedy: remedy.to_owned(),
    };
    let mut bytes = Vec::new();
    regular::open(file).map_err(io_error)?.take(limits::TABLE + 1).read_to_end(&mut bytes).map_err(io_error)?;
    if bytes.len() as u64 > limits::TABLE {
        return Err(unusable("this table is larger than 1 GiB".into(), "divide the data set"));
    }
    decode(&bytes).map_err(|problem| unusable(problem, "save it as CSV in UTF-8"))
}

/// Bytes as text, without a byte order mark.
fn decode(bytes: &[u8]) -> Result<String, String> {
    let wide = |pairs: &[u8], order: fn([u8; 2]) -> u16| {
        let units = pairs.as_chunks::<2>().0.iter().map(|&pair| order(pair));
        char::decode_utf16(units).collect::<Result<String, _>>().map_err(|_| "it is not whole UTF-16 text".to_owned())
    };
    match bytes {
        [0xFF, 0xFE, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0xEF, 0xBB, 0xBF, rest @ ..] | rest => String::from_utf8(rest.to_vec()).map_err(|error| {
            let line = 1 + rest[..error.utf8_error().valid_up_to()].iter().filter(|&&byte| byte == b'\n').count();
            format!("it is not UTF-8 text (line {line})")
        }),
    }
}

/// The separator that Excel's first line `sep=;` declares.
fn declared(text: &str) -> Option<u8> {
    let first = text.lines().next()?.trim();
    match first.strip_prefix("sep=")?.as_bytes() {
        [separator] => Some(*separator),
        _ => None,
    }
}

/// The text behind a line that declares the separator, and the number of its first line.
fn behind_separator_line(text: &str) -> (&str, u64) {
    match declared(text) {
        Some(_) => (text.split_once('\n').map_or("", |(_, rest)| rest), 2),
        None => (text, 1),
    }
}

/// The separator with which the first line names the columns that are wanted, else the one that is most frequent in it.
fn separator_of(text: &str, wanted: impl Fn(&[String]) -> bool) -> u8 {
    let columns = |separator: u8| -> Vec<String> {
        let record = Records::new(text, separator, 1).next().and_then(|(_, record)| record.ok());
        record.iter().flatten().map(|name| name.trim().to_lowercase()).collect()
    };
    let fitting = SEPARATORS.into_iter().find(|&separator| wanted(&columns(separator)));
    // `max_by_key` takes the last of equals, and a comma is the likeliest.
    fitting.or_else(|| SEPARATORS.into_iter().rev().max_by_key(|&s| columns(s).len())).unwrap_or(b',')
}

/// The records of separated text with the line that each begins on: blank lines count, as do line breaks in quotes.
struct Records<'a> {
    text: &'a str,
    reader: csv::Reader<&'a [u8]>,
    /// How far lines are counted, and the number of the line there.
    counted: (usize, u64),
}

impl<'a> Records<'a> {
    fn new(text: &'a str, separator: u8, first_line: u64) -> Self {
        let reader = csv::ReaderBuilder::new()
            .flexible(true)
            .has_headers(false)
            .delimiter(separator)
            .from_reader(text.as_bytes());
        Self { text, reader, counted: (0, first_line) }
    }

    fn next(&mut self) -> Option<(u64, Result<StringRecord, csv::Error>)> {
        let bytes = self.text.as_bytes();
        let mut start = (self.reader.position().byte() as usize).min(bytes.len());
        // The reader passes over blank lines on its way to the record.
        while bytes.get(start).is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
            start += 1;
        }
        let (from, line) = self.counted;
        let line = line + breaks(bytes.get(from..start).unwrap_or_default());
        self.counted = (start.max(from), line);
        let mut record = StringRecord::new();
        match self.reader.read_record(&mut record) {
            Ok(true) => Some((line, Ok(record))),
            Ok(false) => None,
            Err(error) => Some((line, Err(error))),
        }
    }
}

/// Line breaks in a text, `\r\n` counting once.
fn breaks(bytes: &[u8]) -> u64 {
    let ends = |(place, byte): (usize, &u8)| match byte {
        b'\n' => true,
        b'\r' => bytes.get(place + 1) != Some(&b'\n'),
        _ => false,
    };
    bytes.iter().enumerate().filter(|&at| ends(at)).count() as u64
}

fn field_of(text: &str) -> Option<Field> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    // As pandas and Python write lists.
    if let Some(inside) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let parts = inside.split(',').map(|part| part.trim().trim_matches(['\'', '"']).trim().to_owned());
        return Some(Field::List(parts.filter(|part| !part.is_empty()).collect()));
    }
    Some(Field::Text(text.to_owned()))
}

/// One JSON object a line; columns in the order in which they first occur.
fn of_json(file: &Path, text: &str) -> Table {
    let mut table = Table { file: file.to_owned(), columns: Vec::new(), rows: Vec::new(), problems: Vec::new() };
    for (place, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let number = place as u64 + 1;
        let object: serde_json::Map<String, serde_json::Value> = match serde_json::from_str(line) {
            Ok(object) => object,
            Err(error) => {
                let problem = format!("line {number}: it is no JSON object ({error})");
                table.problems.push(Problem::error(file, problem, "write one JSON object on each line"));
                continue;
            }
        };
        let mut fields = vec![None; table.columns.len()];
        for (name, value) in object {
            let place = table.columns.iter().position(|column| *column == name).unwrap_or_else(|| {
                table.columns.push(name);
                fields.push(None);
                table.columns.len() - 1
            });
            fields[place] = json_field(&value);
        }
        table.rows.push(Row { line: number, fields });
    }
    table
}

fn json_field(value: &serde_json::Value) -> Option<Field> {
    let text = |value: &serde_json::Value| match value {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        other => Some(other.to_string()),
    };
    match value {
        serde_json::Value::Array(parts) => Some(Field::List(parts.iter().filter_map(text).collect())),
        one => text(one).map(Field::Text),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs;

    fn table(name: &str, content: impl AsRef<[u8]>) -> Table {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name);
        fs::write(&file, content).unwrap();
        Table::read(&file, |columns| find(columns, &["path"]).is_some() && find(columns, &["label"]).is_some()).unwrap()
    }

    fn lines(table: &Table) -> Vec<(u64, String)> {
        table.rows.iter().map(|row| (row.line, row.text(0).unwrap())).collect()
    }

    #[test]
    fn separators_are_known_by_the_columns_they_give() {
        for separator in [",", ";", "\t", "|"] {
            let text = ["path", "label"].join(separator) + "\n" + &["a,b.wav", "x;y"].join(separator) + "\n";
            if !matches!(separator, "," | ";") {
                let table = table("m.csv", text);
                assert_eq!(table.columns, ["path", "label"], "{separator}");
                assert_eq!(table.rows[0].text(1).unwrap(), "x;y");
            }
        }
        let semicolons = table("m.csv", "path;label;note\na.wav;\"x;y\";one, two, three, four\n");
        assert_eq!(semicolons.columns, ["path", "label", "note"]);
        assert_eq!(semicolons.rows[0].text(1).unwrap(), "x;y");
        let excel = table("m.csv", "sep=;\r\npath;label\r\na.wav;x\r\n");
        assert_eq!((excel.columns.join(" ").as_str(), lines(&excel)), ("path label", vec![(3, "a.wav".to_owned())]));
    }

    #[test]
    fn line_numbers_count_blank_lines_and_quoted_breaks() {
        for end in ["\n", "\r\n"] {
            let text =
                ["", "path,label", "", "a.wav,x", "", "", "\"b", ".wav\",y", "c.wav,z", ",", "d.wav,x"].join(end);
            let table = table("m.csv", &text);
            let lines: Vec<u64> = table.rows.iter().map(|row| row.line).collect();
            assert_eq!(lines, [4, 7, 9, 11], "{end:?}");
        }
    }

    #[test]
    fn marks_and_utf_16_are_understood() {
        assert_eq!(table("m.csv", "\u{feff}path,label\na.wav,x\n").columns, ["path", "label"]);
        for little in [true, false] {
            let bytes: Vec<u8> = "\u{feff}path\tlabel\r\na.wav\tBär\r\n"
                .encode_utf16()
                .flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() })
                .collect();
            assert_eq!(table("m.txt", bytes).rows[0].text(1).unwrap(), "Bär");
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("m.csv");
        fs::write(&file, b"path,label\na.wav,B\xe4r\n").unwrap();
        let error = Table::read(&file, |_| false).unwrap_err().to_string();
        assert!(error.contains("not UTF-8") && error.contains("line 2"), "{error}");
    }

    #[test]
    fn lists_come_from_json_and_from_python() {
        let table = table(
            "metadata.jsonl",
            "{\"file_name\": \"a.wav\", \"label\": [\"dog\", \"rain\"]}\n\n{\"file_name\": \"b.wav\", \"label\": 3, \"more\": null}\nno\n",
        );
        assert_eq!(table.columns, ["file_name", "label", "more"]);
        assert_eq!(table.rows[0].field(1), Some(&Field::List(vec!["dog".into(), "rain".into()])));
        assert_eq!((table.rows[1].line, table.rows[1].text(1).unwrap().as_str()), (3, "3"));
        assert!(table.problems[0].problem.starts_with("line 4:"), "{:?}", table.problems);
        assert_eq!(field_of("['dog', \"rain\"]"), Some(Field::List(vec!["dog".into(), "rain".into()])));
    }

    #[test]
    fn a_line_with_more_fields_than_columns_is_named() {
        let table = table("m.csv", "path,label\na.wav,x,,\nb.wav,dog, big\n");
        assert_eq!(table.rows.len(), 1);
        assert!(table.problems[0].problem.contains("line 3: it has 3 fields"), "{:?}", table.problems);
    }
}
