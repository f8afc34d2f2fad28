//! update(state, message) -> effects: the only code that changes the state. Pure; what touches the
//! world is left to the [`Effect`]s it returns.

mod exporting;
mod live;
mod runs;
mod sessions;

pub(super) use live::{blocks, desk_side, has_adapters};

use super::{
    action::{Action, Message, Move, Purpose, Screen},
    app::{App, Aside, Notice, Overlay, Pending, SMOOTHING},
    commands,
    effect::{Effect, Task},
    keymap,
    layers::Layers,
};
use crate::train::Command;

/// How long a notice stays, milliseconds.
const NOTICE_MS: u64 = 6_000;
/// Rows that PgUp and PgDn move.
const PAGE: usize = 10;

/// Changes the state by what happened, and says what is to be done about it.
pub fn update(app: &mut App, message: Message) -> Vec<Effect> {
    match message {
        Message::Do(action) => return act(app, action),
        Message::Key(event) => return pressed(app, event),
        Message::Paste(text) => match &mut app.overlay {
            Some(Overlay::CommandLine(line, _)) => line.extend(text.chars().filter(|c| !c.is_control())),
            Some(Overlay::Export(exporting)) => exporting.push(&text),
            _ => {}
        },
        Message::Released(event) => {
            if keymap::lookup(&app.contexts(), event.into()) == Some(Action::Record) {
                return live::released(app);
            }
        }
        Message::Tick(now) => {
            app.now_ms = now;
            if app.notice.as_ref().is_some_and(|notice| notice.until_ms <= now) {
                app.notice = None;
            }
            return live::tick(app);
        }
        Message::Drawing(elapsed_ms) => app.live.glide(elapsed_ms),
        Message::Resized(columns, rows) => app.size = (columns, rows),
        Message::Run(run, news) => return runs::told(app, run, news),
        Message::RunOver(run, why) => return runs::over(app, run, why),
        Message::Sessions(read) => {
            match read {
                Ok(list) => app.sessions.show(list),
                Err(problem) => app.sessions.problem = Some(problem),
            }
            return if app.sessions.was_read() { vec![Effect::List] } else { Vec::new() };
        }
        Message::Opened(ticket, opened) => return sessions::opened(app, ticket, opened.map(|opened| *opened)),
        Message::Removed(path, removed) => return sessions::removed(app, &path, removed),
        Message::Shape(ticket, shape) => {
            // What was chosen since is asked about by another ticket, and a run that began shows its own model.
            if app.shape_asked == Some(ticket) {
                app.shape_asked = None;
                match shape {
                    Ok(shape) => app.parameters.show(*shape, app.parameters.method()),
                    Err(problem) => notify(app, problem, true),
                }
            }
        }
        Message::Live(ticket, event) => {
            return if app.live.ticket == Some(ticket) { live::heard(app, event) } else { Vec::new() };
        }
        Message::Bookmarks(session, list) => {
            if session == app.live.bookmarks.session {
                app.live.bookmarks.show(session, list);
            }
        }
        Message::Replayed(at_ms, answers) => {
            let replayed = &mut app.live.bookmarks.replayed;
            if replayed.as_ref().is_some_and(|(asked, _)| *asked == at_ms) {
                *replayed = Some((at_ms, Some(answers)));
            }
        }
        Message::Desk(name, mix) => {
            app.live.desk.set(&name, mix);
            notify(app, format!("the desk of {name} is as it was saved"), false);
            return live::gains_of(app, &name);
        }
        Message::Exporting(ticket, done, total) => exporting::compared(app, ticket, done, total),
        Message::Exported(ticket, result) => exporting::over(app, ticket, result),
        Message::Lesson(lesson) => app.live.teaching.show(*lesson),
        Message::Notice(text) => notify(app, text.to_string(), false),
        Message::Trouble(text) => notify(app, text.to_string(), true),
    }
    Vec::new()
}

/// Tells something at the bottom.
fn notify(app: &mut App, text: String, trouble: bool) {
    let stay = if trouble { 2 * NOTICE_MS } else { NOTICE_MS };
    app.notice = Some(Notice { text, trouble, until_ms: app.now_ms + stay });
}

fn pressed(app: &mut App, event: crossterm::event::KeyEvent) -> Vec<Effect> {
    use crossterm::event::{KeyCode, KeyEventKind, KeyModifiers};
    match keymap::lookup(&app.contexts(), event.into()) {
        // Where the terminal tells a key's repetition from a press, its release is told as well.
        Some(Action::Record) if event.kind == KeyEventKind::Repeat => Vec::new(),
        Some(action) => act(app, action),
        None => match event.code {
            KeyCode::Char(c) if !event.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) => {
                act(app, Action::Type(c))
            }
            _ => Vec::new(),
        },
    }
}

