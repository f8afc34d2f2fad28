//! Updates of runs: start, pause, methods, the crosshair, exported curves, and their news.

use std::{cmp::Ordering, path::PathBuf};

use super::{Effect, Task, ask_shape, list, live, notify, trained};
use crate::{
    model::{self, Method},
    plot::{self, Side},
    session::{Event, Status},
    train::{Command, News, Request},
    tui::{
        input::action::{Action, Move, Screen},
        state::{
            app::{App, Overlay, Pending},
            run_slot::{RunSlot, Turn},
            ticket::Ticket,
        },
    },
};

/// Resumes the run in focus if it was stopped, else begins one.
pub(super) fn start(app: &mut App) -> Vec<Effect> {
    let focus = app.focus;
    if app.focused().can_resume() { resume(app, &[focus]) } else { anew(app, &[focus]) }
}

/// Begins both sides, paired. If both were stopped, both resume; if one was, it asks before replacing it.
pub(super) fn start_both(app: &mut App) -> Vec<Effect> {
    let stopped: Vec<_> = Side::BOTH.into_iter().filter(|side| app.slot(*side).can_resume()).collect();
    match stopped.as_slice() {
        [] => anew(app, &Side::BOTH),
        [one] if !app.slot(one.other()).is_busy() => {
            leave_behind(app, &stopped);
            Vec::new()
        }
        [_] => anew(app, &Side::BOTH),
        both => resume(app, both),
    }
}

/// Asks whether to begin both sides anew, though these were stopped and could resume.
fn leave_behind(app: &mut App, stopped: &[Side]) {
    let name = |side: &Side| {
        let config = app.slot(*side).state.config.as_ref();
        format!("{} {}", side.letter(), config.map_or("", |config| config.session.as_str()))
    };
    let names: Vec<_> = stopped.iter().map(name).collect();
    let key = app.key_on(Screen::Sessions, &Action::ResumeSession);
    app.overlay = Some(Overlay::Question {
        question: "Start both as new runs?".into(),
        detail: format!("{} was stopped and stays on disk: Sessions, {key} resumes it.", names.join(" and ")),
        then: Pending::Anew(Side::BOTH.to_vec()),
    });
}

/// Begins new sessions on these sides.
pub(super) fn anew(app: &mut App, sides: &[Side]) -> Vec<Effect> {
    if is_taken(app, sides) {
        return Vec::new();
    }
    app.cursor = None;
    let begin = |side: &Side| {
        let ticket = app.tickets.draw();
        app.slot_mut(*side).start(ticket);
        (ticket, Task::New(Box::new(app.setup_of(*side))))
    };
    vec![Effect::Train(sides.iter().map(begin).collect())]
}

/// Begins a session on a side with this request, which need not be that of the next run there.
pub(super) fn begin(app: &mut App, side: Side, request: Request) -> Vec<Effect> {
    if is_taken(app, &[side]) {
        return Vec::new();
    }
    app.cursor = None;
    let ticket = app.tickets.draw();
    app.slot_mut(side).start(ticket);
    vec![Effect::Train(vec![(ticket, Task::New(Box::new(request)))])]
}

/// Resumes the runs of these sides.
pub(super) fn resume(app: &mut App, sides: &[Side]) -> Vec<Effect> {
    if is_taken(app, sides) || is_resumed_beside(app, sides) {
        return Vec::new();
    }
    app.cursor = None;
    let mut runs = Vec::new();
    for side in sides {
        let RunSlot { session, state, .. } = app.slot(*side);
        let began_ms = state.span_ms.map(|(first, _)| first);
        if let Some(session) = session.clone() {
            let ticket = app.tickets.draw();
            app.slot_mut(*side).resume(ticket);
            runs.push((ticket, Task::Resume(session, began_ms)));
        }
    }
    vec![Effect::Train(runs)]
}

fn is_taken(app: &mut App, sides: &[Side]) -> bool {
    let busy = sides.iter().find(|side| app.slot(**side).is_busy());
    if let Some(busy) = busy {
        let [pause, stop] = [Action::Pause, Action::Stop].map(|action| app.key_on(Screen::Train, &action));
        notify(app, format!("{} already trains: {pause} pauses it, {stop} stops it", busy.letter()), false);
    }
    busy.is_some()
}

