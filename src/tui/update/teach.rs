//! Updates of the lesson on the Live screen: recordings, examples, and training on them.

use super::{Effect, Task, notify, still_trains};
use crate::{
    data,
    live::{Lesson, LiveStatus},
    model::Method,
    train::Request,
    tui::{
        input::action::Action,
        state::app::{App, Overlay, Pending},
    },
};

/// Examples that each class needs before training makes sense: one to train on, one to validate on.
const EXAMPLES: usize = 2;

/// Ends a recording whose key was released.
pub(super) fn tick(app: &mut App) -> Vec<Effect> {
    match app.live.teaching.let_go(app.now_ms) {
        Some(still) => end_recording(app, still),
        None => Vec::new(),
    }
}

/// The key that records was released.
pub(super) fn released(app: &mut App) -> Vec<Effect> {
    if app.live.teaching.release_ends(app.now_ms) { end_recording(app, 0) } else { Vec::new() }
}

/// Begins a recording, or ends the one that runs.
pub(super) fn record(app: &mut App) -> Vec<Effect> {
    if app.live.teaching.recording.is_some() {
        return if app.live.teaching.press_ends(app.now_ms) { end_recording(app, 0) } else { Vec::new() };
    }
    if app.live.state.status != LiveStatus::Listening {
        let key = app.key(&Action::Listen(None));
        notify(app, format!("not listening: {key} listens to the microphone, :listen FILE to a recording"), false);
        return Vec::new();
    }
    app.live.teaching.begin(app.live.state.time_s, app.now_ms);
    if app.live.teaching.recording.is_some() { vec![Effect::Record] } else { Vec::new() }
}

/// Ends the recording, except its last milliseconds.
pub(super) fn end_recording(app: &mut App, without_ms: u64) -> Vec<Effect> {
    let recording = app.live.teaching.recording.take();
    recording.map(|recording| Effect::Recorded(recording.class, without_ms)).into_iter().collect()
}

/// Asks whether to remove the example under the cursor.
pub(super) fn ask_to_remove(app: &mut App) {
    let teaching = &app.live.teaching;
    if let Some((class, examples)) = teaching.selected().filter(|(_, examples)| !examples.is_empty()) {
        app.overlay = Some(Overlay::Question {
            question: format!("Remove example {} of {} of {class}?", teaching.example + 1, examples.len()),
            detail: "Its WAV file is deleted for good.".into(),
            then: Pending::RemoveExample(class.to_owned(), teaching.example),
        });
    }
}

/// Trains on the lesson, on the side in focus.
pub(super) fn learn(app: &mut App) -> Vec<Effect> {
    let mut effects = end_recording(app, 0);
    let focus = app.focus;
    let missing = match app.live.teaching.lesson.as_deref() {
        None => Some("the lesson is not read yet".to_owned()),
        // The last recording is on its way to the lesson.
        Some(_) if !effects.is_empty() => Some("one moment: the last recording is being saved".to_owned()),
        Some(lesson) => lesson.missing(EXAMPLES),
    };
    if app.slot(focus).is_busy() {
        notify(app, still_trains(app, focus), true);
        return effects;
    }
    if let Some(missing) = missing {
        notify(app, missing, false);
        return effects;
    }
    let Some(data) = app.live.teaching.lesson.as_deref().map(Lesson::root).map(|root| root.display().to_string())
    else {
        return effects;
    };
    // The backbone of the sessions that listen.
    let model = app.focused().state.config.as_ref().map_or_else(|| app.setup.model.clone(), |c| c.model.clone());
    let request = Request {
        data,
        model,
        recipe: Some(data::LESSON.to_owned()),
        epochs: app.setup.epochs,
        seed: app.setup.seed,
        device: app.setup.device.clone(),
        ..Request::default()
    };
    let ticket = app.tickets.draw();
    let slot = app.slot_mut(focus);
    slot.method = Method::aat();
    slot.start(ticket);
    app.live.teaching.learning = Some(focus);
    effects.push(Effect::Train(vec![(ticket, Task::New(Box::new(request)))]));
    effects
}
