//! update(state, message) -> effects: the only code that changes the state. Pure; what touches the
//! world is left to the [`Effect`]s it returns.

mod live;
mod runs;
mod sessions;

pub(super) use live::{blocks, desk_side, has_adapters};

use super::{
    action::{Action, Message, Move, Purpose, Screen},
    app::{App, Notice, Overlay, Pending, SMOOTHING},
    commands,
    effect::Effect,
    keymap,
    layers::Layers,
    slot::Origin,
};
use crate::{plot::Side, session::Status, train::Command};

/// How long a notice stays, milliseconds.
const NOTICE_MS: u64 = 6_000;
/// Rows that PgUp and PgDn move.
const PAGE: usize = 10;

/// Changes the state by what happened, and says what is to be done about it.
pub fn update(app: &mut App, message: Message) -> Vec<Effect> {
    match message {
        Message::Do(action) => return act(app, action),
        Message::Key(event) => return pressed(app, event),
        Message::Paste(text) => {
            if let Some(Overlay::CommandLine(line, _)) = &mut app.overlay {
                line.extend(text.chars().filter(|c| !c.is_control()));
            }
        }
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
        Message::Event(side, record) => {
            app.slot_mut(side).apply(&record);
            if app.focus == side && matches!(record.event, crate::session::Event::Started { .. }) {
                app.refresh_parameters();
            }
            let over = app.slot(side).state.is_over();
            if over && app.sessions.list.is_some() {
                return vec![Effect::List];
            }
        }
        Message::RunFailed(side, why) => {
            let slot = app.slot_mut(side);
            slot.alive = false;
            if slot.origin == Origin::Starting {
                slot.origin = Origin::Empty;
            }
            slot.problem = Some(why);
            return live::run_over(app, side);
        }
        Message::RunOver(side) => {
            let slot = app.slot_mut(side);
            slot.alive = false;
            // A run that failed before it began says so where its curves would be.
            if let (true, Status::Failed(why)) = (slot.is_empty(), &slot.state.status) {
                slot.problem = Some(why.clone());
                slot.origin = Origin::Empty;
            }
            return live::run_over(app, side);
        }
        Message::Sessions(Ok(list)) => app.sessions.show(list),
        Message::Sessions(Err(problem)) => app.sessions.problem = Some(problem),
        Message::Opened(side, opened) => return sessions::opened(app, side, *opened),
        Message::Shape(Ok(shape)) => {
            let method = app.parameters.method();
            app.parameters.show(*shape, method);
        }
        Message::Shape(Err(problem)) => notify(app, problem, true),
        Message::Live(event) => return live::heard(app, event),
        Message::Bookmarks(session, list) => app.live.bookmarks.show(session, list),
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
        Message::Lesson(lesson) => app.live.teaching.show(*lesson),
        Message::Notice(text) => notify(app, text.to_string(), false),
        Message::Trouble(text) => {
            app.live.starting = false;
            notify(app, text.to_string(), true);
        }
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
            return live::refocused(app);
        }
        Action::Move(to) => return go(app, to),
        Action::Start => return runs::start(app, &[app.focus]),
        Action::StartBoth => return runs::start(app, &Side::BOTH),
        Action::Pause => return runs::pause(app),
        Action::Stop => {
            if app.focused().is_busy() {
                return vec![Effect::Command(app.focus, Command::Stop)];
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
        Action::Cancel => app.overlay = None,
        Action::Confirm => return confirm(app),
        Action::Type(c) => {
            if let Some(Overlay::CommandLine(line, problem)) = &mut app.overlay {
                line.push(c);
                *problem = None;
            }
        }
        Action::Erase => match &mut app.overlay {
            Some(Overlay::CommandLine(line, _)) if line.is_empty() => app.overlay = None,
            Some(Overlay::CommandLine(line, problem)) => {
                line.pop();
                *problem = None;
            }
            _ => {}
        },
        Action::Toggle if app.screen == Screen::Layers => app.layers.plain = !app.layers.plain,
        Action::Toggle => app.parameters.toggle(),
        Action::OpenSession => return sessions::open_selected(app, app.focus, Purpose::Look),
        Action::ChooseSession(side) => return sessions::open_selected(app, side, Purpose::Choose),
        Action::ResumeSession => return sessions::resume_selected(app),
        Action::DeleteSession => sessions::ask_to_delete(app),
        Action::Refresh => return vec![Effect::List],
        Action::SetData(data) => {
            notify(app, format!("the next run trains on {data}"), false);
            app.setup.data = data;
            return vec![Effect::Shape(app.setup_of(app.focus), app.focused().method)];
        }
        Action::SetModel(model) => {
            notify(app, format!("the next run adapts {model}"), false);
            app.setup.model = model;
            app.slots.iter_mut().for_each(|slot| slot.backbone = None);
            return vec![Effect::Shape(app.setup_of(app.focus), app.focused().method)];
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
        Screen::Sessions => vec![Effect::List],
        Screen::Parameters if app.focused().is_empty() => {
            vec![Effect::Shape(app.setup_of(app.focus), app.focused().method)]
        }
        _ => Vec::new(),
    }
}

fn go(app: &mut App, to: Move) -> Vec<Effect> {
    match (&mut app.overlay, app.screen) {
        (Some(Overlay::Help(scroll)), _) => {
            *scroll = match to {
                Move::Up | Move::PageUp => scroll.saturating_sub(1),
                _ => scroll.saturating_add(1).min(200),
            };
        }
        (Some(_), _) => {}
        (None, Screen::Train) => runs::move_cursor(app, to),
        (None, Screen::Layers) => match to {
            Move::Up | Move::Down => {
                let depth = Layers::side(app.focus, |side| !app.slot(side).state.norms.is_empty())
                    .and_then(|side| app.slot(side).state.norms.last())
                    .map_or(0, |norms| norms.blocks.len());
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
        detail: "A checkpoint is written first: Sessions, r goes on from there.".into(),
        then: Pending::Quit,
    });
    Vec::new()
}

fn confirm(app: &mut App) -> Vec<Effect> {
    match app.overlay.take() {
        Some(Overlay::Question { then: Pending::Quit, .. }) => act(app, Action::QuitNow),
        Some(Overlay::Question { then: Pending::Delete(path), .. }) => vec![Effect::Remove(path)],
        Some(Overlay::Question { then: Pending::DeleteBookmark(session, bookmark), .. }) => {
            vec![Effect::RemoveBookmark(session, bookmark)]
        }
        Some(Overlay::Question { then: Pending::RemoveExample(class, place), .. }) => {
            vec![Effect::RemoveExample(class, place)]
        }
        Some(Overlay::CommandLine(line, _)) => match commands::parse(&line) {
            Ok(Some(action)) => act(app, action),
            Ok(None) => Vec::new(),
            Err(problem) => {
                app.overlay = Some(Overlay::CommandLine(line, Some(problem)));
                Vec::new()
            }
        },
        _ => Vec::new(),
    }
}

#[cfg(test)]
#[path = "update/tests.rs"]
mod tests;
