//! Reads sessions for the list and for the screen.

use std::path::Path;

use crate::{
    clock,
    session::{self, SessionInfo, Status, Store},
    train::Request,
    tui::{
        state::{run_slot::Opened, sessions::Listing},
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
    let SessionInfo { name, path, state, in_use, changed, .. } = info;
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
        status: state.status,
    }
}

/// Reads a session, to show it.
pub(super) fn open(path: &Path) -> Result<Opened, String> {
    let state = session::load(path).map_err(|error| error.to_string())?;
    if state.config.is_none() {
        return Err(format!("{}: its log does not say what was trained; it can only be deleted (d)", path.display()));
    }
    Ok(Opened { name: text::file_name(path), path: path.to_owned(), state })
}
