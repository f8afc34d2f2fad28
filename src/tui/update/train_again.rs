//! Training again with the decisions made on Review.

use std::path::PathBuf;

use super::{Effect, decisions::is_writing, notify, runs};
use crate::{
    model::Method,
    plot::Side,
    train::Request,
    tui::{
        input::action::{Action, Screen},
        state::app::App,
    },
};

/// Trains again on the same data with the decisions, anew or going on from the session's weights: on the side that the
/// session on show is not on, so that both can be compared.
pub(super) fn train_again(app: &mut App, goes_on: bool) -> Vec<Effect> {
    let Some(list) = app.review.current().cloned() else {
        notify(app, "there is no list to train with".to_owned(), false);
        return Vec::new();
    };
    if is_writing(app) {
        return Vec::new();
    }
    let made = app.review.decided().len();
    let shown = app.results_side();
    let side = if app.slot(shown).session.is_some() { shown.other() } else { shown };
    if app.slot(side).is_busy() {
        let key = app.key_on(Screen::Train, &Action::Stop);
        notify(app, format!("{} trains: stop it first ({key} on Train)", side.letter()), true);
        return Vec::new();
    }
    let mut request =
        list.again.as_deref().cloned().unwrap_or_else(|| Request { method: Method::aat(), ..app.setup_of(side) });
    if goes_on {
        let Some(session) = list.session.clone().or_else(|| session_of(app, &request.data)) else {
            let key = app.key(&Action::TrainAgain);
            notify(app, format!("no session's weights are under review: {key} trains anew"), false);
            return Vec::new();
        };
        request.model = session.to_string_lossy().into_owned();
    }
    let own = (request.model != app.setup.model).then(|| request.model.clone());
    let slot = app.slot_mut(side);
    (slot.method, slot.backbone) = (request.method, own);
    let effects = runs::begin(app, side, request);
    app.screen = Screen::Train;
    app.review.trains = Some(side);
    let compare = if side == Side::B { "A" } else { "B" };
    let key = app.key(&Action::Show(Screen::Results));
    let words = format!(
        "{} {} {} with {made} decision{}; {key} Results then compares it with {compare}",
        side.letter(),
        side.marker(),
        if goes_on { "goes on training" } else { "trains again" },
        if made == 1 { "" } else { "s" }
    );
    notify(app, words, false);
    effects
}

/// The session under review, if it is of this data set.
fn session_of(app: &App, data: &str) -> Option<PathBuf> {
    app.reviewed().filter(|config| config.data_spec() == data)?;
    app.results.session.clone().filter(|_| app.results.found().is_some()).or_else(|| app.focused().session.clone())
}
