//! update(state, message) -> effects: the only code that changes the state. It is pure; everything outside the state is
//! left to the [`Effect`]s that it returns.

mod browser;
mod choices;
pub mod clips;
mod data;
mod decisions;
mod detections;
pub mod effect;
mod exporting;
mod live;
pub mod message;
mod moves;
mod overlays;
mod pointer;
mod results;
mod review;
mod review_lists;
mod runs;
mod scan;
mod session_list;
mod sessions;
mod sweep;
mod teach;
mod train_again;
mod trained;

pub(super) use live::{blocks, desk_side, has_adapters};

use tui_input::InputRequest;

use self::{
    effect::{Effect, Task},
    message::Message,
};
use crate::{
    plot::Side,
    train::Command,
    tui::{
        input::action::{Action, Move, Screen},
        state::{
            app::{App, Notice, Overlay, SMOOTHING},
            command_line::CommandLine,
            run_slot::Purpose,
            sweep::SweepTable,
        },
    },
};

/// How long a notice stays, milliseconds.
const NOTICE_MS: u64 = 6_000;
/// Rows that PgUp and PgDn move.
const PAGE: usize = 10;

/// Changes the state by a message, and returns effects to perform.
pub fn update(app: &mut App, message: Message) -> Vec<Effect> {
    let before = app.screen;
    let mut effects = handle(app, message);
    if app.screen != before {
        // A clip of one screen does not play on another.
        let silenced = app.clip_panel_of(before).map(clips::silence).unwrap_or_default();
        effects.splice(..0, silenced);
    }
    effects
}

fn handle(app: &mut App, message: Message) -> Vec<Effect> {
    match message {
        Message::Do(action) => return act(app, action),
        Message::Key(event) => return pressed(app, event),
        Message::Pointed(target, press) => return pointer::pointed(app, target, press),
        Message::Paste(text) => match &mut app.overlay {
            Some(Overlay::CommandLine(line)) => line.insert(&text),
            Some(Overlay::Export(exporting)) => exporting.push(&text),
            _ => {}
        },
        Message::Released(event) => {
            if app.keys.lookup(&app.contexts(), event.into()) == Some(Action::Record) {
                return teach::released(app);
            }
        }
        Message::Tick(now) => {
            app.now_ms = now;
            if app.notice.as_ref().is_some_and(|notice| notice.until_ms <= now) {
                app.notice = None;
            }
            return teach::tick(app);
        }
        Message::Drawing(elapsed_ms) => app.live.glide(elapsed_ms),
        Message::Resized(columns, rows) => app.size = (columns, rows),
        Message::Run(run, news) => return runs::received(app, run, news),
        Message::RunOver(run, why) => return runs::over(app, run, why),
        Message::Sessions(read) => {
            match read {
                Ok(list) => app.sessions.show(list),
                Err(problem) => app.sessions.problem = Some(problem),
            }
            return if app.sessions.was_read() { vec![Effect::List] } else { Vec::new() };
        }
        Message::Annotated(folders, change, done) => return session_list::annotated(app, &folders, &change, done),
        Message::Together(ticket, read) => session_list::read_together(app, ticket, read),
        Message::Sweep(ticket, read) => sweep::read(app, ticket, read),
        Message::Opened(ticket, opened) => return sessions::opened(app, ticket, opened.map(|opened| *opened)),
        Message::Removed(path, removed) => return sessions::removed(app, &path, removed),
        Message::Shape(ticket, shape) => {
            // A later choice has another ticket, and a run that began shows its own model.
            if app.shape_asked == Some(ticket) {
                app.shape_asked = None;
                match shape {
                    Ok(shape) => app.parameters.show(*shape, app.parameters.method()),
                    Err(problem) => notify(app, problem, true),
                }
            }
        }
        Message::Live(ticket, event) => {
            return if app.live.ticket == Some(ticket) { live::received(app, event) } else { Vec::new() };
        }
        Message::LiveFile(ticket, overview, position_s) => {
            if app.live.ticket == Some(ticket) {
                app.live.overview = overview.or(app.live.overview.take());
                app.live.position_s = position_s;
            }
        }
        Message::Bookmarks(session, list) => {
            if session == app.live.bookmarks.session {
                app.live.bookmarks.show(session, list);
            }
        }
        Message::Replayed(at_ms, replays) => {
            let replayed = &mut app.live.bookmarks.replayed;
            if replayed.as_ref().is_some_and(|(asked, _)| *asked == at_ms) {
                *replayed = Some((at_ms, Some(replays)));
            }
        }
        Message::Desk(name, mix) => {
            app.live.desk.set(&name, mix);
            notify(app, format!("the saved desk of {name} is loaded"), false);
            return live::gains_of(app, &name);
        }
        Message::Exporting(ticket, done, total) => exporting::compared(app, ticket, done, total),
        Message::Exported(ticket, result) => exporting::over(app, ticket, result),
        Message::Clip(ticket, loaded) => return clips::loaded(app, ticket, loaded),
        Message::Playing(ticket, status) => clips::playing(app, ticket, status),
        Message::DataRead(ticket, read) => return data::was_read(app, ticket, read),
        Message::DataFound(ticket, found) => data::found(app, ticket, *found),
        Message::DataChecked(ticket, checked) => data::checked(app, ticket, checked),
        Message::Folder(ticket, listed) => browser::listed(app, ticket, listed),
        Message::Recognised(ticket, spec, look) => browser::recognised(app, ticket, &spec, &look),
        Message::Scan(ticket, news) => return scan::received(app, ticket, *news),
        Message::Results(ticket, overview) => return results::received(app, ticket, overview),
        Message::Against(ticket, against) => {
            results::compared(app, ticket, against);
            trained::compared(app, ticket);
        }
        Message::Searching(ticket, done, total) => review_lists::searching(app, ticket, done, total),
        Message::Searched(ticket, list) => return review_lists::searched(app, ticket, list),
        Message::Saved(ticket, saved) => return decisions::saved(app, ticket, saved),
        Message::Lesson(lesson) => app.live.teaching.show(*lesson),
        Message::Completed(ticket, words) => {
            if let Some(Overlay::CommandLine(line)) = &mut app.overlay {
                line.answered(ticket, words);
            }
        }
        Message::Notice(text) => notify(app, text.to_string(), false),
        Message::Trouble(text) => notify(app, text.to_string(), true),
    }
    Vec::new()
}

