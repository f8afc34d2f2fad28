//! Updates of the Scan screen.

use std::path::PathBuf;

use super::{Effect, PAGE, choices, clips, notify};
use crate::tui::{
    input::{
        action::{Action, Move, Screen},
        choice::Choice,
    },
    state::{
        app::App,
        run_slot::RunSlot,
        scanning::{LEAST, ScanNews, ScanPart, ScanRequest, Stage, clip_of},
        ticket::Ticket,
    },
};

/// Scans recordings with the session in focus.
pub(super) fn begin(app: &mut App, path: PathBuf) -> Vec<Effect> {
    if app.scanning.is_on() {
        let key = app.key_on(Screen::Scan, &Action::StopScan);
        notify(app, format!("a scan goes on: {key} on its screen stops it first"), true);
        return Vec::new();
    }
    let session = |slot: &RunSlot| slot.session.clone();
    let Some(session) = session(app.focused()).or_else(|| session(app.slot(app.focus.other()))) else {
        let key = app.key(&Action::Show(Screen::Sessions));
        notify(app, format!("no model scans yet: open a session first ({key})"), true);
        return Vec::new();
    };
    let device = app.setup.device.clone();
    let spec = path.to_str().map(str::to_owned);
    let mut effects = spec.map(|spec| choices::remember(app, Choice::Recordings, &spec)).unwrap_or_default();
    effects.extend(start(app, ScanRequest { session, paths: vec![path], threshold: LEAST, device }));
    effects
}

fn start(app: &mut App, request: ScanRequest) -> Vec<Effect> {
    let ticket = app.tickets.draw();
    let mut effects = clips::clear(&mut app.scanning.clip);
    app.scanning.begin(ticket, request.clone());
    app.screen = Screen::Scan;
    effects.push(Effect::Scan(ticket, Box::new(request)));
    effects
}

/// Writes the tables at the threshold on show: what was scored is not scored again.
pub(super) fn write(app: &mut App) -> Vec<Effect> {
    let Some(request) = app.scanning.asked.clone() else { return Vec::new() };
    if app.scanning.is_on() {
        notify(app, "the tables are written when the scan is complete".to_owned(), false);
        return Vec::new();
    }
    if !matches!(app.scanning.stage, Stage::Done(..)) {
        let key = app.key_on(Screen::Scan, &Action::WriteScan);
        notify(app, format!("the scan goes on where it ended; {key} writes the tables when it is complete"), false);
        return start(app, ScanRequest { threshold: LEAST, ..request });
    }
    let ticket = app.tickets.draw();
    let request = ScanRequest { threshold: app.scanning.threshold, ..request };
    app.scanning.write(ticket, request.clone());
    vec![Effect::Scan(ticket, Box::new(request))]
}

/// Stops the scan; what is done is kept.
pub(super) fn stop(app: &mut App) -> Vec<Effect> {
    if !app.scanning.is_on() {
        notify(app, "no scan goes on".to_owned(), false);
        return Vec::new();
    }
    app.scanning.stage = Stage::Stopping;
    vec![Effect::StopScan]
}

/// Something happened in a scan.
pub(super) fn received(app: &mut App, ticket: Ticket, news: ScanNews) -> Vec<Effect> {
    if app.scanning.ticket != Some(ticket) {
        return Vec::new();
    }
    let had_none = app.scanning.selected().is_none();
    let now_ms = app.now_ms;
    app.scanning.apply(news, now_ms);
    if had_none && app.screen == Screen::Scan { choose_clip(app, false) } else { Vec::new() }
}

/// The screen is shown: with the detection under the cursor, which may have been found while another screen was.
pub(super) fn show(app: &mut App) -> Vec<Effect> {
    choose_clip(app, false)
}

/// Moves the threshold of what is listed.
pub(super) fn turn(app: &mut App, steps: i32) -> Vec<Effect> {
    app.scanning.turn(steps);
    choose_clip(app, false)
}

/// Moves the cursor, by pages of so many rows.
pub(super) fn go_by(app: &mut App, to: Move, page: usize) -> Vec<Effect> {
    app.scanning.go(to, page);
    choose_clip(app, false)
}

/// Moves the cursor.
pub(super) fn go(app: &mut App, to: Move) -> Vec<Effect> {
    go_by(app, to, PAGE)
}

/// Enter: the detections of the class; the sound of the detection.
pub(super) fn choose(app: &mut App) -> Vec<Effect> {
    match app.scanning.part {
        ScanPart::Classes => {
            app.scanning.part = ScanPart::Rows;
            choose_clip(app, false)
        }
        ScanPart::Rows => choose_clip(app, true),
    }
}

/// Shows the sound of the detection under the cursor.
fn choose_clip(app: &mut App, play: bool) -> Vec<Effect> {
    let scanning = &mut app.scanning;
    let Some(row) = scanning.selected().cloned() else { return clips::clear(&mut scanning.clip) };
    let clip = clip_of(&row.file, row.start, row.end).labelled(format!("{} {:.2}", row.label, row.score));
    clips::show(&mut scanning.clip, &mut app.tickets, clip, play)
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
