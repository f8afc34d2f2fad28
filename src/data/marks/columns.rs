//! Tables with a header: which they are, and their rows.

use super::{
    Annotator, Form, Mark, Options, Outcome, Presence, Reading,
    fields::{AUDIO, Columns},
    last_part, raven, stem_of,
};
use crate::data::{
    DataError,
    layout::{
        columns::{FOLD, GROUP, SPLIT},
        table::{Table, find},
    },
};

const START: &[&str] =
    &["start", "start_time", "start_s", "start_offset_s", "start_time_seconds", "begin", "begin_time", "onset", "t0"];
const END: &[&str] = &["end", "end_time", "end_s", "end_offset_s", "end_time_seconds", "stop", "offset", "t1"];
const LABEL: &[&str] = &[
    "label",
    "class",
    "species",
    "common_name",
    "common name",
    "species_name",
    "scientific_name",
    "name",
    "annotation",
    "event_label",
    "category",
    "tag",
    "primary_label",
];
const SCORE: &[&str] = &["score", "confidence", "probability", "logits", "logit"];
/// BirdNET's stand-in for a recording without detections.
const NO_CALL: &str = "nocall";

/// What a header in lower case is that of.
pub(super) fn form_of(names: &[String]) -> Option<Form> {
    let has = |name: &str| names.iter().any(|own| own.trim_end_matches('*') == name);
    let any = |names_of: &[&str]| find(names, names_of).is_some();
    if has("begin time (s)") && has("end time (s)") {
        Some(Form::Raven)
    } else if has("start (s)") && has("end (s)") {
        Some(Form::Birdnet)
    } else if has("in file") && has("offset") {
        Some(Form::Kaleidoscope)
    } else if has("onset") && has("offset") && has("event_label") {
        Some(Form::Dcase)
    } else if has("segment_id") && has("start_time_seconds") {
        Some(Form::AudiosetStrong)
    } else if has("audiofilename") && has("starttime") && has("endtime") {
        Some(Form::FewShot)
    } else if any(START) && any(END) && any(LABEL) && !has("clip") {
        // With `clip` it is the list beside a scan's clips: the class folders there are the data set.
        Some(Form::Generic)
    } else {
        None
    }
}

/// Whether some row says where an event is.
pub(super) fn has_places(table: &Table) -> bool {
    let start = find(&table.lower(), START);
    table.rows.iter().any(|row| start.is_some_and(|start| row.field(start).is_some()))
}

/// Why a file is none of the forms.
pub(super) fn refuse(text: &str, names: &[String], refused: impl Fn(String, &str) -> DataError) -> DataError {
    let has = |name: &str| names.iter().any(|own| own == name);
    if text.trim_start().starts_with(['{', '[']) {
        return refused(
            "it is JSON, which is not read as marks".into(),
            "export it as CSV with file, start, end and label",
        );
    }
    if has("onset") && has("offset") {
        return refused(
            "it holds scores of windows (onset, offset and a column for each class) and no labels".into(),
            "give the table of events instead",
        );
    }
    if text.lines().take(3).any(|line| line.starts_with("# YTID")) || has("event_labels") {
        return refused(
            "it says what whole clips hold, and not where".into(),
            "make a manifest with path and label of it",
        );
    }
    let any = |names_of: &[&str]| find(names, names_of).is_some();
    let times = any(START) && any(END) || has("begin time (s)") && has("end time (s)");
    match (times, any(LABEL)) {
        (true, false) => refused(format!("line 1: no column holds labels ({})", names.join(", ")), "name it `label`"),
        (false, true) => refused(
            format!("line 1: no columns hold a start and an end ({})", names.join(", ")),
            "name them `start` and `end`",
        ),
        _ => refused("it is no table of marks that is known".into(), super::LOOKED_FOR),
    }
}

