//! update(state, message) -> effects: the only code that changes the state. Pure; what touches the
//! world is left to the [`Effect`]s it returns.

mod live;

use std::path::PathBuf;

pub(super) use live::{blocks, desk_side, has_adapters};

use super::{
    action::{Action, Message, Move, Screen},
    app::{App, Notice, Overlay, Pending, SMOOTHING, Setup},
    commands, keymap,
    layers::Layers,
    slot::Origin,
};
use crate::{
    infer::{Gains, Mix},
    live::Bookmark,
    model::Method,
    plot::{self, Chart, Side},
    session::Status,
    train::Command,
};

/// How long a notice stays, milliseconds.
const NOTICE_MS: u64 = 6_000;
/// Rows that PgUp and PgDn move.
const PAGE: usize = 10;

/// Something to be done in the world.
#[derive(Debug, PartialEq)]
pub enum Effect {
    /// Train these, step about when there are two.
    Start(Vec<(Side, Method)>, Setup),
    /// Go on training the session in this folder.
    Resume(Side, PathBuf),
    /// Tell a run.
    Command(Side, Command),
    /// Read the list of sessions.
    List,
    /// Read a session; go on training it, if so asked.
    Open(Side, PathBuf, bool),
    /// Delete a session, then list again.
    Remove(PathBuf),
    /// Find out the shape of the model that would be trained.
    Shape(Setup, Method),
    /// Listen with these sessions to the microphone or a file.
    Listen(Option<PathBuf>, Vec<PathBuf>, Setup),
    /// Stop listening.
    StopListening,
    /// Keep to the window that was answered last, or follow what is heard again.
    Hold(bool),
    /// Turn the adapters of an ear.
    Gains(usize, Gains),
    /// Keep a desk with its session.
    SaveDesk(PathBuf, Mix),
    /// Read the desk that a session keeps; its name comes back with it.
    LoadDesk(PathBuf, String),
    /// Keep the window that was answered last with a session: what was heard, and the gains of each ear.
    Bookmark(PathBuf, String, Vec<String>),
    /// Read a session's bookmarks.
    Bookmarks(PathBuf),
    /// Ask a session's checkpoints about a bookmark, on this device.
    Replay(PathBuf, Box<Bookmark>, String),
    /// Delete a session's bookmark, then list again.
    RemoveBookmark(PathBuf, Box<Bookmark>),
    /// Open a lesson; without a folder, the one beside the sessions.
    OpenLesson(Option<PathBuf>),
    /// Name a class of the lesson.
    NameClass(String),
    /// Begin to record.
    Record,
    /// End the recording and keep it, but for its last milliseconds, as examples of this class.
    Recorded(String, u64),
    /// Remove an example: its class, and its place among the class's.
    RemoveExample(String, usize),
    /// Draw charts to a file.
    Export(PathBuf, Vec<Chart>),
    /// Leave.
    Quit,
}

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
        Message::Opened(side, opened) => {
            let (name, path, resume) = (opened.name.clone(), opened.path.clone(), opened.resume);
            app.slot_mut(side).open(*opened);
            app.focus = side;
            app.screen = Screen::Train;
            app.cursor = None;
            app.refresh_parameters();
            if resume {
                app.slot_mut(side).resume(path.clone());
                return vec![Effect::Resume(side, path)];
            }
            notify(app, format!("{} opened as {} {}", name, side.letter(), side.marker()), false);
        }
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
        Action::Start => return start(app, &[app.focus]),
        Action::StartBoth => return start(app, &Side::BOTH),
        Action::Pause => return pause(app),
        Action::Stop => {
            if app.focused().is_busy() {
                return vec![Effect::Command(app.focus, Command::Stop)];
            }
            notify(app, "nothing runs on this side".into(), false);
        }
        Action::NextMethod => {
            let method = app.focused().method.next();
            return set_method(app, method);
        }
        Action::SetMethod(method) => return set_method(app, method),
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
        Action::Export(path) => return export(app, path),
        Action::Help => app.overlay = Some(Overlay::Help(0)),
        Action::CommandLine => app.overlay = Some(Overlay::CommandLine(String::new(), None)),
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
        Action::OpenSession(side) => {
            let side = side.unwrap_or(app.focus);
            let Some(path) = app.sessions.selected().map(|session| session.path.clone()) else { return Vec::new() };
            if app.slot(side).is_busy() {
                notify(app, format!("{} still trains: stop it first (S on Train)", side.letter()), true);
            } else {
                return vec![Effect::Open(side, path, false)];
            }
        }
        Action::ResumeSession => return resume_selected(app),
        Action::DeleteSession => ask_to_delete(app),
        Action::Refresh => return vec![Effect::List],
        Action::SetData(data) => {
            notify(app, format!("the next run trains on {data}"), false);
            app.setup.data = data;
            return vec![Effect::Shape(app.setup.clone(), app.focused().method)];
        }
        Action::SetModel(model) => {
            notify(app, format!("the next run adapts {model}"), false);
            app.setup.model = model;
            return vec![Effect::Shape(app.setup.clone(), app.focused().method)];
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
            vec![Effect::Shape(app.setup.clone(), app.focused().method)]
        }
        _ => Vec::new(),
    }
}

