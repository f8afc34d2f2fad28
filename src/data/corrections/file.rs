//! The file of the corrections: where it is, how it is read and appended to.

use std::{
    env,
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::{Corrected, Correction, CorrectionsRecord};
use crate::{
    atomic,
    data::{DataError, Problem},
    digits::hex,
    limits, regular,
};

/// Name of the file in a data set's folder. Beside a table `birds.csv` it is called `birds.corrections.jsonl`.
pub const CORRECTIONS: &str = "corrections.jsonl";

/// Name of the file of decisions about detections in the recordings of a folder. Beside a recording `night.flac` it is called
/// `night.reviewed.jsonl`.
pub const REVIEWED: &str = "reviewed.jsonl";

/// Whether a file's name is that of a person's decisions.
pub(in crate::data) fn is_decisions(name: &str) -> bool {
    [CORRECTIONS, REVIEWED].iter().any(|known| {
        name.strip_suffix(known).is_some_and(|before| before.is_empty() || before.len() > 1 && before.ends_with('.'))
    })
}

/// Where the corrections of a data set are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorrectionsFile {
    /// Beside the data; none for what the program synthesises.
    pub(super) beside: Option<PathBuf>,
    /// In the user's own folder, for data that cannot be written to.
    pub(super) own: Option<PathBuf>,
}

/// The file that decisions are in, or that the first one makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorrectionsPlace {
    /// The file.
    pub path: PathBuf,
    /// Whether it is in the user's own folder and not beside the data.
    pub apart: bool,
}

/// What the file holds.
pub(super) struct Lines {
    pub(super) corrections: Vec<Correction>,
    pub(super) record: CorrectionsRecord,
    /// Lines that are no decisions.
    pub(super) problems: Vec<Problem>,
}

/// The user's folder for corrections of data that cannot be written to: the system's, or `AAT_TUI_CORRECTIONS`.
pub(in crate::data) fn folder_of_user() -> Option<PathBuf> {
    match env::var_os("AAT_TUI_CORRECTIONS").filter(|folder| !folder.is_empty()) {
        Some(folder) => Some(PathBuf::from(folder)),
        None => Some(directories::ProjectDirs::from("", "", "aat-tui")?.data_dir().join("corrections")),
    }
}

impl CorrectionsFile {
    /// The file of the data set in this folder or table; `None` for the set of this name that the program synthesises.
    pub(in crate::data) fn of(name: &str, at: Option<&Path>, user: Option<PathBuf>) -> Self {
        Self::called(CORRECTIONS, name, at, user)
    }

    /// The file of decisions about detections in the recordings of this folder, or in this one recording.
    pub fn of_recordings(at: &Path) -> Self {
        let name = at.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        Self::called(REVIEWED, &name, Some(at), folder_of_user())
    }

