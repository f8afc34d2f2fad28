//! Updates by the mouse.

use std::mem::discriminant;

use super::{Effect, act, browser, clips, data, live, scan};
use crate::tui::{
    input::{
        action::{Action, Move},
        pointer::{List, Press, Target},
    },
    state::{
        app::{App, Overlay},
        data::DataPart,
        scanning,
    },
};

/// Something was clicked, dragged over, or scrolled.
pub(super) fn pointed(app: &mut App, target: Option<Target>, press: Press) -> Vec<Effect> {
    let kind = target.as_ref().map(discriminant);
    match press {
        Press::Click => app.grabbed = kind,
        // A drag that began elsewhere and comes across this means nothing here.
        Press::Drag if kind != app.grabbed => return Vec::new(),
        _ => {}
    }
    match (target, press) {
        (None, _) => Vec::new(),
        (Some(Target::Notice), Press::Click) => {
            app.notice = None;
            Vec::new()
        }
        (Some(Target::Overlay), Press::Wheel(rows)) if matches!(app.overlay, Some(Overlay::Help(_))) => {
            scroll(app, rows)
        }
        (Some(Target::Overlay), _) => Vec::new(),
        (Some(Target::Tab(screen)), Press::Click) => act(app, Action::Show(screen)),
        (Some(Target::Help), Press::Click) => act(app, Action::Help),
        (Some(Target::Side(side)), Press::Click) if side != app.focus => act(app, Action::NextFocus),
        (Some(Target::List(list, row)), _) => in_list(app, list, row, press),
        (Some(Target::Clip(share)), Press::Click | Press::Drag) => clips::point(app, share),
        (Some(Target::File(share)), Press::Click) => live::point(app, share),
        (Some(Target::Waterfall(place)), Press::Click | Press::Drag) => live::hold_at(app, place),
        (
            Some(
                Target::Waterfall(_)
                | Target::File(_)
                | Target::Tab(_)
                | Target::Help
                | Target::Side(_)
                | Target::Clip(_)
                | Target::Notice,
            ),
            _,
        ) => Vec::new(),
    }
}

/// Scrolls a panel over the screen by rows.
fn scroll(app: &mut App, rows: i32) -> Vec<Effect> {
    let to = if rows < 0 { Move::Up } else { Move::Down };
    (0..rows.unsigned_abs()).flat_map(|_| act(app, Action::Move(to))).collect()
}

/// Moves the cursor of a list at once, so that of the clips in between none is decoded.
fn go_by(app: &mut App, list: List, to: Move, rows: usize) -> Vec<Effect> {
    match list {
        List::Modules => app.parameters.go(to, rows),
        List::Sessions => app.sessions.go(to, rows),
        List::ScanClasses | List::Detections => return scan::go_by(app, to, rows),
        List::Classes | List::Clips | List::Problems => return data::go_by(app, to, rows),
        List::Browser => return browser::go_by(app, to, rows),
    }
    Vec::new()
}

/// A click moves the cursor to a row; on the row under the cursor it does what Enter does. The wheel moves the cursor.
fn in_list(app: &mut App, list: List, row: Option<usize>, press: Press) -> Vec<Effect> {
    if press == Press::Drag {
        return Vec::new();
    }
    let focused = match list {
        List::Classes => Some(DataPart::Classes),
        List::Clips => Some(DataPart::Clips),
        List::Problems => Some(DataPart::Problems),
        _ => None,
    };
    let of_scan = match list {
        List::ScanClasses => Some(scanning::ScanPart::Classes),
        List::Detections => Some(scanning::ScanPart::Rows),
        _ => None,
    };
    let had_focus =
        focused.is_none_or(|part| app.data.part == part) && of_scan.is_none_or(|part| app.scanning.part == part);
    app.data.part = focused.unwrap_or(app.data.part);
    app.scanning.part = of_scan.unwrap_or(app.scanning.part);
    let (Some(row), Press::Click) = (row, press) else {
        let Press::Wheel(rows) = press else { return Vec::new() };
        let to = if rows < 0 { Move::PageUp } else { Move::PageDown };
        return go_by(app, list, to, rows.unsigned_abs() as usize);
    };
    let cursor = match list {
        List::Modules => app.parameters.cursor(),
        List::Sessions => app.sessions.cursor(),
        List::Classes => app.data.class,
        List::Clips => app.data.row,
        List::Problems => app.data.problem,
        List::Browser => app.browser().map_or(0, |browser| browser.row),
        List::ScanClasses => app.scanning.class,
        List::Detections => app.scanning.row,
    };
    if row == cursor && had_focus {
        return match list {
            List::Modules => act(app, Action::Toggle),
            List::Sessions => act(app, Action::OpenSession),
            _ => act(app, Action::Choose),
        };
    }
    let (to, rows) = if row < cursor { (Move::PageUp, cursor - row) } else { (Move::PageDown, row - cursor) };
    go_by(app, list, to, rows)
}

#[cfg(test)]
#[path = "pointer_tests.rs"]
mod tests;
