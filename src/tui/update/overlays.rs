//! Updates of what is over the screen: questions, and the command line.

use super::{Effect, act, exporting, runs};
use crate::train::Command;
use crate::tui::{
    input::{
        action::{Action, Screen},
        commands, completion,
    },
    state::{
        app::{App, Overlay, Pending},
        command_line::remember,
    },
};

/// Completes the command line's word at the cursor. Names on the disk are requested.
pub(super) fn complete(app: &mut App, back: bool) -> Vec<Effect> {
    let themes: Vec<_> = app.themes.iter().map(|theme| theme.name.clone()).collect();
    let Some(Overlay::CommandLine(line)) = &mut app.overlay else { return Vec::new() };
    if line.next_word(back) {
        return Vec::new();
    }
    let before: String = line.text().chars().take(line.cursor()).collect();
    let Some(wanted) = completion::wanted(&before, &themes) else {
        line.problem = Some("nothing completes this".to_owned());
        return Vec::new();
    };
    if wanted.paths || wanted.sessions {
        let ticket = app.tickets.draw();
        line.ask(ticket, wanted.start);
        return vec![Effect::Complete(ticket, Box::new(wanted))];
    }
    line.complete(wanted.start, wanted.fitting());
    Vec::new()
}

/// Closes the command line and opens the browser for what its command asks for.
pub(super) fn browse(app: &mut App) -> Vec<Effect> {
    let Some(Overlay::CommandLine(line)) = &mut app.overlay else { return Vec::new() };
    match commands::browsed(line.text()) {
        Ok(choice) => {
            app.overlay = None;
            act(app, Action::Browse(choice))
        }
        Err(problem) => {
            line.problem = Some(problem);
            Vec::new()
        }
    }
}

pub(super) fn quit(app: &mut App) -> Vec<Effect> {
    let busy = app.busy_sides();
    if busy.is_empty() {
        return act(app, Action::QuitNow);
    }
    let names: Vec<_> = busy.iter().map(|side| format!("{} {}", side.letter(), side.marker())).collect();
    let key = app.key_on(Screen::Sessions, &Action::ResumeSession);
    let waits = busy.iter().any(|side| app.slot(*side).state.waiting.is_some());
    app.overlay = Some(Overlay::Question {
        question: format!("Stop {} and quit?", names.join(" and ")),
        detail: match waits {
            true => "The disk is full: what the last checkpoint lacks is lost. Make room first to keep it.".into(),
            false => match busy.iter().all(|side| app.slot(*side).run.is_some_and(|run| !run.begun)) {
                true => "It has not started yet: nothing is saved.".into(),
                false => format!("A checkpoint is written first: Sessions, {key} resumes from there."),
            },
        },
        then: Pending::Quit,
    });
    Vec::new()
}

pub(super) fn confirm(app: &mut App) -> Vec<Effect> {
    if let Some(Overlay::Export(_)) = app.overlay {
        return exporting::confirm(app);
    }
    match app.overlay.take() {
        Some(Overlay::Question { then: Pending::Quit, .. }) => act(app, Action::QuitNow),
        Some(Overlay::Question { then: Pending::Delete(paths), .. }) => paths.into_iter().map(Effect::Remove).collect(),
        Some(Overlay::Question { then: Pending::DeleteBookmark(session, bookmark), .. }) => {
            vec![Effect::RemoveBookmark(session, bookmark)]
        }
        Some(Overlay::Question { then: Pending::RemoveExample(class, place), .. }) => {
            vec![Effect::RemoveExample(class, place)]
        }
        Some(Overlay::Question { then: Pending::Anew(sides), .. }) => runs::anew(app, &sides),
        Some(Overlay::Question { then: Pending::TryAgain(run), .. }) => vec![Effect::Command(run, Command::Checkpoint)],
        Some(Overlay::CommandLine(mut line)) => match commands::parse(line.text()) {
            Ok(action) => {
                remember(&mut app.history, line.text());
                action.map_or_else(Vec::new, |action| act(app, action))
            }
            Err(problem) => {
                line.problem = Some(problem);
                app.overlay = Some(Overlay::CommandLine(line));
                Vec::new()
            }
        },
        _ => Vec::new(),
    }
}