/// Reads the rows of a table.
///
/// # Errors
/// When it has no column for labels. The inner error is that of single lines.
pub(super) fn read(table: &Table, form: Form, options: &Options, reading: Reading) -> Result<Outcome, DataError> {
    let names: Vec<String> = table.lower().iter().map(|name| name.trim_end_matches('*').trim().to_owned()).collect();
    let label = label_column(table, &names, form, options)?;
    let columns = Columns { names: &names, label };
    Ok(match form {
        Form::Raven => raven::read(table, &columns, reading),
        Form::Kaleidoscope => kaleidoscope(table, &columns, reading),
        Form::FewShot => few_shot(table, &columns, reading),
        form => rows(table, &columns, form, reading),
    })
}

/// Which column holds labels: the one that a person named, else by its name, else the only one that can.
fn label_column(table: &Table, names: &[String], form: Form, options: &Options) -> Result<usize, DataError> {
    let refused = |problem: String, remedy: String| DataError::Unusable { path: table.file.clone(), problem, remedy };
    if let Some(wanted) = &options.label_column {
        return find(names, &[wanted.to_lowercase().as_str()]).ok_or_else(|| {
            refused(format!("it has no column {wanted:?}"), format!("its columns are {}", table.columns.join(", ")))
        });
    }
    let known = match form {
        Form::Raven => find(names, &["annotation", "species", "common name", "label", "class", "call type"]),
        Form::Birdnet => find(names, &["common name", "scientific name"]),
        // Each row chooses between two columns, or each class has its own.
        Form::Kaleidoscope | Form::FewShot => return Ok(usize::MAX),
        Form::Dcase => find(names, &["event_label"]),
        _ => find(names, LABEL),
    };
    if let Some(known) = known {
        return Ok(known);
    }
    let texts: Vec<usize> = match form {
        Form::Raven => raven::texts(table, names),
        _ => Vec::new(),
    };
    match texts.as_slice() {
        [one] => Ok(*one),
        [] => Err(refused(
            format!("line 1: no column holds labels (its columns are {})", table.columns.join(", ")),
            "name one `Annotation`, or give its name with --label-column".into(),
        )),
        several => {
            let several: Vec<&str> = several.iter().map(|&column| table.columns[column].as_str()).collect();
            Err(refused(
                format!("line 1: several columns may hold labels ({})", several.join(", ")),
                "say which with --label-column".into(),
            ))
        }
    }
}

/// Tables of one event a row, that differ in the names of their columns only.
fn rows(table: &Table, columns: &Columns<'_>, form: Form, mut reading: Reading) -> Outcome {
    let (start, end, audio): (&[&str], &[&str], &[&str]) = match form {
        Form::Birdnet => (&["start (s)"], &["end (s)"], &["file"]),
        Form::Dcase => (&["onset"], &["offset"], &["filename"]),
        Form::AudiosetStrong => (&["start_time_seconds"], &["end_time_seconds"], &["segment_id"]),
        _ => (START, END, AUDIO),
    };
    let stem = stem_of(&table.file);
    for row in &table.rows {
        let line = row.line;
        let path = columns.text(row, audio);
        // An id may hold anything.
        let name = match (&path, form) {
            (Some(id), Form::AudiosetStrong) => id.clone(),
            (Some(path), _) => last_part(path).to_owned(),
            (None, _) => stem.clone(),
        };
        let label = columns.label(row);
        let (from, to) = (columns.text(row, start), columns.text(row, end));
        if from.is_none() && to.is_none() && label.is_empty() && path.is_some() {
            reading.silent.push(name);
            continue;
        }
        let (Some(start), Some(end)) = (
            reading.time(line, "start", &from.unwrap_or_default()),
            reading.time(line, "end", &to.unwrap_or_default()),
        ) else {
            continue;
        };
        let score = columns.number(row, SCORE);
        if label == NO_CALL && (form == Form::Birdnet || score.is_some()) {
            reading.no_call(name, line);
            continue;
        }
        let presence = match columns.text(row, &["label_type"]).as_deref() {
            Some("negative") => Presence::Absent,
            Some("uncertain") => Presence::Uncertain,
            _ => Presence::Present,
        };
        let (low_hz, high_hz) = columns.band(row);
        let by = if score.is_some() || form == Form::Birdnet { Annotator::Machine } else { Annotator::Unknown };
        let path = path.filter(|_| form != Form::AudiosetStrong).map(|path| path.replace('\\', "/"));
        let cell = |names: &[&str]| columns.text(row, names).filter(|_| form == Form::Generic);
        let (fold, split, group) = (cell(FOLD), cell(SPLIT), cell(GROUP));
        let mark = Mark {
            audio: name,
            path,
            start,
            end,
            label,
            low_hz,
            high_hz,
            score,
            by,
            presence,
            line,
            fold,
            split,
            group,
        };
        if form != Form::Generic || !mark.label.contains(';') {
            reading.take(mark);
            continue;
        }
        // As in a manifest of whole clips: several labels of one place.
        for label in mark.label.split(';').map(str::trim).filter(|label| !label.is_empty()) {
            reading.take(Mark { label: label.to_owned(), ..mark.clone() });
        }
    }
    reading.finish(form)
}

