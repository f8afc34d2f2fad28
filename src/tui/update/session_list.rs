//! Updates of the list of sessions: its order and filter, what is marked, notes, and several sessions at once.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

use super::{Effect, list, notify};
use crate::{
    session::NotesChange,
    tui::{
        input::action::{Action, Screen, TogetherView},
        state::{
            app::{App, Overlay, Pending},
            command_line::CommandLine,
            sessions::{Listing, Sessions},
            ticket::Ticket,
            together::{MOST, ReadTogether, Together},
        },
        text,
    },
};

/// The command that the filter is typed with.
const FILTER: &str = "filter";

pub(super) fn act(app: &mut App, action: Action) -> Vec<Effect> {
    match action {
        Action::SortSessions => {
            app.sessions.sort();
            notify(app, format!("sessions {}", app.sessions.order().name()), false);
        }
        Action::FilterSessions(words) => {
            app.screen = Screen::Sessions;
            app.sweep = None;
            app.sessions.set_filter(&words);
            if !app.sessions.is_read() {
                return list(app);
            }
        }
        Action::MarkSession => app.sessions.mark(),
        Action::MarkAll => app.sessions.mark_all(),
        Action::Together(view) => return together(app, view),
        Action::Annotate(change) => return annotate(app, change),
        Action::BeginNote => {
            let note = app.sessions.selected().map_or("", |session| &session.notes.note);
            app.overlay = Some(Overlay::CommandLine(CommandLine::new(&format!("note {note}"))));
        }
        Action::Archive => {
            let all = app.sessions.chosen().iter().all(|session| session.notes.archived);
            return annotate(app, NotesChange { archived: Some(!all), ..NotesChange::default() });
        }
        Action::ShowArchived => {
            let text = match app.sessions.show_archived() {
                true => "archived sessions are listed too",
                false => "archived sessions are not listed",
            };
            notify(app, text.into(), false);
        }
        Action::LeaveSessions => leave(&mut app.sessions),
        Action::DeleteSession => ask_to_delete(app),
        _ => {}
    }
    Vec::new()
}

/// The list follows the filter while it is typed.
pub(super) fn typed(app: &mut App) {
    if let (Screen::Sessions, Some(Overlay::CommandLine(line))) = (app.screen, &app.overlay)
        && let Some(words) = line.text().strip_prefix(FILTER).and_then(|rest| rest.strip_prefix(' '))
    {
        app.sessions.set_filter(words.trim());
    }
}

/// A filter that is given up while it is typed is removed.
pub(super) fn cancelled(app: &mut App) {
    if let (Screen::Sessions, Some(Overlay::CommandLine(line))) = (app.screen, &app.overlay)
        && line.text().split(' ').next() == Some(FILTER)
    {
        app.sessions.set_filter("");
    }
}

fn leave(sessions: &mut Sessions) {
    if sessions.together.take().is_some() {
        return;
    }
    match sessions.filter().is_empty() {
        true => drop(sessions.unmark()),
        false => sessions.set_filter(""),
    }
}

fn annotate(app: &mut App, change: NotesChange) -> Vec<Effect> {
    match paths(&app.sessions.chosen()) {
        chosen if chosen.is_empty() => {
            let key = app.key(&Action::Show(Screen::Sessions));
            notify(app, format!("no session is under the cursor: {key} Sessions lists them"), true);
            Vec::new()
        }
        chosen => vec![Effect::Annotate(chosen, change)],
    }
}

/// Notes were changed, or not: the list is read again.
pub(super) fn annotated(
    app: &mut App,
    folders: &[PathBuf],
    change: &NotesChange,
    done: Result<(), String>,
) -> Vec<Effect> {
    let whose = match folders {
        [one] => text::file_name(one),
        several => format!("{} sessions", several.len()),
    };
    let what = match change {
        NotesChange { archived: Some(true), .. } => {
            format!("archived: {} lists it", app.key_on(Screen::Sessions, &Action::ShowArchived))
        }
        NotesChange { archived: Some(false), .. } => "restored".to_owned(),
        NotesChange { note: Some(note), .. } if note.is_empty() => "without a note".to_owned(),
        NotesChange { note: Some(_), .. } => "noted".to_owned(),
        _ => "tagged".to_owned(),
    };
    match done {
        Ok(()) => notify(app, format!("{whose}: {what}"), false),
        Err(problem) => notify(app, problem, true),
    }
    list(app)
}

fn together(app: &mut App, view: TogetherView) -> Vec<Effect> {
    if let Some(together) = app.sessions.together.take_if(|together| together.view == view) {
        // The same key again closes it, unless others are marked by now, or the differences are to be to another.
        let first = app.sessions.selected().map(|session| &session.path);
        let same = together.read.is_some_and(|read| {
            let shown: BTreeSet<_> = read.runs.iter().map(|run| &run.path).collect();
            let marked = app.sessions.chosen().into_iter().map(|session| &session.path);
            let based = view == TogetherView::Curves || read.runs.first().map(|run| &run.path) == first;
            based && marked.take(MOST).filter(|path| shown.contains(path)).count() == shown.len()
        });
        if same || app.sessions.marks() == 0 {
            return Vec::new();
        }
    }
    let mut chosen = match app.sessions.marks() {
        // Without marks: everything on show.
        0 => app.sessions.rows().map(|session| session.path.clone()).collect(),
        _ => paths(&app.sessions.chosen()),
    };
    if chosen.is_empty() {
        notify(app, "no sessions are listed".into(), false);
        return Vec::new();
    }
    // Differences are to the session under the cursor, if it is among them.
    let first = app.sessions.selected().and_then(|session| chosen.iter().position(|path| *path == session.path));
    if let Some(first) = first.filter(|_| view == TogetherView::Results) {
        chosen[..=first].rotate_right(1);
    }
    let beyond = chosen.len().saturating_sub(MOST);
    chosen.truncate(MOST);
    let ticket = app.tickets.draw();
    app.sessions.together = Some(Together { ticket, view, read: None, beyond });
    vec![Effect::Together(ticket, chosen)]
}

