//! Updates of the Live screen.

use std::path::{Path, PathBuf};

use super::{Effect, PAGE, choices, notify, teach};
use crate::{
    live::{LiveEvent, LiveStatus},
    plot::Side,
    session::Status,
    tui::{
        input::{
            action::{Action, LivePanel, Move, Screen},
            choice::Choice,
            pointer::Place,
        },
        state::{
            app::{App, Overlay, Pending},
            bookmarks::Bookmarks,
            command_line::CommandLine,
            run_slot::RunSlot,
        },
    },
};

/// Steps that a file is scrubbed by.
const SCRUBS: f64 = 20.0;

/// Performs an action of the Live screen.
pub(super) fn act(app: &mut App, action: Action) -> Vec<Effect> {
    match action {
        Action::Listen(None) if app.live.is_on() => return stop(app),
        Action::Listen(file) => {
            let path = file.as_deref().and_then(Path::to_str).map(str::to_owned);
            let mut effects = path.map(|path| choices::remember(app, Choice::Sound, &path)).unwrap_or_default();
            app.live.file = file;
            effects.extend(listen(app));
            return effects;
        }
        Action::Freeze => {
            app.live.freeze();
            return vec![Effect::Hold(app.live.held.is_some())];
        }
        Action::Panel(panel) => return show(app, panel),
        Action::Bookmark => return bookmark(app),
        Action::Replay => {
            let bookmarks = &mut app.live.bookmarks;
            let Some(bookmark) = bookmarks.selected().cloned() else { return Vec::new() };
            bookmarks.replayed = Some((bookmark.at_ms, None));
            return vec![Effect::Replay(bookmarks.session.clone(), Box::new(bookmark), app.setup.device.clone())];
        }
        Action::DeleteBookmark => ask_to_delete(app),
        Action::Turn(_) | Action::Mute | Action::Solo | Action::ResetDesk => return turn(app, &action),
        Action::SaveDesk => {
            let Some((session, name)) = desk_of(app) else { return Vec::new() };
            return vec![Effect::SaveDesk(session, app.live.desk.mix(&name))];
        }
        Action::LoadDesk => {
            let Some((session, name)) = desk_of(app) else { return Vec::new() };
            return vec![Effect::LoadDesk(session, name)];
        }
        Action::Record => return teach::record(app),
        Action::NameClass(name) => {
            let opened = show_panel(app, LivePanel::Teach);
            return opened.into_iter().chain([Effect::NameClass(name)]).collect();
        }
        Action::Begin(words) => app.overlay = Some(Overlay::CommandLine(CommandLine::new(words))),
        Action::RemoveExample => teach::ask_to_remove(app),
        Action::Learn => return teach::learn(app),
        Action::Teach(folder) => {
            app.live.teaching = Default::default();
            show_panel(app, LivePanel::Teach);
            let spec = folder.as_deref().and_then(Path::to_str);
            let mut effects = spec.map(|spec| choices::remember(app, Choice::Lesson, spec)).unwrap_or_default();
            effects.push(Effect::OpenLesson(folder));
            return effects;
        }
        _ => {}
    }
    Vec::new()
}

/// Moves the cursor of the panel on show.
pub(super) fn go(app: &mut App, to: Move) -> Vec<Effect> {
    let live = &mut app.live;
    match live.panel {
        LivePanel::Sound => {
            let was_held = live.held.is_some();
            live.go(to);
            if live.held.is_some() != was_held {
                return vec![Effect::Hold(true)];
            }
        }
        LivePanel::Desk => {
            let blocks = desk_side(app).map_or(0, |side| blocks(app, side));
            app.live.desk.go(to, blocks);
        }
        LivePanel::Bookmarks => live.bookmarks.go(to, PAGE),
        LivePanel::Teach => live.teaching.go(to),
    }
    Vec::new()
}

/// Goes on so many twentieths of the file later.
pub(super) fn scrub(app: &mut App, steps: i32) -> Vec<Effect> {
    let step = app.live.overview.as_ref().map_or(0.0, |overview| overview.seconds) / SCRUBS;
    let to = app.live.position_s + f64::from(steps) * step;
    seek(app, to)
}

/// Goes on at this share of the file.
pub(super) fn point(app: &mut App, share: f64) -> Vec<Effect> {
    let seconds = app.live.overview.as_ref().map_or(0.0, |overview| overview.seconds);
    seek(app, share * seconds)
}