/// Does what a person asks for.
fn act(app: &mut App, action: Action) -> Vec<Effect> {
    match action {
        Action::Show(screen) => return show(app, screen),
        Action::NextFocus => {
            app.focus = app.focus.other();
            app.refresh_parameters();
            let mut effects = live::refocused(app);
            if app.screen == Screen::Parameters {
                effects.extend(ask_shape(app));
            }
            return effects;
        }
        Action::Move(to) => return go(app, to),
        Action::Start => return runs::start(app),
        Action::Anew => return runs::anew(app, &[app.focus]),
        Action::StartBoth => return runs::start_both(app),
        Action::Pause => return runs::pause(app),
        Action::Stop => {
            if let Some(run) = app.focused().run {
                return vec![Effect::Command(run.ticket, Command::Stop)];
            }
            notify(app, "nothing runs on this side".into(), false);
        }
        Action::NextMethod => {
            let method = app.focused().method.next();
            return runs::set_method(app, method);
        }
        Action::SetMethod(method) => return runs::set_method(app, method),
        Action::NextBackbone => return runs::next_backbone(app),
        Action::Versus => return runs::versus(app),
        Action::NextX => app.x = app.x.next(),
        Action::ToggleLog => app.log = !app.log,
        Action::NextSmooth => app.smooth = (app.smooth + 1) % SMOOTHING.len(),
        Action::NextTheme => {
            app.theme = (app.theme + 1) % app.themes.len();
            let text = match app.themes.len() {
                1 => "NO_COLOR is set: the monochrome theme is the only one".to_owned(),
                _ => format!("theme: {}", app.theme().name),
            };
            notify(app, text, false);
        }
        Action::SetTheme(name) => match app.themes.iter().position(|theme| theme.name == name) {
            Some(theme) => app.theme = theme,
            None => {
                let names: Vec<_> = app.themes.iter().map(|theme| theme.name.as_str()).collect();
                let text = format!("there is no theme \"{name}\"; there are {}", names.join(", "));
                notify(app, text, true);
            }
        },
        Action::Export(path) => return runs::export(app, path),
        Action::Help => app.overlay = Some(Overlay::Help(0)),
        Action::CommandLine => app.overlay = Some(Overlay::CommandLine(String::new(), None)),
        Action::SetGraphics(graphics) => {
            app.graphics = graphics;
            notify(app, format!("the spectrogram is drawn with: {}", graphics.name()), false);
        }
        Action::StepAside => return vec![Effect::StepAside],
        Action::Quit => return quit(app),
        Action::QuitNow => {
            app.quitting = true;
            return vec![Effect::Quit];
        }
        Action::ExportSession => exporting::ask(app),
        Action::Cancel if matches!(app.overlay, Some(Overlay::Export(_))) => return exporting::cancel(app),
        Action::Cancel => app.overlay = None,
        Action::Confirm => return confirm(app),
        Action::Type(c) => match &mut app.overlay {
            Some(Overlay::CommandLine(line, problem)) => {
                line.push(c);
                *problem = None;
            }
            Some(Overlay::Export(exporting)) => exporting.push(c.encode_utf8(&mut [0; 4])),
            _ => {}
        },
        Action::Erase => match &mut app.overlay {
            Some(Overlay::CommandLine(line, _)) if line.is_empty() => app.overlay = None,
            Some(Overlay::CommandLine(line, problem)) => {
                line.pop();
                *problem = None;
            }
            Some(Overlay::Export(exporting)) => exporting.erase(),
            _ => {}
        },
        Action::Complete => {
            if let Some(Overlay::CommandLine(line, aside)) = &mut app.overlay {
                let (completed, hint) = commands::complete(line);
                *line = completed;
                *aside = hint.map(Aside::Hint);
            }
        }
        Action::Toggle if app.screen == Screen::Layers => app.layers.plain = !app.layers.plain,
        Action::Toggle => app.parameters.toggle(),
        Action::OpenSession => return sessions::open_selected(app, app.focus, Purpose::Look),
        Action::ChooseSession(side) => return sessions::open_selected(app, side, Purpose::Choose),
        Action::ResumeSession => return sessions::resume_selected(app),
        Action::DeleteSession => sessions::ask_to_delete(app),
        Action::Refresh => return list(app),
        Action::SetData(data) => {
            notify(app, format!("the next run trains on {data}"), false);
            app.setup.data = data;
            return ask_shape(app);
        }
        Action::SetModel(model) => {
            notify(app, format!("the next run adapts {model}"), false);
            app.setup.model = model;
            app.slots.iter_mut().for_each(|slot| slot.backbone = None);
            return ask_shape(app);
        }
        Action::Set(name, value) => match commands::set(&mut app.setup, &name, &value) {
            Ok(()) => notify(app, format!("{name} of the next run: {value}"), false),
            Err(problem) => notify(app, problem, true),
        },
        other => return live::act(app, other),
    }
    Vec::new()
}