/// Several sessions were read. They are shown unless others were requested since.
pub(super) fn read_together(app: &mut App, ticket: Ticket, read: Arc<ReadTogether>) {
    if let Some(together) = app.sessions.together.as_mut().filter(|together| together.ticket == ticket) {
        together.read = Some(read);
    }
}

fn paths(sessions: &[&Listing]) -> Vec<PathBuf> {
    sessions.iter().map(|session| session.path.clone()).collect()
}

fn ask_to_delete(app: &mut App) {
    let chosen = app.sessions.chosen();
    let Some(first) = chosen.first() else { return };
    if let Some(busy) = chosen.iter().find(|session| session.in_use) {
        let text = format!("{} is being trained; stop it first", busy.name);
        return notify(app, text, true);
    }
    let (question, detail) = match chosen.as_slice() {
        [_] => (format!("Delete {}?", first.name), "Its curves, checkpoints and weights are deleted for good.".into()),
        several => {
            let names = several.iter().take(3).map(|session| session.name.as_str()).collect::<Vec<_>>().join(", ");
            let more = if several.len() > 3 { ", …" } else { "" };
            let detail = format!("{names}{more}: their curves, checkpoints and weights are deleted for good.");
            (format!("Delete the {} marked sessions?", several.len()), detail)
        }
    };
    app.overlay = Some(Overlay::Question { question, detail, then: Pending::Delete(paths(&chosen)) });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;
    use crate::tui::{
        input::keymap::Keymap,
        testing::fixture,
        update::{message::Message, tests::press, update},
    };

    fn listed() -> App {
        let mut app = fixture::app((120, 40));
        press(&mut app, "5");
        update(&mut app, Message::Sessions(Ok(fixture::listings())));
        app
    }

    fn path(n: usize) -> PathBuf {
        fixture::listings()[n].path.clone()
    }

    #[test]
    fn the_list_follows_the_filter_as_it_is_typed_and_esc_removes_it() {
        let mut app = listed();
        press(&mut app, "/digits");
        assert_eq!((app.sessions.rows().len(), app.sessions.count()), (1, 6));
        press(&mut app, "\n");
        assert!(app.overlay.is_none());
        assert_eq!((app.sessions.filter(), app.sessions.rows().len()), ("digits", 1));
        press(&mut app, "\x1b");
        assert_eq!(app.sessions.rows().len(), 6);
        press(&mut app, "/digits\x1b");
        assert_eq!((app.overlay.is_none(), app.sessions.rows().len()), (true, 6), "given up while it was typed");
    }

    #[test]
    fn several_are_deleted_after_one_question_and_none_while_one_trains() {
        let mut app = listed();
        press(&mut app, " jj d");
        assert!(app.overlay.is_none(), "the first one trains");
        press(&mut app, "\x1bgjj  d");
        let Some(Overlay::Question { question, detail, .. }) = &app.overlay else { panic!("no question") };
        assert!(question.contains("the 2 marked") && detail.contains("esc10-f2-partial"), "{question} {detail}");
        assert_eq!(press(&mut app, "y"), [Effect::Remove(path(2)), Effect::Remove(path(3))]);
    }

    #[test]
    fn notes_tags_and_the_archive_concern_the_marked_or_the_one_under_the_cursor() {
        let mut app = listed();
        let note = NotesChange { note: Some("good one".into()), ..NotesChange::default() };
        assert_eq!(press(&mut app, "ngood one\n"), [Effect::Annotate(vec![path(0)], note)]);
        press(&mut app, "  ");
        let tags = NotesChange { add: vec!["a".into()], remove: vec!["b".into()], ..NotesChange::default() };
        assert_eq!(press(&mut app, "#a -b\n"), [Effect::Annotate(vec![path(0), path(1)], tags)]);
        let archive = NotesChange { archived: Some(true), ..NotesChange::default() };
        assert_eq!(press(&mut app, "z"), [Effect::Annotate(vec![path(0), path(1)], archive)]);
        let done = NotesChange { archived: Some(true), ..NotesChange::default() };
        app.keys = Keymap::read("[Sessions]\nZ = \"F2\"\n").0;
        assert_eq!(update(&mut app, Message::Annotated(vec![path(0)], Box::new(done), Ok(()))), [Effect::List]);
        assert!(app.notice.unwrap().text.ends_with(": archived: F2 lists it"));
    }

    #[test]
    fn curves_are_of_the_marked_and_a_late_answer_changes_nothing() {
        let mut app = listed();
        let effects = press(&mut app, "  o");
        let [Effect::Together(ticket, paths)] = effects.as_slice() else { panic!("{effects:?}") };
        assert_eq!(*paths, [path(0), path(1)]);
        press(&mut app, "\x1b");
        assert!(app.sessions.together.is_none() && app.sessions.marks() == 2, "Esc closes the curves first");
        update(&mut app, Message::Together(*ticket, Arc::new(fixture::read_together())));
        assert!(app.sessions.together.is_none());
        press(&mut app, "\x1b");
        let effects = press(&mut app, "c");
        let [Effect::Together(_, all)] = effects.as_slice() else { panic!("{effects:?}") };
        assert_eq!(all.len(), 6, "without marks, all on show");
        assert_eq!(all[0], path(2), "differences are to the one under the cursor");
        press(&mut app, "c");
        assert!(app.sessions.together.is_none(), "the same key closes it");
    }
}
