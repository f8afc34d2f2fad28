//! The panel of an export.

use super::{Effect, notify};
use crate::{
    export::Report,
    tui::{
        input::action::{Action, Screen},
        state::{
            app::{App, Overlay},
            exporting::{Exporting, Stage},
            ticket::Ticket,
        },
    },
};

/// Opens the panel for the session under the cursor, or that of the side in focus.
pub(super) fn ask(app: &mut App) {
    let session = match app.screen {
        Screen::Sessions => app.sessions.selected().map(|session| session.path.clone()),
        _ => app.focused().session.clone(),
    };
    match session {
        Some(session) => {
            let name = session.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
            app.overlay = Some(Overlay::Export(Box::new(Exporting::new(session, name))));
        }
        None => {
            let key = app.key_on(Screen::Train, &Action::Start);
            notify(app, format!("there is no session to export yet: {key} starts a run on Train"), false);
        }
    }
}

/// Begins to write, or closes the panel when the export is complete.
pub(super) fn confirm(app: &mut App) -> Vec<Effect> {
    let ticket = app.tickets.draw();
    let Some(Overlay::Export(exporting)) = &mut app.overlay else { return Vec::new() };
    match exporting.stage {
        Stage::Asking(_) => {
            let request = exporting.begin(ticket);
            request.map(|request| Effect::ExportSession(ticket, Box::new(request))).into_iter().collect()
        }
        Stage::Working { .. } => Vec::new(),
        Stage::Written(_) => {
            app.overlay = None;
            Vec::new()
        }
    }
}

/// Closes the panel; a running export is stopped first.
pub(super) fn cancel(app: &mut App) -> Vec<Effect> {
    if let Some(Overlay::Export(exporting)) = &mut app.overlay
        && let Stage::Working { stopping, .. } = &mut exporting.stage
    {
        // Pressed a second time, it closes the panel even if the export does not respond.
        if !std::mem::replace(stopping, true) {
            return vec![Effect::StopExport];
        }
    }
    app.overlay = None;
    Vec::new()
}

/// Records the progress of comparing.
pub(super) fn compared(app: &mut App, ticket: Ticket, done: usize, total: usize) {
    if let Some(Overlay::Export(exporting)) = &mut app.overlay {
        exporting.compared(ticket, done, total);
    }
}