fn seek(app: &mut App, to_s: f64) -> Vec<Effect> {
    let Some(overview) = app.live.overview.as_ref().filter(|_| app.live.is_on()) else {
        notify(app, "no file is played: :listen FILE plays one".to_owned(), false);
        return Vec::new();
    };
    let to_s = to_s.clamp(0.0, (overview.seconds - 0.1).max(0.0));
    app.live.position_s = to_s;
    vec![Effect::SeekFile(to_s)]
}

/// Holds the sound, with the cursor at a place of it.
pub(super) fn hold_at(app: &mut App, place: Place) -> Vec<Effect> {
    let was_held = app.live.held.is_some();
    app.live.point(place);
    if app.live.held.is_some() != was_held { vec![Effect::Hold(true)] } else { Vec::new() }
}

/// The focus moved to the other side.
pub(super) fn refocused(app: &mut App) -> Vec<Effect> {
    match (app.screen, app.live.panel) {
        (Screen::Live, LivePanel::Bookmarks) => show_panel(app, LivePanel::Bookmarks),
        _ => Vec::new(),
    }
}

/// Handles an event of the pipeline.
pub(super) fn received(app: &mut App, event: LiveEvent) -> Vec<Effect> {
    app.live.starting = false;
    let mut effects = Vec::new();
    if let LiveEvent::Opened { listeners, .. } = &event {
        // A side whose session could not be opened is missing among the listeners.
        let named = |side: &Side| listeners.iter().position(|listener| app.slot(*side).is_called(listener));
        let mut sides: Vec<_> = app.live.sides.iter().filter_map(|side| Some((named(side)?, *side))).collect();
        sides.sort_by_key(|(listener, _)| *listener);
        // The listeners are new: send them the desk's gains.
        for (listener, side) in &sides {
            let mix = app.live.desk.mix(&listeners[*listener]);
            if !mix.is_neutral() {
                effects.push(Effect::Gains(*listener, mix.gains(blocks(app, *side))));
            }
        }
        app.live.sides = sides.into_iter().map(|(_, side)| side).collect();
    }
    if let LiveEvent::Note(note) = &event {
        notify(app, note.clone(), false);
    }
    // A problem that is soon over would disappear before it was read.
    if let (LiveEvent::Recovered { .. }, LiveStatus::Trouble(why)) = (&event, &app.live.state.status) {
        notify(app, format!("sound again, after this: {why}"), false);
    }
    app.live.apply(event);
    effects
}

/// The choice of sessions changed: restarts listening with them, on any screen.
pub(super) fn chosen(app: &mut App) -> Vec<Effect> {
    if app.live.is_on() { listen_aside(app) } else { Vec::new() }
}

/// A run's trainer is done: if it trained on a lesson, the result listens.
pub(super) fn run_over(app: &mut App, side: Side) -> Vec<Effect> {
    if app.live.teaching.learning != Some(side) {
        return Vec::new();
    }
    app.live.teaching.learning = None;
    let slot = app.slot(side);
    match (&slot.state.status, &slot.problem) {
        (Status::Failed(why), _) | (_, Some(why)) => {
            let why = format!("training on the lesson failed: {why}");
            notify(app, why, true);
            return Vec::new();
        }
        (Status::Finished, _) => {}
        _ => return Vec::new(),
    }
    if app.screen == Screen::Live {
        notify(app, "trained: it listens now".to_owned(), false);
    }
    listen_aside(app)
}

fn listen(app: &mut App) -> Vec<Effect> {
    let mut effects = teach::end_recording(app, 0);
    let (sides, folders) = listeners(app).into_iter().unzip();
    let ticket = app.tickets.draw();
    app.live.begin(ticket, sides);
    app.screen = Screen::Live;
    effects.push(Effect::Listen(ticket, app.live.file.clone(), folders, Box::new(app.setup.clone())));
    effects
}

/// Listens, on any screen.
fn listen_aside(app: &mut App) -> Vec<Effect> {
    let screen = app.screen;
    let effects = listen(app);
    app.screen = screen;
    effects
}

fn stop(app: &mut App) -> Vec<Effect> {
    let mut effects = teach::end_recording(app, 0);
    app.live.stopping = true;
    effects.push(Effect::StopListening);
    effects
}

/// Shows a panel, or the sound again when the panel is on show already.
fn show(app: &mut App, panel: LivePanel) -> Vec<Effect> {
    let panel = if app.live.panel == panel { LivePanel::Sound } else { panel };
    show_panel(app, panel)
}