    fn called(file: &str, name: &str, at: Option<&Path>, user: Option<PathBuf>) -> Self {
        let beside = at.map(|at| {
            let stem = at.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
            match (at.is_dir(), stem.as_str()) {
                (true, _) => at.join(file),
                (false, "manifest") => at.with_file_name(file),
                (false, stem) => at.with_file_name(format!("{stem}.{file}")),
            }
        });
        let own = user.map(|folder| {
            let Some(beside) = &beside else { return folder.join(format!("{name}.jsonl")) };
            let place = at.and_then(|at| at.canonicalize().ok()).unwrap_or_else(|| beside.clone());
            let mark = hex(&Sha256::digest(place.as_os_str().as_encoded_bytes())[..4]);
            let name: String = name.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).take(40).collect();
            let ending = if file == REVIEWED { ".reviewed.jsonl" } else { ".jsonl" };
            folder.join(format!("{name}-{mark}{ending}"))
        });
        Self { beside, own }
    }

    /// This very file.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { beside: Some(path.into()), own: None }
    }

    /// The file that is there, or that the next decision would make.
    pub fn path(&self) -> Option<&Path> {
        let candidates = || self.beside.iter().chain(&self.own);
        candidates().find(|path| path.exists()).or_else(|| candidates().next()).map(PathBuf::as_path)
    }

    /// The same with whether it is in the user's own folder and not beside the data.
    pub fn place(&self) -> Option<CorrectionsPlace> {
        self.path().map(|path| self.place_of(path))
    }

    fn place_of(&self, path: &Path) -> CorrectionsPlace {
        CorrectionsPlace { path: path.to_owned(), apart: Some(path) == self.own.as_deref() }
    }

    /// The file in the user's folder, where it is there and does not count: there is one beside the data as well.
    pub(super) fn ignored(&self) -> Option<&Path> {
        let own = self.own.as_deref().filter(|own| own.exists())?;
        (self.path() != Some(own)).then_some(own)
    }

    /// Reads the lines that count.
    pub(super) fn read(&self, which: Corrected) -> Result<Lines, DataError> {
        let none = || Lines { corrections: Vec::new(), record: CorrectionsRecord::default(), problems: Vec::new() };
        let Some(path) = self.path() else { return Ok(none()) };
        let text = match regular::read_up_to(path, limits::TABLE) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(none()),
            Err(source) => return Err(DataError::Io { path: path.to_owned(), source }),
        };
        let most = if let Corrected::First(lines) = which { lines } else { usize::MAX };
        let mut lines = none();
        if let Some(ignored) = self.ignored() {
            let problem = format!("these decisions are not applied, because {} is there as well", path.display());
            let remedy = "append its lines to that file, or remove this one";
            lines.problems.push(Problem::warning(ignored, problem, remedy));
        }
        let mut hash = Sha256::new();
        for (number, line) in text.split_inclusive('\n').enumerate().take(most) {
            let parsed: Result<Correction, _> = serde_json::from_str(line);
            if parsed.is_err() && !line.ends_with('\n') {
                let problem = format!("line {} was not written to its end and is left out", number + 1);
                lines.problems.push(Problem::warning(path, problem, "decide about that clip again"));
                break;
            }
            lines.record.lines += 1;
            hash.update(line.trim_end().as_bytes());
            hash.update(b"\n");
            match parsed {
                Ok(correction) => lines.corrections.push(correction),
                Err(_) if line.trim().is_empty() => {}
                Err(error) => lines.problems.push(Problem::warning(
                    path,
                    format!("line {} is no correction and is left out ({error})", number + 1),
                    "repair or remove that line",
                )),
            }
        }
        if lines.record.lines > 0 {
            lines.record.digest = hex(hash.finalize());
        }
        Ok(lines)
    }

    /// Appends a decision, on the disk when this returns. Returns where it is.
    ///
    /// # Errors
    /// When neither the data set's folder nor the user's can be written.
    pub fn append(&self, correction: &Correction) -> Result<CorrectionsPlace, DataError> {
        self.append_line(|_| correction)
    }

    /// Appends a line to the file that is there, or makes it; where that is not possible, the one in the user's folder. `line`
    /// gets the file that it is for.
    pub(in crate::data) fn append_line<L: serde::Serialize>(
        &self,
        line: impl Fn(&Path) -> L,
    ) -> Result<CorrectionsPlace, DataError> {
        let first = self.path().ok_or_else(nowhere)?;
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| DataError::Io { path, source }
        };
        let text = |path: &Path| {
            serde_json::to_string(&line(path))
                .map_err(|error| DataError::Request(format!("this decision cannot be written: {error}")))
        };
        match append(first, &text(first)?) {
            Ok(()) => Ok(self.place_of(first)),
            Err(error) if is_closed(&error) && !first.exists() => {
                let own = self.own.as_deref().filter(|own| *own != first).ok_or_else(nowhere)?;
                append(own, &text(own)?).map_err(failed(own))?;
                Ok(self.place_of(own))
            }
            Err(error) => Err(failed(first)(error)),
        }
    }
}

fn nowhere() -> DataError {
    DataError::Request("there is no folder for decisions; set AAT_TUI_CORRECTIONS".to_owned())
}

/// Whether a place cannot be written to at all.
fn is_closed(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

fn append(path: &Path, line: &str) -> io::Result<()> {
    let is_new = !path.exists();
    if let Some(folder) = path.parent().filter(|folder| is_new && !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder)?;
    }
    let mut file = File::options().append(true).read(true).create(true).open(path)?;
    // A line that was cut short by a power failure must not swallow this one.
    let whole = file.metadata()?.len() == 0 || {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        last == *b"\n"
    };
    // One write, so that two programs' lines never mix.
    file.write_all(format!("{}{line}\n", if whole { "" } else { "\n" }).as_bytes())?;
    file.sync_data()?;
    if is_new { atomic::sync_folder_of(path) } else { Ok(()) }
}