/// Whether the other side is resuming the session of one of these already.
fn is_resumed_beside(app: &mut App, sides: &[Side]) -> bool {
    let resumed = |side: &&Side| {
        let other = app.slot(side.other());
        other.is_busy() && app.slot(**side).session.as_deref().is_some_and(|session| other.holds(session))
    };
    let Some(side) = sides.iter().find(resumed) else { return false };
    let other = side.other();
    notify(app, format!("it is resumed on {} {} already", other.letter(), other.marker()), false);
    true
}

/// A trainer reports on a run.
pub(super) fn received(app: &mut App, run: Ticket, news: News) -> Vec<Effect> {
    let Some(side) = app.side_of(run) else { return Vec::new() };
    let waits = matches!(&news, News::Now(record) if matches!(record.event, Event::Waiting { .. }));
    let turn = app.slot_mut(side).take_in(news);
    if waits {
        ask_for_room(app, side, run);
    }
    let App { slots, known, .. } = app;
    let slot = &slots[side.index()];
    let gone = slot.session.as_deref().is_some_and(|session| {
        known.record(session, &slot.state);
        turn == Turn::Began && known.is_gone(session, &slot.state)
    });
    if gone {
        app.slot_mut(side).clear();
    }
    keep_on_one_side(app, side);
    match turn {
        Turn::On => Vec::new(),
        Turn::Began => {
            if app.focus == side {
                app.refresh_parameters();
            }
            Vec::new()
        }
        Turn::Over => ended(app, side),
    }
}

/// A complete run cannot be written: the disk is full. Asks whether to try again; without a reply it tries by itself.
fn ask_for_room(app: &mut App, side: Side, run: Ticket) {
    let slot = app.slot(side);
    let Some(why) = slot.state.waiting.clone() else { return };
    let name = slot.state.config.as_ref().map_or("", |config| config.session.as_str());
    let (letter, marker) = (side.letter(), side.marker());
    let stop = app.key_on(Screen::Train, &Action::Stop);
    let question = format!("{letter} {marker} {name} is complete, and the disk is full. Try again now?");
    let detail = format!(
        "Its results are only in memory: {why}. It tries again every half minute; {stop} on Train stops it without what the \
         last checkpoint lacks."
    );
    // A question that somebody is reading stays.
    if app.overlay.is_none() {
        app.overlay = Some(Overlay::Question { question, detail, then: Pending::TryAgain(run) });
    } else {
        notify(app, detail, true);
    }
}

/// A run's trainer is gone. Its end was reported before, unless something broke.
pub(super) fn over(app: &mut App, run: Ticket, why: Option<String>) -> Vec<Effect> {
    let Some(side) = app.side_of(run) else { return Vec::new() };
    let slot = app.slot_mut(side);
    slot.run = None;
    slot.problem = why;
    keep_on_one_side(app, side);
    ended(app, side)
}

/// Clears one of two sides that show the same session. Both do for a while when a session is opened and resumed on one
/// side before the events of the run that the other side began have arrived. The side with the newer state keeps it.
fn keep_on_one_side(app: &mut App, side: Side) {
    let (this, that) = (app.slot(side), app.slot(side.other()));
    let Some(_) = this.session.as_deref().filter(|session| that.holds(session)) else { return };
    // Whether a resumed run begins decides which side has it: until then both keep it.
    if [this, that].into_iter().any(|slot| slot.run.is_some_and(|run| !run.begun)) {
        return;
    }
    let last = |slot: &RunSlot| slot.state.span_ms.map(|(_, last)| last);
    let loser = match last(this).cmp(&last(that)) {
        // Undelivered events of a trainer may be newer than what the other side shows.
        Ordering::Less if this.is_busy() => return,
        Ordering::Greater if that.is_busy() => return,
        Ordering::Equal if this.is_busy() && that.is_busy() => return,
        Ordering::Less => side,
        Ordering::Equal if !this.is_busy() => side,
        Ordering::Equal | Ordering::Greater => side.other(),
    };
    app.slot_mut(loser).clear();
}

fn ended(app: &mut App, side: Side) -> Vec<Effect> {
    let slot = app.slot(side);
    let failed = if let Status::Failed(why) = &slot.state.status { Some(why) } else { None };
    // The panel may have no room for the remedy.
    if let Some(why) = slot.problem.as_ref().or(failed) {
        let text = format!("{} {}: {why}", side.letter(), side.marker());
        notify(app, text, true);
    }
    let mut effects = live::run_over(app, side);
    effects.extend(trained::run_over(app, side));
    if app.sessions.is_read() {
        effects.extend(list(app));
    }
    effects
}

