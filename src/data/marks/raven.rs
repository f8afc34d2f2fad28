//! Raven's selection tables, and those that BirdNET writes for Raven.
//!
//! Raven writes a selection once for each view. With a sequence of recordings open, `Begin Time` runs on over all of them:
//! the true place is `File Offset` in `Begin File`, and the length is `End` - `Begin`.

use std::collections::HashMap;

use super::{
    Annotator, Form, Mark, Outcome, Reading,
    fields::{AUDIO, Columns},
    last_part, stem_of,
};
use crate::data::layout::table::Table;

/// Columns that never hold labels: what Raven writes of its own.
const OWN: &[&str] = &[
    "selection",
    "view",
    "channel",
    "begin file",
    "end file",
    "begin path",
    "end path",
    "begin date",
    "begin clock time",
    "end clock time",
    "begin date time",
    "species code",
    "scientific name",
    "notes",
    "comments",
];

/// Columns with text that may be labels: not Raven's own, no measurement, and not only numbers.
pub(super) fn texts(table: &Table, names: &[String]) -> Vec<usize> {
    let is_text = |column: usize| {
        let mut cells = table.rows.iter().filter_map(|row| row.text(column)).peekable();
        cells.peek().is_some() && cells.any(|cell| super::text::number(&cell).is_none())
    };
    let may = |&column: &usize| {
        let name = names[column].as_str();
        !name.is_empty() && !OWN.contains(&name) && !name.contains('(') && is_text(column)
    };
    (0..names.len()).filter(may).collect()
}

pub(super) fn read(table: &Table, columns: &Columns<'_>, mut reading: Reading) -> Outcome {
    let stem = stem_of(&table.file);
    // Selections in the order in which they first occur, each with the view that it is taken from.
    let mut selections: Vec<(Mark, String)> = Vec::new();
    let mut known: HashMap<(String, String), usize> = HashMap::new();
    for row in &table.rows {
        let line = row.line;
        let cell = |name: &str| columns.text(row, &[name]);
        let path = cell("begin path").or_else(|| cell("begin file")).or_else(|| columns.text(row, AUDIO));
        let name = cell("begin file").or_else(|| path.clone());
        let audio = name.as_deref().map_or_else(|| stem.clone(), |name| last_part(name).to_owned());
        let text = |name: &str| cell(name).unwrap_or_default();
        let (Some(begin), Some(end)) = (
            reading.time(line, "Begin Time (s)", &text("begin time (s)")),
            reading.time(line, "End Time (s)", &text("end time (s)")),
        ) else {
            continue;
        };
        let offset = match cell("file offset (s)").filter(|_| name.is_some()) {
            Some(offset) => match reading.time(line, "File Offset (s)", &offset) {
                Some(offset) => offset,
                None => continue,
            },
            None => begin,
        };
        let score = columns.number(row, &["confidence", "score"]);
        let label = columns.label(row);
        if label == "nocall" && score.is_some() {
            reading.no_call(audio, line);
            continue;
        }
        let (low_hz, high_hz) = columns.band(row);
        let mark = Mark {
            audio,
            path: path.map(|path| path.replace('\\', "/")),
            start: offset,
            end: offset + (end - begin),
            label,
            low_hz,
            high_hz,
            score,
            by: if score.is_some() { Annotator::Machine } else { Annotator::Unknown },
            line,
            ..Mark::default()
        };
        let view = text("view");
        let key = cell("selection").map(|selection| (mark.audio.clone(), selection));
        let before = key.as_ref().and_then(|key| known.get(key)).and_then(|&at| selections.get_mut(at));
        match before {
            // The same selection in another view: the spectrogram's has the frequencies.
            Some((kept, of)) if *of != view => {
                if view.starts_with("Spectrogram") && !of.starts_with("Spectrogram") {
                    (*kept, *of) = (mark, view);
                }
            }
            _ => {
                known.extend(key.map(|key| (key, selections.len())));
                selections.push((mark, view));
            }
        }
    }
    selections.into_iter().for_each(|(mark, _)| reading.take(mark));
    reading.finish(Form::Raven)
}
