//! Updates of the Review screen: one key makes one decision, which is written to the disk, and the next sound plays.

use super::{
    Effect, clips,
    decisions::{decide, decided, follow, undo},
    notify, review_lists,
    train_again::train_again,
};
use crate::{
    data::Decision,
    tui::{
        input::action::{Action, Screen, Verdict},
        state::app::App,
    },
};

/// Performs an action of this screen; `None` for another.
pub(super) fn act(app: &mut App, action: &Action) -> Option<Vec<Effect>> {
    if app.screen != Screen::Review {
        return None;
    }
    if app.review.typing.is_some() {
        return Some(typed(app, action));
    }
    // Without a clip to decide about, digits lead to screens as they do elsewhere.
    if let Action::Decide(Verdict::Class(class)) = action
        && (app.review.search.is_some() || app.review.item().is_none())
    {
        let screen = Screen::ALL.into_iter().find(|screen| screen.digit().to_digit(10) == Some(*class as u32 + 1));
        return screen.map(|screen| super::show(app, screen));
    }
    // While a search runs no clip is on show.
    let is_about_a_clip = matches!(
        action,
        Action::Decide(_) | Action::UndoDecision | Action::Skip | Action::PlayAgain | Action::TypeClass | Action::Alike
    );
    if app.review.search.is_some() && is_about_a_clip {
        return Some(Vec::new());
    }
    Some(match action {
        Action::Decide(verdict) => decide(app, *verdict),
        Action::UndoDecision => undo(app),
        Action::Skip => {
            let last = app.review.current().map_or(0, |list| list.items.len());
            app.review.at = (app.review.at + 1).min(last);
            follow(app, true)
        }
        Action::PlayAgain => {
            let mut effects = clips::silence(&mut app.review.clip);
            effects.extend(clips::toggle(&mut app.review.clip, &mut app.tickets));
            effects
        }
        Action::TypeClass => {
            app.review.typing = app.review.item().map(|_| String::new());
            Vec::new()
        }
        Action::SearchErrors => review_lists::search(app),
        Action::TrainAgain => train_again(app, false),
        Action::TrainOn => train_again(app, true),
        Action::Alike => review_lists::like_this(app),
        Action::Back => {
            let from = app.review.current().and_then(|list| list.detections()).map(|detections| detections.from);
            super::show(app, from.unwrap_or(Screen::Results))
        }
        _ => return None,
    })
}

/// Letters of a class's name, and what ends them.
fn typed(app: &mut App, action: &Action) -> Vec<Effect> {
    let Some(text) = &mut app.review.typing else { return Vec::new() };
    match action {
        Action::Type(c) => text.push(*c),
        Action::Erase if text.pop().is_some() => {}
        Action::Erase | Action::Cancel => app.review.typing = None,
        Action::Confirm => {
            let Some(class) = app.review.fitting().first().copied() else {
                let key = app.key(&Action::Cancel);
                notify(app, format!("no class has such a name; {key} leaves the label as it is"), true);
                return Vec::new();
            };
            app.review.typing = None;
            return decided(app, |list, _| Some(Decision::Label { label: list.dataset.classes.get(class)?.clone() }));
        }
        _ => {}
    }
    Vec::new()
}
