//! Reads sessions for the list and for the screen, and changes their notes.

use std::path::{Path, PathBuf};

use crate::{
    clock,
    comparison::{self, Facts},
    session::{self, Notes, NotesChange, SessionInfo, Status, Store},
    train::Request,
    tui::{
        state::{
            run_slot::Opened,
            sessions::Listing,
            together::{CURVES, Overlaid, ReadTogether},
        },
        text,
    },
};

/// The request, with a session's name as model replaced by its folder.
pub(super) fn resolved(store: &Store, request: Request) -> Request {
    Request { model: store.model(&request.model), ..request }
}

/// Every session, as the list shows it.
pub(super) fn list(store: &Store) -> Result<Vec<Listing>, String> {
    let sessions = store.list().map_err(|error| error.to_string())?;
    Ok(sessions.into_iter().map(listing).collect())
}

fn listing(info: SessionInfo) -> Listing {
    let SessionInfo { name, path, state, in_use, changed, notes, notes_problem, .. } = info;
    let config = state.config.as_ref();
    let fold = config.and_then(|config| config.fold).map_or(String::new(), |fold| format!(" fold {fold}"));
    Listing {
        name,
        path,
        method: config.map(|config| config.method),
        data: config.map_or_else(String::new, |config| format!("{}{fold}", config.data_name)),
        metric: config.map_or("", |config| config.recipe.metric.name()),
        best: state.best(),
        epochs: (state.epochs.len() as u32, config.map_or(0, |config| config.recipe.epochs)),
        can_resume: !in_use && state.config.is_some() && state.status != Status::Finished,
        in_use,
        changed_ms: clock::unix_ms(changed),
        facts: config.and_then(|config| Facts::of(config).ok()).unwrap_or_default(),
        notes,
        notes_problem,
        status: state.status,
    }
}

/// Reads a session, to show it.
pub(super) fn open(path: &Path) -> Result<Opened, String> {
    let state = session::load(path).map_err(|error| error.to_string())?;
    if state.config.is_none() {
        return Err(format!("{}: its log does not say what was trained; it can only be deleted", path.display()));
    }
    Ok(Opened { name: text::file_name(path), path: path.to_owned(), state })
}

/// Changes the notes of these sessions.
///
/// # Errors
/// Why the first that could not be changed was not.
pub(super) fn annotate(folders: &[PathBuf], change: &NotesChange) -> Result<(), String> {
    for (done, folder) in folders.iter().enumerate() {
        let changed = || {
            let notes = Notes::load(folder).map_err(|error| error.to_string())?.changed(change)?;
            notes.save(folder).map_err(|error| error.to_string())
        };
        changed().map_err(|problem| match done {
            0 => problem,
            _ => format!("{problem} ({done} of {} were changed)", folders.len()),
        })?;
    }
    Ok(())
}

/// Reads several sessions for one chart, and compares their results.
pub(super) fn together(folders: &[PathBuf]) -> ReadTogether {
    let (mut runs, mut left_out): (Vec<Overlaid>, Vec<String>) = (Vec::new(), Vec::new());
    for folder in folders {
        let name = text::file_name(folder);
        let metric = |state: &session::RunState| state.config.as_ref().map(|config| config.recipe.metric);
        match session::outline(folder) {
            Err(error) => left_out.push(error.to_string()),
            Ok(state) if state.config.is_none() => {
                left_out.push(format!("{name}: its log does not say what was trained"))
            }
            Ok(state) if runs.first().is_some_and(|first| metric(&first.state) != metric(&state)) => {
                left_out.push(format!("{name}: another metric"));
            }
            Ok(_) if runs.len() == CURVES => left_out.push(format!("{name}: a chart has at most {CURVES} curves")),
            Ok(state) => runs.push(Overlaid { path: folder.clone(), state }),
        }
    }
    let compared = comparison::members(folders.iter().cloned()).and_then(comparison::groups);
    let results = compared.map(|entries| comparison::rows(&entries)).map_err(|error| error.to_string());
    ReadTogether { runs, left_out, results }
}