/// Pauses what runs; when all of it is paused, continues it.
pub(super) fn pause(app: &mut App) -> Vec<Effect> {
    let busy = app.busy_sides();
    if busy.is_empty() {
        let [start, both] = [Action::Start, Action::StartBoth].map(|action| app.key_on(Screen::Train, &action));
        notify(app, format!("nothing runs: {start} starts this side, {both} both"), false);
        return Vec::new();
    }
    let all_paused = busy.iter().all(|side| app.slot(*side).is_paused());
    let command = if all_paused { Command::Continue } else { Command::Pause };
    let running = busy.into_iter().filter_map(|side| app.slot(side).run);
    running.map(|run| Effect::Command(run.ticket, command)).collect()
}

pub(super) fn set_method(app: &mut App, method: Method) -> Vec<Effect> {
    if app.focused().is_busy() && app.screen != Screen::Parameters {
        let (stop, look) = (app.key_on(Screen::Train, &Action::Stop), app.key(&Action::Show(Screen::Parameters)));
        let side = app.focus.letter();
        let text = format!("{side} trains: stop it first ({stop}), or look at methods on {look} Parameters");
        notify(app, text, false);
        return Vec::new();
    }
    let focus = app.focus;
    app.slot_mut(focus).method = method;
    let slot = app.slot(focus);
    let mut text = format!("{} {} {}: {} trains", focus.letter(), focus.marker(), method.title(), method.trains_what());
    if slot.can_resume() {
        let [anew, start] = [Action::Anew, Action::Start].map(|action| app.key_on(Screen::Train, &action));
        text += &format!("; {anew} starts a new run, {start} resumes the stopped one");
    }
    app.refresh_parameters();
    notify(app, text, false);
    Vec::new()
}

/// Gives the focused side's next run the next built-in backbone.
pub(super) fn next_backbone(app: &mut App) -> Vec<Effect> {
    let (focus, built_in) = (app.focus, model::built_in());
    if app.focused().is_busy() {
        notify(app, format!("{} trains: stop it first (S)", focus.letter()), false);
        return Vec::new();
    }
    let own = app.setup_of(focus).model;
    let next = built_in.iter().position(|(name, _)| *name == own).map_or(0, |at| (at + 1) % built_in.len());
    let (name, what) = built_in[next];
    app.slot_mut(focus).backbone = Some(name.to_owned());
    notify(app, format!("{} {} adapts {name}: {what}", focus.letter(), focus.marker()), false);
    ask_shape(app)
}

/// Starts the focused side's method on both sides, each with its own backbone: the first two built-in ones.
pub(super) fn versus(app: &mut App) -> Vec<Effect> {
    if app.busy_sides().is_empty() {
        let method = app.focused().method;
        for (side, (name, _)) in Side::BOTH.into_iter().zip(model::built_in()) {
            let slot = app.slot_mut(side);
            (slot.method, slot.backbone) = (method, Some(name.to_owned()));
        }
    }
    let stopped: Vec<_> = Side::BOTH.into_iter().filter(|side| app.slot(*side).can_resume()).collect();
    if stopped.is_empty() || !app.busy_sides().is_empty() {
        return anew(app, &Side::BOTH);
    }
    leave_behind(app, &stopped);
    Vec::new()
}

/// Moves the crosshair by a fortieth of the longest run; beyond the newest step it is hidden.
pub(super) fn move_cursor(app: &mut App, to: Move) {
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

pub(super) fn export(app: &mut App, path: Option<PathBuf>) -> Vec<Effect> {
    let runs = app.runs();
    if runs.is_empty() {
        let key = app.key_on(Screen::Train, &Action::Start);
        notify(app, format!("there are no curves to export yet: {key} starts a run"), false);
        return Vec::new();
    }
    let view = plot::ChartView { ticks: (8, 6), ..app.view() };
    let charts = vec![plot::loss(&runs, &view), plot::metric(&runs, &view)];
    let path = path.unwrap_or_else(|| {
        let names: Vec<_> = runs.iter().filter_map(|run| Some(run.state.config.as_ref()?.session.as_str())).collect();
        PathBuf::from(format!("{}.svg", names.join("-vs-")))
    });
    vec![Effect::Export(path, charts)]
}
