//! Detections in Review: those that Scan lists, and Live's bookmarks.

use super::{Effect, decisions::is_writing, notify, review_lists::begin_search};
use crate::tui::{
    input::action::{Action, LivePanel, Screen},
    state::{
        app::App,
        review::{SearchFor, ToReview},
    },
};

/// Reviews what the screen on show lists.
pub(super) fn review(app: &mut App) -> Vec<Effect> {
    let wanted = match app.screen {
        Screen::Scan => of_scan(app),
        Screen::Live if app.live.panel == LivePanel::Bookmarks => of_bookmarks(app),
        _ => return Vec::new(),
    };
    match wanted {
        Ok(_) if is_writing(app) => Vec::new(),
        Ok(wanted) => {
            let (ticket, mut effects) = begin_search(app, SearchFor::Detections);
            app.screen = Screen::Review;
            effects.push(Effect::ReviewDetections(ticket, Box::new(wanted)));
            effects
        }
        Err(why) => {
            notify(app, why, false);
            Vec::new()
        }
    }
}

/// The detections that are listed: of the class under the cursor, from the threshold on.
fn of_scan(app: &App) -> Result<ToReview, String> {
    let scanning = &app.scanning;
    let asked = scanning.asked.as_ref().and_then(|asked| Some((asked.session.clone(), asked.paths.first()?.clone())));
    let Some((session, recordings)) = asked.filter(|_| scanning.count(scanning.class) > 0) else {
        let key = app.key(&Action::Threshold(-1));
        return Err(format!("no detection is listed: {key} lowers the threshold"));
    };
    Ok(ToReview::Scan { session, recordings, rows: scanning.listed().cloned().collect() })
}

/// The bookmarks that are listed.
fn of_bookmarks(app: &App) -> Result<ToReview, String> {
    let bookmarks = &app.live.bookmarks;
    match &bookmarks.list {
        None => Err("the bookmarks are not read yet".to_owned()),
        Some(list) if list.is_empty() => {
            let key = app.key(&Action::Bookmark);
            Err(format!("there is no bookmark yet: {key} makes one while it listens"))
        }
        Some(_) => Ok(ToReview::Bookmarks(bookmarks.session.clone())),
    }
}

#[cfg(test)]
#[path = "detections_tests.rs"]
mod tests;