/// Shows a notice at the bottom.
fn notify(app: &mut App, text: String, trouble: bool) {
    let stay = if trouble { 2 * NOTICE_MS } else { NOTICE_MS };
    app.notice = Some(Notice { text, trouble, until_ms: app.now_ms + stay });
}

/// What to do when a side still trains, in words.
fn still_trains(app: &App, side: Side) -> String {
    let (stop, other) = (app.key_on(Screen::Train, &Action::Stop), app.key(&Action::NextFocus));
    format!("{} still trains: stop it first ({stop} on Train), or {other} to the other side", side.letter())
}

fn pressed(app: &mut App, event: crossterm::event::KeyEvent) -> Vec<Effect> {
    use crossterm::event::{KeyCode, KeyEventKind, KeyModifiers};
    match app.keys.lookup(&app.contexts(), event.into()) {
        // Where the terminal distinguishes a key's repetition from a press, it reports its release as well.
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

/// Performs an action.
fn act(app: &mut App, action: Action) -> Vec<Effect> {
    if app.overlay.is_none()
        && let Some(effects) =
            browser::act(app, &action).or_else(|| results::act(app, &action)).or_else(|| review::act(app, &action))
    {
        return effects;
    }
    match action {
        Action::Show(screen) => return show(app, screen),
        Action::NextFocus if app.screen == Screen::Data => app.data.part = app.data.part.next(),
        Action::NextFocus if app.screen == Screen::Scan => app.scanning.part = app.scanning.part.other(),
        Action::NextFocus => {
            app.focus = app.focus.other();
            app.refresh_parameters();
            let mut effects = live::refocused(app);
            if app.screen == Screen::Results {
                effects.extend(results::ask(app));
            }
            if app.screen == Screen::Parameters {
                effects.extend(ask_shape(app));
            }
            return effects;
        }
        Action::Move(to) => return moves::go(app, to),
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
        Action::NextTheme
        | Action::SetTheme(_)
        | Action::SetGraphics(_)
        | Action::Mouse(_)
        | Action::SetData(_)
        | Action::SetModel(_)
        | Action::Set(..) => return choices::act(app, action),
        Action::Export(path) => return runs::export(app, path),
        Action::Help => app.overlay = Some(Overlay::Help(0)),
        Action::CommandLine => app.overlay = Some(Overlay::CommandLine(CommandLine::default())),
        Action::Suspend => return vec![Effect::Suspend],
        Action::Quit => return overlays::quit(app),
        Action::QuitNow => {
            app.quitting = true;
            return vec![Effect::Quit];
        }
        Action::ExportSession => exporting::ask(app),
        Action::Cancel if matches!(app.overlay, Some(Overlay::Export(_))) => return exporting::cancel(app),
        Action::Cancel => {
            session_list::cancelled(app);
            app.overlay = None;
        }
        Action::Confirm => return overlays::confirm(app),
        Action::Type(c) => match &mut app.overlay {
            Some(Overlay::CommandLine(line)) => {
                line.edit(InputRequest::InsertChar(c));
                session_list::typed(app);
            }
            Some(Overlay::Export(exporting)) => exporting.push(c.encode_utf8(&mut [0; 4])),
            _ => {}
        },
        Action::Erase => match &mut app.overlay {
            Some(Overlay::CommandLine(line)) if line.text().is_empty() => app.overlay = None,
            Some(Overlay::CommandLine(line)) => {
                line.edit(InputRequest::DeletePrevChar);
                session_list::typed(app);
            }
            Some(Overlay::Export(exporting)) => exporting.erase(),
            _ => {}
        },
        Action::Edit(request) => {
            if let Some(Overlay::CommandLine(line)) = &mut app.overlay {
                line.edit(request);
                session_list::typed(app);
            }
        }
        Action::Complete(back) => return overlays::complete(app, back),
        Action::Toggle if app.screen == Screen::Layers => app.layers.plain = !app.layers.plain,
        Action::Toggle => app.parameters.toggle(),
        Action::OpenSession => return sessions::open_selected(app, app.focus, Purpose::Look),
        Action::ChooseSession(side) => return sessions::open_selected(app, side, Purpose::Choose),
        Action::ResumeSession => return sessions::resume_selected(app),
        Action::DeleteSession
        | Action::SortSessions
        | Action::FilterSessions(_)
        | Action::MarkSession
        | Action::MarkAll
        | Action::Together(_)
        | Action::Annotate(_)
        | Action::BeginNote
        | Action::Archive
        | Action::ShowArchived
        | Action::LeaveSessions => return session_list::act(app, action),
        Action::Refresh if app.screen == Screen::Data => return data::read_again(app),
        Action::Refresh => return list(app),
        Action::Scrub(steps) if app.screen == Screen::Live => return live::scrub(app, steps),
        Action::WatchSweep(file) => return sweep::watch(app, file),
        Action::LeaveSweep => return sweep::leave(app),
        Action::NextFilter => app.sweep.iter_mut().for_each(SweepTable::next_filter),
        Action::PlayClip | Action::SwitchSound | Action::LoopClip | Action::Scrub(_) | Action::Louder(_) => {
            return clips::act(app, &action);
        }
        Action::Choose if app.screen == Screen::Scan => return scan::choose(app),
        Action::Choose => return data::choose(app),
        Action::Back if app.screen == Screen::Scan => return scan::go(app, Move::Left),
        Action::Back => return data::back(app),
        Action::ReviewThese => return detections::review(app),
        Action::Scan(path) => return scan::begin(app, path),
        Action::StopScan => return scan::stop(app),
        Action::WriteScan => return scan::write(app),
        Action::Threshold(steps) => return scan::turn(app, steps),
        Action::Browse(choice) => return browser::open(app, choice),
        Action::BrowseForCommand => return overlays::browse(app),
        Action::SortClips => {
            app.data.sort = app.data.sort.next();
            app.data.arrange();
            notify(app, format!("clips {}", app.data.sort.name()), false);
        }
        Action::CheckData => return data::check(app),
        other => return live::act(app, other),
    }
    Vec::new()
}

fn show(app: &mut App, screen: Screen) -> Vec<Effect> {
    app.screen = screen;
    match screen {
        Screen::Sessions => list(app),
        Screen::Parameters => ask_shape(app),
        Screen::Data => browser::show_data(app),
        Screen::Scan => scan::show(app),
        Screen::Results => {
            // A key there plays a clip, and another one reviews them.
            let mut effects = results::ask(app);
            effects.push(Effect::Playback(effect::Playback::Prepare));
            effects
        }
        Screen::Review => decisions::follow(app, false),
        _ => Vec::new(),
    }
}

/// Requests the list of sessions.
fn list(app: &mut App) -> Vec<Effect> {
    if app.sessions.ask() { vec![Effect::List] } else { Vec::new() }
}

/// Requests the shape of the model that the side in focus would train, unless a run on it shows its own.
fn ask_shape(app: &mut App) -> Vec<Effect> {
    if !app.focused().is_empty() {
        return Vec::new();
    }
    let ticket = app.tickets.draw();
    app.shape_asked = Some(ticket);
    vec![Effect::Shape(ticket, Box::new(app.setup_of(app.focus)))]
}

#[cfg(test)]
mod order_tests;
#[cfg(test)]
mod results_tests;
#[cfg(test)]
mod review_tests;
#[cfg(test)]
mod simulated;
#[cfg(test)]
mod tests;