fn start(app: &mut App, sides: &[Side]) -> Vec<Effect> {
    if let Some(busy) = sides.iter().find(|side| app.slot(**side).is_busy()) {
        let text = format!("{} already trains: Space pauses it, S stops it", busy.letter());
        notify(app, text, false);
        return Vec::new();
    }
    app.cursor = None;
    if let [side] = sides
        && app.slot(*side).can_resume()
        && let Origin::Disk(path) = app.slot(*side).origin.clone()
    {
        app.slot_mut(*side).resume(path.clone());
        return vec![Effect::Resume(*side, path)];
    }
    for side in sides {
        app.slot_mut(*side).start();
    }
    let methods = sides.iter().map(|side| (*side, app.slot(*side).method)).collect();
    vec![Effect::Start(methods, app.setup.clone())]
}

/// Pauses what runs; when all of it is paused, lets it go on.
fn pause(app: &mut App) -> Vec<Effect> {
    let busy = app.busy_sides();
    if busy.is_empty() {
        notify(app, "nothing runs: Enter starts this side, b both".into(), false);
        return Vec::new();
    }
    let all_paused = busy.iter().all(|side| app.slot(*side).is_paused());
    let command = if all_paused { Command::Continue } else { Command::Pause };
    busy.into_iter().map(|side| Effect::Command(side, command)).collect()
}

fn set_method(app: &mut App, method: Method) -> Vec<Effect> {
    if app.focused().is_busy() && app.screen != Screen::Parameters {
        let text = format!("{} trains: stop it first (S), or look at methods on 3 Parameters", app.focus.letter());
        notify(app, text, false);
        return Vec::new();
    }
    let focus = app.focus;
    let slot = app.slot_mut(focus);
    slot.method = method;
    let text = format!("{} {} {}: {} trains", focus.letter(), focus.marker(), method.title(), method.trains_what());
    app.refresh_parameters();
    notify(app, text, false);
    Vec::new()
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
        (None, Screen::Train) => move_cursor(app, to),
        (None, Screen::Layers) => match to {
            Move::Up | Move::Down => {
                let depth = Layers::side(app.focus, |side| !app.slot(side).state.norms.is_empty())
                    .and_then(|side| app.slot(side).state.norms.last())
                    .map_or(0, |norms| norms.blocks.len());
                app.layers.go(to, depth);
            }
            _ => move_cursor(app, to),
        },
        (None, Screen::Parameters) => app.parameters.go(to, PAGE),
        (None, Screen::Live) => return live::go(app, to),
        (None, Screen::Sessions) => app.sessions.go(to, PAGE),
    }
    Vec::new()
}

/// Moves the crosshair by a fortieth of the longest run; it comes from beyond the newest step and goes there.
fn move_cursor(app: &mut App, to: Move) {
    let newest = app.slots.iter().map(|slot| slot.state.step()).max().unwrap_or(0);
    if newest == 0 {
        return;
    }
    let stride = (newest / 40).max(1);
    let at = app.cursor.unwrap_or(newest);
    app.cursor = match to {
        Move::Left => Some(at.saturating_sub(stride).max(1)),
        Move::Right => (at + stride < newest).then_some(at + stride),
        Move::Home => Some(1),
        Move::End => None,
        _ => app.cursor,
    };
}

