//! What a person chooses: looks, data, model, settings; and what of it is kept for the next start.

use super::{Effect, ask_shape, browser, data, notify};
use crate::tui::{
    input::{
        action::{Action, Screen},
        choice::Choice,
        commands,
    },
    state::app::App,
};

/// Performs a choice.
pub(super) fn act(app: &mut App, action: Action) -> Vec<Effect> {
    match action {
        Action::NextTheme => {
            app.theme = (app.theme + 1) % app.themes.len();
            let text = match app.themes.len() {
                1 => "NO_COLOR is set: the monochrome theme is the only one".to_owned(),
                _ => format!("theme: {}", app.theme().name),
            };
            notify(app, text, false);
            return keep_theme(app);
        }
        Action::SetTheme(name) => match app.themes.iter().position(|theme| theme.name == name) {
            Some(theme) => {
                app.theme = theme;
                return keep_theme(app);
            }
            None => {
                let names: Vec<_> = app.themes.iter().map(|theme| theme.name.as_str()).collect();
                let text = format!("there is no theme \"{name}\"; there are {}", names.join(", "));
                notify(app, text, true);
            }
        },
        Action::SetGraphics(graphics) => {
            app.graphics = graphics;
            notify(app, format!("the spectrogram is drawn with: {}", graphics.name()), false);
            app.preferences.graphics = Some(graphics.name().to_owned());
            return vec![save(app)];
        }
        Action::Mouse(on) => {
            let words = if on {
                "the mouse is used: :mouse off lets the terminal select text"
            } else {
                "the mouse selects text"
            };
            notify(app, words.to_owned(), false);
            app.preferences.mouse = on;
            return vec![save(app)];
        }
        Action::SetData(spec) => {
            notify(app, format!("the next run trains on {spec}"), false);
            let mut effects = remember(app, Choice::Data, &spec);
            app.setup.data = spec;
            effects.extend(ask_shape(app));
            if app.screen == Screen::Data {
                effects.extend(browser::close(app));
                effects.extend(data::chosen(app));
            }
            return effects;
        }
        Action::SetModel(model) => {
            notify(app, format!("the next run adapts {model}"), false);
            let mut effects = remember(app, Choice::Model, &model);
            app.setup.model = model;
            app.slots.iter_mut().for_each(|slot| slot.backbone = None);
            effects.extend(ask_shape(app));
            return effects;
        }
        Action::Set(name, value) => match commands::set(&mut app.setup, &name, &value) {
            Ok(()) => {
                notify(app, format!("{name} of the next run: {value}"), false);
                if name == "recipe" && value != "default" {
                    return remember(app, Choice::Recipe, &value);
                }
            }
            Err(problem) => notify(app, problem, true),
        },
        _ => {}
    }
    Vec::new()
}

/// Keeps the theme for the next start, unless there was no choice.
fn keep_theme(app: &mut App) -> Vec<Effect> {
    if app.themes.len() < 2 {
        return Vec::new();
    }
    app.preferences.theme = Some(app.theme().name.clone());
    vec![save(app)]
}

/// Remembers what was chosen, for the browser.
pub(super) fn remember(app: &mut App, choice: Choice, spec: &str) -> Vec<Effect> {
    app.preferences.choose(choice, spec);
    vec![save(app)]
}

/// Keeps what a person chose for the next start.
fn save(app: &App) -> Effect {
    Effect::SavePreferences(Box::new(app.preferences.clone()))
}