fn show_panel(app: &mut App, panel: LivePanel) -> Vec<Effect> {
    (app.screen, app.live.panel) = (Screen::Live, panel);
    match panel {
        LivePanel::Bookmarks => {
            let session = folder(app.focused());
            if session.as_ref() != Some(&app.live.bookmarks.session) {
                let session = session.clone().unwrap_or_default();
                app.live.bookmarks = Bookmarks { session, ..Bookmarks::default() };
            }
            session.map(Effect::Bookmarks).into_iter().collect()
        }
        LivePanel::Teach if app.live.teaching.lesson.is_none() => vec![Effect::OpenLesson(None)],
        _ => Vec::new(),
    }
}

fn bookmark(app: &mut App) -> Vec<Effect> {
    let state = app.live.shown();
    let Some(side) = desk_side(app).filter(|_| state.listeners.iter().any(|listener| !listener.scores.is_empty()))
    else {
        notify(app, "no prediction yet: a bookmark saves a clip with its predictions".to_owned(), false);
        return Vec::new();
    };
    let gains = app.live.sides.iter().zip(&state.listeners).map(|(side, listener)| {
        let mix = app.live.desk.mix(&listener.name);
        if mix.is_neutral() { String::new() } else { mix.gains(blocks(app, *side)).to_string() }
    });
    let (source, gains) = (state.source.clone(), gains.collect());
    folder(app.slot(side)).map(|session| Effect::Bookmark(session, source, gains)).into_iter().collect()
}

fn ask_to_delete(app: &mut App) {
    let bookmarks = &app.live.bookmarks;
    if let Some(bookmark) = bookmarks.selected() {
        app.overlay = Some(Overlay::Question {
            question: format!("Delete the bookmark of {}?", bookmark.source),
            detail: "Its clip and its predictions are deleted for good.".into(),
            then: Pending::DeleteBookmark(bookmarks.session.clone(), Box::new(bookmark.clone())),
        });
    }
}

/// The side whose desk is on show: the one in focus, if it listens, else the other.
pub(in crate::tui) fn desk_side(app: &App) -> Option<Side> {
    let listens = |side: &Side| app.live.listener_of(*side).is_some();
    [app.focus, app.focus.other()].into_iter().find(listens)
}

/// Blocks of a side's model, as its run records them.
pub(in crate::tui) fn blocks(app: &App, side: Side) -> usize {
    app.slot(side).state.config.as_ref().map_or(0, |config| config.shape.depth)
}

/// Folder and name of the session whose desk is on show.
fn desk_of(app: &mut App) -> Option<(PathBuf, String)> {
    let side = desk_side(app).filter(|side| has_adapters(app, *side));
    let Some(side) = side else {
        notify(app, "no adapters to adjust: listen (r) with a session that has some".to_owned(), false);
        return None;
    };
    let name = app
        .live
        .listener_of(side)
        .and_then(|listener| app.live.state.listeners.get(listener))
        .map(|listener| listener.name.clone())?;
    Some((folder(app.slot(side))?, name))
}

/// Whether a side's run has adapters.
pub(in crate::tui) fn has_adapters(app: &App, side: Side) -> bool {
    let config = app.slot(side).state.config.as_ref();
    config.is_some_and(|config| {
        let extras = config.method.extras(&config.shape);
        extras.spatial.is_some() || extras.mlp.is_some()
    })
}

fn turn(app: &mut App, action: &Action) -> Vec<Effect> {
    let Some((_, name)) = desk_of(app) else { return Vec::new() };
    let desk = &mut app.live.desk;
    match action {
        Action::Turn(steps) => desk.fader_mut(&name).turn(*steps),
        Action::Mute => {
            let fader = desk.fader_mut(&name);
            fader.muted = !fader.muted;
        }
        Action::Solo => {
            let fader = desk.fader_mut(&name);
            fader.solo = !fader.solo;
        }
        _ => desk.set(&name, Default::default()),
    }
    gains_of(app, &name)
}

/// Sends a listener the desk's gains.
pub(super) fn gains_of(app: &App, name: &str) -> Vec<Effect> {
    let listener = app.live.state.listeners.iter().position(|listener| listener.name == name);
    let side = listener.and_then(|listener| app.live.sides.get(listener));
    let effect = listener
        .zip(side)
        .map(|(listener, side)| Effect::Gains(listener, app.live.desk.mix(name).gains(blocks(app, *side))));
    effect.into_iter().collect()
}

/// Folder, or name, of a side's session.
pub(super) fn folder(slot: &RunSlot) -> Option<PathBuf> {
    slot.session.clone()
}

/// The sessions on show, which Live listens with.
fn listeners(app: &App) -> Vec<(Side, PathBuf)> {
    app.slots.iter().filter_map(|slot| Some((slot.side, folder(slot)?))).collect()
}

#[cfg(test)]
#[path = "live_tests.rs"]
mod tests;