fn show(app: &mut App, screen: Screen) -> Vec<Effect> {
    app.screen = screen;
    match screen {
        Screen::Sessions => list(app),
        Screen::Parameters => ask_shape(app),
        _ => Vec::new(),
    }
}

/// Asks for the list of sessions.
fn list(app: &mut App) -> Vec<Effect> {
    if app.sessions.ask() { vec![Effect::List] } else { Vec::new() }
}

/// Asks for the shape of the model that the side in focus would train, unless a run on it shows its own.
fn ask_shape(app: &mut App) -> Vec<Effect> {
    if !app.focused().is_empty() {
        return Vec::new();
    }
    let ticket = app.tickets.draw();
    app.shape_asked = Some(ticket);
    vec![Effect::Shape(ticket, app.setup_of(app.focus), app.focused().method)]
}

fn go(app: &mut App, to: Move) -> Vec<Effect> {
    match (&mut app.overlay, app.screen) {
        (Some(Overlay::Help(scroll)), _) => {
            *scroll = match to {
                Move::Up | Move::PageUp => scroll.saturating_sub(1),
                _ => scroll.saturating_add(1).min(200),
            };
        }
        (Some(Overlay::Export(exporting)), _) => exporting.go(to),
        (Some(_), _) => {}
        (None, Screen::Train) => runs::move_cursor(app, to),
        (None, Screen::Layers) => match to {
            Move::Up | Move::Down => {
                let depth = Layers::side(app.focus, |side| !app.slot(side).state.norms.is_empty())
                    .map_or(0, |side| app.slot(side).state.norms.depth());
                app.layers.go(to, depth);
            }
            _ => runs::move_cursor(app, to),
        },
        (None, Screen::Parameters) => app.parameters.go(to, PAGE),
        (None, Screen::Live) => return live::go(app, to),
        (None, Screen::Sessions) => app.sessions.go(to, PAGE),
    }
    Vec::new()
}

fn quit(app: &mut App) -> Vec<Effect> {
    let busy = app.busy_sides();
    if busy.is_empty() {
        return act(app, Action::QuitNow);
    }
    let names: Vec<_> = busy.iter().map(|side| format!("{} {}", side.letter(), side.marker())).collect();
    app.overlay = Some(Overlay::Question {
        question: format!("Stop {} and quit?", names.join(" and ")),
        detail: match busy.iter().all(|side| app.slot(*side).run.is_some_and(|run| !run.begun)) {
            true => "It has not started yet: nothing of it is kept.".into(),
            false => "A checkpoint is written first: Sessions, r resumes from there.".into(),
        },
        then: Pending::Quit,
    });
    Vec::new()
}

fn confirm(app: &mut App) -> Vec<Effect> {
    if let Some(Overlay::Export(_)) = app.overlay {
        return exporting::confirm(app);
    }
    match app.overlay.take() {
        Some(Overlay::Question { then: Pending::Quit, .. }) => act(app, Action::QuitNow),
        Some(Overlay::Question { then: Pending::Delete(path), .. }) => vec![Effect::Remove(path)],
        Some(Overlay::Question { then: Pending::DeleteBookmark(session, bookmark), .. }) => {
            vec![Effect::RemoveBookmark(session, bookmark)]
        }
        Some(Overlay::Question { then: Pending::RemoveExample(class, place), .. }) => {
            vec![Effect::RemoveExample(class, place)]
        }
        Some(Overlay::Question { then: Pending::Anew(sides), .. }) => runs::anew(app, &sides),
        Some(Overlay::CommandLine(line, _)) => match commands::parse(&line) {
            Ok(Some(action)) => act(app, action),
            Ok(None) => Vec::new(),
            Err(problem) => {
                app.overlay = Some(Overlay::CommandLine(line, Some(Aside::Wrong(problem))));
                Vec::new()
            }
        },
        _ => Vec::new(),
    }
}

#[cfg(test)]
#[path = "update/order_tests.rs"]
mod order_tests;
#[cfg(test)]
#[path = "update/simulated.rs"]
mod simulated;
#[cfg(test)]
#[path = "update/tests.rs"]
mod tests;