/// Ends the export, with its report or its error.
pub(super) fn over(app: &mut App, ticket: Ticket, result: Result<Box<Report>, String>) {
    if let Some(Overlay::Export(exporting)) = &mut app.overlay {
        exporting.over(ticket, result);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use std::path::PathBuf;

    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

    use super::*;
    use crate::{
        export::{Request, Storage},
        plot::Side,
        tui::{input::action::Action, state::exporting::Form, testing::fixture, update, update::message::Message},
    };

    fn key(app: &mut App, code: KeyCode) -> Vec<Effect> {
        update(app, Message::Key(KeyEvent::new(code, KeyModifiers::NONE)))
    }

    /// Sessions, with the panel open over the session under the cursor.
    fn asked() -> (App, PathBuf) {
        let mut app = fixture::app((120, 36));
        update(&mut app, Message::Do(Action::Show(Screen::Sessions)));
        update(&mut app, Message::Sessions(Ok(fixture::listings())));
        let session = app.sessions.selected().unwrap().path.clone();
        key(&mut app, KeyCode::Char('E'));
        (app, session)
    }

    fn panel(app: &App) -> &Exporting {
        let Some(Overlay::Export(exporting)) = &app.overlay else { panic!("{:?}", app.overlay) };
        exporting
    }

    /// The effect of Enter.
    fn begun(app: &mut App) -> (Ticket, Request) {
        let mut effects = key(app, KeyCode::Enter);
        let Some(Effect::ExportSession(ticket, request)) = effects.pop() else { panic!("{effects:?}") };
        (ticket, *request)
    }

    fn report() -> Box<Report> {
        Box::new(fixture::exported())
    }

    #[test]
    fn a_session_of_the_list_is_written_as_it_is_asked_for() {
        let (mut app, session) = asked();
        let name = panel(&app).name.clone();
        assert_eq!(panel(&app).target, format!("{name}.onnx"));
        key(&mut app, KeyCode::Right);
        key(&mut app, KeyCode::Right);
        assert_eq!((panel(&app).form, panel(&app).target.as_str()), (Form::Folder, name.as_str()));
        key(&mut app, KeyCode::Left);
        // Keys with a meaning elsewhere are letters here.
        for letter in ['q', '5'] {
            key(&mut app, KeyCode::Char(letter));
        }
        key(&mut app, KeyCode::Backspace);
        let (ticket, request) = begun(&mut app);
        assert_eq!(PathBuf::from(&request.source), session);
        // The name gets the format's extension.
        assert_eq!(request.target, PathBuf::from(format!("{name}.onnxq.onnx")));
        assert_eq!(request.storage, Storage::F16);
        assert!(key(&mut app, KeyCode::Enter).is_empty(), "it is written once");
        update(&mut app, Message::Exporting(ticket, 3, 40));
        assert!(matches!(panel(&app).stage, Stage::Working { compared: Some((3, 40)), .. }));
        update(&mut app, Message::Exported(ticket, Ok(report())));
        assert_eq!(panel(&app).stage, Stage::Written(report()));
        key(&mut app, KeyCode::Enter);
        assert_eq!(app.overlay, None);
    }

    #[test]
    fn a_result_that_is_not_awaited_changes_nothing() {
        let (mut app, _) = asked();
        let (first, _) = begun(&mut app);
        update(&mut app, Message::Exported(first, Err("no room".into())));
        assert_eq!(panel(&app).stage, Stage::Asking(Some("no room".into())));
        let (second, _) = begun(&mut app);
        update(&mut app, Message::Exported(first, Ok(report())));
        update(&mut app, Message::Exporting(first, 1, 2));
        assert_eq!(panel(&app).stage, Stage::Working { ticket: second, compared: None, stopping: false });
        key(&mut app, KeyCode::Esc);
        key(&mut app, KeyCode::Esc);
        update(&mut app, Message::Exported(second, Ok(report())));
        assert_eq!(app.overlay, None);
    }

    #[test]
    fn esc_stops_what_is_written_and_waits_for_what_became_of_it() {
        let (mut app, _) = asked();
        let (ticket, _) = begun(&mut app);
        assert_eq!(key(&mut app, KeyCode::Esc), [Effect::StopExport]);
        assert!(matches!(panel(&app).stage, Stage::Working { stopping: true, .. }));
        update(&mut app, Message::Exported(ticket, Err("stopped: nothing was written".into())));
        assert_eq!(panel(&app).stage, Stage::Asking(Some("stopped: nothing was written".into())));
        key(&mut app, KeyCode::Esc);
        assert_eq!(app.overlay, None);
    }

    #[test]
    fn without_a_name_nothing_begins() {
        let (mut app, _) = asked();
        for _ in 0..panel(&app).target.len() {
            key(&mut app, KeyCode::Backspace);
        }
        assert!(key(&mut app, KeyCode::Enter).is_empty());
        assert!(matches!(&panel(&app).stage, Stage::Asking(Some(problem)) if problem.contains("type the name")));
    }

    #[test]
    fn on_train_it_is_the_session_in_focus() {
        let mut app = fixture::app((120, 36));
        key(&mut app, KeyCode::Char('E'));
        assert_eq!(app.overlay, None);
        assert!(app.notice.as_ref().unwrap().text.contains("no session to export"));
        let mut app = fixture::training((120, 36), (275, 192));
        let session = app.slot(Side::A).session.clone();
        key(&mut app, KeyCode::Char('E'));
        assert_eq!(Some(panel(&app).session.clone()), session);
    }
}
