//! What the columns of a table mean: those that are read, those that would change what a clip is, and all others.

use super::table::{Table, find};
use crate::data::{DataError, Problem, nearest::did_you_mean};

const PATH: &[&str] = &[
    "path",
    "file",
    "filename",
    "file_name",
    "file name",
    "filepath",
    "file_path",
    "file path",
    "audio",
    "audio_path",
    "audio_file",
    "audio_filename",
    "wav",
    "wav_path",
    "fname",
];
const LABEL: &[&str] = &[
    "label",
    "labels",
    "class",
    "class_name",
    "classname",
    "class name",
    "classes",
    "category",
    "categories",
    "tag",
    "tags",
    "label_name",
    "primary_label",
];
/// Columns whose name says that one field may hold several labels, and so may have commas between them.
const PLURAL: &[&str] = &["labels", "classes", "tags", "categories"];
pub(in crate::data) const FOLD: &[&str] = &["fold"];
pub(in crate::data) const SPLIT: &[&str] = &["split", "subset", "partition"];
pub(in crate::data) const GROUP: &[&str] = &["group", "speaker", "speaker_id", "source", "src_file"];
/// Columns, without spaces, units and punctuation, that say which part of a file is meant.
const SPAN: &[&str] = &[
    "start",
    "starts",
    "startsec",
    "startseconds",
    "startms",
    "starttime",
    "starttimes",
    "starttimeseconds",
    "startsample",
    "startframe",
    "tstart",
    "end",
    "ends",
    "endsec",
    "endseconds",
    "endms",
    "endtime",
    "endtimes",
    "endtimeseconds",
    "endsample",
    "endframe",
    "tend",
    "stop",
    "stoptime",
    "onset",
    "onsets",
    "onsetsec",
    "onsetms",
    "onsettime",
    "offset",
    "offsets",
    "offsetsec",
    "offsetms",
    "offsettime",
    "begin",
    "begintime",
    "begintimes",
    "beginningtime",
    "tmin",
    "tmax",
    "xmin",
    "xmax",
    "segmentstart",
    "segmentend",
];

/// Where each column stands.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) path: usize,
    pub(super) label: usize,
    /// Whether commas separate labels within a field.
    pub(super) commas: bool,
    pub(super) fold: Option<usize>,
    pub(super) split: Option<usize>,
    pub(super) group: Option<usize>,
}

/// Whether columns of these lower-case names are those of a list of labelled sounds.
pub(super) fn is_list(columns: &[String]) -> bool {
    find(columns, PATH).is_some() && find(columns, LABEL).is_some()
}

/// Whether they have the column that Hugging Face's audiofolder needs, and labels.
pub(super) fn is_metadata(columns: &[String]) -> bool {
    find(columns, &["file_name"]).is_some() && find(columns, LABEL).is_some()
}

impl Columns {
    /// Finds the columns of a table. Those that say which part of a file is meant are refused where they hold anything;
    /// those that are not read are one note.
    ///
    /// # Errors
    /// When there is no column of paths or of labels, or clips are parts of files.
    pub(super) fn of(table: &Table, problems: &mut Vec<Problem>) -> Result<Self, DataError> {
        let names = table.lower();
        let must = |what: &str, found: Option<usize>| {
            found.ok_or_else(|| DataError::Unusable {
                path: table.file.clone(),
                problem: format!(
                    "its first line has no column `{what}`{}; its columns are {}",
                    did_you_mean(what, names.iter().map(String::as_str)),
                    list(&table.columns)
                ),
                remedy: "begin with a line such as: path,label,fold".into(),
            })
        };
        let columns = Self {
            path: must("path", find(&names, PATH))?,
            label: must("label", find(&names, LABEL))?,
            commas: find(&names, LABEL).is_some_and(|column| PLURAL.contains(&names[column].as_str())),
            fold: find(&names, FOLD),
            split: find(&names, SPLIT),
            group: find(&names, GROUP),
        };
        let used = [Some(columns.path), Some(columns.label), columns.fold, columns.split, columns.group];
        let unread = || (0..names.len()).filter(|column| !used.contains(&Some(*column)) && !names[*column].is_empty());
        let spans: Vec<String> = unread()
            .filter(|&column| SPAN.contains(&bare(&names[column]).as_str()))
            .filter(|&column| table.rows.iter().any(|row| row.field(column).is_some()))
            .map(|column| table.columns[column].clone())
            .collect();
        if !spans.is_empty() {
            let columns = if spans.len() == 1 { "column" } else { "columns" };
            return Err(DataError::Unusable {
                path: table.file.clone(),
                problem: format!(
                    "its {columns} {} say that clips are parts of files, and its columns do not give a start and an end in seconds",
                    list(&spans)
                ),
                remedy: "name the columns `start` and `end`, in seconds, or take them out to use whole files".into(),
            });
        }
        let others: Vec<String> = unread().map(|column| table.columns[column].clone()).collect();
        if !others.is_empty() {
            let (columns, are) = if others.len() == 1 { ("column", "is") } else { ("columns", "are") };
            problems.push(Problem::note(
                &table.file,
                format!("its {columns} {} {are} not read", list(&others)),
                "path, label, fold, split and group are",
            ));
        }
        Ok(columns)
    }
}

/// The name without units, spaces and punctuation: `Begin Time (s)` is `begintime`.
fn bare(name: &str) -> String {
    let name = name.split(['(', '[']).next().unwrap_or(name).trim();
    let name = name.strip_suffix("_s").unwrap_or(name);
    name.chars().filter(|c| c.is_alphanumeric()).collect()
}

/// Names for people: `a`, `b` and `c`.
fn list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => "none".into(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