/// Kaleidoscope: end = OFFSET + DURATION, and what a person wrote comes before what the program found.
fn kaleidoscope(table: &Table, columns: &Columns<'_>, mut reading: Reading) -> Outcome {
    for row in &table.rows {
        let line = row.line;
        let Some(file) = columns.text(row, &["in file"]) else {
            reading.wrong(line, "it names no IN FILE");
            continue;
        };
        let cell = |name: &str| columns.text(row, &[name]).unwrap_or_default();
        let (Some(start), Some(length)) =
            (reading.time(line, "OFFSET", &cell("offset")), reading.time(line, "DURATION", &cell("duration")))
        else {
            continue;
        };
        let (label, by) = match columns.text(row, &["manual id"]) {
            Some(label) => (label, Annotator::Person),
            None => (columns.text(row, &["auto id", "top1match"]).unwrap_or_default(), Annotator::Machine),
        };
        let folders = [columns.text(row, &["indir"]), columns.text(row, &["folder"]), Some(file.clone())];
        let path: Vec<String> = folders.into_iter().flatten().map(|part| part.replace('\\', "/")).collect();
        let (low_hz, high_hz) = columns.band(row);
        let (audio, path) = (last_part(&file).to_owned(), Some(path.join("/")));
        reading.take(Mark {
            audio,
            path,
            start,
            end: start + length,
            label,
            low_hz,
            high_hz,
            by,
            line,
            ..Mark::default()
        });
    }
    reading.finish(Form::Kaleidoscope)
}

/// DCASE's few-shot task: POS in a class's column is an event of it, UNK counts neither way.
fn few_shot(table: &Table, columns: &Columns<'_>, mut reading: Reading) -> Outcome {
    let fixed = ["audiofilename", "starttime", "endtime"];
    let classes: Vec<usize> =
        (0..columns.names.len()).filter(|&c| !fixed.contains(&columns.names[c].as_str())).collect();
    for row in &table.rows {
        let line = row.line;
        let cell = |name: &str| columns.text(row, &[name]).unwrap_or_default();
        let file = cell("audiofilename");
        let (Some(start), Some(end)) =
            (reading.time(line, "Starttime", &cell("starttime")), reading.time(line, "Endtime", &cell("endtime")))
        else {
            continue;
        };
        for &class in &classes {
            let presence = match row.text(class).unwrap_or_default().to_ascii_uppercase().as_str() {
                "POS" => Presence::Present,
                "UNK" => Presence::Uncertain,
                "NEG" | "" => continue,
                other => {
                    reading.wrong(line, format!("{other:?} is none of POS, NEG and UNK"));
                    continue;
                }
            };
            let (audio, path) = (last_part(&file).to_owned(), Some(file.replace('\\', "/")));
            let label = table.columns[class].clone();
            reading.take(Mark { audio, path, start, end, label, presence, line, ..Mark::default() });
        }
    }
    reading.finish(Form::FewShot)
}