fn export(app: &mut App, path: Option<PathBuf>) -> Vec<Effect> {
    let runs = app.runs();
    if runs.is_empty() {
        notify(app, "there are no curves to export yet: Enter starts a run".into(), false);
        return Vec::new();
    }
    let view = plot::View { ticks: (8, 6), ..app.view() };
    let charts = vec![plot::loss(&runs, &view), plot::metric(&runs, &view)];
    let path = path.unwrap_or_else(|| {
        let names: Vec<_> = runs.iter().filter_map(|run| Some(run.state.config.as_ref()?.session.as_str())).collect();
        PathBuf::from(format!("{}.svg", names.join("-vs-")))
    });
    vec![Effect::Export(path, charts)]
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

fn resume_selected(app: &mut App) -> Vec<Effect> {
    let Some(session) = app.sessions.selected().cloned() else { return Vec::new() };
    let focus = app.focus;
    if session.in_use {
        notify(app, format!("{} is being trained already", session.name), false);
    } else if !session.can_resume {
        notify(app, format!("{} has nothing left to do, or no checkpoint to go on from", session.name), false);
    } else if app.slot(focus).is_busy() {
        notify(
            app,
            format!("{} still trains: stop it first (S on Train), or Tab to the other side", focus.letter()),
            true,
        );
    } else {
        return vec![Effect::Open(focus, session.path, true)];
    }
    Vec::new()
}

fn ask_to_delete(app: &mut App) {
    let Some(session) = app.sessions.selected() else { return };
    if session.in_use {
        let text = format!("{} is being trained; stop it first", session.name);
        return notify(app, text, true);
    }
    app.overlay = Some(Overlay::Question {
        question: format!("Delete {}?", session.name),
        detail: "Its curves, checkpoints and weights go for good.".into(),
        then: Pending::Delete(session.path.clone()),
    });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

    use super::*;
    use crate::{plot::XAxis, session::Event, tui::fixture};

    const SIZE: (u16, u16) = (120, 36);

    fn press(app: &mut App, keys: &str) -> Vec<Effect> {
        let key = |c| match c {
            '\n' => KeyCode::Enter,
            '\t' => KeyCode::Tab,
            '\x1b' => KeyCode::Esc,
            c => KeyCode::Char(c),
        };
        keys.chars().flat_map(|c| update(app, Message::Key(KeyEvent::new(key(c), KeyModifiers::NONE)))).collect()
    }

    #[test]
    fn one_key_after_opening_a_run_begins_on_the_demo() {
        let mut app = fixture::app(SIZE);
        let effects = press(&mut app, "\n");
        assert_eq!(effects, [Effect::Start(vec![(Side::A, Method::aat())], Setup::default())]);
        assert_eq!(app.setup.data, "demo");
        assert!(app.slot(Side::A).is_busy() && !app.slot(Side::B).is_busy());
        assert_eq!(press(&mut app, "\n"), [], "a side trains once");
    }

    #[test]
    fn both_start_as_one_pair() {
        let mut app = fixture::app(SIZE);
        let effects = press(&mut app, "b");
        let sides = vec![(Side::A, Method::aat()), (Side::B, Method::full())];
        assert_eq!(effects, [Effect::Start(sides, Setup::default())]);
    }

    #[test]
    fn space_pauses_what_runs_and_lets_it_go_on() {
        let mut app = fixture::training(SIZE, (10, 10));
        assert_eq!(press(&mut app, " "), Side::BOTH.map(|side| Effect::Command(side, Command::Pause)));
        fixture::tell(&mut app, Side::A, Event::Paused);
        assert_eq!(press(&mut app, " "), Side::BOTH.map(|side| Effect::Command(side, Command::Pause)));
        fixture::tell(&mut app, Side::B, Event::Paused);
        assert_eq!(press(&mut app, " "), Side::BOTH.map(|side| Effect::Command(side, Command::Continue)));
    }

    #[test]
    fn quitting_asks_only_when_something_would_be_lost() {
        let mut app = fixture::app(SIZE);
        assert_eq!(press(&mut app, "q"), [Effect::Quit]);
        let mut app = fixture::training(SIZE, (10, 0));
        assert_eq!(press(&mut app, "q"), []);
        assert_eq!(press(&mut app, "n"), []);
        assert!(app.overlay.is_none() && !app.quitting);
        assert_eq!(press(&mut app, "qy"), [Effect::Quit]);
        assert!(app.quitting);
    }

    #[test]
    fn methods_of_a_side_change_and_the_numbers_answer_at_once() {
        let mut app = fixture::app(SIZE);
        let before = app.parameters.totals();
        press(&mut app, "3m");
        assert_eq!(app.slot(Side::A).method, Method::full());
        let (total, trains) = app.parameters.totals();
        assert!(total == trains && before.1 < before.0);
        press(&mut app, "\t");
        assert_eq!(app.parameters.method(), app.slot(Side::B).method);
        let mut app = fixture::training(SIZE, (10, 10));
        press(&mut app, "m");
        assert_eq!(app.slot(Side::A).method, Method::aat(), "what trains keeps its method on Train");
    }

    #[test]
    fn views_change_by_their_keys() {
        let mut app = fixture::training(SIZE, (100, 100));
        press(&mut app, "xls");
        assert_eq!((app.x, app.log, app.smooth), (XAxis::Clock, true, 2));
        update(&mut app, Message::Do(Action::Move(Move::Left)));
        assert_eq!(app.cursor, Some(98));
        update(&mut app, Message::Do(Action::Move(Move::End)));
        assert_eq!(app.cursor, None);
    }

    #[test]
    fn a_session_is_deleted_after_a_question_and_never_while_it_trains() {
        let mut app = fixture::app(SIZE);
        assert_eq!(press(&mut app, "5"), [Effect::List]);
        update(&mut app, Message::Sessions(Ok(fixture::listings())));
        assert_eq!(press(&mut app, "d"), []);
        assert!(app.overlay.is_none(), "the first one is in use");
        assert_eq!(press(&mut app, "jjdy"), [Effect::Remove(fixture::listings()[2].path.clone())]);
    }

    #[test]
    fn an_interrupted_session_is_read_then_resumed() {
        let mut app = fixture::app(SIZE);
        update(&mut app, Message::Sessions(Ok(fixture::listings())));
        press(&mut app, "5jjj");
        let path = fixture::listings()[3].path.clone();
        assert_eq!(press(&mut app, "r"), [Effect::Open(Side::A, path.clone(), true)]);
        let opened =
            super::super::action::Opened { path: path.clone(), resume: true, ..fixture::opened(Method::aat()) };
        let effects = update(&mut app, Message::Opened(Side::A, Box::new(opened)));
        assert_eq!(effects, [Effect::Resume(Side::A, path)]);
        assert!(app.slot(Side::A).alive);
    }

    #[test]
    fn the_command_line_takes_letters_that_are_keys_elsewhere() {
        let mut app = fixture::app(SIZE);
        let effects = press(&mut app, ":data ../q sounds\n");
        assert_eq!(app.setup.data, "../q sounds");
        assert!(matches!(effects.as_slice(), [Effect::Shape(..)]) && app.overlay.is_none());
        press(&mut app, ":nonsense\n");
        assert!(matches!(&app.overlay, Some(Overlay::CommandLine(line, Some(_))) if line == "nonsense"));
        press(&mut app, "\x1b");
        assert!(app.overlay.is_none());
    }

    #[test]
    fn curves_are_exported_with_a_name_of_their_runs() {
        let mut app = fixture::app(SIZE);
        assert_eq!(press(&mut app, "e"), []);
        let mut app = fixture::training(SIZE, (100, 100));
        let effects = press(&mut app, "e");
        let [Effect::Export(path, charts)] = effects.as_slice() else { panic!("{effects:?}") };
        assert_eq!(path, &PathBuf::from("esc10-f1-aat-vs-esc10-f1-full.svg"));
        assert_eq!(charts.len(), 2);
    }
}
